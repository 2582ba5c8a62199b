"""Events: who hears what, and what a listener cannot break."""

import inspect
import logging
import threading

import pytest

from holdfast import ConfigurationError, Pipeline, events
from holdfast._world import world
from holdfast.events import BreakerHalfOpened, CallCompleted, Event, emit, subscribe

HALVED = BreakerHalfOpened(pipeline="payments", strategy="circuit breaker", at=1.0)


def of(pipeline):
    return BreakerHalfOpened(pipeline=pipeline, strategy="circuit breaker", at=1.0)


KINDS = [
    kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)
]


def test_a_listener_hears_each_event():
    """The very object, in the order of happening."""
    seen = []
    with subscribe(seen.append):
        emit(HALVED)
        emit(HALVED)

    assert seen == [HALVED, HALVED]
    assert seen[0] is HALVED


def test_after_closing_a_listener_hears_nothing():
    """Closing a second time does nothing."""
    seen = []
    subscription = subscribe(seen.append)

    subscription.close()
    subscription.close()
    emit(HALVED)

    assert seen == []


def test_the_block_ends_the_subscription_also_when_it_raises():
    """As any context manager does."""
    with pytest.raises(ZeroDivisionError), subscribe(print):
        raise ZeroDivisionError

    assert not world.detour


def test_somebody_who_listens_makes_calls_take_the_slow_way():
    """And the last one who leaves makes them quick again."""
    assert not world.detour
    one, other = subscribe(print), subscribe(print)
    assert world.detour

    one.close()
    assert world.detour
    other.close()
    assert not world.detour


def test_one_listener_may_subscribe_twice():
    """Each subscription is closed by itself."""
    seen = []
    with subscribe(seen.append):
        with subscribe(seen.append):
            emit(HALVED)
        emit(HALVED)

    assert len(seen) == 3


@pytest.mark.parametrize(
    "theirs, heard",
    [
        ("payments", True),
        ("refunds", False),
        ("refunds, payments", True),
        ("payments2", False),
        ("pay, ments", False),
        ("", False),
    ],
)
def test_a_listener_may_want_one_pipeline_only(theirs, heard):
    """A shared strategy tells for all of its pipelines at once."""
    seen = []
    with subscribe(seen.append, pipeline="payments"):
        emit(of(theirs))

    assert bool(seen) is heard


def test_a_pipeline_may_have_a_comma_in_its_name():
    """It is heard by its whole name."""
    seen = []
    with subscribe(seen.append, pipeline="orders, invoices"):
        emit(of("orders, invoices"))

    assert len(seen) == 1


def test_a_listener_that_raises_breaks_nothing(caplog):
    """Its failure is logged with the listener and the event, and the others are told."""
    seen = []

    def broken(event):
        raise ZeroDivisionError("in the listener")

    with caplog.at_level(logging.ERROR, "holdfast"), subscribe(broken), subscribe(seen.append):
        emit(HALVED)

    assert seen == [HALVED]
    (record,) = caplog.records
    assert record.name == "holdfast"
    assert "broken" in record.getMessage()
    assert "BreakerHalfOpened" in record.getMessage()
    assert "in the listener" in caplog.text


def test_a_listener_that_is_interrupted_is_not_silenced():
    """`KeyboardInterrupt` is for the user, not for the log."""

    def interrupted(event):
        raise KeyboardInterrupt

    with subscribe(interrupted), pytest.raises(KeyboardInterrupt):
        emit(HALVED)


def test_a_listener_may_unsubscribe_while_it_is_told():
    """The others of that event are told all the same."""
    seen = []

    def once(event):
        seen.append("once")
        subscription.close()

    with subscribe(lambda event: seen.append("always")):
        subscription = subscribe(once)
        with subscribe(lambda event: seen.append("last")):
            emit(HALVED)
            emit(HALVED)

    assert seen == ["always", "once", "last", "always", "last"]


def test_listeners_come_and_go_in_many_threads():
    """None is lost, and none is left over."""

    def churn():
        for _ in range(200):
            with subscribe(seen.append):
                pass
        kept.append(subscribe(seen.append))

    seen, kept = [], []
    threads = [threading.Thread(target=churn) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    emit(HALVED)
    assert len(seen) == 8
    for subscription in kept:
        subscription.close()
    assert not world.listeners


async def asynchronous(event):
    """Stand for a listener that nobody would await."""


@pytest.mark.parametrize("listener", [None, 5, "print", asynchronous])
def test_what_cannot_listen_is_refused(listener):
    """The message names the option."""
    with pytest.raises(ConfigurationError, match="listener="):
        subscribe(listener)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_event_says_where_and_when(kind):
    """Pipeline, strategy and instant come first in each of them; no event can be changed."""
    names = list(inspect.signature(kind).parameters)
    event = kind(**dict.fromkeys(names, "told"))

    assert names[:3] == ["pipeline", "strategy", "at"]
    assert (event.pipeline, event.strategy, event.at) == ("told", "told", "told")
    with pytest.raises(AttributeError):
        event.at = 5.0


def test_events_are_values():
    """Equal ones are equal, and their `repr` tells all."""
    assert of("payments") == HALVED
    assert of("refunds") != HALVED
    assert repr(HALVED) == (
        "BreakerHalfOpened(pipeline='payments', strategy='circuit breaker', at=1.0)"
    )


def test_a_completed_call_that_returned_has_no_error():
    """An error is told where there was one."""
    event = CallCompleted(pipeline="payments", strategy="", at=1.0, duration=0.5)

    assert event.error is None


# -- listeners that use protected clients ---------------------------------------------------------


def test_a_listener_is_not_told_of_calls_that_it_makes_itself():
    """An exporter that sends through a protected client would send for ever, else."""
    pipeline, told, others = Pipeline("p"), [], []

    def export(event):
        told.append(event)
        assert pipeline.call(int) == 0

    with subscribe(export), subscribe(others.append):
        pipeline.call(int)
    assert len(told) == 1
    assert len(others) == 2


def test_listeners_that_answer_each_other_come_to_an_end():
    """Each is told of what the other one does, and of nothing that follows from it."""
    pipeline, told = Pipeline("p"), []

    def one(event):
        told.append("one")
        pipeline.call(int)

    def other(event):
        told.append("other")
        pipeline.call(int)

    with subscribe(one), subscribe(other):
        pipeline.call(int)
    assert sorted(told) == ["one", "one", "other", "other"]


def test_a_listener_that_raises_is_told_of_the_next_event():
    """It is no longer running then."""
    told = []

    def broken(event):
        told.append(event)
        raise ZeroDivisionError

    with subscribe(broken):
        Pipeline("p").call(int)
        Pipeline("p").call(int)
    assert len(told) == 2
