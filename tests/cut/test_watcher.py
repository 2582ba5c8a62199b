"""The watcher: one thread for the process, that nobody wakes in vain."""

import gc
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from holdfast import AttemptTimeout, DeadlineTooShortError, Pipeline, Timeout
from holdfast._cut import Late
from holdfast._runtimes.cutting.watcher import Watcher, watcher
from holdfast._runtimes.threads import Threads
from holdfast.deadline import deadline
from tests.cut.conftest import LIMIT, until

pytestmark = pytest.mark.real_time


class Counting(Watcher):
    """A watcher that counts how often it looks around."""

    turns = 0

    def _turn(self):
        self.turns += 1
        return super()._turn()


@pytest.fixture
def counted():
    """Return a watcher of its own, and a function that limits another one by it."""
    made = Counting()
    runtime = Threads(watcher=made)

    def limit(seconds, function):
        from holdfast.shapes import Site

        step = runtime.within(Timeout(seconds), lambda args, _: function(*args), Site("own"))
        return lambda *args: step(args, {})

    return made, limit


def test_there_is_no_thread_until_it_is_needed():
    """Who has no blocking timeout has no watcher."""
    program = """
import threading, os
from holdfast import AttemptTimeout, Pipeline, Timeout
tasks = lambda: len(os.listdir("/proc/self/task"))
before = tasks()
call = Pipeline("p", Timeout(5.0))(lambda: 1)
print(tasks() - before)
call(), call()
print(tasks() - before, threading.active_count())
"""
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["0", "1", "1"]


def test_calls_that_end_in_time_wake_nobody(counted):
    """Once for the first of them, and once for each time that the limit has passed."""
    made, limit = counted
    call = limit(5.0, lambda: None)
    for _ in range(10_000):
        call()
    assert made.turns <= 2
    assert made.snapshot()["watched"] == 0


def test_an_outer_deadline_wakes_it_for_the_first_call_only(counted):
    """All calls of a request have the same instant."""
    made, limit = counted
    call = limit(60.0, lambda: None)
    with deadline(30.0):
        for _ in range(1000):
            call()
    assert made.turns <= 2


def test_a_shorter_limit_is_not_kept_waiting_by_a_longer_one(counted):
    """The watcher sleeps until the first of all limits."""
    made, limit = counted
    read, write = os.pipe()
    threading.Thread(target=limit(60.0, os.read), args=(read, 1), daemon=True).start()
    until(lambda: made.snapshot()["watched"])
    began = time.monotonic()
    with suppress(Late):
        limit(LIMIT, time.sleep)(2 * LIMIT)
    assert made.overran.total("own") == 1
    os.write(write, b"!")
    assert time.monotonic() - began < 10
    os.close(read)
    os.close(write)


def test_the_process_has_one():
    """Whatever pipelines there are."""
    Pipeline("one", Timeout(5.0)).call(lambda: 1)
    Pipeline("two", Timeout(4.0)).call(lambda: 1)
    assert watcher.snapshot()["overdue"] == 0


def test_it_outlives_a_failure_of_its_own(caplog):
    """Whatever it was, the next call is ended all the same; the log has it."""

    class Failing(Watcher):
        failures = 1

        def _look(self, now):
            if self.failures:
                self.failures -= 1
                raise ZeroDivisionError
            return super()._look(now)

    from holdfast.shapes import Site

    runtime = Threads(watcher=Failing())
    here, there = socket.socketpair()
    step = runtime.within(Timeout(LIMIT), lambda *_: here.recv(1), Site("own"))
    with here, there, pytest.raises(AttemptTimeout):
        step((), {})
    assert "the watcher of blocking calls failed" in caplog.text


def test_the_longest_limit_is_none_too_long(counted):
    """No lock waits for as long; the watcher sleeps until somebody calls."""
    made, limit = counted
    assert limit(1e11, lambda: "done")() == "done"
    read, write = os.pipe()
    os.close(write)
    assert limit(LIMIT, os.read)(read, 1) == b""
    os.close(read)
    assert made.snapshot()["watched"] == 0


def test_it_begins_with_the_next_call_where_there_was_no_thread_to_be_had(monkeypatch):
    """The system's limit may be reached for a moment."""
    from holdfast._runtimes.cutting import watcher as module
    from holdfast.shapes import Site

    really, failures = module.start_new_thread, [RuntimeError("can't start new thread")]

    def starting(*args):
        if failures:
            raise failures.pop()
        return really(*args)

    monkeypatch.setattr(module, "start_new_thread", starting)
    here, there = socket.socketpair()
    answers = [lambda: "unwatched", lambda: here.recv(1)]
    step = Threads(watcher=Watcher()).within(
        Timeout(LIMIT), lambda *_: answers.pop(0)(), Site("own")
    )
    assert step((), {}) == "unwatched"
    with here, there, pytest.raises(AttemptTimeout):
        step((), {})


def test_deadlines_that_overlap_leave_no_timers_behind(counted):
    """One for each instant that has been asked for, until that has come."""
    made, limit = counted
    release = threading.Event()

    def long():
        with suppress(Late), deadline(0.3):
            limit(60.0, release.wait)(0.2)

    threads = [threading.Thread(target=long) for _ in range(2)]
    for one in threads:
        one.start()
    short, until = limit(60.0, lambda: None), time.monotonic() + 0.6
    while time.monotonic() < until:
        with (
            suppress(DeadlineTooShortError),
            deadline(0.005),
        ):  # on a busy machine it may pass at once
            short()
    release.set()
    for one in threads:
        one.join()
    short()
    assert len(made._timers) < 200


def test_a_pipeline_that_is_dropped_is_forgotten_before_its_limit(counted):
    """Timers keep none alive."""
    made, limit = counted
    for _ in range(100):
        limit(3600.0, lambda: None)()
    gc.collect()
    assert sum(1 for _ in made._wheels) == 0
