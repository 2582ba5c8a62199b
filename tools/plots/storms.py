"""The storm, with ways of retrying that are in use, and layers that retry one inside the other."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from holdfast import CircuitBreaker, Pipeline, Retry, RetryBudget, Timeout, backoff, transient
from holdfast.simulation import Policy, Request, Scenario, files
from holdfast.simulation.runs.axes import axis
from holdfast.simulation.runs.compare import Comparison, compare
from holdfast.simulation.runs.sweep import Sweep, sweep

Target = Callable[[Request], Awaitable[None]]

SECONDS = 220
"""Long enough for all who come back to have come back."""

SHOWN = ("timeout", "retry", "retry + budget", "standard")
"""Of the storm, these are drawn."""

NESTED = ("none", "retry", "retry+budget", "standard")


class CreditedOnRequests(RetryBudget):
    """A budget that earns by requests, whether or not they succeed, as Finagle's does."""

    __slots__ = ()

    def deposit(self) -> None:
        """Earn nothing by a success."""

    def withdraw(self, cost: float = 1.0) -> bool:
        """Pay the same for each retry."""
        return super().withdraw(min(cost, 1.0))

    def credit(self) -> None:
        """Earn by a request."""
        super().deposit()


def storm(seeds: range, workers: int) -> Comparison:
    """Play the ready storm for longer, with all that is compared."""
    policies: list[Policy | str] = [
        "timeout",
        "retry",
        Policy("retry + budget of requests", credited_on_requests),
        Policy("retry + budget", credited_on_successes),
        Policy("retry + breaker, 60 s", lambda scenario: behind_a_breaker(scenario, 60.0)),
        Policy("retry + breaker, 5 s", lambda scenario: behind_a_breaker(scenario, 5.0)),
        "standard",
    ]
    scenario = replace(files.scenario("retry-storm"), seconds=SECONDS)
    return compare(scenario, policies, seeds, workers=workers)


def layers(seeds: range, workers: int) -> Comparison:
    """Play three services that call each other, each of which retries."""
    return compare(files.scenario("layered-retries"), NESTED, seeds, workers=workers)


def region(workers: int) -> Sweep:
    """Play the storm at a third of its size for all loads and lengths of the stall."""
    whole = files.scenario("retry-storm")
    small = replace(
        whole,
        servers=replace(whole.servers, workers=whole.servers.workers // 3),
        clients=replace(whole.clients, count=7),
    )
    axes = (axis("load=0.3:0.98"), axis("stall=1:30"))
    return sweep(small, axes, NESTED, workers=workers)


def only(comparison: Comparison, names: tuple[str, ...]) -> Comparison:
    """Return the comparison of some of its policies."""
    return replace(comparison, played=tuple(p for p in comparison.played if p.policy in names))


def three(budget: RetryBudget | None = None) -> Retry:
    """Return the retry that is around all of them."""
    delays = backoff.exponential(base=0.1, cap=5.0)
    return Retry(3, on=transient, backoff=delays, budget=budget)


def credited_on_successes(scenario: Scenario) -> Pipeline:
    """Return a retry whose budget is 20 % of the successes."""
    limit = Timeout(scenario.clients.attempt_timeout)
    return Pipeline(scenario.name, three(RetryBudget(0.2)), limit)


def credited_on_requests(scenario: Scenario) -> Callable[[Target], Target]:
    """Return a retry whose budget is 20 % of the requests."""
    budget = CreditedOnRequests(0.2)
    limit = Timeout(scenario.clients.attempt_timeout)
    pipeline = Pipeline(scenario.name, three(budget), limit)

    def protect(target: Target) -> Target:
        protected = pipeline(target)

        async def call(request: Request) -> None:
            budget.credit()
            await protected(request)

        return call

    return protect


def behind_a_breaker(scenario: Scenario, open_for: float) -> Pipeline:
    """Return a retry around a breaker that is open for always the same time."""
    breaker = CircuitBreaker(
        on=transient, open_for=open_for, open_growth=1.0, open_jitter=0.0, probes=1
    )
    return Pipeline(scenario.name, three(), breaker, Timeout(scenario.clients.attempt_timeout))
