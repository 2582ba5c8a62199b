"""What one pipeline may have of the worker pool, and what follows where there is no worker to be had.

Sources: Hystrix had a pool for each command (1438, 1812); ``can't start new thread`` is no answer of the
dependency's.
"""

import threading
import time

import pytest

from holdfast import (
    AttemptTimeout,
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    Fallback,
    Hedge,
    Pipeline,
    Retry,
    Timeout,
    backoff,
)
from holdfast._runtimes.places import Places
from holdfast._runtimes.pool import Worker, WorkerPool
from holdfast._runtimes.threads import Threads
from holdfast.extend import Site, worker_pool

pytestmark = pytest.mark.real_time

LONG, SHORT = 10.0, 0.01


@pytest.fixture
def gate():
    """An event that hanging functions wait for; set at the end, so that no worker stays behind."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def pool():
    """A pool of eight, of which each pipeline may have two."""
    return WorkerPool(8, 0.25)


@pytest.fixture
def no_threads(monkeypatch):
    """No worker can be started; returns those that were tried."""
    tries = []

    def cannot(worker):
        tries.append(worker)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Worker, "start", cannot)
    return tries


def until(condition):
    """Wait until something in another thread has happened."""
    for _ in range(5000):
        if condition():
            return
        time.sleep(0.001)
    raise AssertionError("it never happened")


def call(pool, name, function, strategy=None):
    """Call a function through a layer of a pipeline of that name, whose workers are the pool's."""
    runtime, strategy = Threads(workers=pool), strategy or Timeout(LONG, sync="thread")
    run = runtime.race if isinstance(strategy, Hedge) else runtime.within
    return run(strategy, lambda _args, _kwargs: function(), Site(name))((), {})


def hang(pool, name, gate, times):
    """Abandon so many calls."""
    for _ in range(times):
        with pytest.raises(AttemptTimeout):
            call(pool, name, lambda: gate.wait(LONG), Timeout(SHORT, sync="thread"))


# -- shares ----------------------------------------------------------------------------------------


def test_a_pipeline_whose_calls_hang_uses_up_its_own_share_only(pool, gate):
    """The others have theirs, and the snapshot shows whose workers are busy."""
    hang(pool, "payments", gate, times=2)
    with pytest.raises(BulkheadFullError) as caught:
        call(pool, "payments", lambda: "never")

    assert "2 of the 8 of all pipelines" in str(caught.value)
    assert "worker_pool().allot('payments', ...)" in str(caught.value)
    assert call(pool, "mail", lambda: "sent") == "sent"
    assert pool.snapshot()["pipelines"] == {"payments": {"busy": 2, "limit": 2}}
    gate.set()
    until(lambda: pool.snapshot()["pipelines"] == {})
    assert call(pool, "payments", lambda: "paid") == "paid"


def test_the_pool_of_the_process_gives_each_pipeline_a_quarter():
    """Unless somebody says otherwise."""
    assert worker_pool().snapshot()["share"] == 0.25
    assert worker_pool().share("a pipeline").size == worker_pool().limit // 4


def test_one_that_hangs_leaves_the_others_alone_in_the_pool_of_the_process(gate):
    """The whole way, through two pipelines."""
    worker_pool().allot("ill", 1)
    try:
        ill = Pipeline("ill", Timeout(SHORT, sync="thread"))(lambda: gate.wait(LONG))
        with pytest.raises(AttemptTimeout):
            ill()
        with pytest.raises(BulkheadFullError, match="pipeline 'ill': all its worker threads"):
            ill()
        assert Pipeline("well", Timeout(LONG, sync="thread"))(lambda: "well")() == "well"
        assert worker_pool().snapshot()["pipelines"]["ill"] == {"busy": 1, "limit": 1}
    finally:
        worker_pool().allot("ill", None)


def test_pipelines_of_one_name_have_one_share(pool):
    """A pipeline that was derived from another one gets no second helping."""
    first = pool.share("payments")
    assert pool.share("payments") is first
    assert pool.share("mail") is not first


def test_attempts_of_a_hedge_take_from_the_share(pool, gate):
    """The first one is refused as any call; a further one without a worker is simply not there."""
    hang(pool, "slow", gate, times=1)
    threading.Timer(0.05, gate.set).start()
    assert call(pool, "slow", lambda: gate.wait(LONG), Hedge(0.001)) is True
    until(lambda: pool.snapshot()["pipelines"] == {})

    gate.clear()
    hang(pool, "slow", gate, times=2)
    with pytest.raises(BulkheadFullError):
        call(pool, "slow", lambda: "never", Hedge(0.001))


def test_health_checks_take_from_the_share_of_their_pipeline(pool, gate):
    """One whose checks hang has no more of them, and the others have theirs."""
    runtime, ends = Threads(workers=pool), []
    for _ in range(3):
        runtime.background(lambda: gate.wait(LONG), ends.append, "payments")
    assert [type(end) for end in ends] == [BulkheadFullError]

    runtime.background(lambda: None, ends.append, "mail")
    until(lambda: ends[1:] == [None])


def test_a_share_can_be_set_for_all_and_for_one():
    """While it runs; what one was allotted outlives a change for all."""
    pool = WorkerPool(16, 0.25)
    payments, mail = pool.share("payments"), pool.share("mail")
    assert (payments.size, mail.size) == (4, 4)
    pool.allot("payments", 12)
    pool.resize(32, share=0.5)
    assert (payments.size, mail.size) == (12, 16)
    pool.allot("payments", None)
    assert payments.size == 16
    pool.resize(2)
    pool.allot("mail", 500)
    assert (payments.size, mail.size) == (1, 2)


@pytest.mark.parametrize(
    "change, match",
    [
        (lambda pool: pool.allot("p", 0), "workers=0"),
        (lambda pool: pool.resize(5, share=0), "share=0"),
        (lambda pool: pool.resize(5, share=1.5), r"share=1\.5"),
        (lambda _: WorkerPool(0), "limit=0"),
    ],
)
def test_a_share_that_cannot_work_is_refused(pool, change, match):
    """With the option and its value; the pool stays as it was."""
    before = pool.snapshot()
    with pytest.raises(ConfigurationError, match=match):
        change(pool)
    assert pool.snapshot() == before


def test_places_that_are_too_many_go_as_they_come_back():
    """After a reduction nothing is taken until so many have come back."""
    places = Places(4)
    taken = [places.take() for _ in range(3)]
    places.resize(1)
    assert (places.taken, places.take()) == (3, None)
    for place in taken[:2]:
        places.give_back(place)
    assert (places.taken, places.take()) == (1, None)
    places.give_back(taken[2])
    assert places.take() is not None
    assert places.take() is None
    places.resize(3)
    assert (places.taken, len([places.take(), places.take()])) == (1, 2)


def test_a_place_from_before_a_fork_is_not_given_back():
    """It is the parent's."""
    places = Places(1)
    place = places.take()
    places.clear()
    places.give_back(place)
    assert places.take() is not None
    assert places.take() is None


# -- no thread to be had ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "inside",
    [Timeout(LONG, sync="thread"), Hedge(LONG), Timeout.adaptive(ceiling=LONG, sync="thread")],
    ids=repr,
)
def test_no_thread_is_no_failure_of_the_dependency(no_threads, inside):
    """Nobody retries it or opens a breaker for it; a fallback answers as it does for any rejection."""
    breaker = CircuitBreaker(failures=1)
    layers = (Retry(3, backoff=backoff.constant(0)), breaker, inside)
    pool = worker_pool()
    idle, pool._idle = pool._idle, []  # or one of another test's workers would do it
    try:
        with pytest.raises(BulkheadFullError, match="pipeline 'pay': the system starts no thread"):
            Pipeline("pay", *layers)(lambda: "receipt")()
        assert len(no_threads) == 1
        assert breaker.state == "closed"
        assert Pipeline("pay", Fallback("later"), *layers)(lambda: "receipt")() == "later"
        assert "pay" not in pool.snapshot()["pipelines"]
    finally:
        pool._idle = idle


def test_a_health_check_without_a_thread_says_nothing():
    """The dependency was not asked: the next call starts another check, and that one counts."""
    waiting = []
    breaker = CircuitBreaker(failures=1, open_for=0.001, open_cap=0.001, probes=1, probe=int)
    site = Site("p", background=lambda _check, done: waiting.append(done))
    breaker.trip(now=0.0)

    for end in (BulkheadFullError("no thread", strategy="worker pool"), None):
        with pytest.raises(CircuitOpenError):
            breaker.enter(1.0, (), {}, site)
        waiting.pop()(end)
        if end is not None:
            assert breaker.snapshot()["state"] == "half-open"

    assert breaker.state == "closed"
