"""A blocking pause or wait in a thread with an event loop: somebody says that the loop stands still."""

import asyncio
import threading
import warnings

import pytest

from holdfast import Bulkhead, Pipeline, RateLimiter, Retry, Timeout, backoff
from holdfast.testing import Scripted, VirtualClock, run

SHORT = backoff.constant(0.001)


def flaky():
    return Pipeline("teas", Retry(3, backoff=SHORT))(Scripted([OSError, OSError, "tea"]))


async def within(function):
    return function()


def test_a_pause_in_a_loop_warns():
    """It names the pipeline, the remedy and the line that called."""
    with pytest.warns(RuntimeWarning, match=r"pipeline 'teas': a pause blocks .*to_thread") as told:
        assert asyncio.run(within(flaky())) == "tea"
    assert {one.filename for one in told} == {__file__}


def test_it_warns_once_for_each_place():
    """By Python's own rule: the message is the same each time."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for _ in range(3):
            asyncio.run(within(flaky()))
    assert len(told) == 1


def test_a_loop_over_attempts_warns():
    """Its pause blocks in the same way."""

    def attempts():
        for attempt in Retry(2, backoff=SHORT):
            with attempt:
                if attempt.number == 1:
                    raise OSError("down")

    with pytest.warns(RuntimeWarning, match="a pause blocks the event loop"):
        asyncio.run(within(attempts))


def test_a_limiters_pause_warns():
    """So does a delay that a limiter asks for."""
    call = Pipeline("p", RateLimiter(1, per=0.1, burst=1, max_wait=1.0))(lambda: None)
    call()
    with pytest.warns(RuntimeWarning, match="pipeline 'p': a pause blocks"):
        asyncio.run(within(call))


def test_a_wait_in_a_queue_warns():
    """Whoever has the permit must be in another thread, or nobody will ever give it back."""
    narrow, inside, leave = Bulkhead(1, queue=1), threading.Event(), threading.Event()
    call = Pipeline("narrow", narrow)(lambda step: step())

    def hold():
        inside.set()
        leave.wait(10.0)

    holder = threading.Thread(target=call, args=(hold,))
    holder.start()
    inside.wait(10.0)
    threading.Timer(0.05, leave.set).start()
    with pytest.warns(RuntimeWarning, match="pipeline 'narrow': a wait for its turn blocks"):
        asyncio.run(within(lambda: call(int)))
    holder.join()


def test_what_does_not_wait_does_not_warn():
    """A retry without a delay, and a limit of time: nothing stands still for us."""
    pipeline = Pipeline(
        "p", Timeout(5.0, sync="cooperative"), Retry(2, backoff=backoff.constant(0))
    )
    assert asyncio.run(within(pipeline(Scripted([OSError, "tea"])))) == "tea"


def test_threads_without_a_loop_do_not_warn():
    """Neither the main thread nor the one that `asyncio.to_thread` takes."""
    assert flaky()() == "tea"
    assert asyncio.run(asyncio.to_thread(flaky())) == "tea"


def test_virtual_time_does_not_warn():
    """There a blocking pause takes no time from anybody."""
    assert run(within(flaky())) == "tea"
    with VirtualClock():
        assert asyncio.run(within(flaky())) == "tea"
