"""What strategies count for people and meters is exact, with and without the GIL."""

import pytest

from holdfast import (
    Bulkhead,
    Chaos,
    CircuitBreaker,
    ConcurrencyLimiter,
    LoadShedder,
    Pipeline,
    RateLimiter,
    RejectedError,
    Throttle,
    Timeout,
)

THREADS, EACH = 8, 2_000
ALL = THREADS * EACH
NEVER = 1e9


def opened(**options):
    breaker = CircuitBreaker(**options)
    breaker.isolate()
    return breaker


def taken(strategy):
    """Return a strategy of which the only permit is out."""
    strategy.enter(0.0, (), {})
    return strategy


REFUSING = {
    "breaker": opened,
    "bulkhead": lambda **options: taken(Bulkhead(1, **options)),
    "load shedder": lambda **options: taken(LoadShedder(1, queue=0, **options)),
    "limiter": lambda **options: taken(ConcurrencyLimiter(min=1, max=1, initial=1, **options)),
    "rate limit": lambda **options: taken(RateLimiter(1, per=NEVER, max_wait=0, **options)),
}
"""Strategies that refuse each call, or would but for shadow mode."""


def call_often(together, function):
    """Call a function ``ALL`` times from many threads; return how many of the calls were refused."""

    def work():
        refused = 0
        for _ in range(EACH):
            try:
                function()
            except RejectedError:
                refused += 1
        return refused

    return sum(together([work] * THREADS))


@pytest.mark.usefixtures("eager_switching")
@pytest.mark.parametrize("kind", REFUSING)
def test_each_refusal_is_counted(together, kind):
    """Once: `detected` and `enforced` are the number of errors that the callers got."""
    strategy = REFUSING[kind]()
    function = Pipeline("p", strategy)(int)

    assert call_often(together, function) == ALL
    assert (strategy.detected, strategy.enforced) == (ALL, ALL)
    if isinstance(strategy, LoadShedder):
        assert strategy.shed == {"critical": 0, "default": ALL, "sheddable": 0}


@pytest.mark.usefixtures("eager_switching")
@pytest.mark.parametrize("kind", ["breaker", "bulkhead", "load shedder"])
def test_each_refusal_in_shadow_mode_is_counted(together, kind):
    """As detected, and not as enforced."""
    strategy = REFUSING[kind](shadow=True)
    function = Pipeline("p", strategy)(int)

    assert call_often(together, function) == 0
    assert (strategy.detected, strategy.enforced) == (ALL, 0)


@pytest.mark.usefixtures("eager_switching")
def test_a_throttle_counts_what_its_callers_got(together):
    """It lets some calls pass; the others are counted."""
    throttle = Throttle(on=ZeroDivisionError, min_calls=1)

    @Pipeline("p", throttle)
    def function():
        return 1 / 0

    def answered():
        try:
            function()
        except ZeroDivisionError:
            return

    refused = call_often(together, answered)

    assert 0 < refused < ALL
    assert (throttle.detected, throttle.enforced) == (refused, refused)


@pytest.mark.usefixtures("eager_switching")
def test_each_fault_is_counted(together):
    """`Chaos` counts each result that it has replaced."""
    chaos = Chaos(1.0, result=None, enabled=True)

    call_often(together, Pipeline("p", chaos)(int))

    assert (chaos.replaced, chaos.delayed, chaos.failed_calls) == (ALL, 0, 0)


@pytest.mark.usefixtures("eager_switching")
def test_one_attempt_at_a_time_is_patient_in_a_silence(together):
    """Many that begin at once find one place: one gets all of the limit, the others an eighth."""
    timeout = Timeout.adaptive(ceiling=2.0, min_samples=1)
    timeout.succeeded(timeout.begin(0.0), 1.0, 0.0)
    for _ in range(20):
        timeout.failed(timeout.begin(0.0, late=True), NEVER, OSError())
    assert timeout.silent

    for instant in range(1, 200):
        now = instant * 10.0
        limits = together([lambda now=now: timeout.begin(now, late=True).seconds] * 4)
        assert sorted(limits)[:3] == [min(limits)] * 3
        assert max(limits) == timeout.limit > min(limits)
