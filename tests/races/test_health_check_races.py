"""However many callers arrive together, of threads and event loops, one health check runs at a time."""

import asyncio
import threading
from collections import Counter

import pytest

from holdfast import CircuitBreaker, CircuitOpenError, Pipeline

PROBES = 3


class Health:
    """Counts how many checks run at the same time; of either colour."""

    def __init__(self, release):
        self.release = release
        self.lock = threading.Lock()
        self.running = self.most = self.asked = 0

    def __enter__(self):
        with self.lock:
            self.running += 1
            self.asked += 1
            self.most = max(self.most, self.running)

    def __exit__(self, *details):
        with self.lock:
            self.running -= 1

    def sync(self):
        with self:
            assert self.release.wait(20.0)

    async def asynchronous(self):
        with self:
            while not self.release.is_set():
                await asyncio.sleep(0.001)


def opened(probe):
    breaker = CircuitBreaker(open_for=1e-6, open_jitter=0.0, probes=PROBES, probe=probe)
    breaker.trip()
    return breaker


def wait_until_closed(breaker):
    for _ in range(2_000):
        if breaker.state == "closed":
            return
        threading.Event().wait(0.005)
    raise AssertionError(breaker.snapshot())


@pytest.mark.real_time
@pytest.mark.usefixtures("eager_switching")
@pytest.mark.parametrize("colour", ["sync", "asynchronous"])
def test_threads_and_loops_start_one_check_together(together, colour):
    """Twelve threads and four loops of ten tasks: one check, everybody rejected, then three in all."""
    release = threading.Event()
    health = Health(release)
    breaker = opened(getattr(health, colour))
    pipeline = Pipeline("p", breaker)
    call = pipeline(lambda: "served")

    @pipeline
    async def acall():
        return "served"

    barrier = threading.Barrier(17)
    rejected = []  # appending is atomic

    def thread():
        barrier.wait(20.0)
        try:
            call()
        except CircuitOpenError:
            rejected.append("thread")
        barrier.wait(20.0)

    def loop():
        async def main():
            answers = await asyncio.gather(*(acall() for _ in range(10)), return_exceptions=True)
            rejected.extend("task" for one in answers if isinstance(one, CircuitOpenError))
            await asyncio.to_thread(barrier.wait, 20.0)
            while breaker.state != "closed":  # the task of the check may live in this loop
                await asyncio.sleep(0.005)

        barrier.wait(20.0)
        asyncio.run(main())

    def judge():
        barrier.wait(20.0)
        barrier.wait(20.0)
        assert Counter(rejected) == {"thread": 12, "task": 40}
        assert health.asked == 1
        release.set()
        wait_until_closed(breaker)

    together([*[thread] * 12, *[loop] * 4, judge])

    assert (health.asked, health.most, health.running) == (PROBES, 1, 0)
    assert breaker.snapshot()["probes_in_flight"] == 0
    assert call() == "served"


@pytest.mark.real_time
def test_a_loop_that_ends_with_its_check_leaves_no_place_taken():
    """``asyncio.run`` cancels what is left over: that is no outcome, and the place is free at once."""
    breaker = opened(Health(threading.Event()).asynchronous)

    @Pipeline("p", breaker)
    async def function():
        raise asyncio.CancelledError  # no outcome either

    async def main(expected):
        with pytest.raises(expected):
            await function()
        await asyncio.sleep(0.01)

    for _ in range(5):
        asyncio.run(main(CircuitOpenError))
        assert breaker.snapshot()["probes_in_flight"] == 0
        assert breaker.state == "half-open"
        asyncio.run(main(asyncio.CancelledError))
