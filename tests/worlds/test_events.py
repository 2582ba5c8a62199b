"""What listeners hear, in threads and in asyncio."""

import logging

import pytest

from holdfast import (
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    Fallback,
    Pipeline,
    Retry,
    Timeout,
    backoff,
)
from holdfast.events import (
    CallCompleted,
    CallRejected,
    Event,
    FallbackUsed,
    RetriesExhausted,
    RetryScheduled,
    TimedOut,
    subscribe,
)
from holdfast.testing import Fail, Hang, Ok, record

SECOND = backoff.constant(1.0)


def test_each_call_is_completed_once(world):
    """However it ended, a call is told of once, with its duration and its error."""
    pipeline = Pipeline("p", Retry(2, backoff=SECOND), Timeout(2.0, sync="thread"))
    script = [Ok(takes=0.5), ConnectionError("a"), Ok(), Hang(), Hang()]
    call = world.protect(pipeline, world.dependency(*script))
    with record() as events:
        world.run(call)
        world.run(call)
        with pytest.raises(TimeoutError) as caught:
            world.run(call)
    completed = events.of(CallCompleted)
    assert [event.duration for event in completed] == [0.5, 1.0, 5.0]
    assert [event.error for event in completed] == [None, None, caught.value]
    assert {event.pipeline for event in completed} == {"p"}


def test_a_rejection_is_told_and_completes_the_call(world):
    """A refused call is told of by the gate, then as completed."""
    bulkhead = Bulkhead(1)
    call = world.protect(Pipeline("p", bulkhead), world.dependency(Ok()))

    async def main():
        async with world.block(Pipeline("holder", bulkhead)):
            await world.do(call)

    with record(pipeline="p") as events, pytest.raises(BulkheadFullError) as caught:
        world.run(main)
    assert events.names() == ["CallRejected", "CallCompleted"]
    rejected, completed = events
    assert rejected.error is completed.error is caught.value
    assert rejected.strategy.startswith("bulkhead")


def test_the_story_of_one_call(world):
    """Every decision is told in order, at its instant."""
    pipeline = Pipeline(
        "p", Fallback("later"), Retry(2, backoff=SECOND), Timeout(2.0, sync="thread")
    )
    with record() as events:
        world.call(pipeline, world.dependency(Fail(ConnectionError("down"), takes=0.5), Hang()))
    assert [(type(event), event.at - world.start) for event in events] == [
        (RetryScheduled, 0.5),
        (TimedOut, 3.5),
        (RetriesExhausted, 3.5),
        (FallbackUsed, 3.5),
        (CallCompleted, 3.5),
    ]
    assert events.of(CallCompleted)[0].error is None


def test_retries_tell_what_and_when(world):
    """A scheduled retry tells the attempt, its error and the delay; the end tells the reason."""
    error = ConnectionError("down")
    with record() as events, pytest.raises(ConnectionError):
        world.call(
            Pipeline("p", Retry(2, backoff=SECOND, max_elapsed=60.0)), world.dependency(error)
        )
    (scheduled,) = events.of(RetryScheduled)
    assert (scheduled.attempt, scheduled.delay, scheduled.error) == (1, 1.0, error)
    (exhausted,) = events.of(RetriesExhausted)
    assert (exhausted.attempts, exhausted.elapsed) == (2, 1.0)
    assert exhausted.reason == "all 2 attempts are used up"


def test_a_failing_listener_never_breaks_a_call(world, caplog):
    """A listener's error is logged, and the call and the other listeners go on."""
    heard = []

    def broken(event):
        raise LookupError("no such metric")

    call = world.protect(Pipeline("p", Retry(2)), world.dependency(Ok("up")))
    with subscribe(broken), subscribe(heard.append), caplog.at_level(logging.ERROR, "holdfast"):
        assert world.run(call) == "up"
    assert [type(event) for event in heard] == [CallCompleted]
    assert "failed on CallCompleted" in caplog.text


def test_a_listener_may_come_and_go(world):
    """Functions that were protected before tell a listener that came later, until it leaves."""
    call = world.protect(Pipeline("p", CircuitBreaker()), world.dependency(Ok()))
    heard = []
    world.run(call)
    subscription = subscribe(heard.append)
    world.run(call)
    subscription.close()
    subscription.close()
    world.run(call)
    assert len(heard) == 1


def test_a_listener_hears_of_one_pipeline(world):
    """With `pipeline` only that one's events are heard."""
    heard = []
    with subscribe(heard.append, pipeline="a"):
        for name in ("a", "b"):
            world.call(Pipeline(name, Retry(2)), world.dependency(Ok()))
    assert [event.pipeline for event in heard] == ["a"]


def test_a_listener_may_make_calls_of_its_own(world):
    """A listener runs outside all locks, so it may look at strategies and use them."""
    breaker = CircuitBreaker(failures=1)
    states = []

    def look(event: Event):
        if isinstance(event, CallCompleted):
            states.append((breaker.state, breaker.snapshot()["state"]))

    with subscribe(look), pytest.raises(ConnectionError):
        world.call(Pipeline("p", breaker), world.dependency(ConnectionError("down")))
    assert states == [("open", "open")]


def test_calls_at_the_same_time_are_told_each(world):
    """Concurrent calls have their own events, with their own durations."""
    pipeline = Pipeline("p", Bulkhead(2))
    call = world.protect(pipeline, world.dependency(Ok(takes=1.0), Ok(takes=3.0)))
    with record() as events:
        world.together(call, call, call)
    assert [event.duration for event in events.of(CallCompleted)] == [0.0, 1.0, 3.0]
    assert len(events.of(CallRejected)) == 1
