"""One limiter for threads and event loops together: nothing lost, nothing doubled, the limit held."""

import asyncio
import threading
from collections import Counter
from contextlib import suppress

import pytest

from holdfast import ConcurrencyLimitedError, ConcurrencyLimiter, Pipeline, concurrency, priority
from holdfast.shapes import Wait
from holdfast.strategies.concurrency.limiter import SAMPLES
from holdfast.strategies.concurrency.waiting import Waiting
from tests.ids import spelt

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
@pytest.mark.parametrize("algorithm", [concurrency.spread(), concurrency.aimd()], ids=spelt)
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


@pytest.mark.usefixtures("eager_switching")
@pytest.mark.real_time
def test_in_a_queue_all_get_their_turn(together):
    """Four threads and four loops at a limit of three: all are served, no more inside than it allows."""
    limiter = ConcurrencyLimiter(Fixed(3.0), reserve=0.0, queue=1_000)
    inside, served = Inside(), []
    pipeline = Pipeline("p", limiter)

    @pipeline
    def blocking(number):
        with inside:
            served.append(number)

    @pipeline
    async def task(number):
        with inside:
            await asyncio.sleep(0)
            served.append(number)

    def thread():
        for number in range(400):
            blocking(number)

    async def tasks():
        for _ in range(15):
            await asyncio.gather(*map(task, range(30)))

    assert together([thread, lambda: asyncio.run(tasks())] * 4) == [None] * 8
    assert len(served) == 4 * 400 + 4 * 15 * 30
    assert inside.most <= 3
    assert (limiter.in_flight, limiter.waiting, limiter.enforced) == (0, 0, 0)


@pytest.mark.usefixtures("eager_switching")
@pytest.mark.real_time
@pytest.mark.parametrize("algorithm", [concurrency.demand(), concurrency.aimd()], ids=spelt)
def test_waiters_that_give_up_lose_nothing_while_the_limit_moves(together, algorithm):
    """Cancelled, out of patience after a millisecond, of all classes and parties: all balances."""
    limiter = ConcurrencyLimiter(
        algorithm,
        initial=2, max=4, partition=lambda n: n % 3, shares={0: 0.5, 1: 0.3}, on=TimeoutError,
        queue=10, max_wait=0.001,
    )  # fmt: skip
    pipeline = Pipeline("p", limiter)
    blocking = pipeline(act)

    @pipeline
    async def protected(number):
        await asyncio.sleep(0)
        return act(number)

    async def task(number):
        with priority(CLASSES[number // 3 % 3]):
            return await protected(number)

    def thread():
        for number in range(300):
            with priority(CLASSES[number // 3 % 3]), suppress(*ENDS):
                blocking(number)

    assert together([thread, lambda: asyncio.run(crowd(task))] * 3) == [None] * 6
    assert (limiter.in_flight, limiter.waiting) == (0, 0)
    assert limiter.snapshot()["partitions"] == {0: 0, 1: 0}


class Between:
    """A lock that lets something else happen once, just before it is taken."""

    def __init__(self, lock, act):
        self.lock, self.act = lock, act

    def __enter__(self):
        act, self.act = self.act, lambda: None
        act()
        return self.lock.__enter__()

    def __exit__(self, *error):
        return self.lock.__exit__(*error)


class Slippery(list):
    """A list that lets something else happen once, just before an item is deleted."""

    act = staticmethod(lambda: None)

    def __delitem__(self, place):
        act, self.act = self.act, lambda: None
        act()
        super().__delitem__(place)


class Late(Waiting):
    """A queue that lets something else happen just before somebody joins, or leaves."""

    def __init__(self, joins=lambda: None, leaves=lambda: None):
        super().__init__()
        self.joins, self.leaves = joins, leaves

    def join(self, permit):
        self.joins()
        super().join(permit)

    def leave(self, permit):
        act, self.leaves = self.leaves, lambda: None
        act()
        super().leave(permit)


def taken():
    """Return a limiter with one call inside, its permit, answers, and what gets one more answer."""
    limiter, answers = ConcurrencyLimiter(Fixed(1.0), queue=5), []
    permit = limiter.enter(0.0, (), {})
    return limiter, permit, answers, lambda: answers.append(limiter.enter(0.0, (), {}))


def test_who_begins_to_wait_just_before_a_call_takes_the_lock_to_end_is_let_in():
    """That call saw nobody wait, and looks again."""
    limiter, permit, answers, come = taken()
    limiter._lock = Between(limiter._lock, come)

    limiter.succeeded(permit, 1.0, None)

    assert answers[0].ticket.granted


def test_who_begins_to_wait_just_before_a_call_ends_without_the_lock_is_let_in():
    """Beyond so many samples a second, nobody takes it."""
    limiter, permit, answers, come = taken()
    for _ in range(SAMPLES):
        limiter.succeeded(permit, 0.0, None)
        permit = limiter.enter(0.0, (), {})
    limiter._inside = Slippery(limiter._inside)
    limiter._inside.act = come

    limiter.succeeded(permit, 0.0, None)

    assert answers[0].ticket.granted


def test_who_begins_to_wait_just_after_a_call_has_ended_finds_its_room():
    """That call saw nobody wait, so whoever begins to wait looks once more."""
    limiter, permit, answers, come = taken()
    limiter._waiting = Late(joins=lambda: limiter.succeeded(permit, 1.0, None))

    come()

    assert type(answers[0]) is not Wait
    assert (limiter.in_flight, limiter.waiting) == (1, 0)


def test_a_waiter_that_is_collected_just_before_its_grant_is_passed_over():
    """The garbage collector runs in any thread at any time, while it has the lock as well."""
    limiter, permit, answers, come = taken()
    limiter._waiting = Late(leaves=lambda: limiter.abandoned(answers[0].permit, 1.0))
    come()
    come()

    limiter.succeeded(permit, 1.0, None)

    assert [answer.ticket.granted for answer in answers] == [False, True]
    assert limiter.in_flight == 1


def test_who_is_let_in_just_before_its_grant_by_somebody_else_is_let_in_once():
    """What the garbage collector ends may be a call with a permit, for which another waits."""
    limiter, permit, answers, come = taken()
    limiter._waiting = Late(leaves=lambda: limiter._settle(1.0))
    come()

    limiter.succeeded(permit, 1.0, None)

    assert (answers[0].ticket.granted, limiter.in_flight) == (True, 1)


def test_a_call_that_is_collected_while_a_waiter_is_looked_at_leaves_room_for_it():
    """Its end saw no room, as the waiter was counted in already."""
    limiter, permit, answers, come = taken()
    come()
    limiter._inside = Slippery(limiter._inside)
    limiter._inside.act = lambda: limiter.abandoned(permit, 1.0)

    limiter._settle(1.0)

    assert (answers[0].ticket.granted, limiter.in_flight) == (True, 1)


def test_who_steps_back_lets_in_who_found_no_room_because_of_it():
    """Even if it then fails: a newcomer counts itself in first, and looks afterwards."""
    limiter = ConcurrencyLimiter(Fixed(1.0), queue=5, priority=lambda name: {"a": "default"}[name])
    limiter._inside.append(None)  # the newcomer, before it looks
    waits = limiter.enter(0.0, ("a",), {})
    limiter._inside.pop()  # it steps back ...

    with pytest.raises(KeyError):
        limiter.enter(0.0, ("b",), {})  # ... and asks how important it is

    assert waits.ticket.granted


@pytest.mark.real_time
def test_a_closed_loop_keeps_no_place(together):
    """Those who waited in it are passed over, and the next in line has the permit."""
    limiter = ConcurrencyLimiter(Fixed(1.0), queue=5)
    pipeline = Pipeline("p", limiter)
    permit = limiter.enter(0.0, (), {})
    loop = asyncio.new_event_loop()
    orphan = loop.create_task(pipeline(asyncio.sleep)(0))
    loop.run_until_complete(asyncio.sleep(0))
    living = limiter.enter(0.0, (), {})
    loop.close()

    limiter.succeeded(permit, 0.0, None)

    assert living.ticket.granted
    assert (limiter.in_flight, limiter.waiting) == (1, 0)
    limiter.abandoned(living.permit, 0.0)
    orphan.get_coro().close()
    orphan._log_destroy_pending = False
    assert limiter.in_flight == 0
    assert together([pipeline(lambda: "served")] * 2) == ["served"] * 2
