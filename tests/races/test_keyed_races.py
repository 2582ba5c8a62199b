"""One keyed strategy for threads and event loops together: one instance a key, nothing lost."""

import asyncio
import contextlib
import random
import threading
from functools import partial

import pytest

from holdfast import Bulkhead, BulkheadFullError, CircuitBreaker, Pipeline, RejectedError
from holdfast.strategies.keyed.keyed import Keyed


def first(key, *_rest):
    return key


def assert_empty(strategy):
    """Check that nobody is inside of any bulkhead, or waits for it."""
    bulkheads = [entry.child.snapshot() for entry in strategy._keys.table.entries.values()]
    if strategy.snapshot()["overflow"] is not None:
        bulkheads.append(strategy.snapshot()["overflow"])
    assert all((one["in_flight"], one["waiting"]) == (0, 0) for one in bulkheads)


@pytest.mark.usefixtures("eager_switching")
def test_threads_that_meet_a_key_together_get_one_strategy(together):
    """However many are made at once, one of them is used by all."""
    made = []

    def factory(_key):
        made.append(Bulkhead(100))
        return made[-1]

    for _ in range(20):
        strategy = Keyed(first, factory)
        held = together([partial(strategy.enter, 0.0, ("a",), {})] * 8)

        assert {id(entry.child) for entry, _, _ in held} == {id(strategy["a"])}
        assert strategy["a"].in_flight == 8


@pytest.mark.usefixtures("eager_switching")
@pytest.mark.parametrize("max_keys", [10, 4], ids=["room for most", "too few for all threads"])
def test_a_crowd_of_threads_never_exceeds_a_keys_size(together, max_keys):
    """Though keys come and go all the time, no key ever has two strategies side by side.

    But for the overflow, where there was no room: what that admits comes on top.
    """
    strategy = Keyed(first, lambda _key: Bulkhead(2), max_keys=max_keys)
    lock, inside, most = threading.Lock(), {}, {}

    @Pipeline("p", strategy)
    def work(key):
        with lock:
            inside[key] = inside.get(key, 0) + 1
            most[key] = max(most.get(key, 0), inside[key])
        with lock:
            inside[key] -= 1

    def caller(seed):
        draw = random.Random(seed)
        for _ in range(600):
            try:
                work(draw.randrange(12))
            except BulkheadFullError:
                pass

    assert together([lambda seed=seed: caller(seed) for seed in range(6)]) == [None] * 6
    assert max(most.values()) <= (2 if strategy.snapshot()["overflow"] is None else 2 + 2)
    assert len(strategy) <= max_keys
    assert_empty(strategy)


@pytest.mark.usefixtures("eager_switching")
@pytest.mark.real_time
def test_loops_threads_and_cancellation_balance(together):
    """Whatever is cancelled, waits or fails, all bulkheads are empty in the end."""
    strategy = Keyed(first, lambda _key: Bulkhead(2, queue=2), max_keys=5)
    pipeline = Pipeline("p", strategy)

    def sometimes(_key, draw):
        if draw < 0.2:
            raise ConnectionError("down")

    blocking = pipeline(sometimes)

    @pipeline
    async def task(key, draw):
        await asyncio.sleep(0)
        sometimes(key, draw)

    async def crowd(seed):
        draw = random.Random(seed)
        for _ in range(40):
            tasks = [
                asyncio.ensure_future(task(draw.randrange(8), draw.random())) for _ in range(12)
            ]
            await asyncio.sleep(0)
            for one in tasks[::3]:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def thread(seed):
        draw = random.Random(seed)
        for _ in range(400):
            with contextlib.suppress(ConnectionError, RejectedError):
                blocking(draw.randrange(8), draw.random())

    functions = [lambda seed=seed: asyncio.run(crowd(seed)) for seed in range(2)]
    functions += [lambda seed=seed: thread(seed) for seed in range(4)]
    assert together(functions) == [None] * 6
    assert_empty(strategy)


@pytest.mark.usefixtures("eager_switching")
def test_the_lines_stay_whole(together):
    """After keys were made, failed, recovered and dropped by eight threads, each stands in one line."""
    strategy = Keyed(first, lambda _key: CircuitBreaker(failures=1000), max_keys=20)

    def caller(seed):
        draw = random.Random(seed)
        for _ in range(500):
            held = strategy.enter(0.0, (draw.randrange(60),), {})
            if draw.random() < 0.3:
                strategy.failed(held, 0.0, ConnectionError("down"))
            else:
                strategy.succeeded(held, 0.0, None)

    assert together([lambda seed=seed: caller(seed) for seed in range(8)]) == [None] * 8
    table, standing = strategy._keys.table, []
    for line in (table.calm, table.kept):
        entry = line.newer
        while entry is not line:
            assert (entry.line, entry.newer.older) == (line, entry)
            standing.append(entry)
            entry = entry.newer
    assert table.reserved == 0
    assert len(standing) <= 20
    assert set(standing) == set(table.entries.values())
