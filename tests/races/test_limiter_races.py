"""One limiter for threads and event loops together: nothing lost, nothing doubled, the limit held."""

import asyncio
import threading
from collections import Counter
from contextlib import suppress

import pytest

from holdfast import ConcurrencyLimitedError, ConcurrencyLimiter, Pipeline, concurrency, priority

CLASSES = ("critical", "default", "sheddable")
ENDS = (TimeoutError, KeyError, ConcurrencyLimitedError)


class Fixed:
    """An algorithm that has found its limit."""

    def __init__(self, limit):
        self.limit = limit
        self.samples = 0

    def search(self, _low, _high, _initial):
        return self

    def sample(self, _now, _rtt, _in_flight, _dropped):
        self.samples += 1  # under the limiter's lock
        return self.limit


class Inside:
    """How many are inside now, and the most at once."""

    def __init__(self):
        self.lock = threading.Lock()
        self.now = self.most = 0

    def __enter__(self):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_error):
        with self.lock:
            self.now -= 1


@pytest.mark.usefixtures("eager_switching")
def test_the_limit_holds_in_a_crowd(together):
    """Eight threads at a limit of four: never more inside than it allows, and all come out."""
    algorithm, inside = Fixed(4.0), Inside()
    limiter = ConcurrencyLimiter(algorithm, reserve=0.0)
    ends = Counter()

    @Pipeline("p", limiter)
    def work():
        with inside:
            for _ in range(20):
                pass

    def thread():
        for _ in range(1_000):
            try:
                work()
                ends["served"] += 1
            except ConcurrencyLimitedError:
                ends["refused"] += 1

    assert together([thread] * 8) == [None] * 8
    assert inside.most <= 4
    assert limiter.in_flight == 0
    assert ends["served"] > 0


@pytest.mark.usefixtures("eager_switching")
@pytest.mark.parametrize("algorithm", [concurrency.spread(), concurrency.aimd()], ids=repr)
def test_threads_and_loops_of_all_classes_balance(together, algorithm):
    """Results, losses, other errors, priorities and parties, mixed, while the limit moves."""
    limiter = ConcurrencyLimiter(
        algorithm, initial=3, partition=lambda n: n % 3, shares={0: 0.5, 1: 0.3}, on=TimeoutError
    )
    pipeline = Pipeline("p", limiter)
    blocking = pipeline(act)

    @pipeline
    async def task(number):
        await asyncio.sleep(0)
        return act(number)

    def thread():
        for number in range(400):
            with priority(CLASSES[number % 3]), suppress(*ENDS):
                blocking(number)

    assert together([thread, lambda: asyncio.run(crowd(task))] * 4) == [None] * 8
    assert limiter.in_flight == 0
    assert limiter.snapshot()["partitions"] == {0: 0, 1: 0}
    assert 1 <= limiter.limit <= 200


def act(number):
    """Return, be lost, or fail, as the number says."""
    if number % 5 == 0:
        raise TimeoutError
    if number % 7 == 0:
        raise KeyError
    return number


async def crowd(task):
    """Start many tasks, and cancel a third of them on their way."""
    for _ in range(20):
        calls = [asyncio.ensure_future(task(number)) for number in range(20)]
        await asyncio.sleep(0)
        for call in calls[::3]:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.usefixtures("eager_switching")
def test_no_sample_is_lost_or_doubled(together):
    """Six threads with two hundred calls each: as many samples, counted under the lock."""
    algorithm = Fixed(100.0)
    limiter = ConcurrencyLimiter(algorithm, on=TimeoutError)

    def fail():
        raise TimeoutError

    call = Pipeline("p", limiter)(fail)

    def thread():
        for _ in range(200):
            with pytest.raises(TimeoutError):
                call()

    assert together([thread] * 6) == [None] * 6
    assert algorithm.samples == 1_200


@pytest.mark.usefixtures("eager_switching")
def test_shadow_mode_is_switched_in_a_crowd(together):
    """Whatever the moment, a call that was let in is counted once, in and out."""
    limiter = ConcurrencyLimiter(Fixed(1.0))
    work = Pipeline("p", limiter)(lambda: None)
    done = threading.Event()

    def thread():
        for _ in range(600):
            with suppress(ConcurrencyLimitedError):
                work()

    def operator():
        while not done.is_set():
            limiter.shadow = not limiter.shadow

    switching = threading.Thread(target=operator, daemon=True)
    switching.start()
    assert together([thread] * 6) == [None] * 6
    done.set()
    switching.join(20.0)
    assert limiter.in_flight == 0


def test_a_loop_that_is_closed_with_a_call_in_flight():
    """The permit of a call that will never go on comes back with the garbage collector."""
    import gc
    import warnings

    limiter = ConcurrencyLimiter()
    call = Pipeline("p", limiter)(asyncio.sleep)

    async def start():
        task = asyncio.get_running_loop().create_task(call(60.0))
        task._log_destroy_pending = False
        await asyncio.sleep(0)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loop = asyncio.new_event_loop()
        loop.run_until_complete(start())
        assert limiter.in_flight == 1
        loop.close()
        del loop
        gc.collect()
    assert limiter.in_flight == 0
