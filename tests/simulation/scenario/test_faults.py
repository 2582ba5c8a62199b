"""Faults come and go on a timeline, add up where they overlap, and leave nothing behind."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import ConfigurationError
from holdfast.simulation import Constant, Fault, Network, Poisson, Scenario, Servers, Simulation
from holdfast.simulation.scenario.faults import HEALTHY, Condition, condition
from holdfast.simulation.world.service import Service

SPEC = Servers(workers=8, service=Constant(value=0.1), shards=3, error_rate=0.25)


def service(simulation, *faults, servers=SPEC):
    load = Poisson(rate=1)
    return Service(
        simulation, Scenario(name="s", seconds=100, load=load, servers=servers, faults=faults)
    )


def state(service, shard):
    server = service.servers[shard]
    return server.speed, server.workers, server.error_rate, server.refuses, server.hangs


def test_a_fault_begins_and_ends_when_it_says():
    """Before and after it the servers are as they were."""
    with Simulation() as simulation:
        found = service(simulation, Fault(at=10, lasts=5, speed=0.5, workers=2, refuses=True))
        states = []
        for instant in (9.99, 10.01, 14.99, 15.01):
            simulation.run(instant)
            states.append(state(found, 0))
    well, ill = (1.0, 8, 0.25, False, False), (0.5, 2, 0.25, True, False)
    assert states == [well, ill, ill, well]


def test_a_fault_of_one_shard_leaves_the_others_alone():
    """Only that one is ill."""
    with Simulation() as simulation:
        found = service(simulation, Fault(at=10, lasts=5, hangs=True, shard=1))
        simulation.run(12)
        assert [server.hangs for server in found.servers] == [False, True, False]


def test_overlapping_faults_add_up():
    """Speeds multiply, the fewest workers count, errors and losses strike by themselves."""
    one = Fault(at=0, lasts=9, speed=0.5, workers=4, error_rate=0.5, delay=1.0, loss=0.5)
    other = Fault(at=0, lasts=9, speed=0.4, workers=6, error_rate=0.2, delay=0.5, hangs=True)
    assert condition([one, other]) == Condition(
        speed=0.2, workers=4, error_rate=0.6, hangs=True, delay=1.5, loss=0.5
    )
    assert condition([]) == HEALTHY


@st.composite
def faults(draw):
    return Fault(
        at=draw(st.integers(0, 80)),
        lasts=draw(st.integers(1, 19)),
        speed=draw(st.sampled_from([None, 0.0, 0.5])),
        workers=draw(st.sampled_from([None, 0, 3])),
        error_rate=draw(st.sampled_from([None, 0.5, 1.0])),
        refuses=draw(st.booleans()),
        hangs=draw(st.booleans()),
        delay=draw(st.sampled_from([None, 0.5])),
        loss=draw(st.sampled_from([None, 0.5])),
        shard=draw(st.sampled_from([None, 0, 2])),
    )


@settings(max_examples=40, derandomize=True, database=None, deadline=None)
@given(st.lists(faults(), max_size=5))
def test_however_faults_overlap_all_is_well_afterwards(timeline):
    """When the last one has ended, nothing is left of any."""
    with Simulation() as simulation:
        found = service(simulation, *timeline)
        simulation.run(100)
        for shard in range(3):
            assert state(found, shard) == (1.0, 8, 0.25, False, False)
        assert [(link.slower, link.lossier) for link in found._links or []] in (
            [],
            [(0.0, 0.0)] * 3,
        )


def test_a_restart_leaves_servers_cold():
    """After the fault they warm up, as their cold start says."""
    spec = Servers(workers=8, service=Constant(value=1.0), cold_start=((5, 0.25),))
    with Simulation() as simulation:
        found = service(simulation, Fault(at=10, lasts=5, speed=0, restart=True), servers=spec)
        paces = []
        for instant in (5, 12, 17, 21):
            simulation.run(instant)
            paces.append(found.servers[0]._pace)
    assert paces == [1.0, 0.0, 0.25, 1.0]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"at": -1}, "at=-1"),
        ({"lasts": 0}, "lasts=0"),
        ({"speed": -0.5}, "speed=-0.5"),
        ({"workers": -1}, "workers=-1"),
        ({"error_rate": 1.5}, "error_rate=1.5"),
        ({"loss": -0.1}, "loss=-0.1"),
        ({"delay": -1}, "delay=-1"),
        ({"load": -2}, "load=-2"),
        ({"shard": -1}, "shard=-1"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(options, message):
    """The message names the option and its value."""
    with pytest.raises(ConfigurationError, match=f"^{message} is not allowed"):
        Fault(**{"at": 1, "lasts": 1, **options})


def test_the_network_of_a_fault_is_there_only_where_it_is_needed():
    """Where nothing takes time and nothing is lost, calls go to the servers directly."""
    with Simulation() as simulation:
        assert service(simulation)._links == []
        assert len(service(simulation, Fault(at=1, lasts=1, delay=0.5))._links) == 3
        far = Scenario(
            name="far",
            seconds=9,
            load=Poisson(rate=1),
            servers=SPEC,
            network=Network(reply_loss=0.1),
        )
        assert len(Service(simulation, far)._links) == 3
