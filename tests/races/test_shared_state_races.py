"""What calls in many threads share, and what each of them has to itself."""

import asyncio
import threading
from collections import Counter

import pytest

from holdfast import (
    Bulkhead,
    CircuitBreaker,
    Fallback,
    Pipeline,
    Retry,
    RetryBudget,
    Timeout,
    backoff,
    deadline,
    remaining,
)
from holdfast._world import world
from holdfast.events import CallCompleted, RetryScheduled, subscribe
from holdfast.extend import worker_pool
from holdfast.testing import record, run

THREADS = 16
NO_WAIT = backoff.constant(0)
PATIENCE = 20.0


@pytest.mark.parametrize("strategies", [
    lambda: (CircuitBreaker(),),
    lambda: (CircuitBreaker(failure_rate=0.5, slow=60.0, slow_rate=0.5),),
    lambda: (Bulkhead(THREADS),),
    lambda: (Retry(3, budget=RetryBudget()),),
    lambda: (Fallback(None), Fallback.stale(10.0, key=lambda: 1)),
    lambda: (Bulkhead(THREADS), Retry(3), CircuitBreaker(), Timeout(PATIENCE)),
], ids=["breaker", "breaker with windows", "bulkhead", "retry", "fallbacks", "all"])  # fmt: skip
def test_no_lock_is_held_during_the_call(together, strategies):
    """Sixteen threads are inside the function at once: each of them waits for the other fifteen."""
    meeting = threading.Barrier(THREADS)

    @Pipeline("p", *strategies())
    def function():
        meeting.wait(PATIENCE)
        return "met"

    assert together([function] * THREADS) == ["met"] * THREADS


def test_no_lock_is_held_during_a_half_open_probe(together):
    """The same for probes: a hung one blocks neither the others nor a look at the breaker."""
    breaker = CircuitBreaker(open_for=1e-9, open_jitter=0, probes=4)
    breaker.trip()
    meeting = threading.Barrier(5)

    @Pipeline("p", breaker)
    def function():
        meeting.wait(PATIENCE)
        return "met"

    def look():
        meeting.wait(PATIENCE)
        return breaker.snapshot()["state"] and repr(breaker) and "met"

    assert together([*[function] * 4, look]) == ["met"] * 5


def test_a_listener_runs_under_no_lock(together):
    """A listener may use the very strategies that it is told about, from other threads, too."""
    breaker = CircuitBreaker(failures=1, open_for=60.0)
    bulkhead = Bulkhead(1)
    pipeline = Pipeline("p", bulkhead, breaker)
    seen = []

    def look():
        return breaker.state, breaker.snapshot()["state"], bulkhead.snapshot()["in_flight"]

    def listener(event):
        if not isinstance(event, CallCompleted):
            seen.extend(together([look]))

    def fail():
        raise ConnectionError("down")

    with subscribe(listener):
        for error in (ConnectionError, Exception):
            with pytest.raises(error):
                pipeline(fail)()
    assert seen
    assert {state for state, _, _ in seen} == {"open"}


@pytest.mark.usefixtures("eager_switching")
def test_each_call_counts_its_own_attempts(together):
    """One retry shared by sixteen threads: every call sees its attempts from 1, without gaps."""
    told = []
    retry = Retry(4, backoff=NO_WAIT, before_sleep=told.append)
    pipeline = Pipeline("p", retry)

    @pipeline
    def fail(number):
        raise ConnectionError(number)

    def thread(number):
        notes = set()
        for turn in range(50):
            with pytest.raises(ConnectionError) as caught:
                fail((number, turn))
            notes.add(caught.value.__notes__[0].partition(" in ")[0])
        return notes

    expected = {"holdfast: pipeline 'p' gave up after 4 attempts"}
    calls = [lambda number=number: thread(number) for number in range(THREADS)]
    assert together(calls) == [expected] * THREADS
    attempts = {}
    for event in told:
        attempts.setdefault(event.error.args[0], []).append(event.attempt)
    assert len(attempts) == THREADS * 50
    assert set(map(tuple, attempts.values())) == {(1, 2, 3)}


def test_each_task_counts_its_own_attempts():
    """One retry object in the loops of two hundred tasks that take turns: nothing is mixed up."""
    retry = Retry(5, backoff=NO_WAIT)

    async def loop(failures):
        numbers = []
        async for attempt in retry:
            with attempt:
                numbers.append(attempt.number)
                await asyncio.sleep(0)
                if attempt.number <= failures:
                    raise ConnectionError("down")
        return numbers

    async def main():
        return await asyncio.gather(*(loop(number % 5) for number in range(200)))

    expected = [list(range(1, number % 5 + 2)) for number in range(200)]
    assert run(main()) == expected


def test_each_retry_loop_of_one_retry_has_its_own_backoff(together):
    """Delays grow by the attempts of each call, whoever else retries meanwhile."""
    delays = {}

    def remember(event):
        delays.setdefault(threading.get_ident(), []).append(round(event.delay, 9))

    growing = backoff.exponential(base=1e-6, factor=2.0, jitter=None)
    pipeline = Pipeline("p", Retry(4, backoff=growing, before_sleep=remember))
    meeting = threading.Barrier(THREADS)

    @pipeline
    def fail():
        meeting.wait(PATIENCE)
        raise ConnectionError("down")

    together([fail] * THREADS)
    assert list(delays.values()) == [[1e-6, 2e-6, 4e-6]] * THREADS


@pytest.mark.usefixtures("eager_switching")
def test_a_budget_gives_out_no_token_twice(together):
    """Sixteen threads empty a bucket: exactly as many retries as it held."""
    budget = RetryBudget(capacity=500.0)

    def withdraw():
        return sum(budget.withdraw() for _ in range(200))

    assert sum(together([withdraw] * THREADS)) == 500
    assert budget.tokens == 0

    def deposit():
        for _ in range(200):
            budget.deposit()

    together([deposit] * THREADS)
    assert abs(budget.tokens - min(500.0, THREADS * 200 * 0.1)) < 1e-6


@pytest.mark.usefixtures("eager_switching")
def test_a_shared_budget_bounds_the_retries_of_all_threads(together):
    """With nothing succeeding, all threads together make as many retries as there are tokens."""
    attempts = []
    pipeline = Pipeline("p", Retry(5, backoff=NO_WAIT, budget=RetryBudget(capacity=20.0)))

    @pipeline
    def fail():
        attempts.append(1)
        raise ConnectionError("down")

    def thread():
        for _ in range(50):
            with pytest.raises(ConnectionError):
                fail()

    together([thread] * THREADS)
    assert len(attempts) == THREADS * 50 + 20


@pytest.mark.usefixtures("eager_switching")
def test_subscriptions_that_come_and_go_together(together):
    """Listeners subscribed in many threads at once are all there, and afterwards all gone."""
    before = world.listeners
    heard = Counter()

    def thread(number):
        for _ in range(200):
            with subscribe(lambda _event: None):
                pass
        return subscribe(lambda _event: heard.update([number]))

    calls = [lambda number=number: thread(number) for number in range(THREADS)]
    subscriptions = together(calls)
    Pipeline("p").call(int)
    assert heard == dict.fromkeys(range(THREADS), 1)
    together([subscription.close for subscription in subscriptions])
    assert world.listeners == before


@pytest.mark.usefixtures("eager_switching")
def test_every_event_is_recorded(together):
    """Sixteen threads tell one recorder, which misses nothing."""
    pipeline = Pipeline("p", Retry(3, backoff=NO_WAIT))

    @pipeline
    def fail():
        raise ConnectionError("down")

    def thread():
        for _ in range(50):
            with pytest.raises(ConnectionError):
                fail()

    with record() as events:
        together([thread] * THREADS)
    assert len(events.of(CallCompleted)) == THREADS * 50
    assert len(events.of(RetryScheduled)) == THREADS * 50 * 2


@pytest.mark.usefixtures("eager_switching")
def test_blocks_of_one_pipeline_entered_together(together, balanced):
    """The first ``with pipeline`` of all, in many threads at once: each gives back what it took."""
    for _ in range(20):
        bulkhead = Bulkhead(THREADS)
        pipeline = Pipeline("p", bulkhead, CircuitBreaker())
        meeting = threading.Barrier(THREADS)

        def block(pipeline=pipeline, meeting=meeting):
            with pipeline:
                meeting.wait(PATIENCE)
            return "left"

        assert together([block] * THREADS) == ["left"] * THREADS
        balanced(bulkhead)


@pytest.mark.usefixtures("eager_switching")
def test_blocks_left_by_other_threads(together, balanced):
    """Blocks that one thread has entered and sixteen others leave are each left once."""
    bulkhead = Bulkhead(THREADS * 100)
    pipeline = Pipeline("p", bulkhead)
    for _ in range(THREADS * 100):
        pipeline.__enter__()

    def leave():
        for _ in range(100):
            pipeline.__exit__(None, None, None)
        return "left"

    assert together([leave] * THREADS) == ["left"] * THREADS
    balanced(bulkhead)


@pytest.mark.usefixtures("eager_switching")
def test_each_thread_sees_its_own_deadline(together):
    """Deadlines of callers that run side by side are not mixed up, in worker threads either."""
    left = Pipeline("p", Timeout(1e6))(remaining)

    def thread(number):
        for _ in range(30):
            with deadline(1000.0 * (number + 1)):
                assert 1000.0 * number < left() <= 1000.0 * (number + 1)
        return "own"

    calls = [lambda number=number: thread(number) for number in range(THREADS)]
    assert together(calls) == ["own"] * THREADS


@pytest.mark.usefixtures("eager_switching")
def test_a_stale_fallback_stays_within_its_bounds(together):
    """Many threads with many keys: at most ``max_keys`` are kept, and each key gets its own value."""
    stale = Fallback.stale(60.0, max_keys=50)
    failing = threading.Event()

    @Pipeline("p", stale)
    def look_up(key):
        if failing.is_set():
            raise ConnectionError("down")
        return key * 2

    def thread(number):
        for key in range(300):
            assert look_up(key * THREADS + number) == (key * THREADS + number) * 2
        return "done"

    calls = [lambda number=number: thread(number) for number in range(THREADS)]
    assert together(calls) == ["done"] * THREADS
    assert stale.snapshot()["kept"] == 50
    failing.set()
    answers = [answer_or_none(look_up, key) for key in range(300 * THREADS)]
    kept = {key: answer for key, answer in enumerate(answers) if answer is not None}
    assert len(kept) == 50
    assert all(answer == key * 2 for key, answer in kept.items())


def answer_or_none(look_up, key):
    try:
        return look_up(key)
    except ConnectionError:
        return None


@pytest.mark.real_time
@pytest.mark.usefixtures("eager_switching")
def test_a_crowd_of_callers_meets_as_many_workers(together):
    """Sixteen callers in loops need at most sixteen workers, and leave none of them abandoned."""
    call = Pipeline("p", Timeout(PATIENCE))(threading.get_ident)

    def thread():
        return {call() for _ in range(200)}

    workers = set().union(*together([thread] * THREADS))
    assert len(workers) <= THREADS
    assert worker_pool().snapshot()["abandoned"] == 0
