"""`stop`: pauses end, waiters are refused, nothing new begins; and a retry's own `stop`."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from holdfast import (
    BadResultError,
    Bulkhead,
    ConfigurationError,
    Pipeline,
    Rate,
    RateLimiter,
    RejectedError,
    Retry,
    StoppedError,
    backoff,
    on_result,
    stop,
)
from holdfast.events import CallRejected, RetriesExhausted
from holdfast.testing import Ok, record

LONG = backoff.constant(1_000.0)
REAL = 30.0
"""Far more than any of these tests takes in real time, in seconds."""


class Flag:
    """Something that is set at an instant."""

    def __init__(self, world, after):
        self.world, self.at = world, world.now() + after

    def is_set(self):
        return self.world.now() >= self.at


# -- a retry's own ---------------------------------------------------------------------------------


def test_a_pause_ends_when_stop_is_set(world):
    """Within a tenth of a second; the failure that there is is the outcome (tenacity 69)."""
    dependency = world.dependency(ConnectionError("down"))
    pipeline = Pipeline("p", Retry(3, backoff=LONG, stop=Flag(world, 2.0)))
    with pytest.raises(ConnectionError, match="down") as caught:
        world.call(pipeline, dependency)
    assert len(dependency.calls) == 1
    assert 2.0 <= world.elapsed() <= 2.11
    assert caught.value.__notes__[0].endswith(": stop is set")


def test_a_loops_pause_ends_when_stop_is_set(world):
    """The loop raises what it would have raised at its end."""

    @world.function
    async def loop():
        async for attempt in world.attempts(Retry(3, backoff=LONG, stop=Flag(world, 2.0))):
            with attempt:
                raise ConnectionError("down")

    with pytest.raises(ConnectionError, match="down"):
        world.run(loop)
    assert world.elapsed() <= 2.11


@pytest.mark.parametrize("exhausted", ["return", "raise"])
def test_a_bad_result_stands_when_stop_is_set(world, exhausted):
    """It is returned, or raised; nobody discards it."""
    gone = []
    retry = Retry(
        3, on=on_result(lambda it: it == "bad"), backoff=LONG, stop=Flag(world, 2.0),
        exhausted=exhausted, discard=gone.append,
    )  # fmt: skip
    pipeline, dependency = Pipeline("p", retry), world.dependency(Ok("bad"))
    if exhausted == "return":
        assert world.call(pipeline, dependency) == "bad"
    else:
        with pytest.raises(BadResultError):
            world.call(pipeline, dependency)
    assert gone == []


def test_a_pause_has_its_length_where_stop_is_not_set(world):
    """Looking out for it changes nothing."""
    dependency = world.dependency(ConnectionError, Ok("well"))
    pipeline = Pipeline("p", Retry(3, backoff=backoff.constant(1.0), stop=threading.Event()))
    assert world.call(pipeline, dependency) == "well"
    assert world.elapsed() == pytest.approx(1.0, abs=1e-5)


# -- the process -----------------------------------------------------------------------------------


def test_nothing_new_begins(world):
    """Calls are refused, with an event; blocks, too."""
    dependency = world.dependency(Ok("well"))
    pipeline = Pipeline("p", Bulkhead(1))
    call = world.protect(pipeline, dependency)

    @world.function
    async def block():
        async with world.block(pipeline):
            pass

    with record() as events, stop():
        for one in (call, block):
            with pytest.raises(StoppedError, match=r"pipeline 'p': holdfast.stop\(\) was called"):
                world.run(one)
    assert [type(one) for one in events.of(CallRejected)] == [CallRejected] * 2
    assert dependency.calls == []
    assert world.run(call) == "well"


def test_calls_may_begin_for_a_while(world):
    """A request that is under way may need them to finish."""
    call = world.protect(Pipeline("p", Retry(2)), world.dependency(Ok("well")))
    with stop(5.0):
        world.advance(4.9)
        assert world.run(call) == "well"
        world.advance(0.1)
        with pytest.raises(StoppedError):
            world.run(call)


def test_no_retry_and_no_wait_begins(world):
    """From the first instant on, however long calls may still begin."""
    dependency = world.dependency(ConnectionError("down"))
    limiter = RateLimiter(Rate(1, per=10.0), max_wait=None)
    with stop(5.0), record() as events:
        with pytest.raises(ConnectionError) as caught:
            world.call(Pipeline("p", Retry(3, backoff=LONG)), dependency)
        call = world.protect(Pipeline("q", limiter), world.dependency(Ok("well")))
        world.run(call)
        with pytest.raises(StoppedError):
            world.run(call)
    assert caught.value.__notes__[0].endswith(": holdfast.stop() was called")
    assert events.of(RetriesExhausted)[0].attempts == 1
    assert world.elapsed() == 0.0


def test_waiters_are_refused(world):
    """Who waits for a turn is woken; who holds one goes on to the end."""
    bulkhead = Bulkhead(1, queue=5)
    call = world.protect(Pipeline("p", bulkhead), world.dependency(Ok("well", takes=10.0)))
    stopping = []

    async def shut_down():
        stopping.append(stop())

    try:
        first, second, _ = world.together(call, call, world.after(2.0, shut_down))
    finally:
        stopping[0].close()
    assert first == "well"
    assert isinstance(second, StoppedError)
    assert (bulkhead.in_flight, bulkhead.waiting) == (0, 0)


@pytest.mark.parametrize("timeout", [-1.0, float("inf"), "soon"])
def test_a_grace_that_cannot_be(timeout):
    """It is refused, and nothing has stopped."""
    with pytest.raises(ConfigurationError, match="timeout="):
        stop(timeout)
    assert Pipeline("p").call(len, "tea") == 3


def test_the_handle_ends_it_once():
    """The newest one counts; closing an older one, or one twice, does nothing."""
    older, newer = stop(), stop()
    older.close()
    with pytest.raises(RejectedError):
        Pipeline("p").call(len, "tea")
    assert "Stopping" in repr(newer)
    newer.close()
    newer.close()
    assert Pipeline("p").call(len, "tea") == 3


# -- real time, real signals -----------------------------------------------------------------------


def failing():
    raise ConnectionError("down")


def test_a_signal_ends_a_real_pause():
    """SIGTERM's handler calls `stop`, and the main thread wakes at once (spring-retry 131)."""
    stopping = []
    before = signal.signal(signal.SIGTERM, lambda *_: stopping.append(stop()))
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    began = time.monotonic()
    try:
        with pytest.raises(ConnectionError):
            Pipeline("p", Retry(3, backoff=LONG)).call(failing)
    finally:
        timer.join()
        signal.signal(signal.SIGTERM, before)
        for one in stopping:
            one.close()
    assert time.monotonic() - began < REAL


@pytest.mark.parametrize("waits", ["pause", "turn"])
@pytest.mark.real_time
def test_a_signal_ends_a_real_wait_of_an_event_loop(waits):
    """The loop sleeps, too, and the handler runs in its thread: it is woken as by another one."""
    stopping, bulkhead = [], Bulkhead(1, queue=1)

    async def afailing():
        raise ConnectionError("down")

    async def wait():
        if waits == "pause":
            return await Pipeline("p", Retry(3, backoff=LONG)).outcome(afailing)
        holder = asyncio.create_task(Pipeline("held", bulkhead).acall(asyncio.sleep, REAL))
        await asyncio.sleep(0)
        found = await Pipeline("p", bulkhead).outcome(afailing)
        holder.cancel()
        return found

    before = signal.signal(signal.SIGTERM, lambda *_: stopping.append(stop()))
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    began = time.monotonic()
    try:
        found = asyncio.run(asyncio.wait_for(wait(), REAL))
    finally:
        timer.join()
        signal.signal(signal.SIGTERM, before)
        for one in stopping:
            one.close()
    assert type(found.error) is (ConnectionError if waits == "pause" else StoppedError)
    assert time.monotonic() - began < REAL / 2


def test_another_thread_ends_real_pauses_and_waits():
    """In threads and in an event loop at once."""
    bulkhead, ends = Bulkhead(1, queue=9), []
    pipeline = Pipeline("p", Retry(3, on=ConnectionError, backoff=LONG), bulkhead)
    inside, leave = threading.Event(), threading.Event()

    def hold():
        inside.set()
        leave.wait(REAL)

    async def both():
        async def afailing():
            raise ConnectionError("down")

        paused = Pipeline("a", Retry(3, backoff=LONG)).outcome(afailing)
        waiting = pipeline.outcome(afailing)
        ends.extend(one.error for one in await asyncio.gather(paused, waiting))

    def note(fn, *args):
        ends.append(pipeline.try_call(fn, *args).error)

    threads = [threading.Thread(target=hold_it) for hold_it in (lambda: note(hold),)]
    threads[0].start()
    assert inside.wait(REAL)
    threads += [
        threading.Thread(target=lambda: note(failing)),
        threading.Thread(target=lambda: asyncio.run(both())),
    ]
    for thread in threads[1:]:
        thread.start()
    deadline = time.monotonic() + REAL
    while bulkhead.waiting < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    with stop():
        for thread in threads[1:]:
            thread.join(REAL)
        leave.set()
        threads[0].join(REAL)
    assert [type(one) for one in ends].count(StoppedError) == 2
    assert [type(one) for one in ends].count(ConnectionError) == 1
    assert ends[-1] is None
    assert (bulkhead.in_flight, bulkhead.waiting) == (0, 0)


def test_a_patched_sleep_is_the_one_that_sleeps(monkeypatch):
    """Tests and green threads replace `time.sleep` after Holdfast was imported (tenacity 228)."""
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with pytest.raises(ConnectionError):
        Pipeline("p", Retry(2, backoff=LONG)).call(failing)
    assert slept == [1_000.0]


def test_a_patched_sleep_of_asyncio_is_the_one_that_sleeps(monkeypatch):
    """As it was."""
    slept = []

    async def sleep(delay, _real=asyncio.sleep):
        slept.append(delay)

    async def afailing():
        raise ConnectionError("down")

    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(ConnectionError):
        asyncio.run(Pipeline("p", Retry(2, backoff=LONG)).acall(afailing))
    assert slept == [1_000.0]


PATCHED_EARLY = """
import asyncio, time
slept = []
async def sleep(delay): slept.append(delay)
real = time.sleep, asyncio.sleep
time.sleep, asyncio.sleep = slept.append, sleep
from holdfast import Pipeline, Retry, backoff
def failing(): raise ConnectionError
async def afailing(): raise ConnectionError
pipeline = Pipeline("p", Retry(2, backoff=backoff.constant(1_000.0, jitter=None)))
pipeline.try_call(failing)
asyncio.run(pipeline.outcome(afailing))
assert slept == [1_000.0] * 2, slept
"""


def test_a_sleep_that_was_patched_before_the_first_use_sleeps_too():
    """What is usual is not what was found when Holdfast was imported, or called for the first time."""
    subprocess.run([sys.executable, "-c", PATCHED_EARLY], check=True, timeout=REAL)
