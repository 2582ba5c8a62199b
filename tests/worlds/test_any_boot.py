"""The same happens whenever the machine booted: no strategy takes its clock for large, or for exact."""

import pytest

from holdfast import (
    Bulkhead,
    CircuitBreaker,
    Coalesce,
    ConcurrencyLimiter,
    Fallback,
    Hedge,
    Keyed,
    LoadShedder,
    Pipeline,
    RateLimiter,
    Retry,
    RetryBudget,
    Throttle,
    Timeout,
    backoff,
    concurrency,
    standard,
)
from holdfast.testing import Fail, Ok, Scripted, VirtualClock, record, seeded

JUST_NOW, LONG_AGO = 0.0, 400 * 86_400.0
AGES = [30.0, LONG_AGO]
STRATEGIES = {
    "breaker": lambda: [CircuitBreaker(failures=3, open_for=5.0)],
    "breaker by rate": lambda: [CircuitBreaker(failure_rate=0.3, window=30.0, min_calls=8)],
    "breaker by slowness": lambda: [CircuitBreaker(slow=1.0, slow_rate=0.3, window=30.0)],
    "breaker that learns": lambda: [CircuitBreaker(confidence=0.99)],
    "coalesce": lambda: [Coalesce(lambda number: number % 3)],
    "demand": lambda: [ConcurrencyLimiter(concurrency.demand())],
    "gradient": lambda: [ConcurrencyLimiter(concurrency.gradient())],
    "hedge": lambda: [Hedge(after=0.5)],
    "keyed": lambda: [
        Keyed(lambda number: number % 7, lambda key: CircuitBreaker(failures=2), idle=60.0)
    ],
    "limiter": lambda: [RateLimiter(2, per=1.0, burst=3)],
    "limiter that waits": lambda: [RateLimiter(1, per=2.0, burst=3, max_wait=10.0)],
    "retry": lambda: [Retry(3, backoff=backoff.exponential(), budget=RetryBudget())],
    "shedder": lambda: [LoadShedder(2)],
    "spread": lambda: [ConcurrencyLimiter(concurrency.spread())],
    "standard": lambda: standard("p").strategies,
    "stale": lambda: [Fallback.stale(20.0, key=lambda number: number % 3)],
    "throttle": lambda: [Throttle()],
    "timeout": lambda: [Timeout(1.5)],
    "timeout that learns": lambda: [Timeout.adaptive(min_samples=20), Bulkhead(3)],
}


def outage():
    """Return a dependency that is well, fails and is slow in turns."""
    spells = [Ok(takes=0.25, times=30), Fail(OSError("down"), takes=0.5, times=40)]
    return Scripted([*spells, Ok(takes=2.0, times=20), *spells, Ok(takes=0.25)])


def played(make, start):
    """Return what became of each call, when, and what was told, in seconds since ``start``."""
    pipeline = Pipeline("p", *make())
    story = []
    with VirtualClock(start) as clock, seeded(0), record() as events:
        dependency = outage()
        for number in range(200):
            outcome = pipeline.try_call(dependency, number)
            story.append((type(outcome.error).__name__, since(start, clock.now())))
            clock.advance((0.25, 0.5, 2.0)[number % 3])
        story.extend((type(event).__name__, since(start, event.at)) for event in events)
    return story


def since(start, at):
    return round(at - start, 5)


@pytest.mark.parametrize("age", AGES, ids=["just booted", "long ago"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_does_the_same_on_any_clock(name, age):
    """Through an outage, slowness and recovery: the same outcomes and events at the same instants."""
    assert played(STRATEGIES[name], age) == played(STRATEGIES[name], JUST_NOW)
