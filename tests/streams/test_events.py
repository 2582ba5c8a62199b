"""What listeners hear of a stream: the call is completed with its first item."""

import pytest

from holdfast import Bulkhead, CircuitBreaker, Fallback, Pipeline, Retry, Timeout, backoff
from holdfast.events import CallCompleted, TimedOut
from holdfast.testing import record
from tests.streams.flows import Pause

SECOND = backoff.constant(1.0)


def test_a_stream_is_completed_once_with_its_first_item(timed):
    """Its duration is the time to that; what follows is told by those whose affair it is."""
    rows = Pipeline("p", Retry(2, backoff=SECOND))(
        timed.source([Pause(0.5), 1, Pause(9.0), 2]).function
    )
    with record() as events:
        assert timed.all(rows) == [1, 2]
    assert [(event.duration, event.error) for event in events.of(CallCompleted)] == [(0.5, None)]


def test_attempts_are_told_as_ever(timed):
    """The story of the way to the first item is that of any call."""
    source = timed.source([ConnectionError], [Pause(9.0)], [1, 2])
    rows = Pipeline("p", Retry(3, backoff=SECOND), Timeout(8.0, first=2.0))(source.function)
    with record() as events:
        timed.all(rows)
    assert events.names() == [
        "RetryScheduled", "TimedOut", "RetryScheduled", "RetrySucceeded", "CallCompleted",
    ]  # fmt: skip


def test_a_stall_in_the_middle_is_told(timed):
    """At its instant, with the limit that ran out; a breaker that opens says so."""
    breaker = CircuitBreaker(failures=1)
    rows = Pipeline("p", breaker, Timeout(60.0, between=2.0))(
        timed.source([1, Pause(9.0), 2]).function
    )
    with record() as events, pytest.raises(TimeoutError):
        timed.all(rows)
    assert events.names() == ["CallCompleted", "TimedOut", "BreakerOpened"]
    assert [event.seconds for event in events.of(TimedOut)] == [2.0]


def test_a_refusal_is_told_when_the_first_item_is_asked_for(flow):
    """Not when the function is called, for that runs nothing."""
    bulkhead = Bulkhead(1)
    rows = Pipeline("p", Fallback(["later"]), bulkhead)(flow.source([1, 2]).function)
    first, second = flow.begin(rows), flow.begin(rows)
    first.next()
    with record() as events:
        assert second.next() == "later"
    assert events.names() == ["CallRejected", "FallbackUsed", "CallCompleted"]
    for one in (first, second):
        one.close()


def test_a_resumption_is_another_call(flow):
    """Each part has its story, and they are told apart."""
    source = flow.source([1, ConnectionError], [2])
    retry = Retry(2, backoff=backoff.constant(0.0))
    rows = Pipeline("p", retry).stream(source.function, resume=lambda last: {})
    with record() as events:
        assert flow.all(rows) == [1, 2]
    assert events.names() == ["CallCompleted", "RetryScheduled", "CallCompleted"]
    first, second = events.of(CallCompleted)
    assert first.call != second.call


def test_leaving_early_is_not_told(flow):
    """Nothing has gone wrong, and the call is complete."""
    stream = flow.begin(Pipeline("p", CircuitBreaker())(flow.source([1, 2]).function))
    stream.next()
    with record() as events:
        stream.close()
    assert events.names() == []
