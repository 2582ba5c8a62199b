"""One attempt for callers of several threads and event loops: nobody is forgotten, nothing is left."""

import asyncio
import gc
import random
import threading
import time
import warnings

import pytest

from holdfast import Coalesce, DeadlineExceeded, Pipeline, deadline
from tests.races.loops import PATIENCE, until


def nothing_is_left(*strategies):
    for strategy in strategies:
        snapshot = strategy.snapshot()
        assert (snapshot["flights"], snapshot["sharing"]) == (0, 0)


@pytest.mark.real_time
def test_two_loops_share_an_attempt(two_loops):
    """A caller in another loop is woken there; the attempt ran once, in the first one's."""
    coalesce, began = Coalesce(lambda: "key"), []
    gates = []

    @Pipeline("p", coalesce)
    async def attempt():
        began.append(asyncio.get_running_loop())
        gates.append(asyncio.Event())
        await gates[0].wait()
        return "result"

    first = two_loops[0].submit(attempt())
    until(lambda: gates)
    others = [two_loops[1].submit(attempt()) for _ in range(5)]
    until(lambda: coalesce.snapshot()["sharing"] == 6)
    two_loops[0].loop.call_soon_threadsafe(gates[0].set)
    assert [future.result(PATIENCE) for future in (first, *others)] == ["result"] * 6
    assert began == [two_loops[0].loop]
    nothing_is_left(coalesce)


@pytest.mark.real_time
def test_the_first_caller_leaves_and_the_other_loop_stays(two_loops):
    """Its cancellation costs the caller of the other loop nothing."""
    coalesce, gates = Coalesce(lambda: "key"), []

    @Pipeline("p", coalesce)
    async def attempt():
        gates.append(asyncio.Event())
        await gates[0].wait()
        return "result"

    first = two_loops[0].submit(attempt())
    until(lambda: gates)
    other = two_loops[1].submit(attempt())
    until(lambda: coalesce.snapshot()["sharing"] == 2)
    first.cancel()
    until(lambda: coalesce.snapshot()["sharing"] == 1)
    two_loops[0].loop.call_soon_threadsafe(gates[0].set)
    assert other.result(PATIENCE) == "result"
    nothing_is_left(coalesce)


@pytest.mark.real_time
@pytest.mark.parametrize("end", ["properly", "brutally"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_loop_of_the_first_caller_ends(two_loops, end, monkeypatch):
    """Who waits in another loop leads anew, also where the loop was closed without a word."""
    monkeypatch.setattr("holdfast._runtimes.share_aio.LOOK_AROUND", 0.01)
    coalesce, began = Coalesce(lambda: "key"), []

    @Pipeline("p", coalesce)
    async def attempt():
        began.append(asyncio.get_running_loop())
        if len(began) == 1:
            await asyncio.get_running_loop().create_future()
        return "result"

    async def first():
        task = asyncio.create_task(attempt())
        task._log_destroy_pending = False
        while not began:
            await asyncio.sleep(0)
        for one in asyncio.all_tasks():
            one._log_destroy_pending = False
        others.append(two_loops[1].submit(attempt()))
        while coalesce.snapshot()["sharing"] < 2:
            await asyncio.sleep(0)

    others = []
    if end == "properly":
        asyncio.run(first())
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loop = asyncio.new_event_loop()
            loop.run_until_complete(first())
            loop.close()
    assert others[0].result(PATIENCE) == "result"
    assert len(began) == 2
    nothing_is_left(coalesce)
    gc.collect()


@pytest.mark.usefixtures("eager_switching")
@pytest.mark.real_time
def test_a_crowd_of_tasks_that_come_and_go(two_loops):
    """Tasks of two loops share, are cancelled at random, and in the end nothing is left."""
    coalesce = Coalesce(lambda key: key)

    @Pipeline("p", coalesce)
    async def attempt(key):
        await asyncio.sleep(0.001)
        return key

    async def crowd(seed):
        rng = random.Random(seed)
        for _ in range(12):
            tasks = [asyncio.create_task(attempt(rng.randrange(3))) for _ in range(20)]
            await asyncio.sleep(rng.choice([0, 0.0005]))
            for task in rng.sample(tasks, 10):
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(one) for one in outcomes} <= {int, asyncio.CancelledError}
            assert sum(isinstance(one, int) for one in outcomes) >= 10
        return "done"

    futures = [loop.submit(crowd(seed)) for seed, loop in enumerate(two_loops)]
    assert [future.result(PATIENCE) for future in futures] == ["done"] * 2
    nothing_is_left(coalesce)


@pytest.mark.usefixtures("eager_switching")
@pytest.mark.real_time
def test_a_crowd_of_threads(together):
    """Threads share, some run out of time, one in seven attempts fails, and nothing is left."""
    coalesce = Coalesce(lambda key: key)
    counts, lock = {"running": 0, "began": 0}, threading.Lock()

    def attempt(key):
        with lock:
            counts["running"] += 1
            counts["began"] += 1
            fails = counts["began"] % 7 == 0
            assert counts["running"] == 1
        time.sleep(0.0003)
        with lock:
            counts["running"] -= 1
        if fails:
            raise ConnectionError
        return key

    call = Pipeline("p", coalesce)(attempt)

    def thread(seed):
        rng = random.Random(seed)
        outcomes = set()
        for _ in range(60):
            try:
                if rng.random() < 0.3:
                    with deadline(0.0002):
                        outcomes.add(call("key"))
                else:
                    outcomes.add(call("key"))
            except (ConnectionError, DeadlineExceeded) as error:
                outcomes.add(type(error).__name__)
        return outcomes

    outcomes = together([lambda seed=seed: thread(seed) for seed in range(8)])
    assert set.union(*outcomes) <= {"key", "ConnectionError", "DeadlineExceeded"}
    assert all("key" in one for one in outcomes)
    assert coalesce.shared > 0
    nothing_is_left(coalesce)
