"""The worker pool: where a blocking function runs while its caller watches the clock."""

import contextvars
import inspect
import math
import subprocess
import sys
import textwrap
import threading
import time
import traceback

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    BulkheadFullError,
    ConfigurationError,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    deadline,
    remaining,
)
from holdfast._runtimes import pool as pool_module
from holdfast._runtimes.pool import Worker, WorkerPool
from holdfast._runtimes.threads import Threads
from holdfast._world import world
from holdfast.events import AbandonedFinished, TimedOut
from holdfast.extend import worker_pool
from holdfast.testing import record

pytestmark = pytest.mark.real_time

LONG, SHORT = 10.0, 0.01


@pytest.fixture
def pool():
    """A small pool of the test's own, in force for blocking code."""
    own = WorkerPool(limit=4)
    before = dict(world.overrides)
    world.overrides["blocking"] = Threads(workers=own)
    world.refresh()
    yield own
    world.overrides.clear()
    world.overrides.update(before)
    world.refresh()


@pytest.fixture
def gate():
    """An event that hanging functions wait for; set at the end, so that no worker stays behind."""
    event = threading.Event()
    yield event
    event.set()


def counts(pool):
    """Return how many workers there are, by what they do."""
    shown = pool.snapshot()
    return {name: shown[name] for name in ("threads", "idle", "busy", "abandoned")}


def until(condition):
    """Wait until something in another thread has happened."""
    for _ in range(5000):
        if condition():
            return
        time.sleep(0.001)
    raise AssertionError("it never happened")


def abandon(gate, *, times=1, bulkhead=None):
    """Leave some workers behind with a function that hangs."""
    around = [] if bulkhead is None else [bulkhead]
    strategies = [*around, Timeout(SHORT, sync="thread")]
    hang = Pipeline("p", *strategies)(lambda: gate.wait(LONG))
    for _ in range(times):
        with pytest.raises(AttemptTimeout):
            hang()


# -- what travels ----------------------------------------------------------------------------------


def test_context_variables_travel_into_the_worker(pool):
    """The function sees its caller's context, and what it sets comes back, as from a plain call."""
    tenant = contextvars.ContextVar("tenant", default="nobody")
    seen = []

    @Pipeline("p", Timeout(LONG, sync="thread"))
    def work():
        seen.append((threading.current_thread().name, tenant.get()))
        tenant.set("the worker")

    tenant.set("acme")
    work()
    assert seen[0][0].startswith("holdfast-worker-")
    assert seen[0][1] == "acme"
    assert tenant.get() == "the worker"


def test_what_a_failing_function_has_set_comes_back_too(pool):
    """And what one sets that nobody waits for any more doesn't."""
    tenant = contextvars.ContextVar("tenant", default="nobody")
    goes_on = threading.Event()

    def work(name, *, hangs=False):
        if hangs:
            goes_on.wait(LONG)
        tenant.set(name)
        raise OSError("down")

    with pytest.raises(OSError, match="down"):
        Pipeline("p", Timeout(LONG, sync="thread")).call(work, "acme")
    assert tenant.get() == "acme"
    with pytest.raises(AttemptTimeout):
        Pipeline("p", Timeout(0.01, sync="thread")).call(work, "late", hangs=True)
    goes_on.set()
    assert tenant.get() == "acme"
    assert remaining() == math.inf


def test_the_deadline_travels_into_the_worker(pool):
    """Inside the worker `remaining` tells what is left, of the limit or of the caller's deadline."""
    left = Pipeline("p", Timeout(LONG, sync="thread"))(remaining)
    assert LONG - 1.0 < left() <= LONG
    with deadline(2.0):
        assert 1.0 < left() <= 2.0


def test_arguments_and_result_are_the_same_objects(pool):
    """Nothing is copied on the way to the worker and back."""
    value = object()
    assert Pipeline("p", Timeout(LONG, sync="thread"))(lambda one: one)(value) is value


def test_an_error_is_the_same_object_with_its_traceback(pool):
    """The exception of the worker arrives in the caller, and its traceback leads to the line."""
    error = ValueError("here")

    def culprit():
        raise error

    with pytest.raises(ValueError, match="here") as caught:
        Pipeline("p", Timeout(LONG, sync="thread"))(culprit)()
    assert caught.value is error
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert names[-1] == "culprit"
    assert inspect.currentframe().f_code.co_name in names


# -- how many threads ------------------------------------------------------------------------------


def test_one_caller_needs_one_worker(pool):
    """A caller in a loop meets the same worker again: a worker is back before its caller goes on."""
    call = Pipeline("p", Timeout(LONG, sync="thread"))(threading.get_ident)
    assert len({call() for _ in range(200)}) == 1
    assert counts(pool) == {"threads": 1, "idle": 1, "busy": 0, "abandoned": 0}
    assert pool.snapshot()["pipelines"] == {}


def test_nested_timeouts_share_one_worker(pool):
    """Total and attempt limits take one thread for each attempt, not two."""
    names = []

    @Pipeline(
        "p",
        Timeout(LONG, sync="thread"),
        Retry(3, backoff=backoff.constant(0)),
        Timeout(LONG / 2, sync="thread"),
    )
    def work():
        names.append(threading.current_thread().name)
        if len(names) < 3:
            raise ConnectionError("refused")

    work()
    assert len(set(names)) == 1
    assert pool.threads == 1


def test_the_pool_is_bounded(pool, gate):
    """At the limit a call is refused at once, with the numbers and the remedy."""
    abandon(gate, times=4)
    calls = []
    with pytest.raises(BulkheadFullError) as caught:
        Pipeline("payments", Timeout(LONG, sync="thread"))(calls.append)(1)
    assert calls == []
    assert caught.value.pipeline == "payments"
    text = str(caught.value)
    assert "all 4 worker threads are busy, 4 of them with calls that nobody waits for" in text
    assert "leave sync='thread' out" in text


def test_a_full_pool_recovers_when_its_workers_end(pool, gate):
    """Workers that end after all serve the next calls."""
    abandon(gate, times=4)
    gate.set()
    until(lambda: pool.snapshot()["idle"] == 4)
    assert Pipeline("p", Timeout(LONG, sync="thread"))(lambda: "ok")() == "ok"
    assert pool.snapshot()["threads"] == 4


def test_a_cooperative_timeout_takes_no_thread(pool):
    """``sync="cooperative"`` runs the function where it is called."""
    call = Pipeline("p", Timeout(LONG, sync="cooperative"))(threading.get_ident)
    assert call() == threading.get_ident()
    assert pool.threads == 0


def test_resizing(pool, gate):
    """The limit can be changed while it runs; a wrong one is refused."""
    abandon(gate, times=4)
    pool.resize(5)
    assert Pipeline("p", Timeout(LONG, sync="thread"))(lambda: "ok")() == "ok"
    assert pool.snapshot()["limit"] == 5
    with pytest.raises(ConfigurationError, match="limit=0"):
        pool.resize(0)


def test_a_thread_that_cannot_be_started_is_not_counted(pool, monkeypatch):
    """It is a rejection that shows the system's own error, and the pool can still grow later."""

    def cannot(worker):
        raise RuntimeError("can't start new thread")

    call = Pipeline("p", Timeout(LONG, sync="thread"))(lambda: "ok")
    with monkeypatch.context() as patch:
        patch.setattr(Worker, "start", cannot)
        for _ in range(10):
            with pytest.raises(BulkheadFullError, match="can't start new thread") as caught:
                call()
            assert isinstance(caught.value.__cause__, RuntimeError)
    assert (pool.threads, pool.snapshot()["pipelines"]) == (0, {})
    assert call() == "ok"


def test_idle_workers_end(pool, monkeypatch):
    """After a while without work a worker ends, and the next call starts a new one."""
    monkeypatch.setattr(pool_module, "IDLE", 0.02)
    call = Pipeline("p", Timeout(LONG, sync="thread"))(threading.current_thread)
    worker = call()
    worker.join(5.0)
    assert not worker.is_alive()
    assert pool.snapshot()["threads"] == 0
    assert call() is not worker


def test_workers_that_are_dismissed_while_hired_lose_no_call(pool, monkeypatch):
    """Calls that come just as their worker grows tired of waiting are served all the same."""
    monkeypatch.setattr(pool_module, "IDLE", 0.0005)
    call = Pipeline("p", Timeout(LONG, sync="thread"))(lambda number: number)
    for number in range(300):
        assert call(number) == number
        time.sleep(0.0005)
    assert pool.snapshot()["abandoned"] == 0


# -- abandoned workers -----------------------------------------------------------------------------


def test_an_abandoned_worker_is_counted_until_it_ends(pool, gate):
    """The snapshot shows the worker as busy and abandoned, and later as idle."""
    abandon(gate)
    assert counts(pool) == {"threads": 1, "idle": 0, "busy": 1, "abandoned": 1}
    assert pool.snapshot()["pipelines"] == {"p": {"busy": 1, "limit": 4}}
    gate.set()
    until(lambda: pool.snapshot()["abandoned"] == 0)
    until(lambda: pool.snapshot()["idle"] == 1)


def test_an_abandoned_worker_keeps_its_bulkhead_permit(pool, gate, balanced):
    """A dependency that hangs cannot get more threads than the bulkhead has permits."""
    bulkhead = Bulkhead(2)
    abandon(gate, times=2, bulkhead=bulkhead)
    assert bulkhead.in_flight == 2
    with pytest.raises(BulkheadFullError):
        Pipeline("p", bulkhead, Timeout(SHORT, sync="thread"))(lambda: 1)()
    assert pool.threads == 2
    gate.set()
    until(lambda: bulkhead.in_flight == 0)
    balanced(bulkhead)


def test_retries_cannot_pile_up_workers(pool, gate, balanced):
    """With a bulkhead outside, a retry makes no further attempt while the first one still hangs."""
    bulkhead = Bulkhead(1)
    calls = []

    @Pipeline("p", bulkhead, Retry(5, backoff=backoff.constant(0)), Timeout(SHORT, sync="thread"))
    def hang():
        calls.append(1)
        gate.wait(LONG)

    with pytest.raises(AttemptTimeout) as caught:
        hang()
    assert calls == [1]
    assert any("abandoned calls still run" in note for note in caught.value.__notes__)
    gate.set()
    until(lambda: bulkhead.in_flight == 0)
    balanced(bulkhead)


def test_the_end_of_an_abandoned_call_is_told(pool, gate):
    """Listeners hear of the timeout, and later that the worker has ended, and how late."""
    with record() as events:
        abandon(gate)
        (timed_out,) = events.of(TimedOut)
        assert (timed_out.abandoned, timed_out.seconds) == (True, SHORT)
        gate.set()
        until(lambda: events.of(AbandonedFinished))
    (ended,) = events.of(AbandonedFinished)
    assert ended.late >= 0
    assert ended.pipeline == "p"


def test_a_late_result_reaches_nobody(pool, gate):
    """What an abandoned call returns is not mistaken for the result of the next one."""
    answers = iter(["late", "next"])

    @Pipeline("p", Timeout(0.05, sync="thread"))
    def work(event):
        answer = next(answers)
        event.wait(LONG)
        return answer

    with pytest.raises(AttemptTimeout):
        work(gate)
    gate.set()
    until(lambda: pool.snapshot()["idle"] == 1)
    assert work(gate) == "next"


def test_the_functions_own_timeout_error_harms_no_worker(pool):
    """A TimeoutError that the function raises itself passes, and its worker serves the next call."""
    error = TimeoutError("the socket's own")

    def fail():
        raise error

    for _ in range(20):
        with pytest.raises(TimeoutError) as caught:
            Pipeline("p", Timeout(LONG, sync="thread"))(fail)()
        assert caught.value is error
    assert pool.snapshot()["threads"] == 1
    assert pool.snapshot()["abandoned"] == 0
    assert Pipeline("p", Timeout(LONG, sync="thread"))(lambda: "healthy")() == "healthy"


def test_ending_in_the_instant_of_the_limit_loses_nothing(pool, balanced):
    """Whether worker or caller claims a call that ends right at its limit, the accounts balance."""
    bulkhead = Bulkhead(2)
    work = Pipeline("p", bulkhead, Timeout(0.001, sync="thread"))(time.sleep)
    outcomes = set()
    for number in range(300):
        try:
            work(0.0008 + number % 7 * 0.00005)
            outcomes.add("in time")
        except AttemptTimeout:
            outcomes.add("too late")
        except BulkheadFullError:
            outcomes.add("both workers abandoned")
    until(lambda: pool.snapshot()["idle"] == pool.threads)
    assert pool.snapshot()["abandoned"] == 0
    assert "too late" in outcomes
    balanced(bulkhead)


def test_limits_beyond_what_a_lock_can_wait_for(pool):
    """A limit of thousands of years is as good as none, and no overflow."""
    assert Pipeline("p", Timeout(1e12, sync="thread"))(lambda: "ok")() == "ok"


# -- processes -------------------------------------------------------------------------------------


def run_python(program):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_forked_child_has_a_pool_of_its_own():
    """After a fork the child starts workers of its own, also while the parent's are busy."""
    done = run_python("""
        import os, threading, time
        from holdfast import Bulkhead, Pipeline, Timeout
        from holdfast.extend import worker_pool

        bulkhead = Bulkhead(1)
        call = Pipeline("p", bulkhead, Timeout(10.0, sync="thread"))(lambda f: f())
        begun, release = threading.Event(), threading.Event()

        def busy():
            begun.set()
            release.wait(10.0)

        other = threading.Thread(target=call, args=(busy,))
        other.start()
        begun.wait(10.0)
        child = os.fork()
        if child == 0:
            assert worker_pool().snapshot()["threads"] == 0
            assert bulkhead.in_flight == 0
            assert call(lambda: 5) == 5
            assert worker_pool().snapshot()["threads"] == 1
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        release.set()
        other.join()
        assert call(lambda: 6) == 6
        assert bulkhead.in_flight == 0
    """)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_hung_worker_does_not_keep_the_interpreter():
    """A program ends although an abandoned call still hangs."""
    done = run_python("""
        import threading
        from holdfast import AttemptTimeout, Pipeline, Timeout

        try:
            Pipeline("p", Timeout(0.01, sync="thread"))(threading.Event().wait)()
        except AttemptTimeout:
            print("gave up")
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "gave up\n", "")


def test_the_pool_of_the_process_is_public():
    """`holdfast.extend.worker_pool` shows the pool that calls really use."""
    Pipeline("p", Timeout(LONG, sync="thread"))(lambda: 1)()
    snapshot = worker_pool().snapshot()
    assert snapshot["threads"] >= 1
    assert snapshot["limit"] == 512
