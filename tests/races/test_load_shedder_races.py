"""One load shedder for threads and event loops together: nothing lost, nothing doubled."""

import asyncio
import gc
import random
import threading
import time
import warnings

import pytest

from holdfast import (
    DeadlineExceeded,
    DeadlineTooShortError,
    LoadShedder,
    Pipeline,
    ThrottledError,
    deadline,
    priority,
)
from holdfast.criticality import CLASSES
from tests.races.loops import PATIENCE, until

REFUSALS = (ThrottledError, DeadlineTooShortError, DeadlineExceeded)


def is_balanced(shedder):
    """Check that nobody is inside or waits, and that as many come in as there is room for."""
    assert (shedder.in_flight, shedder.waiting) == (0, 0)
    now = time.monotonic()
    with priority("critical"):
        places = [shedder.enter(now, (), {}) for _ in range(shedder.size)]
    assert all(place.granted for place in places)
    for place in places:
        shedder.abandoned(place, now)
    assert shedder.in_flight == 0


class Inside:
    """What is inside the shedder: counts, and remembers the most at once."""

    def __init__(self) -> None:
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
@pytest.mark.real_time
def test_a_patient_crowd_is_served_completely(two_loops, together):
    """Six threads and two loops: the size is never exceeded, and nobody is forgotten."""
    shedder = LoadShedder(3, target=None)
    inside = Inside()
    pipeline = Pipeline("p", shedder)

    @pipeline
    def blocking():
        with inside:
            pass

    @pipeline
    async def task():
        with inside:
            await asyncio.sleep(0)

    async def crowd():
        for _ in range(10):
            await asyncio.gather(*(task() for _ in range(30)))

    def thread():
        for _ in range(250):
            blocking()

    futures = [one.submit(crowd()) for one in two_loops]
    assert together([thread] * 6) == [None] * 6
    for future in futures:
        future.result(PATIENCE)
    assert inside.most <= 3
    is_balanced(shedder)


@pytest.mark.usefixtures("eager_switching")
@pytest.mark.real_time
def test_an_impatient_crowd_of_all_classes(two_loops, together):
    """Waits of a millisecond, a short queue, evictions, deadlines, cancellations: all is given back."""
    shedder = LoadShedder(2, queue=4, target=0.001, interval=0.002, expected=0.0005, reserve=0.3)
    pipeline = Pipeline("p", shedder)
    inside = Inside()
    outcomes = []

    @pipeline
    def blocking():
        with inside:
            time.sleep(0.0003)

    @pipeline
    async def task():
        with inside:
            await asyncio.sleep(0.0003)

    def thread(seed):
        rng = random.Random(seed)
        for _ in range(60):
            try:
                with priority(rng.choice(CLASSES)), deadline(rng.choice([0.0004, 0.003, 5.0])):
                    outcomes.append(blocking())
            except REFUSALS as error:
                outcomes.append(error)

    async def one(rng):
        with priority(rng.choice(CLASSES)), deadline(rng.choice([0.0004, 0.003, 5.0])):
            await task()

    async def crowd(seed):
        rng = random.Random(seed)
        for _ in range(15):
            tasks = [asyncio.create_task(one(rng)) for _ in range(8)]
            await asyncio.sleep(rng.choice([0, 0.0002, 0.001]))
            rng.choice(tasks).cancel()
            outcomes.extend(await asyncio.gather(*tasks, return_exceptions=True))

    futures = [loop.submit(crowd(seed)) for seed, loop in enumerate(two_loops)]
    assert together([lambda seed=seed: thread(seed) for seed in range(4)]) == [None] * 4
    for future in futures:
        future.result(PATIENCE)
    assert len(outcomes) == 4 * 60 + 2 * 15 * 8
    assert {type(one) for one in outcomes} <= {type(None), asyncio.CancelledError, *REFUSALS}
    assert inside.most <= 2
    is_balanced(shedder)


@pytest.mark.real_time
def test_a_call_of_one_loop_evicts_the_waiter_of_another(two_loops):
    """It is woken in its own loop, at once, though nobody left."""
    shedder = LoadShedder(1, queue=1, target=None, interval=60.0)
    call = Pipeline("p", shedder)(asyncio.sleep)
    place = shedder.enter(time.monotonic(), (), {})

    async def of_class(name):
        with priority(name):
            return await call(0, name)

    evicted = two_loops[0].submit(of_class("sheddable"))
    until(lambda: shedder.waiting == 1)
    served = two_loops[1].submit(of_class("critical"))
    assert isinstance(evicted.exception(PATIENCE), ThrottledError)
    shedder.succeeded(place, time.monotonic(), None)
    assert served.result(PATIENCE) == "critical"
    until(lambda: shedder.in_flight == 0)
    is_balanced(shedder)


@pytest.mark.real_time
def test_a_call_evicts_a_waiting_thread():
    """A blocking caller that is put out learns it at once, too, and does not run."""
    shedder = LoadShedder(1, queue=1, target=None, interval=60.0)
    shedder.enter(time.monotonic(), (), {})
    errors = []

    def evicted():
        with priority("sheddable"):
            try:
                Pipeline("p", shedder).call(errors.append, "it ran")
            except ThrottledError as error:
                errors.append(error)

    thread = threading.Thread(target=evicted)
    thread.start()
    until(lambda: shedder.waiting == 1)
    with priority("critical"):
        shedder.enter(time.monotonic(), (), {})
    thread.join(PATIENCE)
    assert [type(error) for error in errors] == [ThrottledError]
    assert (shedder.in_flight, shedder.waiting) == (1, 1)


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
@pytest.mark.parametrize("granted", [False, True])
def test_a_loop_that_is_closed_with_a_waiter(granted):
    """Its waiter is passed over, once, whether its turn comes before or after the loop's end."""
    shedder = LoadShedder(1, target=None)
    call = Pipeline("p", shedder)(asyncio.sleep)
    now = time.monotonic()
    place = shedder.enter(now, (), {})
    loop = asyncio.new_event_loop()
    loop.run_until_complete(started(call(0)))
    assert shedder.waiting == 1
    behind = shedder.enter(now, (), {}).ticket
    if granted:
        shedder.succeeded(place, now, None)  # let in, and its loop told to wake it
        assert not behind.granted
    loop.close()
    del loop
    if not granted:
        shedder.succeeded(place, now, None)
    gc.collect()
    assert behind.granted
    shedder.succeeded(behind, now, None)
    is_balanced(shedder)


@pytest.mark.usefixtures("orphans")
def test_a_loop_that_is_closed_with_a_call_inside():
    """The place of a call that will never go on comes back with the garbage collector."""
    shedder = LoadShedder(1)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(started(Pipeline("p", shedder)(asyncio.sleep)(60.0)))
    assert shedder.in_flight == 1
    loop.close()
    del loop
    gc.collect()
    is_balanced(shedder)
