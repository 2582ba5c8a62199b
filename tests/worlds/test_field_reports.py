"""What users of other libraries reported about queues, retries and names: each in words of ours."""

import pytest

from holdfast import (
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    ConcurrencyLimiter,
    ConfigurationError,
    Fallback,
    Pipeline,
    Retry,
    backoff,
    concurrency,
)
from holdfast.testing import Fail, Ok, VirtualClock, record

ONE_AT_A_TIME = [
    Bulkhead,
    lambda _, **options: ConcurrencyLimiter(concurrency.aimd(), initial=1, max=1, **options),
]


@pytest.mark.parametrize("gate", ONE_AT_A_TIME, ids=["bulkhead", "concurrency limiter"])
def test_a_longest_wait_alone_lets_all_wait(world, gate):
    """As in interlock, resilience4j and failsafe: nobody says "at most 5 s" to mean "not at all"."""
    gate = gate(1, max_wait=5.0)
    call = world.protect(Pipeline("p", gate), world.dependency(*[Ok("served", takes=1.0)] * 5))

    answers = world.together(*[call] * 5)

    assert answers == ["served"] * 5
    assert world.elapsed() == pytest.approx(5.0)
    assert gate.snapshot()["queue"] is None


@pytest.mark.parametrize("gate", ONE_AT_A_TIME, ids=["bulkhead", "concurrency limiter"])
def test_a_longest_wait_for_nobody_is_refused(gate):
    """And without either nobody waits, as ever."""
    with pytest.raises(ConfigurationError, match=r"queue=0 lets nobody wait, so max_wait=5\.0"):
        gate(1, queue=0, max_wait=5.0)
    assert gate(1).snapshot()["queue"] == 0


def test_a_wait_that_is_too_long_ends():
    """The longest wait holds, whatever the room."""
    with VirtualClock() as clock:
        pipeline = Pipeline("p", Bulkhead(1, max_wait=1.0))
        first, second = clock.together(
            lambda: pipeline.call(clock.sleep, 3.0),
            lambda: (clock.sleep(0.5), type(pipeline.try_call(int).error), clock.now())[1:],
        )
    assert first is None
    assert second[0] is BulkheadFullError


@pytest.mark.parametrize("start", [0.0, 7.0, 24.0, 123.0, 1e6])
@pytest.mark.parametrize("delay, attempts", [(0.2, 6), (0.1, 11), (0.3, 4)])
def test_the_last_attempt_is_not_lost_by_rounding(start, delay, attempts):
    """Exactly at ``max_elapsed`` is not later than it: five times 0.2 s is one second on any clock."""
    with VirtualClock() as clock:
        clock.advance(start)
        calls = []

        def fail():
            calls.append(clock.now())
            raise OSError

        retry = Retry(100, max_elapsed=1.0, backoff=backoff.constant(delay), on=OSError)
        Pipeline("p", retry).try_call(fail)

    assert len(calls) == attempts


def test_giving_up_at_the_first_failure_is_told(world):
    """As at any later one: a listener that counts what was not retried must not miss any."""
    call = world.protect(Pipeline("p", Retry(5, on=OSError)), world.dependency(Fail(ValueError())))

    with record() as events, pytest.raises(ValueError) as caught:  # noqa: PT011 - made here
        world.run(call)

    told = [event for event in events if type(event).__name__ == "RetriesExhausted"]
    assert [(event.attempts, event.reason) for event in told] == [(1, "ValueError is not retried")]
    assert not hasattr(caught.value, "__notes__")


@pytest.mark.parametrize(
    "build, told",
    [
        (lambda: ConcurrencyLimiter(initial=500, max=100), "initial=500 .* min=1 to max=100"),
        (lambda: ConcurrencyLimiter(initial=1, min=10), "initial=1 .* min=10 to max=200"),
        (lambda: Fallback("stand-in", on=()), r"on=\(\) .* nothing would ever match"),
        (lambda: Fallback.stale(60.0, on=()), r"on=\(\) .* nothing would ever match"),
    ],
)
def test_a_value_that_can_only_be_a_mistake_is_refused(build, told):
    """It is neither clamped nor obeyed in silence."""
    with pytest.raises(ConfigurationError, match=told):
        build()


def test_a_shared_strategy_does_not_keep_the_name_of_every_pipeline():
    """One that is made for each request, say: of ten thousand, a few of the latest are named."""
    breaker = CircuitBreaker()
    for number in range(10_000):
        Pipeline(f"request-{number}", breaker)

    with record() as events:
        breaker.trip()

    named = events[0].pipeline.split(", ")
    assert len(named) <= 64
    assert named[-1] == "request-9999"
