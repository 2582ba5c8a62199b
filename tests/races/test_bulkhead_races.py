"""One bulkhead for threads and event loops together: in order, nothing lost, nothing doubled."""

import asyncio
import gc
import random
import threading
import time
import warnings

import pytest

from holdfast import Bulkhead, BulkheadFullError, Pipeline, Timeout
from tests.races.loops import PATIENCE, until


class Inside:
    """What is inside the bulkhead: counts, and remembers the most at once, and the order."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.order = []

    def __enter__(self):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_error):
        with self.lock:
            self.now -= 1


@pytest.mark.real_time
def test_threads_and_two_loops_are_served_in_one_queue(two_loops, balanced):
    """Whoever came first is served first: threads and the tasks of both loops, mixed."""
    bulkhead = Bulkhead(1, queue=30)
    served = []
    pipeline = Pipeline("p", bulkhead)

    @pipeline
    async def task(number):
        served.append(number)

    permit = bulkhead.enter(0.0, (), {})
    waiters = []
    for number in range(30):
        if number % 3 == 2:
            waiters.append(threading.Thread(target=pipeline(served.append), args=(number,)))
            waiters[-1].start()
        else:
            two_loops[number % 3].submit(task(number))
        until(lambda number=number: bulkhead.waiting == number + 1)
    with pytest.raises(BulkheadFullError):
        pipeline(served.append)(99)
    bulkhead.succeeded(permit, 0.0, None)
    until(lambda: len(served) == 30)
    assert served == list(range(30))
    until(lambda: bulkhead.in_flight == 0)
    balanced(bulkhead)


@pytest.mark.usefixtures("eager_switching")
@pytest.mark.real_time
def test_a_crowd_of_threads_and_tasks(two_loops, together, balanced):
    """Under load from six threads and two loops the size is never exceeded, and all are served."""
    bulkhead = Bulkhead(3, queue=1000)
    inside = Inside()
    pipeline = Pipeline("p", bulkhead)

    @pipeline
    def blocking():
        with inside:
            pass

    @pipeline
    async def task():
        with inside:
            await asyncio.sleep(0)

    async def crowd():
        for _ in range(15):
            await asyncio.gather(*(task() for _ in range(30)))

    def thread():
        for _ in range(400):
            blocking()

    futures = [one.submit(crowd()) for one in two_loops]
    assert together([thread] * 6) == [None] * 6
    for future in futures:
        future.result(PATIENCE)
    assert inside.most <= 3
    balanced(bulkhead)


@pytest.mark.usefixtures("eager_switching")
@pytest.mark.real_time
def test_waiters_that_run_out_of_patience_lose_no_permit(two_loops, together, balanced):
    """Waits of a millisecond, in threads and loops, end now with a permit and now without."""
    bulkhead = Bulkhead(2, queue=50, max_wait=0.001)
    pipeline = Pipeline("p", bulkhead)
    served, refused = [], []

    def thread():
        call = pipeline(time.sleep)
        for _ in range(60):
            try:
                call(0.0005)
                served.append(1)
            except BulkheadFullError:
                refused.append(1)

    async def crowd():
        call = pipeline(asyncio.sleep)
        for _ in range(10):
            outcomes = await asyncio.gather(
                *(call(0.0005) for _ in range(8)), return_exceptions=True
            )
            served.extend(one for one in outcomes if one is None)
            refused.extend(one for one in outcomes if isinstance(one, BulkheadFullError))

    futures = [one.submit(crowd()) for one in two_loops]
    assert together([thread] * 4) == [None] * 4
    for future in futures:
        future.result(PATIENCE)
    assert len(served) + len(refused) == 4 * 60 + 2 * 80
    balanced(bulkhead)


@pytest.mark.usefixtures("eager_switching")
def test_resizing_while_calls_run(together, balanced):
    """The size goes up and down under load: never exceeded for good, and exact at the end."""
    bulkhead = Bulkhead(4, queue=100)
    inside = Inside()
    done = threading.Event()

    @Pipeline("p", bulkhead)
    def work():
        with inside:
            pass

    def caller():
        for _ in range(1500):
            work()

    def operator():
        random_ = random.Random(7)
        while not done.is_set():
            bulkhead.size = random_.randint(1, 8)

    resizing = threading.Thread(target=operator, daemon=True)
    resizing.start()
    assert together([caller] * 8) == [None] * 8
    done.set()
    resizing.join(PATIENCE)
    assert inside.most <= 8
    for size in (1, 8, 3):
        bulkhead.size = size
        balanced(bulkhead)


def test_shrinking_waits_for_those_inside():
    """After shrinking, nobody enters until fewer are inside than the new size allows."""
    bulkhead = Bulkhead(3, queue=1)
    permits = [bulkhead.enter(0.0, (), {}) for _ in range(3)]
    bulkhead.size = 1
    wait = bulkhead.enter(0.0, (), {})
    for expected, permit in zip([False, False, True], permits, strict=True):
        bulkhead.succeeded(permit, 0.0, None)
        assert wait.ticket.granted is expected


def test_growing_serves_the_queue_at_once():
    """New permits go to those who wait already."""
    bulkhead = Bulkhead(1, queue=3)
    bulkhead.enter(0.0, (), {})
    waits = [bulkhead.enter(0.0, (), {}) for _ in range(3)]
    bulkhead.size = 3
    assert [wait.ticket.granted for wait in waits] == [True, True, False]


@pytest.mark.usefixtures("eager_switching")
@pytest.mark.real_time
def test_abandoned_workers_balance(together, balanced):
    """Holds of abandoned workers, taken and released in a crowd, leave the size as it was."""
    bulkhead = Bulkhead(8)
    call = Pipeline("p", bulkhead, Timeout(0.001))(time.sleep)

    def caller():
        for number in range(25):
            try:
                call(0.0005 + 0.0001 * (number % 10))
            except (TimeoutError, BulkheadFullError):
                pass

    assert together([caller] * 8) == [None] * 8
    until(lambda: bulkhead.in_flight == 0)
    balanced(bulkhead)


# -- event loops that end --------------------------------------------------------------------------


@pytest.fixture
def orphans():
    """Let tasks of closed loops be destroyed without a word about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
        gc.collect()


async def started(coroutine):
    """Start a task, let it come to its first await, and leave it there."""
    task = asyncio.get_running_loop().create_task(coroutine)
    task._log_destroy_pending = False
    await asyncio.sleep(0)
    return task


@pytest.mark.usefixtures("orphans")
@pytest.mark.parametrize("collected", ["before", "after"])
def test_a_loop_that_is_closed_with_a_waiter(balanced, collected):
    """The waiter of a closed loop is passed over, once, whenever it is garbage-collected."""
    bulkhead = Bulkhead(1, queue=3)
    call = Pipeline("p", bulkhead)(asyncio.sleep)
    permit = bulkhead.enter(0.0, (), {})
    loop = asyncio.new_event_loop()
    loop.run_until_complete(started(call(0)))
    assert bulkhead.waiting == 1
    behind = bulkhead.enter(0.0, (), {})
    loop.close()
    del loop
    if collected == "before":
        gc.collect()
    bulkhead.succeeded(permit, 0.0, None)
    assert behind.ticket.granted
    gc.collect()
    assert (bulkhead.in_flight, bulkhead.waiting) == (1, 0)
    bulkhead.succeeded(permit, 0.0, None)
    balanced(bulkhead)


@pytest.mark.usefixtures("orphans")
def test_a_loop_that_is_closed_between_grant_and_wake(balanced):
    """A waiter that was granted a permit but never ran again gives it to the next."""
    bulkhead = Bulkhead(1, queue=3)
    call = Pipeline("p", bulkhead)(asyncio.sleep)
    permit = bulkhead.enter(0.0, (), {})
    loop = asyncio.new_event_loop()
    loop.run_until_complete(started(call(0)))
    behind = bulkhead.enter(0.0, (), {})
    bulkhead.succeeded(permit, 0.0, None)  # granted, and its loop told to wake it
    assert not behind.ticket.granted
    loop.close()
    del loop
    gc.collect()
    assert behind.ticket.granted
    bulkhead.succeeded(permit, 0.0, None)
    balanced(bulkhead)


@pytest.mark.usefixtures("orphans")
@pytest.mark.parametrize("layers", ["bulkhead", "bulkhead and timeout"])
def test_a_loop_that_is_closed_with_a_call_in_flight(balanced, layers):
    """The permit of a call that will never go on comes back with the garbage collector."""
    bulkhead = Bulkhead(1)
    strategies = [bulkhead] if layers == "bulkhead" else [bulkhead, Timeout(60.0)]
    call = Pipeline("p", *strategies)(asyncio.sleep)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(started(call(60.0)))
    assert bulkhead.in_flight == 1
    loop.close()
    del loop
    gc.collect()
    assert bulkhead.in_flight == 0
    balanced(bulkhead)


def test_a_runner_that_ends_cancels_its_waiters(balanced):
    """``asyncio.run`` cancels what still waits; threads are served as if it had never been."""
    bulkhead = Bulkhead(1, queue=3)
    pipeline = Pipeline("p", bulkhead)
    permit = bulkhead.enter(0.0, (), {})

    async def main():
        for _ in range(3):
            await started(pipeline(asyncio.sleep)(0))
        assert bulkhead.waiting == 3

    asyncio.run(main())
    assert bulkhead.waiting == 0
    bulkhead.succeeded(permit, 0.0, None)
    assert pipeline(lambda: "served")() == "served"
    balanced(bulkhead)
