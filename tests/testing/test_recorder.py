"""`record`: assertions on events, and what they say when they fail."""

import re

import pytest

from holdfast import CircuitBreaker, Fallback, Pipeline, Retry, backoff
from holdfast.events import (
    BreakerOpened,
    CallCompleted,
    CallRejected,
    Event,
    FallbackUsed,
    HedgeWon,
    RetryScheduled,
)
from holdfast.testing import Fail, Ok, Recording, Scripted, VirtualClock, record


@pytest.fixture(scope="module")
def events():
    """A story: two failures open the breaker, the retry gives up, the fallback answers."""
    layers = (
        Fallback("cached"),
        Retry(3, backoff=backoff.constant(0.5)),
        CircuitBreaker(failures=2, open_for=5.0, open_jitter=0.0),
    )
    with VirtualClock(), record() as events:
        Pipeline("payments", *layers).call(Scripted([Fail(OSError("down"), times=2), Ok()]))
    return events


def failure_of(assertion, *args, **kwargs):
    with pytest.raises(AssertionError) as caught:
        assertion(*args, **kwargs)
    return str(caught.value)


STORY = """\
  +0.000  payments  RetryScheduled    retry                       attempt=1  delay=0.5  error=OSError('down')
  +0.500  payments  BreakerOpened     circuit breaker 'payments'  reason='2 failures in a row'  open_for=5  error=OSError('down')
  +0.500  payments  RetryScheduled    retry                       attempt=2  delay=0.5  error=OSError('down')
"""  # noqa: E501 - as it is printed


def test_the_timeline_tells_the_story(events):
    """One line for each event: seconds since the first, pipeline, event, strategy, and its fields."""
    assert str(events) == events.timeline()
    assert events.timeline().startswith(STORY)
    assert "error=CircuitOpenError(\"pipeline 'payments': " in events.timeline()
    assert len(events.timeline().splitlines()) == len(events) == 7


def test_of_filters_by_class_and_fields(events):
    """`of` returns the events of a class, with the fields that are asked for."""
    assert [event.attempt for event in events.of(RetryScheduled)] == [1, 2]
    assert [event.at for event in events.of(RetryScheduled, attempt=2)] == [1000.5]
    assert events.of(Event, pipeline="other") == []


def test_only_returns_the_one_event(events):
    """`only` returns the event if there is exactly one, and fails otherwise."""
    assert events.only(BreakerOpened, pipeline="payments").reason == "2 failures in a row"
    assert "RetryScheduled once, but it happened twice" in failure_of(events.only, RetryScheduled)
    assert "HedgeWon once, but it never happened" in failure_of(events.only, HedgeWon)


@pytest.mark.parametrize(
    "fields",
    [
        {"error": OSError},
        {"error": OSError("down")},
        {"reason": re.compile("in a row$")},
        {"open_for": lambda seconds: 4.0 < seconds < 6.0},
        {"open_for": 5.0 + 1e-12},
        {"open_for": pytest.approx(5)},
        {"pipeline": "payments", "strategy": "circuit breaker 'payments'"},
    ],
    ids=",".join,
)
def test_a_field_may_be_described(events, fields):
    """A value, an exception or its class, an expression, a function or an approximation will do."""
    events.assert_happened(BreakerOpened, times=1, **fields)


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"error": KeyError}, "error=OSError('down'), not KeyError"),
        ({"error": OSError("up")}, "error=OSError('down'), not OSError('up')"),
        ({"error": KeyError("down")}, "error=OSError('down'), not KeyError('down')"),
        ({"reason": re.compile("^in a row")}, "not matching '^in a row'"),
        ({"open_for": 5.1}, "open_for=5.0, not 5.1"),
    ],
    ids=lambda value: "",
)
def test_the_nearest_event_is_told(events, fields, words):
    """Where only a field differs, the failure says which, on which event."""
    message = failure_of(events.assert_happened, BreakerOpened, strategy=str, **fields)
    assert f"the nearest, at +0.500 s, has {words}" in message or words in message
    assert "> +0.500  payments  BreakerOpened" in message


def test_of_several_the_one_with_the_fewest_differences_is_nearest(events):
    """The event that meets most of what was asked for is named."""
    message = failure_of(events.assert_happened, RetryScheduled, attempt=2, delay=9.0)
    assert "the nearest, at +0.500 s, has delay=0.5, not 9.0\n" in message


def test_an_event_shared_by_pipelines_belongs_to_each():
    """What a shared breaker tells is found by any of its pipelines' names."""
    events = Recording(
        [BreakerOpened(pipeline="a, b", strategy="x", at=0.0, reason="", open_for=1.0)]
    )
    events.assert_happened(BreakerOpened, pipeline="b")
    events.assert_never(BreakerOpened, pipeline="a,")


def test_a_field_that_does_not_exist_is_refused(events):
    """A typing error in a field's name is an error, not an assertion that always holds."""
    with pytest.raises(TypeError, match="BreakerOpened has no field 'reson'; it has pipeline, "):
        events.assert_never(BreakerOpened, reson="x")


def test_an_event_is_asked_for_by_its_class(events):
    """Only `assert_names` and `assert_order` know names; the others say so."""
    with pytest.raises(TypeError, match="ask for 'BreakerOpened' by its class"):
        events.only("BreakerOpened")


def test_assert_happened(events):
    """Without ``times`` once is enough; with it the number must be right, and what counted is marked."""
    events.assert_happened(RetryScheduled)
    events.assert_happened(RetryScheduled, times=2)
    message = failure_of(events.assert_happened, RetryScheduled, times=3, error=OSError)
    assert message.startswith(
        "expected RetryScheduled(error=OSError) 3 times, but it happened twice\n\nwhat happened, in"
    )
    assert message.count("\n> ") == 2


def test_assert_never(events):
    """What must not happen is marked where it did."""
    events.assert_never(HedgeWon)
    events.assert_never(RetryScheduled, attempt=3)
    message = failure_of(events.assert_never, CallRejected)
    assert "expected CallRejected never, but it happened once" in message
    assert "\n> +1.000  payments  CallRejected" in message


def test_an_event_that_never_happened_is_set_against_those_that_did(events):
    """Where there is no event of the class, the failure counts the classes that there are."""
    message = failure_of(events.assert_happened, HedgeWon)
    assert "there is no HedgeWon, only 2 RetryScheduled, 1 BreakerOpened, " in message


def test_assert_names(events):
    """All events in order, by name or by class; the first difference is marked."""
    events.assert_names(*events.names())
    events.assert_names(*map(type, events))
    Recording().assert_names()
    message = failure_of(events.assert_names, "RetryScheduled", CallCompleted)
    assert "the first difference is at number 2: BreakerOpened instead of CallCompleted" in message
    assert "\n> +0.500  payments  BreakerOpened" in message
    more = failure_of(events.assert_names, *events.names(), "HedgeWon")
    assert "at number 8: nothing more instead of HedgeWon" in more


def test_assert_order(events):
    """Each kind after the one before, whatever happened in between."""
    events.assert_order(BreakerOpened, "CallRejected", FallbackUsed)
    events.assert_order(RetryScheduled, RetryScheduled)
    late = failure_of(events.assert_order, FallbackUsed, BreakerOpened)
    assert (
        "BreakerOpened after FallbackUsed at +1.000 s, but the last one happened before it, at +0.500 s"
        in late
    )
    assert "HedgeWon first, but none happened" in failure_of(events.assert_order, HedgeWon)
    never = failure_of(events.assert_order, BreakerOpened, HedgeWon)
    assert "HedgeWon after BreakerOpened at +0.500 s, but none happened at all" in never


def test_nothing_recorded_is_said():
    """An empty recording has no timeline to print."""
    assert str(Recording()) == ""
    message = failure_of(Recording().assert_happened, HedgeWon)
    assert message == "expected HedgeWon at least once, but it never happened; nothing was recorded"


def test_a_long_timeline_is_cut_in_a_failure():
    """A failure prints the beginning and the end; `timeline` prints all."""
    one = CallCompleted(pipeline="p", strategy="pipeline", at=0.0, duration=0.0)
    events = Recording([one] * 1000)
    message = failure_of(events.assert_happened, HedgeWon)
    assert "\n  ... 940 more ...\n" in message
    assert len(message.splitlines()) < 70
    assert len(events.timeline().splitlines()) == 1000


def test_one_pipeline_may_be_recorded():
    """`record` with a name keeps the events of that pipeline."""
    with record(pipeline="a") as events:
        Pipeline("a").call(int)
        Pipeline("b").call(int)
    assert events.only(CallCompleted).pipeline == "a"
