"""Timeouts and deadlines, in threads and in asyncio."""

import asyncio
import re
import threading

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    BulkheadFullError,
    DeadlineExceeded,
    DeadlineTooShortError,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    deadline,
    remaining,
)
from holdfast.events import CallRejected, TimedOut
from holdfast.testing import Fail, Hang, Ok, record

SECOND = backoff.constant(1.0)
asyncio_only = pytest.mark.parametrize("world", ["asyncio"], indirect=True)


# -- one timeout ---------------------------------------------------------------------------------


def test_a_call_is_given_up_on_exactly_at_its_limit(world):
    """A call that hangs ends with `AttemptTimeout`, which is a `TimeoutError` and tells the limit."""
    with record() as events, pytest.raises(AttemptTimeout) as caught:
        world.call(Pipeline("p", Timeout(2.0, sync="thread")), world.dependency(Hang()))
    assert world.elapsed() == 2.0
    assert isinstance(caught.value, TimeoutError)
    assert not isinstance(caught.value, DeadlineExceeded)
    assert (caught.value.pipeline, caught.value.seconds) == ("p", 2.0)
    assert str(caught.value) == "pipeline 'p': no answer within 2 s"
    assert [(event.at, event.seconds) for event in events.of(TimedOut)] == [
        (world.start + 2.0, 2.0)
    ]


def test_a_call_in_time_is_left_alone(world):
    """Results and errors that come in time pass as they are."""
    pipeline = Pipeline("p", Timeout(2.0))
    assert world.call(pipeline, world.dependency(Ok("up", takes=1.9))) == "up"
    with pytest.raises(ConnectionError, match="down"):
        world.call(pipeline, world.dependency(Fail(ConnectionError("down"), takes=1.9)))


def test_a_timeout_of_the_functions_own_is_an_outcome_like_any_other(world):
    """A `TimeoutError` that the function raises passes as the very object."""
    own = TimeoutError("the server says so")
    with pytest.raises(TimeoutError) as caught:
        world.call(Pipeline("p", Timeout(2.0)), world.dependency(own))
    assert caught.value is own


def test_the_function_sees_what_is_left(world):
    """Inside, `remaining` tells the shorter of the limit and the caller's deadline."""
    seen = []

    @world.function
    async def ask():
        await world.sleep(0.5)
        seen.append(remaining())

    world.call(Pipeline("p", Timeout(2.0)), ask)
    with deadline(1.0):
        world.call(Pipeline("p", Timeout(2.0)), ask)
    assert seen == pytest.approx([1.5, 0.5])
    assert remaining() == float("inf")


# -- total and per attempt -----------------------------------------------------------------------


def test_inside_a_retry_it_is_per_attempt(world):
    """Each attempt has the whole limit for itself."""
    pipeline = Pipeline("p", Retry(3, backoff=SECOND), Timeout(2.0, sync="thread"))
    dependency = world.dependency(Hang(), Ok("up", takes=1.9))
    assert world.call(pipeline, dependency) == "up"
    assert world.elapsed() == pytest.approx(4.9)


def test_outside_a_retry_it_is_the_total(world):
    """All attempts and delays together have one limit."""
    pipeline = Pipeline("p", Timeout(5.0, sync="thread"), Retry(None, backoff=SECOND))
    dependency = world.dependency(Fail(ConnectionError("down"), takes=1.0), Hang())
    with pytest.raises(AttemptTimeout) as caught:
        world.call(pipeline, dependency)
    assert caught.value.seconds == 5.0
    assert len(dependency.calls) == 2
    assert world.elapsed() == 5.0


def test_with_both_the_shorter_one_cuts_each_attempt(world):
    """While there is time the attempt's limit cuts; the last attempt is cut by the total."""
    pipeline = Pipeline(
        "p",
        Timeout(5.0, sync="thread"),
        Retry(None, backoff=backoff.constant(0.5)),
        Timeout(2.0, sync="thread"),
    )
    dependency = world.dependency(Hang())
    with pytest.raises(AttemptTimeout) as caught:
        world.call(pipeline, dependency)
    # after the second attempt 0.5 s are left, less than an attempt has taken: nothing is started
    assert dependency.times == [world.start, world.start + 2.5]
    assert caught.value.seconds == 2.0
    assert world.elapsed() == 4.5


def test_the_total_cuts_an_attempt_that_has_less_than_its_own_limit(world):
    """An attempt for which less is left than its own limit ends with the total, and says so."""
    pipeline = Pipeline(
        "p", Timeout(5.0, sync="thread"), Retry(None, backoff=SECOND), Timeout(3.0, sync="thread")
    )
    dependency = world.dependency(Fail(ConnectionError("quick"), takes=1.5), Hang())
    with pytest.raises(AttemptTimeout) as caught:
        world.call(pipeline, dependency)
    assert world.elapsed() == 5.0
    assert caught.value.seconds == 5.0
    assert not isinstance(caught.value, DeadlineExceeded)


def test_of_nested_pipelines_the_sooner_limit_is_named(world):
    """Whichever pipeline's limit runs out first is the one that the error names."""
    for outer, inner, name in ((5.0, 2.0, "inner"), (2.0, 5.0, "outer")):
        inside = world.protect(
            Pipeline("inner", Timeout(inner, sync="thread")), world.dependency(Hang())
        )
        with pytest.raises(AttemptTimeout) as caught:
            world.call(Pipeline("outer", Timeout(outer, sync="thread")), inside)
        assert caught.value.pipeline == name
        assert caught.value.seconds == 2.0
        assert not isinstance(caught.value, DeadlineExceeded)


# -- deadlines -----------------------------------------------------------------------------------


def test_the_callers_deadline_is_told_apart(world):
    """Where the caller's time runs out first, it is `DeadlineExceeded`, with the deadline's length."""
    with deadline(1.0), pytest.raises(DeadlineExceeded) as caught:
        world.call(Pipeline("p", Timeout(2.0, sync="thread")), world.dependency(Hang()))
    assert world.elapsed() == 1.0
    assert (caught.value.seconds, caught.value.at) == (1.0, world.start + 1.0)


def test_a_deadline_reaches_through_nested_pipelines(world):
    """One deadline cuts the innermost call, and no retry in between goes on after it."""
    dependency = world.dependency(Hang())
    inner = world.protect(Pipeline("inner", Timeout(60.0, sync="thread")), dependency)
    middle = world.protect(Pipeline("middle", Retry(5, backoff=SECOND)), inner)
    with deadline(3.0), pytest.raises(DeadlineExceeded):
        world.call(Pipeline("outer", Timeout(30.0, sync="thread")), middle)
    assert world.elapsed() == 3.0
    assert len(dependency.calls) == 1


def test_an_inner_deadline_never_extends_an_outer_one(world):
    """Of nested deadlines the sooner one holds."""
    with deadline(1.0):
        with deadline(60.0):
            assert remaining() == 1.0
        with deadline(0.5):
            assert remaining() == 0.5
        assert remaining() == 1.0


def test_a_deadline_inside_the_function_holds(world):
    """A deadline that is set inside a coroutine or function holds for what it calls."""
    inner = world.protect(Pipeline("p", Timeout(60.0, sync="thread")), world.dependency(Hang()))

    @world.function
    async def body():
        with deadline(2.0):
            await world.do(inner)

    with pytest.raises(DeadlineExceeded):
        world.run(body)
    assert world.elapsed() == 2.0


def test_nothing_starts_after_the_deadline(world):
    """A call whose deadline has passed is refused before its function runs, and that is told."""
    dependency = world.dependency(Ok())
    call = world.protect(Pipeline("p", Timeout(2.0)), dependency)

    @world.function
    async def late():
        with deadline(1.0):
            await world.sleep(1.5)
            await world.do(call)

    with record() as events, pytest.raises(DeadlineTooShortError, match=r"passed 0\.5 s ago"):
        world.run(late)
    assert dependency.calls == []
    assert [event.pipeline for event in events.of(CallRejected)] == ["p"]


def test_a_queue_is_not_waited_in_past_the_deadline(world):
    """A caller leaves the bulkhead's queue when its deadline comes."""
    pipeline = Pipeline("p", Bulkhead(1, queue=1))
    call = world.protect(pipeline, world.dependency(Ok("served", takes=60.0)))
    seen = []

    @world.function
    async def hurried():
        with deadline(5.0):
            try:
                await world.do(call)
            finally:
                seen.append(world.elapsed())

    first, second = world.together(call, hurried)
    assert first == "served"
    assert isinstance(second, DeadlineExceeded)
    assert seen == [5.0]


def test_a_total_cuts_a_wait_in_a_queue(world):
    """A caller whose own pipeline's limit runs out in the queue gets its timeout, told once."""
    bulkhead = Bulkhead(1, queue=1)
    holder = world.protect(Pipeline("h", bulkhead), world.dependency(Ok("served", takes=60.0)))
    pipeline = Pipeline("p", Timeout(5.0), bulkhead)
    call = world.protect(pipeline, world.dependency(Ok("never reached")))
    with record() as events:
        served, waiter, refused = world.together(holder, call, world.after(0.1, call))
    assert served == "served"
    assert [type(waiter), type(refused)] == [AttemptTimeout, BulkheadFullError]
    assert waiter.seconds == 5.0
    assert not isinstance(waiter, DeadlineExceeded)
    assert len(events.of(TimedOut)) == 1


# -- cancellation, asyncio's alone ---------------------------------------------------------------


@asyncio_only
def test_a_cancellation_from_outside_stays_a_cancellation(world):
    """Cancelling the caller's task is not mistaken for the timeout."""
    call = world.protect(Pipeline("p", Timeout(60.0)), world.dependency(Hang()))

    async def main():
        task = asyncio.ensure_future(call())
        await asyncio.sleep(1.0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert world.run(main)
    assert world.elapsed() == 1.0


@asyncio_only
def test_asyncios_own_timeout_around_it_is_told_apart(world):
    """An enclosing `asyncio.timeout` that fires first raises its own error."""
    call = world.protect(Pipeline("p", Timeout(60.0)), world.dependency(Hang()))

    async def main():
        async with asyncio.timeout(2.0):
            await call()

    with pytest.raises(TimeoutError) as caught:
        world.run(main)
    assert not isinstance(caught.value, AttemptTimeout)
    assert world.elapsed() == 2.0


# -- where an abandoned function hangs -----------------------------------------------------------


def wait_for_the_bank(answered):
    answered.wait(10.0)


def nested(answered, depth):
    if depth:
        nested(answered, depth - 1)
    else:
        wait_for_the_bank(answered)


@pytest.fixture
def where_it_was():
    """Return what the note of a timeout says about a function of so many frames."""
    answered = threading.Event()

    def note_of(depth, limit, outside=10.0):
        pipeline = Pipeline("p", Timeout(limit, sync="thread"))
        with deadline(outside), pytest.raises(AttemptTimeout) as caught:
            pipeline.call(nested, answered, depth)
        (note,) = caught.value.__notes__
        return note.removeprefix("holdfast: its worker is still in ")

    yield note_of
    answered.set()


@pytest.mark.real_time
@pytest.mark.parametrize("limits", [(0.05,), (5.0, 0.05)], ids=["timeout", "deadline"])
def test_a_note_says_where_an_abandoned_function_is(where_it_was, limits):
    """In asyncio its cancellation, the cause, has it in its traceback; a worker goes on."""
    place = r"\(.*test_timeout.py:\d+\)"
    assert re.match(f"nested {place}, wait_for_the_bank {place}, ", where_it_was(0, *limits))


@pytest.mark.real_time
def test_of_a_deep_stack_both_ends_are_shown(where_it_was):
    """The user's own code, and what it waits for."""
    places = where_it_was(9, 0.05).split(", ")
    assert [place.partition(" ")[0] for place in places] == [
        *["nested"] * 3,
        "...",
        "Condition.wait",
    ]
