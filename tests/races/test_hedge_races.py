"""One hedge for threads and event loops together: every attempt ends, every account balances."""

import asyncio
import random
import threading
import time
from collections import Counter
from contextlib import suppress

import pytest

from holdfast import Bulkhead, Pipeline, RejectedError, RetryBudget
from holdfast.extend import worker_pool
from holdfast.strategies.hedge.delay import quantile
from holdfast.strategies.hedge.hedge import Hedge
from holdfast.testing import run
from tests.races.loops import until

PATIENCE = 20.0


class Inside:
    """Counts the attempts that run."""

    def __init__(self):
        self.lock = threading.Lock()
        self.now = self.all = 0

    def __enter__(self):
        with self.lock:
            self.now += 1
            self.all += 1

    def __exit__(self, *_error):
        with self.lock:
            self.now -= 1


def takes(draw):
    """Return how long an attempt is to take, or fail."""
    number = draw.random()
    if number < 0.1:
        raise ConnectionError("down")
    return 0.004 if number < 0.4 else 0.0


def calling_thread(pipeline, inside, seed):
    """Return a function that makes sixty blocking calls."""
    draw = random.Random(seed)

    @pipeline
    def call():
        with inside:
            time.sleep(takes(draw))

    def thread():
        for _ in range(60):
            with suppress(ConnectionError):
                call()

    return thread


def calling_loop(pipeline, inside, seed):
    """Return a function that makes 120 async calls in a loop of its own, and cancels some."""
    draw = random.Random(seed)

    @pipeline
    async def call():
        with inside:
            await asyncio.sleep(takes(draw))

    async def one():
        task = asyncio.create_task(call())
        if draw.random() < 0.3:
            asyncio.get_running_loop().call_later(draw.random() * 0.005, task.cancel)
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()

    async def crowd():
        for _ in range(12):
            await asyncio.gather(*(one() for _ in range(10)))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    return lambda: asyncio.run(crowd())


@pytest.mark.real_time
@pytest.mark.usefixtures("eager_switching")
def test_threads_and_loops_share_a_hedge(together, balanced):
    """Six threads and two loops race, fail and cancel; then nothing runs and nothing is held."""
    budget = RetryBudget(ratio=1.0, capacity=1000)
    bulkhead, hedge = Bulkhead(1000), Hedge(0.001, 2, budget=budget)
    pipeline, inside = Pipeline("p", bulkhead, hedge), Inside()
    threads = [calling_thread(pipeline, inside, seed) for seed in range(6)]
    loops = [calling_loop(pipeline, inside, seed) for seed in range(6, 8)]
    assert together([*threads, *loops]) == [None] * 8
    until(lambda: inside.now == 0)
    until(lambda: bulkhead.in_flight == 0)
    until(lambda: worker_pool().snapshot()["abandoned"] == 0)
    balanced(bulkhead, budget)
    assert hedge.started > 0
    assert inside.all <= 6 * 60 + 2 * 120 + hedge.started


@pytest.mark.usefixtures("eager_switching")
def test_a_learning_hedge_under_a_crowd(together):
    """Samples come from many threads at once; none is lost, and the delay is theirs."""
    hedge = Hedge(quantile(0.5, min_samples=10))

    def thread():
        for number in range(500):
            hedge.answered(0.01 * (1 + number % 9), 1000.0 + number / 500, earns=True)

    assert together([thread] * 8) == [None] * 8
    hedge.answered(0.05, 1003.0, earns=True)  # a second later it is reckoned anew
    assert hedge.learning.snapshot(1003.0)["samples"] == 8 * 500 + 1
    assert 0.04 < hedge.delay < 0.06


def test_a_great_many_races_on_virtual_time(balanced):
    """A thousand calls that are slow, fail, and are cancelled at random leave no task and no permit."""
    draw = random.Random(1)
    budget = RetryBudget(ratio=1.0, capacity=100)
    bulkhead = Bulkhead(30, queue=20, max_wait=0.5)
    pipeline = Pipeline("p", bulkhead, Hedge(0.05, 2, budget=budget))
    outcomes, inside = Counter(), Inside()

    @pipeline
    async def call():
        with inside:
            try:
                await asyncio.sleep(draw.choice([0.01, 0.03, 0.06, 0.2, 1.0]))
            finally:
                await asyncio.sleep(0.01)
            if draw.random() < 0.2:
                raise ConnectionError("down")

    async def one():
        task = asyncio.create_task(call())
        for _ in range(draw.choice([0, 0, 1, 2])):
            asyncio.get_running_loop().call_later(draw.random() * 0.3, task.cancel)
        try:
            await task
            outcomes["ok"] += 1
        except (ConnectionError, RejectedError, asyncio.CancelledError) as error:
            outcomes[type(error).__name__] += 1
        assert asyncio.current_task().cancelling() == 0

    async def main():
        for _ in range(25):
            await asyncio.gather(*(one() for _ in range(40)))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())
    assert outcomes.total() == 1000
    assert min(outcomes["ok"], outcomes["ConnectionError"], outcomes["CancelledError"]) > 20
    assert inside.now == 0
    balanced(bulkhead, budget)
