"""How workers come and go: grown tired, interrupted, in a finaliser, at the end of the interpreter.

Sources: CPython 113964 and sentry-python 2299 (no thread can be started at exit), execnet 271.
"""

import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast import AttemptTimeout, BulkheadFullError, Hedge, Timeout
from holdfast._runtimes import pool as pool_module
from holdfast._runtimes.pool import Worker, WorkerPool
from holdfast._runtimes.threads import Threads
from holdfast.extend import Site

pytestmark = pytest.mark.real_time

LONG, SHORT = 10.0, 0.01


def until(condition):
    """Wait until something in another thread has happened."""
    for _ in range(5000):
        if condition():
            return
        time.sleep(0.001)
    raise AssertionError("it never happened")


def protected(pool, function, seconds=LONG, name="p"):
    """Return a function behind a timeout whose workers are the pool's."""
    inner = lambda args, _kwargs: function(*args)  # noqa: E731 - it is brief
    step = Threads(workers=pool).within(Timeout(seconds, sync="thread"), inner, Site(name))
    return lambda *args: step(args, {})


def run_python(program):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_worker_that_grows_tired_as_it_is_hired_runs_its_job_once(monkeypatch):
    """It may look at its job only when it was woken; callers heard of a failure that was none."""
    monkeypatch.setattr(pool_module, "IDLE", 1e-4)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    pool, made = WorkerPool(), []
    call = protected(pool, made.append)

    def caller(number):
        for turn in range(300):
            call((number, turn))
            if turn % 7 == 0:
                time.sleep(1e-4)

    try:
        with ThreadPoolExecutor(4) as callers:
            list(callers.map(caller, range(4)))
    finally:
        sys.setswitchinterval(before)
    assert len(made) == len(set(made)) == 1200
    until(lambda: pool.threads == 0)


def test_a_worker_whose_wait_ends_as_it_is_hired_waits_for_its_caller(monkeypatch):
    """The very instant: it is off the list, and has not been woken yet."""
    monkeypatch.setattr(pool_module, "IDLE", 0.01)
    pool = WorkerPool()
    worker = Worker(pool, 1, pool._places.take())  # as one that somebody has taken off the list
    worker.start()
    time.sleep(0.05)
    assert worker.is_alive()
    pool._idle.append(worker)
    assert protected(pool, lambda: "done")() == "done"


def test_a_worker_whose_start_was_interrupted_goes_home(monkeypatch):
    """The thread may run all the same; nobody knows it, so it ends at once."""
    started, pool = [], WorkerPool()

    def interrupted(worker, start=Worker.start):
        start(worker)
        started.append(worker)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            protected(pool, lambda: "never")()
    started[0].join(5.0)
    assert not started[0].is_alive()
    assert pool.threads == 0


def test_a_finaliser_that_makes_a_call_waits_for_no_lock(monkeypatch):
    """The collector may run one at any point: here while a full pool says that it is full."""
    pool, hold, ends = WorkerPool(1), threading.Event(), []

    class Session:
        def __del__(self):
            try:
                protected(pool, lambda: "closed")()
            except BulkheadFullError as error:
                ends.append(error)

    def full(pool, words=WorkerPool._full):
        monkeypatch.setattr(WorkerPool, "_full", words)
        Session()  # and is gone at once
        return words(pool)

    def caller():
        try:
            protected(pool, lambda: "never")()
        except BulkheadFullError as error:
            ends.append(error)

    with pytest.raises(AttemptTimeout):
        protected(pool, lambda: hold.wait(LONG), SHORT, "hung")()
    monkeypatch.setattr(WorkerPool, "_full", full)
    thread = threading.Thread(target=caller, daemon=True)
    thread.start()
    thread.join(5.0)
    hold.set()
    assert len(ends) == 2


CLOSING = """
import atexit, sys, threading
from holdfast import Hedge, Pipeline, Retry, Timeout, standard

def close():
    return "closed"

pipelines = [
    Pipeline("p", Retry(2), Timeout(5.0, sync="thread")),
    Pipeline("h", Hedge(5.0)),
    standard("s", attempts=1, sync="thread"),
]
protected = [pipeline(close) for pipeline in pipelines]

def close_all(*_):
    for function in protected:
        print(function(), flush=True)

def outlive():
    threading.main_thread().join()
    close_all()

class Session:
    __del__ = close_all

"""


@pytest.mark.parametrize("warm", ["", "close_all()\n"], ids=["cold", "warm"])
@pytest.mark.parametrize(
    "end",
    [
        "atexit.register(close_all)",
        "threading.Thread(target=outlive).start()",
        "session = Session()",
    ],
    ids=["atexit", "a thread that outlives the main one", "a finaliser at the very end"],
)
def test_a_call_at_the_end_of_the_interpreter_is_made(end, warm):
    """There may be no more threads then; the caller's own does it."""
    done = run_python(CLOSING + warm + end)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["closed"] * (6 if warm else 3)


def test_where_daemons_are_forbidden_a_worker_is_none_and_ends_soon(monkeypatch):
    """A subinterpreter waits for its threads; so they end soon after their work."""

    def init(thread, *args, daemon=None, start=threading.Thread.__init__, **options):
        if daemon:
            raise RuntimeError("daemon threads are disabled in this (sub)interpreter")
        start(thread, *args, daemon=daemon, **options)

    monkeypatch.setattr(threading.Thread, "__init__", init)
    worker = protected(WorkerPool(), threading.current_thread)()
    assert worker.daemon is False
    worker.join(5.0)
    assert not worker.is_alive()


@pytest.mark.skipif(sys.version_info < (3, 14), reason="subinterpreters are public from 3.14 on")
def test_what_needs_threads_works_in_a_subinterpreter():
    """A timeout, a hedge and `standard()`: their workers are no daemons there."""
    done = run_python("""
        from concurrent.futures import InterpreterPoolExecutor

        def work(kind):
            from holdfast import Hedge, Pipeline, Timeout, standard

            made = {
                "timeout": lambda: Pipeline("p", Timeout(5.0, sync="thread")),
                "hedge": lambda: Pipeline("p", Hedge(5.0)),
                "standard": lambda: standard("p", sync="thread"),
            }
            return made[kind]().call(str.upper, kind)

        with InterpreterPoolExecutor(1) as pool:
            for kind in ("timeout", "hedge", "standard"):
                print(pool.submit(work, kind).result(timeout=20))
    """)
    assert (done.returncode, done.stdout.split()) == (0, ["TIMEOUT", "HEDGE", "STANDARD"])


def test_a_hedge_at_the_end_is_its_first_attempt(monkeypatch):
    """No thread, so no race: the caller's thread makes the call."""
    monkeypatch.setattr(pool_module, "is_ending", lambda: True)

    def cannot(worker):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(Worker, "start", cannot)
    pool = WorkerPool()
    here = Threads(workers=pool).race(Hedge(0.001), lambda *_: threading.get_ident(), Site("p"))(
        (), {}
    )
    assert here == threading.get_ident()
    assert (pool.threads, pool.snapshot()["pipelines"]) == (0, {})
