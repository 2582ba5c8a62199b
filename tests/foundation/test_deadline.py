"""The deadline that travels down the call chain."""

import asyncio
import contextvars
import datetime as dt
import math
import threading
from contextlib import asynccontextmanager, contextmanager

import pytest

from holdfast import (
    AttemptTimeout,
    ConfigurationError,
    DeadlineExceeded,
    DeadlineTooShortError,
    Pipeline,
    Retry,
    Timeout,
    allowance,
    deadline,
    detached,
    remaining,
)
from holdfast._world import world
from holdfast.deadline import NOTHING, Ambient, ambient, current, inside, left, live, restore
from holdfast.testing import VirtualClock, off


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
            assert current()[2] == "outer"
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

    limit.__exit__(GeneratorExit, GeneratorExit(), None)

    assert remaining() == math.inf


def test_a_block_that_nobody_inside_has_seen_is_told():
    """A plain dependency of FastAPI is entered and left in two copies of the context."""
    limit = deadline(2.0)
    contextvars.copy_context().run(limit.__enter__)

    with pytest.warns(RuntimeWarning, match=r"deadline\(2\) was entered in one context"):
        contextvars.copy_context().run(limit.__exit__, None, None, None)


@pytest.mark.parametrize("seconds", [0, -0.05, -math.inf, dt.timedelta(seconds=-1)])
def test_a_deadline_that_has_passed_lets_no_attempt_begin(seconds):
    """As gRPC's does: the block runs, and each `Timeout` in it refuses (holdfast users' header of 0)."""
    stock = Pipeline("stock", Timeout(1.0), Retry(3))
    ran = []
    with VirtualClock(), deadline(seconds):
        ran.append("the block")
        assert remaining() == 0.0
        with pytest.raises(DeadlineTooShortError, match="nothing was started"):
            stock.call(ran.append, "the call")
    assert ran == ["the block"]
    assert remaining() == math.inf


def test_whatever_is_left_can_be_handed_on(clock):
    """Ccxt 20670: a budget that is passed down is infinite, short or used up."""
    with deadline(remaining()):
        assert remaining() == math.inf
    with deadline(2.0):
        with deadline(min(5.0, remaining())):
            assert remaining() == 2.0
        clock.now += 3.0
        with deadline(remaining()):
            assert remaining() == 0.0
    with deadline(math.inf), deadline(3):
        assert remaining() == 3.0


def test_a_timedelta_is_a_duration():
    """Here, and wherever a duration is taken."""
    assert deadline(dt.timedelta(milliseconds=1500)).seconds == 1.5
    assert Timeout(dt.timedelta(seconds=2)) == Timeout(2.0)
    assert Retry(max_elapsed=dt.timedelta(minutes=1)).max_elapsed == 60.0


def test_the_allowance_is_the_smaller_of_a_limit_and_what_is_left(clock):
    """TabPy 38: urllib3 refuses 0, sockets take it for something else, and infinity overflows."""
    assert (allowance(), allowance(5.0), allowance(dt.timedelta(seconds=4))) == (None, 5.0, 4.0)
    with deadline(2.0):
        assert (allowance(), allowance(5.0), allowance(0.5)) == (2.0, 2.0, 0.5)
        clock.now += 2.0
        with pytest.raises(DeadlineExceeded, match="deadline of 2 s ran out"):
            allowance(5.0)


@pytest.mark.parametrize("limit", [0, -1.0, math.nan, math.inf, True, "2"])
def test_an_allowance_that_is_no_duration_is_refused(limit):
    """Whatever the deadline says."""
    with pytest.raises(ConfigurationError, match="limit="):
        allowance(limit)


def test_an_allowance_is_right_where_the_protection_is_off():
    """In a test that bypasses it, in the bare function, and without the `Timeout`."""
    prices = Pipeline("prices", Timeout(2.0))
    with VirtualClock():
        assert prices.call(allowance, 5.0) == 2.0
    assert prices.without(Timeout).call(allowance, 5.0) == 5.0
    with off():
        assert (prices.call(allowance, 5.0), prices.call(allowance)) == (5.0, None)


def test_an_allowance_that_is_used_up_is_the_timeouts_own_error():
    """The layer whose limit it was says so."""

    def step():
        clock.sleep(3.0)
        return allowance()

    with (
        VirtualClock() as clock,
        pytest.raises(AttemptTimeout, match="no answer within 2 s") as caught,
    ):
        Pipeline("prices", Timeout(2.0))(step)()
    assert type(caught.value) is AttemptTimeout


def test_detached_code_is_bound_by_nothing():
    """Neither by the deadline nor by the mark of an enclosing retry, and only inside."""
    token = ambient.set(Ambient(101.0, 1.0, "outer"))
    try:
        with detached():
            assert (remaining(), current()[2]) == (math.inf, None)
            with deadline(5.0):
                assert remaining() == 5.0
        assert (remaining(), current()[2]) == (1.0, "outer")
    finally:
        restore(token)


def test_a_copy_of_a_block_that_is_over_counts_for_nothing(clock):
    """moai-adk 1687: what is started inside, and lives on, is free when the block is left."""
    with deadline(5.0):
        with deadline(2.0):
            inner = contextvars.copy_context()
            assert inner.run(remaining) == 2.0
        assert inner.run(remaining) == 5.0
    assert inner.run(remaining) == math.inf


def test_a_block_inside_keeps_its_own_limit_when_the_one_around_it_ends():
    """The shorter one holds as long as it is there."""
    around = deadline(1.0)
    with around:
        inner = contextvars.copy_context()
        limit = deadline(3.0)
        inner.run(limit.__enter__)
        assert inner.run(remaining) == 1.0
    assert inner.run(remaining) == 3.0


def test_calls_that_are_over_form_no_chain():
    """A task that starts the next one from within its call, and so on, keeps nothing of the first."""
    entries = [NOTHING]
    for _ in range(5):
        entry = inside(entries[-1], 200.0, 100.0)
        if len(entries) > 1:
            left(entries[-1])
        entries.append(entry)
    left(entries[-1])

    assert all(entry[4] is NOTHING for entry in entries[3:])


def items():
    with deadline(1.0):
        yield remaining()
        yield remaining()


def test_in_a_generator_it_binds_the_body_only(clock):
    """Trio 264: a scope that leaks out of a generator would bind the loop over it."""
    seen = []
    with deadline(9.0):
        for left_there in items():
            seen.append((left_there, remaining()))
            clock.now += 0.25
    assert seen == [(1.0, 9.0), (0.75, 8.75)]
    assert remaining() == math.inf


def test_a_generator_that_is_dropped_leaves_nothing():
    """Neither while it waits nor when it is closed, whatever was entered in between."""
    waiting = items()
    next(waiting)
    with deadline(4.0):
        waiting.close()
        assert remaining() == 4.0
    assert remaining() == math.inf
    assert ambient.get() == NOTHING or live(ambient.get()) is NOTHING


def test_an_async_generator_binds_its_body_and_what_that_starts():
    """A task that the body waits for is bound, the loop over it isn't."""

    async def ask():
        await asyncio.sleep(0)
        return remaining()

    async def answers():
        with deadline(1.0):
            yield await asyncio.create_task(ask())

    async def main():
        return [
            (answer, remaining(), await asyncio.create_task(ask())) async for answer in answers()
        ]

    assert asyncio.run(main()) == [(1.0, math.inf, math.inf)]


@pytest.mark.parametrize("make", [contextmanager, lambda fn: fn], ids=["block", "iterated"])
def test_a_generator_that_is_a_block_binds_that_block(make):
    """That is what `contextmanager` is for; what it stands in may itself be a generator."""

    @make
    def scope():
        with deadline(1.0):
            yield

    def numbers():
        with scope():
            yield remaining()

    if make is contextmanager:
        with scope():
            assert remaining() == 1.0
        assert [(inner, remaining()) for inner in numbers()] == [(1.0, math.inf)]
    else:
        assert [remaining() for _ in scope()] == [math.inf]


def test_an_async_block_is_bound_too():
    """As a dependency of a web framework is."""

    @asynccontextmanager
    async def scope():
        await asyncio.sleep(0)
        with deadline(1.0):
            yield

    async def main():
        async with scope():
            return remaining()

    assert asyncio.run(main()) == 1.0


def test_a_pipelines_block_in_a_generator_binds_the_body_only():
    """The same kind: the limit of a `Timeout` in ``with pipeline:``."""
    pages = Pipeline("pages", Timeout(1.0))

    def read():
        with pages:
            yield remaining()

    with VirtualClock():
        assert [(inner, remaining()) for inner in read()] == [(1.0, math.inf)]


@pytest.mark.parametrize("seconds", [math.nan, True, "2", None])
def test_what_is_no_duration_is_refused(seconds):
    """At once, before anything is entered."""
    with pytest.raises(ConfigurationError, match="seconds="):
        deadline(seconds)
