"""LoadShedder, in threads and in asyncio."""

import pytest

from holdfast import (
    AttemptTimeout,
    DeadlineTooShortError,
    LoadShedder,
    Pipeline,
    ThrottledError,
    Timeout,
    deadline,
    priority,
)
from holdfast.events import CallRejected
from holdfast.testing import Fail, Hang, Ok, record


def timed(world, call, *, at=0.0, seconds=None, matters="default"):
    """Return a function that calls, and tells when that ended and how."""

    @world.function
    async def function():
        await world.sleep(at)
        try:
            with priority(matters):
                if seconds is None:
                    answer = await world.do(call)
                else:
                    with deadline(seconds):
                        answer = await world.do(call)
        except Exception as error:
            answer = type(error)
        return pytest.approx(world.elapsed()), answer

    return function


def test_so_many_are_served_and_others_wait_briefly(world):
    """A call whose turn comes soon is served; one whose turn would come too late is refused."""
    shedder = LoadShedder(1, target=0.05, interval=0.3)
    call = world.protect(Pipeline("api", shedder), world.dependency(Ok("served", takes=0.2)))
    assert world.together(*[timed(world, call)] * 3) == [
        (0.2, "served"),
        (0.4, "served"),
        (0.3, ThrottledError),
    ]
    assert (shedder.in_flight, shedder.waiting, shedder.enforced) == (0, 0, 1)


def test_a_refusal_says_why_and_when_to_try_again(world):
    """It names the pipeline, and is told."""
    pipeline = Pipeline("api", LoadShedder(1, queue=0))
    call = world.protect(pipeline, world.dependency(Ok(takes=1.0)))
    with record() as events:
        _, refusal = world.together(call, call)
    assert isinstance(refusal, ThrottledError)
    assert str(refusal) == (
        "pipeline 'api': load shedder 'api' is overloaded: all 1 places are taken; try again in 0.1 s"
    )
    assert [event.error for event in events.of(CallRejected)] == [refusal]


def test_the_important_are_served_first(world):
    """Whoever came first: critical before default before sheddable."""
    pipeline = Pipeline("api", LoadShedder(1, interval=9.0))
    call = world.protect(pipeline, world.dependency(Ok("served", takes=1.0)))
    ends = world.together(
        timed(world, call),
        timed(world, call, at=0.1, matters="sheddable"),
        timed(world, call, at=0.2),
        timed(world, call, at=0.3, matters="critical"),
    )
    assert [when for when, _ in ends] == [1.0, 4.0, 3.0, 2.0]


def test_a_full_queue_puts_out_the_least_important(world):
    """At once, so that its caller can do something else; a place is made for what matters more."""
    pipeline = Pipeline("api", LoadShedder(1, queue=1, interval=9.0))
    call = world.protect(pipeline, world.dependency(Ok("served", takes=1.0)))
    assert world.together(
        timed(world, call),
        timed(world, call, at=0.1, matters="sheddable"),
        timed(world, call, at=0.2, matters="critical"),
        timed(world, call, at=0.3),
    ) == [(1.0, "served"), (0.2, ThrottledError), (2.0, "served"), (0.3, ThrottledError)]


def test_work_that_would_be_late_is_not_begun(world):
    """Refused at its arrival, or, once it can only be late, while it waits."""
    dependency = world.dependency(Ok("served", takes=1.0))
    call = world.protect(Pipeline("api", LoadShedder(1, interval=9.0, expected=1.0)), dependency)
    assert world.together(
        timed(world, call, seconds=2.0),
        timed(world, call, seconds=0.9),
        timed(world, call, at=0.1, seconds=1.5),
        timed(world, call, at=0.2, seconds=2.0),
    ) == [
        (1.0, "served"),
        (0.0, DeadlineTooShortError),
        (0.6, DeadlineTooShortError),
        (2.0, "served"),
    ]
    assert len(dependency.calls) == 2


def test_places_come_back_however_a_call_ends(world):
    """After results, errors and timeouts every place is free again."""
    shedder = LoadShedder(3)
    pipeline = Pipeline("api", Timeout(1.0, sync="thread"), shedder)
    dependency = world.dependency(Ok(), Fail(ConnectionError("down")), Hang())
    call = timed(world, world.protect(pipeline, dependency))
    ends = [answer for _, answer in world.together(call, call, call)]
    assert ends == [None, ConnectionError, AttemptTimeout]
    assert (shedder.in_flight, shedder.waiting) == (0, 0)


def test_an_abandoned_thread_keeps_its_place(world):
    """Behind a shedder a timed-out call takes up its place as long as it really runs."""
    shedder = LoadShedder(1, queue=0)
    call = world.protect(
        Pipeline("api", shedder, Timeout(1.0, sync="thread")), world.dependency(Ok(takes=10.0))
    )
    with pytest.raises(AttemptTimeout):
        world.run(call)
    assert shedder.in_flight == (1 if world.name == "threads" else 0)
    world.advance(9.0)
    assert shedder.in_flight == 0


def test_in_shadow_nobody_waits_and_nobody_is_refused(world):
    """What would have waited or been refused is told, counted, and served at once."""
    shedder = LoadShedder(1, shadow=True, expected=5.0)
    call = world.protect(Pipeline("api", shedder), world.dependency(Ok("served", takes=1.0)))
    with record() as events:
        ends = world.together(
            timed(world, call), timed(world, call), timed(world, call, seconds=3.0)
        )
    assert ends == [(1.0, "served")] * 3
    assert [event.enforced for event in events.of(CallRejected)] == [False, False]
    assert (shedder.detected, shedder.enforced, shedder.in_flight) == (2, 0, 0)
