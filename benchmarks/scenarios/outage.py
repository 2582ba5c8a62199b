"""A fleet of clients, one server, and something that happens to it: experiments 1, 2 and 14.

The server is that of the retry storm of "Metastable Failures in Distributed Systems" (HotOS 2021):
27 workers x Exp(90 ms) = 300/s, first come, first served; work is not cancelled when its caller
gives up.
"""

from benchmarks.scenarios.experiment import NEVER
from benchmarks.scenarios.policies import simulated
from holdfast.simulation.runs.play import Run, play
from holdfast.simulation.runs.results import figures
from holdfast.simulation.scenario.distributions import Exponential
from holdfast.simulation.scenario.load import Poisson
from holdfast.simulation.scenario.scenario import Clients, Fault, Scenario, Servers

SERVERS = Servers(workers=27, service=Exponential(mean=0.09))
CAPACITY = 300.0
SETTLING = 10
"""Seconds in which the clients get to know the server; no rejection is counted in them."""


def outage(
    *, rate: float, speed: float, healthy: int, fault: int, after: int, clients: int = 20,
    shared: bool = False,
) -> Scenario:  # fmt: skip
    """Return a scenario in which the server runs at ``speed`` for ``fault`` seconds."""
    return Scenario(
        name="service",
        seconds=healthy + fault + after,
        load=Poisson(rate=rate),
        servers=SERVERS,
        clients=Clients(count=clients, shared=shared),
        faults=(Fault(at=healthy, lasts=fault, speed=speed),),
    )


def played(scenario: Scenario, policy: str, seed: int) -> Run:
    """Play the scenario with a policy of the bench."""
    return play(scenario, simulated(policy), seed)


def recovered(run: Run) -> float:
    """TTR: seconds from the fault's end until every 5 s window for 20 s has 99 % user success."""
    ttr = figures(run).ttr
    return NEVER if ttr is None else ttr


def between(run: Run, start: float, end: float, what: str) -> int:
    """Return how many of something there were in the seconds [start, end); a bucket is a second."""
    return sum(getattr(run.tally.at(second), what) for second in range(int(start), int(end)))


def failed(run: Run, start: float, end: float) -> int:
    """Return how many of the users that came in these seconds were not served."""
    return between(run, start, end, "offered") - between(run, start, end, "good")
