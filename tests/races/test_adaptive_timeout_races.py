"""One adaptive timeout among many threads and loops: no sample is lost."""

import asyncio
import threading
import time

import pytest

from holdfast import AttemptTimeout, Pipeline, Timeout

THREADS, CALLS = 6, 200


def test_threads_and_loops_learn_together(together, eager_switching):
    """Blocking callers and callers in loops of their own count each success once."""
    timeout = Timeout.adaptive(min_samples=50, floor=5.0, sync="cooperative")
    pipeline = Pipeline("p", timeout)

    @pipeline
    def blocking():
        return "up"

    @pipeline
    async def asynchronous():
        await asyncio.sleep(0)
        return "up"

    def in_a_thread():
        return [blocking() for _ in range(CALLS)]

    def in_a_loop():
        async def main():
            return [await asynchronous() for _ in range(CALLS)]

        return asyncio.run(main())

    outcomes = together([in_a_thread, in_a_loop] * (THREADS // 2))
    assert outcomes == [["up"] * CALLS] * THREADS
    assert timeout.snapshot()["samples"] == THREADS * CALLS
    assert timeout.limit == 5.0


@pytest.mark.real_time
def test_timeouts_and_cancellations_in_many_loops_are_told_apart(together):
    """Each loop times out, is cancelled and succeeds; only the timeouts count as such."""
    timeout = Timeout.adaptive(ceiling=0.02, floor=0.02, sync="thread")
    pipeline = Pipeline("p", timeout)

    @pipeline
    async def call(seconds):
        await asyncio.sleep(seconds)
        return "up"

    async def main():
        hanging = [asyncio.ensure_future(call(60.0)) for _ in range(20)]
        cancelled = [asyncio.ensure_future(call(60.0)) for _ in range(20)]
        await asyncio.sleep(0)
        for task in cancelled:
            task.cancel()
        quick = await asyncio.gather(*[call(0) for _ in range(20)])
        ends = await asyncio.gather(*hanging, return_exceptions=True)
        return quick, [type(end) for end in ends]

    outcomes = together([lambda: asyncio.run(main())] * 4)
    assert outcomes == [(["up"] * 20, [AttemptTimeout] * 20)] * 4
    assert (timeout.snapshot()["samples"], timeout.timeouts) == (80, 80)


@pytest.mark.real_time
def test_each_worker_that_ends_late_is_heard_once(together):
    """Threads that stop waiting learn, in the end, how long their workers took."""
    timeout = Timeout.adaptive(ceiling=0.01, floor=0.01, sync="thread")
    workers = []

    @Pipeline("p", timeout)
    def slow(gate):
        gate.acquire()

    def caller():
        gate = threading.Lock()
        gate.acquire()
        workers.append(gate)
        try:
            slow(gate)
        except AttemptTimeout:
            return "gave up"

    assert together([caller] * 8) == ["gave up"] * 8
    assert timeout.snapshot()["samples"] == 0
    for gate in workers:
        gate.release()
    patience = time.monotonic() + 20.0
    while timeout.snapshot()["samples"] < 8 and time.monotonic() < patience:
        time.sleep(0.001)
    assert (timeout.snapshot()["samples"], timeout.timeouts) == (8, 8)
