"""``with pipeline:`` whatever thread, task, finaliser or signal handler enters and leaves it.

Sources: sentry-python 6148 (a collector that comes by in a locked section), pytest's fixtures and
dependency injection, which enter a block here and leave it there.
"""

import asyncio
import gc
import signal
import sys
import threading
import time
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from holdfast import Bulkhead, CircuitBreaker, Pipeline, Timeout, deadline, remaining

pytestmark = pytest.mark.real_time


@pytest.fixture
def bulkhead():
    return Bulkhead(10_000)


@pytest.fixture
def pipeline(bulkhead):
    return Pipeline("p", bulkhead)


def test_a_block_that_nobody_has_entered_cannot_be_left(pipeline):
    """The error says so, and which pipeline it is; the blocks that there are stay as they are."""
    with pytest.raises(
        RuntimeError, match="pipeline 'p': a block was left that nobody has entered"
    ):
        pipeline.__exit__(None, None, None)
    with pipeline:
        pass
    with pytest.raises(RuntimeError, match="exactly once"):
        pipeline.__exit__(None, None, None)


def test_blocks_of_one_thread_are_left_from_the_inside(pipeline, bulkhead):
    """Each gives back what it holds itself: the inner one its deadline, too."""
    timed = Pipeline("t", Timeout(5.0, sync="cooperative"))
    with deadline(100.0), timed:
        outer = remaining()
        with Pipeline("u", Timeout(1.0, sync="cooperative")), timed:
            assert remaining() <= 1.0
        assert remaining() <= outer
    assert remaining() > 1e9


def test_one_that_another_thread_leaves_gives_back_the_oldest(pipeline, bulkhead):
    """And who has none of its own left takes another's: each exit gives back one."""
    blocks = [pipeline.__enter__() for _ in range(3)]
    other = threading.Thread(target=pipeline.__exit__, args=(None, None, None))
    other.start()
    other.join()
    assert blocks[0].permits == []
    assert all(block.permits for block in blocks[1:])
    pipeline.__exit__(None, None, None)
    pipeline.__exit__(None, None, None)
    assert bulkhead.in_flight == 0
    assert (pipeline._blocks._entered, pipeline._blocks._newest) == ({}, {})


def test_own_blocks_are_left_though_another_thread_took_some_of_them(pipeline, bulkhead):
    """The newest that is still there, not one that has been left."""
    with pipeline as outer:
        pipeline.__enter__()
        inner = pipeline._blocks._newest[threading.get_ident()]
        assert pipeline._blocks._taken(inner)
        inner.leave(None, 0.0)
        with pipeline as newest:
            assert newest.outer is outer
    assert bulkhead.in_flight == 0
    assert pipeline._blocks._newest == {}


def test_two_threads_that_come_first_make_one_table(monkeypatch):
    """Or one of them would look for its block in the other's."""
    from holdfast import _block

    met = threading.Barrier(2)

    class Slow(_block.Blocks):
        def __init__(self, *args):
            super().__init__(*args)
            met.wait(10.0)

    monkeypatch.setattr(_block, "Blocks", Slow)
    pipeline, found = Pipeline("p", Bulkhead(2)), []
    threads = [threading.Thread(target=lambda: found.append(pipeline._block())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] is found[1] is pipeline._blocks


def test_threads_tasks_and_strangers_leave_nothing_behind(pipeline, bulkhead):  # noqa: C901 - many kinds at once
    """Every thread enters and leaves many, some of which others leave; the balance is even."""
    strangers = []

    def enter_and_leave(number):
        for turn in range(300):
            with pipeline, pipeline:
                if (turn + number) % 10 == 0:
                    with ExitStack() as stack:
                        stack.enter_context(pipeline)
                        strangers.append(stack.pop_all())
            if strangers and turn % 3 == 0:
                try:
                    strangers.pop().close()
                except IndexError:
                    pass

    async def tasks():
        async def one():
            for _ in range(20):
                async with pipeline:
                    await asyncio.sleep(0)

        await asyncio.gather(*(one() for _ in range(10)))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=enter_and_leave, args=(n,)) for n in range(4)]
        threads.append(threading.Thread(target=lambda: asyncio.run(tasks())))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    for stack in strangers:
        stack.close()
    assert bulkhead.in_flight == 0
    assert (pipeline._blocks._entered, pipeline._blocks._newest) == ({}, {})


def every_step(run, at):
    """Run ``run()`` and have ``at()`` called before one of its steps in blocks, each in its turn."""
    place = 0
    while True:
        steps = SimpleNamespace(seen=0, hit=False)

        def trace(frame, event, _arg, steps=steps, place=place):
            if frame.f_code.co_filename.endswith("_block.py"):
                frame.f_trace_opcodes = True
                if event == "opcode":
                    steps.seen += 1
                    if steps.seen == place + 1:
                        steps.hit = True
                        sys.settrace(None)
                        at()
            return trace

        sys._getframe().f_trace_opcodes = (
            True  # or Python 3.12 sends none, whatever asks for them later
        )
        sys.settrace(trace)
        try:
            run()
        finally:
            sys.settrace(None)
        if not steps.hit:
            return place
        place += 1


def test_a_signal_handler_may_use_the_block_of_its_thread_at_any_step(pipeline, bulkhead):
    """It enters and leaves one of its own, wherever the thread is in its own block."""

    def handler():
        with pipeline:
            assert bulkhead.in_flight >= 1

    def run():
        with pipeline:
            pass

    assert every_step(run, handler) > 50
    assert bulkhead.in_flight == 0
    assert (pipeline._blocks._entered, pipeline._blocks._newest) == ({}, {})


def test_the_collector_may_close_a_forgotten_block_at_any_step(pipeline, bulkhead):
    """A generator that waits inside one is closed in the middle of the same thread's own block."""

    def forgotten():
        with pipeline:
            yield

    waiting = []

    def run():
        waiting.append(forgotten())
        next(waiting[0])
        with pipeline:
            pass
        if waiting:
            waiting.pop().close()

    def collect():
        if waiting and not waiting[0].gi_running:
            waiting.pop().close()

    assert every_step(run, collect) > 50
    assert bulkhead.in_flight == 0
    assert (pipeline._blocks._entered, pipeline._blocks._newest) == ({}, {})


def test_cycles_with_blocks_inside_are_collected_while_others_enter(pipeline, bulkhead):
    """For real: as the collector comes, in several threads."""

    def forgotten():
        me = yield
        with pipeline:
            yield me

    def forget():
        one = forgotten()
        next(one)
        one.send(one)

    def busy():
        for _ in range(2000):
            forget()
            with pipeline:
                pass

    threads = [threading.Thread(target=busy, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert not any(thread.is_alive() for thread in threads)
    gc.collect()
    assert bulkhead.in_flight == 0


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="it needs POSIX timers")
def test_real_signals_in_the_midst_of_blocks(pipeline, bulkhead):
    """The main thread's handler uses the pipeline that the main thread is using."""
    handled = []

    def handler(*_):
        with pipeline:
            handled.append(1)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            signal.setitimer(signal.ITIMER_REAL, 2e-5)
            for _ in range(20):
                with pipeline:
                    pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert handled
    assert bulkhead.in_flight == 0


def test_a_block_in_a_callback_of_a_loop_is_its_loop_s(pipeline, bulkhead):
    """There is no task: the callbacks of several loops don't take each other for owners."""

    async def main():
        done = asyncio.Event()

        def callback():
            with pipeline as block:
                assert block.owner == id(asyncio.get_running_loop())
            done.set()

        asyncio.get_running_loop().call_soon(callback)
        await done.wait()

    asyncio.run(main())
    assert bulkhead.in_flight == 0


def test_a_block_tells_its_gates_how_it_ended():
    """A failure counts, an interruption doesn't."""
    breaker = CircuitBreaker(failures=1)
    pipeline = Pipeline("p", breaker)
    with pytest.raises(KeyboardInterrupt), pipeline:
        raise KeyboardInterrupt
    assert breaker.state == "closed"
    with pytest.raises(ValueError, match="x"), pipeline:
        raise ValueError("x")
    assert breaker.state == "open"
