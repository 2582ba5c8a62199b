"""The policies that a simulation plays: each makes a decorator for one client process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from holdfast._conditions import transient
from holdfast.pipeline import Pipeline
from holdfast.presets import standard
from holdfast.simulation.policies.own import Own, about, check
from holdfast.simulation.scenario.scenario import Scenario
from holdfast.simulation.world.request import Decorator, Request
from holdfast.strategies.breaker import CircuitBreaker
from holdfast.strategies.concurrency import ConcurrencyLimiter
from holdfast.strategies.hedge import Hedge
from holdfast.strategies.retry import Retry, RetryBudget, backoff
from holdfast.strategies.shedding import LoadShedder
from holdfast.strategies.timeout import Timeout

LEAST = 0.05
"""Seconds: the floor of an adaptive timeout that isn't given another one."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A named way of calling.

    Args:
        name: for tables and plots.
        make: makes the protection of one client process: a `Pipeline`, or any decorator of an
            async function.
        about: one sentence for people.
    """

    name: str
    make: Callable[[Scenario], Decorator]
    about: str = ""

    @classmethod
    def of(cls, thing: Any, name: str | None = None) -> Policy:
        """Return a policy of your own.

        Args:
            thing: a `Pipeline`, of which each simulated process gets a copy with a state of its own;
                a function that makes the protection of one process, called without arguments, or with
                the `Scenario` if its only argument is called ``scenario``; or any decorator of an async
                function.
            name: for tables and plots; by default the pipeline's, or the function's.

        Raises:
            ConfigurationError: for anything else.
        """
        if isinstance(thing, cls):
            return thing
        usual = getattr(thing, "name", None) or getattr(thing, "__name__", "own")
        name = name or str(usual)
        check(thing, name)
        return cls(name, Own(thing, name), about(thing))


def none(_scenario: Scenario) -> Decorator:
    """Return no protection at all."""
    return lambda target: target


def timed(scenario: Scenario) -> Decorator:
    """Return a timeout, and nothing else."""
    return Pipeline(scenario.name, _timeout(scenario))


def learnt(scenario: Scenario) -> Decorator:
    """Return a timeout that learns its limit, up to the scenario's."""
    most = scenario.clients.attempt_timeout
    return Pipeline(scenario.name, Timeout.adaptive(floor=min(LEAST, most), ceiling=most))


def hedged(scenario: Scenario) -> Decorator:
    """Return a hedge with its defaults around the timeout of an attempt."""
    return Pipeline(scenario.name, Hedge(on=transient), _timeout(scenario))


def retrying(scenario: Scenario) -> Decorator:
    """Return the retry that everybody has: 3 attempts, exponential delays with full jitter."""
    return Pipeline(scenario.name, _retry(), _timeout(scenario))


def budgeted(scenario: Scenario) -> Decorator:
    """Return the same retry with a budget."""
    return Pipeline(scenario.name, _retry(RetryBudget()), _timeout(scenario))


def broken(scenario: Scenario) -> Decorator:
    """Return the same retry around a breaker as most libraries make it: 5 failures, a minute."""
    breaker = CircuitBreaker(
        on=transient, failures=5, open_for=60.0, open_growth=1.0, open_jitter=0.0, probes=1
    )
    return Pipeline(scenario.name, _retry(), breaker, _timeout(scenario))


def recommended(scenario: Scenario) -> Decorator:
    """Return `standard` as it is, with the scenario's limit for an attempt."""
    return standard(
        scenario.name,
        attempt_timeout=scenario.clients.attempt_timeout,
        key=by_key if scenario.servers.shards > 1 else None,
    )


def shedder(scenario: Scenario) -> Decorator:
    """Return the protection of one server by a load shedder."""
    return Pipeline(f"{scenario.name} server", LoadShedder(scenario.servers.workers))


def limiter(scenario: Scenario) -> Decorator:
    """Return the protection of one server by a limit that it finds out by itself."""
    return Pipeline(f"{scenario.name} server", ConcurrencyLimiter())


def by_key(request: Request) -> int:
    """Return the key of a request: which shard it goes to."""
    return request.key


def _retry(budget: RetryBudget | None = None) -> Retry:
    delays = backoff.exponential(base=0.1, cap=5.0)
    return Retry(3, on=transient, backoff=delays, budget=budget)


def _timeout(scenario: Scenario) -> Timeout:
    return Timeout(scenario.clients.attempt_timeout)


READY: dict[str, Policy] = {
    policy.name: policy
    for policy in (
        Policy("none", none, "The bare call: no limit, no retry."),
        Policy("timeout", timed, "A timeout for each call, and nothing else."),
        Policy(
            "adaptive-timeout",
            learnt,
            "Timeout.adaptive(): a timeout that learns its limit, at most that of timeout.",
        ),
        Policy("hedge", hedged, "Hedge(): slow calls are made once more, each with that timeout."),
        Policy("retry", retrying, "3 attempts, delays of 0.1 to 5 s with full jitter, a timeout."),
        Policy("retry+budget", budgeted, "The same, with a retry budget of 10 % of the successes."),
        Policy("retry+breaker", broken, "The same retry around a breaker: 5 failures, 60 s open."),
        Policy("standard", recommended, "holdfast.standard(), as it is shipped."),
    )
}
"""The policies that everybody can name, as in ``holdfast simulate --compare none,retry,standard``."""


GUARDS: dict[str, Policy] = {
    "limiter": Policy("limiter", limiter, "holdfast.ConcurrencyLimiter, around the server."),
    "shedder": Policy("shedder", shedder, "holdfast.LoadShedder, around the server's workers."),
}
"""The policies that a scenario file can put around its servers, as in ``protect = "shedder"``."""
