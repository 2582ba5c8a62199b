"""Timers at constant cost: one queue, and one handle, for each event loop and limit."""

import asyncio
import gc
import weakref

import pytest

from holdfast import AttemptTimeout, Bulkhead, Pipeline, Retry, Timeout, backoff, deadline
from holdfast.testing import Hang, Scripted, VirtualLoop, run


class CountingLoop(VirtualLoop):
    """A loop that counts the timers that are set."""

    def __init__(self) -> None:
        super().__init__()
        self.handles = []

    def call_at(self, when, callback, *args, context=None):
        handle = super().call_at(when, callback, *args, context=context)
        self.handles.append(handle)
        return handle


@pytest.fixture
def counting():
    """Run coroutines on a loop that keeps its timers: how many were set, and how many are left."""
    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        loop = runner.get_loop()
        runner.timers = lambda: len(loop.handles)
        runner.left = lambda: [
            handle.when() - loop.time()
            for handle in loop.handles
            if not handle.cancelled() and handle.when() > loop.time()
        ]
        yield runner


async def forever():
    await asyncio.get_running_loop().create_future()


async def ended_at(call, *args):
    """Await a call that times out, and return when it did."""
    with pytest.raises(AttemptTimeout):
        await call(*args)
    return asyncio.get_running_loop().time()


def test_calls_time_out_in_the_order_in_which_they_began():
    """Each call ends exactly its limit after its start, whatever the others do."""
    call = Pipeline("p", Timeout(1.0))(forever)

    async def main():
        start = asyncio.get_running_loop().time()
        tasks = []
        for _ in range(50):
            tasks.append(asyncio.create_task(ended_at(call)))
            await asyncio.sleep(0.125)
        ends = await asyncio.gather(*tasks)
        assert ends == [start + 0.125 * number + 1.0 for number in range(50)]

    run(main())


def test_calls_that_begin_together_end_together():
    """A thousand calls of one instant all time out in that one instant."""
    call = Pipeline("p", Timeout(1.0))(forever)

    async def main():
        start = asyncio.get_running_loop().time()
        ends = await asyncio.gather(*(ended_at(call) for _ in range(1000)))
        assert set(ends) == {start + 1.0}

    run(main())


def test_one_timer_serves_ten_thousand_calls(counting):
    """Calls that end in time set no timer of their own: one handle stands for them all."""

    @Pipeline("p", Timeout(60.0))
    async def quick():
        await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*(quick() for _ in range(10_000)))

    counting.run(main())
    assert counting.timers() == 1


def test_calls_in_a_row_set_a_timer_for_each_limit_that_passes(counting):
    """A steady stream of quick calls re-arms the handle about once in each limit."""
    quick = Pipeline("p", Timeout(1.0))(asyncio.sleep)

    async def main():
        for _ in range(1000):
            await quick(0.01)

    counting.run(main())
    assert counting.timers() - 1000 <= 11  # the sleeps set a thousand


def test_each_limit_has_its_own_queue(counting):
    """A short limit is not held up by a long one that was there first."""
    long, short = (Pipeline("p", Timeout(seconds))(forever) for seconds in (9.0, 1.0))

    async def main():
        start = asyncio.get_running_loop().time()
        ends = await asyncio.gather(ended_at(long), ended_at(short))
        assert ends == [start + 9.0, start + 1.0]

    counting.run(main())
    assert counting.timers() == 2


def test_a_call_that_leaves_early_does_not_take_the_timer_with_it():
    """The first in the queue ends; the second still times out at its own instant."""

    @Pipeline("p", Timeout(1.0))
    async def work(seconds):
        await asyncio.sleep(seconds)

    async def main():
        start = asyncio.get_running_loop().time()
        first = asyncio.create_task(work(0.1))
        await asyncio.sleep(0.5)
        assert await ended_at(work, 60.0) == start + 1.5
        await first

    run(main())


def test_a_call_within_the_same_call_has_a_limit_of_its_own():
    """A function that calls itself, or its twin, in one task: each level is limited from its start."""
    levels = []

    @Pipeline("p", Timeout(1.0))
    async def recursive(depth):
        try:
            await asyncio.sleep(0.25)
            if depth:
                await recursive(depth - 1)
            await asyncio.sleep(60.0)
        finally:
            levels.append((depth, asyncio.get_running_loop().time() - start))

    start = 0.0

    async def main():
        nonlocal start
        start = asyncio.get_running_loop().time()
        assert await ended_at(recursive, 2) == start + 1.0
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(10.0)

    run(main())
    assert levels == [(0, 1.0), (1, 1.0), (2, 1.0)]


def test_an_inner_level_that_has_ended_leaves_the_outer_limit_in_force():
    """After a call inside the same call has returned, the outer one still times out in time."""

    @Pipeline("p", Timeout(1.0))
    async def recursive(depth):
        if depth:
            await recursive(depth - 1)
            await asyncio.sleep(60.0)

    async def main():
        start = asyncio.get_running_loop().time()
        assert await ended_at(recursive, 1) == start + 1.0

    run(main())


def test_a_new_attempt_gets_a_new_limit():
    """Inside a retry each attempt enters the queue anew."""
    dependency = Scripted([Hang()])
    call = Pipeline("p", Retry(3, backoff=backoff.constant(2.0)), Timeout(1.0))(dependency.aio)

    async def main():
        start = asyncio.get_running_loop().time()
        assert await ended_at(call) == start + 7.0
        assert dependency.times == [start, start + 3.0, start + 6.0]

    run(main())


def test_an_earlier_deadline_cuts_exactly_at_its_instant():
    """The caller's deadline needs a timer of its own, which is gone with the call."""
    call = Pipeline("p", Timeout(9.0)).acall

    async def main():
        loop = asyncio.get_running_loop()
        start = loop.time()
        with deadline(0.5):
            assert await ended_at(call, forever) == start + 0.5
        with deadline(5.0):
            await call(asyncio.sleep, 1.0)
        await asyncio.sleep(60.0)

    run(main())


def test_a_wait_in_a_queue_leaves_no_timer(counting):
    """A caller that got its permit, or was cancelled, takes the timer of its wait along."""
    call = Pipeline("p", Bulkhead(1, queue=2, max_wait=60.0))(asyncio.sleep)

    async def main():
        first, second, third = (asyncio.create_task(call(1.0)) for _ in range(3))
        await asyncio.sleep(0.5)
        assert sorted(counting.left()) == [0.5, 59.5, 59.5]
        third.cancel()
        await asyncio.wait([first, second, third])

    counting.run(main())
    assert counting.left() == []


def test_an_earlier_deadline_leaves_no_timer(counting):
    """A call that ends before its caller's deadline, either way, takes the timer along."""
    call = Pipeline("p", Timeout(90.0)).acall

    async def main():
        with deadline(60.0):
            await call(asyncio.sleep, 1.0)
            with pytest.raises(ZeroDivisionError):
                await call(fail)

    async def fail():
        return 1 // 0

    counting.run(main())
    assert counting.left() == []


def test_two_loops_time_out_independently():
    """One protected function on two loops: each has its own timers and its own time."""
    call = Pipeline("p", Timeout(1.0))(forever)
    for _ in range(2):
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            for number in range(2):
                end = runner.run(ended_at(call))
                assert end == 1000.0 + number + 1.0


def test_closed_loops_are_forgotten():
    """A function that served a hundred loops remembers the last one at most."""
    call = Pipeline("p", Timeout(1.0))(asyncio.sleep)
    loops = []
    for _ in range(100):
        with asyncio.Runner() as runner:
            loops.append(weakref.ref(runner.get_loop()))
            runner.run(call(0))
    gc.collect()
    assert sum(loop() is not None for loop in loops) <= 2


def test_nothing_is_kept_for_loops_that_are_gone():
    """Not even an empty reference for each of them, from the next new loop on."""
    call = Pipeline("p", Timeout(1.0))(asyncio.sleep)

    def references():
        gc.collect()
        asyncio.run(call(0))
        return sum(type(one) is weakref.ref for one in gc.get_objects())

    before = references()
    for _ in range(50):
        asyncio.run(call(0))
    assert references() - before < 25


@pytest.mark.real_time
def test_real_time_is_no_different():
    """On a real loop a call ends within milliseconds of its limit, and not before it."""
    call = Pipeline("p", Timeout(0.02))(forever)

    async def main():
        loop = asyncio.get_running_loop()
        start = loop.time()
        assert 0.02 <= await ended_at(call) - start < 2.0

    asyncio.run(main())


def test_a_timeout_needs_a_task():
    """A coroutine that is driven by hand has no task to cancel, which is said at once."""
    coroutine = Pipeline("p", Timeout(1.0)).acall(forever)

    async def main():
        loop = asyncio.get_running_loop()
        failed = loop.create_future()

        def drive():
            try:
                coroutine.send(None)
            except RuntimeError as error:
                failed.set_result(str(error))

        loop.call_soon(drive)
        assert "a Timeout needs a task to cancel" in await failed

    run(main())
