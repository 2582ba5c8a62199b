"""`standard` with one thing changed at a time, in several incidents: what decides each default."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from holdfast import CircuitBreaker, Pipeline, Retry, RetryBudget, backoff, standard, transient
from holdfast.simulation import Policy, Scenario, files
from holdfast.simulation.runs.axes import Axis
from holdfast.simulation.runs.compare import Comparison, compare


def breaker(**changes: Any) -> CircuitBreaker:
    """Return the breaker of `standard` with changes."""
    ours = standard("ours").strategies
    given = next(dict(one._given) for one in ours if isinstance(one, CircuitBreaker))  # noqa: SLF001 - ours
    return CircuitBreaker(**{**given, **changes})


def full() -> Retry:
    """Return the retry of `standard` with `Retry`'s own kind of delays."""
    delays = backoff.exponential(base=0.1, cap=6.0)
    return Retry(4, on=transient, budget=RetryBudget(0.2), backoff=delays)


Changes = Callable[[], dict[str, Any]]
VARIANTS: dict[str, Changes] = {
    "as shipped": dict,
    "no retry": lambda: {"attempts": None},
    "full jitter, doubling": lambda: {"attempts": full()},
    "no budget": lambda: {"budget": None},
    "budget of 10 %": lambda: {"budget": RetryBudget(0.1)},
    "no breaker": lambda: {"breaker": None},
    "open for 60 s": lambda: {"breaker": breaker(open_for=60.0, open_growth=1.0)},
    "open for 5 s at first": lambda: {"breaker": breaker(open_for=5.0)},
    "growth of 2": lambda: {"breaker": breaker(open_growth=2.0)},
    "3 probes": lambda: {"breaker": breaker(probes=3)},
    "no confidence": lambda: {"breaker": breaker(confidence=None)},
    "no adaptive limit": lambda: {"adaptive": None},
}
"""What is changed; new objects for each client process."""


@dataclass(frozen=True, slots=True)
class Column:
    """An incident, and a figure by which it is told who did well."""

    incident: str
    title: str
    figure: str


def long_stall() -> Scenario:
    """Return the storm with a stall of a minute, at two thirds of the capacity."""
    scenario = files.scenario("retry-storm")
    for axis, value in (("load", 0.66), ("stall", 60.0)):
        scenario = Axis(axis, (value,)).place(scenario, value)
    return scenario


def slow() -> Scenario:
    """Return stragglers of which half are lost once everything takes twenty times as long."""
    scenario = files.scenario("stragglers")
    return replace(scenario, clients=replace(scenario.clients, attempt_timeout=1.0))


INCIDENTS: dict[str, Callable[[], Scenario]] = {
    "retry-storm": partial(files.scenario, "retry-storm"),
    "long-stall": long_stall,
    "brownout": partial(files.scenario, "brownout"),
    "background-noise": partial(files.scenario, "background-noise"),
    "error-burst": partial(files.scenario, "error-burst"),
    "slow": slow,
    "layered-retries": partial(files.scenario, "layered-retries"),
}
COLUMNS = (
    Column("retry-storm", "storm: failed users", "failed"),
    Column("long-stall", "stall of a minute: recovered", "ttr"),
    Column("brownout", "brownout: served a second", "goodput"),
    Column("background-noise", "20 % errors: served", "health.success"),
    Column("error-burst", "50 % errors: served a second", "goodput"),
    Column("error-burst", "and attempts per user", "amplification"),
    Column("slow", "all 20 times slower: served", "fault.success"),
    Column("layered-retries", "three layers, leaf dead: attempts per user", "amplification"),
)


def changed(changes: Changes, scenario: Scenario) -> Pipeline:
    """Return `standard`, as the simulator plays it, with changes."""
    limit = scenario.clients.attempt_timeout
    return standard(scenario.name, **{"attempt_timeout": limit, **changes()})


def defaults(seeds: range, workers: int) -> dict[str, Comparison]:
    """Play each variant in each incident."""
    policies = [Policy(name, partial(changed, changes)) for name, changes in VARIANTS.items()]
    return {
        name: compare(scenario(), policies, seeds, workers=workers)
        for name, scenario in INCIDENTS.items()
    }
