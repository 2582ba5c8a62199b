import pytest
from rich.console import Console

from holdfast.simulation.runs.compare import compare
from holdfast.simulation.runs.sweep import sweep
from holdfast.simulation.scenario.distributions import Exponential
from holdfast.simulation.scenario.load import Poisson
from holdfast.simulation.scenario.scenario import Clients, Fault, Scenario, Servers


@pytest.fixture(scope="session")
def storm():
    """A small service that stalls for three seconds."""
    return Scenario(
        name="small-storm",
        title="A <small> storm",
        story="First & foremost.\n\nThen the rest.",
        seconds=35,
        load=Poisson(rate=20),
        servers=Servers(workers=3, service=Exponential(mean=0.1)),
        clients=Clients(count=4, patience=1.0),
        faults=(Fault(at=5, lasts=3, speed=0),),
        drain=5,
    )


@pytest.fixture(scope="session")
def comparison(storm):
    return compare(storm, ["none", "standard"], [1, 2])


@pytest.fixture(scope="session")
def swept(storm):
    return sweep(storm, ["load=0.3,0.9", "stall=1,2"], ["none", "standard"])


@pytest.fixture
def printed():
    """What a terminal without colours, of 80 columns by default, shows of something."""

    def text(renderable, width=80):
        console = Console(width=width, color_system=None)
        with console.capture() as capture:
            console.print(renderable)
        return capture.get()

    return text
