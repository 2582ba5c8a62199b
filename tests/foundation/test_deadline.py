"""The deadline that travels down the call chain."""

import asyncio
import contextvars
import math
import threading

import pytest

from holdfast import ConfigurationError, deadline, remaining
from holdfast._world import world
from holdfast.deadline import NOTHING, Ambient, ambient, restore


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Make the instant a number that a test sets."""

    class Clock:
        now = 100.0

        def __call__(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(world, "clock", clock)
    return clock


def test_without_a_deadline_time_is_unlimited():
    """Infinity, not None: it can be compared and subtracted from."""
    assert remaining() == math.inf


def test_what_is_left_shrinks_as_time_passes(clock):
    """And is never negative, since nobody can wait for less than nothing."""
    with deadline(2.0):
        assert remaining() == 2.0
        clock.now += 1.5
        assert remaining() == 0.5
        clock.now += 1.5
        assert remaining() == 0.0
    assert remaining() == math.inf


@pytest.mark.parametrize("inner, left", [(1.0, 1.0), (2.0, 2.0), (5.0, 2.0)])
def test_an_inner_deadline_never_extends_an_outer_one(inner, left):
    """The nearer of the two holds; leaving the inner one restores the outer one."""
    with deadline(2.0):
        with deadline(inner):
            assert remaining() == left
        assert remaining() == 2.0


def test_the_length_of_the_one_that_holds_is_remembered():
    """For messages: "the caller's deadline of 2 s"."""
    with deadline(2.0), deadline(5.0):
        assert ambient.get()[:2] == [102.0, 2.0]
    with deadline(5.0), deadline(2.0):
        assert ambient.get()[:2] == [102.0, 2.0]


def test_it_is_taken_back_when_the_block_raises():
    """As any context manager is."""
    with pytest.raises(ZeroDivisionError), deadline(2.0):
        raise ZeroDivisionError

    assert ambient.get() == NOTHING


def test_it_keeps_the_mark_of_an_enclosing_retry():
    """Who retries is not a matter of time."""
    token = ambient.set(Ambient(math.inf, math.inf, "outer"))
    try:
        with deadline(2.0):
            assert ambient.get().retrying == "outer"
    finally:
        restore(token)


def test_one_object_can_serve_one_block_after_the_other(clock):
    """The time is counted anew in each."""
    limit = deadline(2.0)
    with limit:
        clock.now += 1.0
        assert remaining() == 1.0
    with limit:
        assert remaining() == 2.0


def test_leaving_a_block_that_was_never_entered_does_nothing():
    """Nothing was set, so nothing is taken back."""
    deadline(2.0).__exit__(None, None, None)

    assert ambient.get() == NOTHING


def test_a_thread_has_none_unless_it_is_given_the_context():
    """Each thread sees the deadline of its own context."""
    seen = []
    with deadline(2.0):
        context = contextvars.copy_context()
        for target in (lambda: seen.append(remaining()), lambda: context.run(note, seen)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()

    assert seen == [math.inf, 2.0]


def note(seen):
    seen.append(remaining())


def test_it_follows_the_code_across_await_and_into_tasks(clock):
    """And a task's own deadline stays its own."""

    async def shorter():
        with deadline(1.0):
            await asyncio.sleep(0)
            return remaining()

    async def main():
        with deadline(2.0):
            await asyncio.sleep(0)
            return await asyncio.gather(shorter(), asyncio.create_task(unchanged())), remaining()

    async def unchanged():
        await asyncio.sleep(0)
        return remaining()

    assert asyncio.run(main()) == ([1.0, 2.0], 2.0)


def test_a_block_that_is_left_in_another_context_leaves_that_one_alone():
    """As happens to a generator or a coroutine that is closed by somebody else."""
    limit = deadline(2.0)
    contextvars.copy_context().run(limit.__enter__)

    limit.__exit__(None, None, None)

    assert remaining() == math.inf


@pytest.mark.parametrize("seconds", [0, -1.0, math.nan, math.inf, True, "2", None])
def test_what_is_no_duration_is_refused(seconds):
    """At once, before anything is entered."""
    with pytest.raises(ConfigurationError, match="seconds="):
        deadline(seconds)
