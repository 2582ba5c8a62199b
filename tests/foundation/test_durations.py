"""A `timedelta` is taken wherever a duration is: in each option, by each function, from each function.

tenacity, backoff and limits take both; whoever has a `timedelta` at hand should not have to look up
which of the two an option wants.
"""

import random
from datetime import timedelta

import pytest

from holdfast import (
    AdaptiveTimeout,
    Bulkhead,
    Chaos,
    CircuitBreaker,
    ConcurrencyLimiter,
    Fallback,
    Hedge,
    Keyed,
    LoadShedder,
    Pipeline,
    Rate,
    RateLimiter,
    Retry,
    Throttle,
    Timeout,
    backoff,
    concurrency,
    knee,
    learnt,
    quantile,
    standard,
    stop,
)
from holdfast.testing import VirtualClock

MAKERS = {
    "aimd": lambda one: concurrency.aimd(slow=one),
    "adaptive timeout": lambda one: AdaptiveTimeout(floor=one, ceiling=one * 2, window=one),
    "backoff": lambda one: (
        backoff.constant(one),
        backoff.exponential(one, cap=one),
        backoff.linear(one, step=one, cap=one),
        backoff.fibonacci(one, cap=one),
    ),
    "breaker": lambda one: CircuitBreaker(
        window=one, slow=one, slow_rate=0.5, open_for=one, open_cap=one, probe_timeout=one, ramp=one
    ),
    "bulkhead": lambda one: Bulkhead(1, max_wait=one),
    "chaos": lambda one: (
        Chaos(latency=one),
        Chaos(latency=0.1, between=(one, one * 2)),
    ),
    "demand": lambda one: concurrency.demand(memory=one),
    "hedge": lambda one: (
        Hedge(one),
        Hedge(quantile(floor=one, window=one)),
        Hedge(knee(floor=one, window=one)),
    ),
    "keyed": lambda one: Keyed(len, CircuitBreaker, idle=one),
    "learnt": lambda one: learnt(window=one),
    "limiter": lambda one: ConcurrencyLimiter(queue=1, max_wait=one),
    "rate": lambda one: (Rate(1, one), RateLimiter(1, per=one, max_wait=one)),
    "retry": lambda one: Retry(max_elapsed=one, retry_after_cap=one, retry_after_limit=one),
    "shedder": lambda one: LoadShedder(1, target=one, interval=one, expected=one),
    "stale": Fallback.stale,
    "standard": lambda one: standard("s", timeout=one * 2, attempt_timeout=one),
    "throttle": lambda one: Throttle(1.5, one),
    "timeout": Timeout,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_an_option_takes_a_timedelta(make):
    """It means the same as its seconds, and is shown as they are."""
    assert repr(make(timedelta(seconds=3))) == repr(make(3.0))


@pytest.mark.parametrize(
    "layer, option",
    [
        (Bulkhead(1, max_wait=1.0), "max_wait"),
        (CircuitBreaker(failure_rate=0.5, window=9.0), "window"),
        (CircuitBreaker(), "open_for"),
        (ConcurrencyLimiter(queue=1, max_wait=1.0), "max_wait"),
        (LoadShedder(1), "interval"),
        (LoadShedder(1), "target"),
        (LoadShedder(1), "expected"),
        (RateLimiter(1), "max_wait"),
        (Throttle(), "window"),
        (Timeout.adaptive(ceiling=9.0), "floor"),
    ],
)
def test_an_option_at_work_takes_a_timedelta(layer, option):
    """It reads as a number of seconds afterwards."""
    layer.configure(**{option: timedelta(seconds=3)})

    assert getattr(layer, option) == 3.0


def test_a_function_may_return_a_timedelta():
    """Whether it says how long to pause, or how long to hang."""
    a_second = timedelta(seconds=1)
    shop = Pipeline(
        "shop",
        Retry(2, backoff=lambda _attempt: a_second),
        Chaos(1.0, latency=lambda _rng: a_second, enabled=True, rng=random.Random(1)),
    )
    with VirtualClock(start=0.0) as clock:
        with pytest.raises(ValueError, match="invalid"):
            shop.call(int, "tea")

        assert clock.now() == 3.0


def test_the_clock_takes_a_timedelta():
    """A test says `minutes=5` as its service does."""
    with VirtualClock(start=0.0) as clock:
        clock.advance(timedelta(minutes=5))
        clock.sleep(timedelta(seconds=1))

        assert clock.now() == 301.0


def test_stop_takes_a_timedelta():
    """So does the grace of a process that ends."""
    with stop(timedelta(seconds=3)) as stopping:
        assert "3 s" in repr(stopping)
