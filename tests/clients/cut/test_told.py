"""What can't be cut: told while it lasts, handed over late, and ended by a timeout of its own."""

import contextlib
import queue
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from itertools import count

import pytest

from holdfast import AttemptTimeout, Pipeline, Timeout, allowance
from holdfast.events import Overrun, subscribe
from holdfast.extend import watcher
from tests.clients.cut import cases_told  # noqa: F401 - they register
from tests.clients.cut.bench import HANGS, LATEST, LIMIT, THEIR_OWN
from tests.clients.cut.cases import TOLD as CASES
from tests.clients.cut.table import ROWS, TOLD

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.filterwarnings(*THEIR_OWN, "ignore::holdfast.errors.OverrunWarning"),
]

LONGER = LIMIT + 0.5
"""How long something takes that nobody can end, in seconds."""
SLEEP = [sys.executable, "-c", f"import time; time.sleep({LONGER})"]

numbers = count()

each_case = pytest.mark.parametrize("case", CASES, ids=[one.name for one in CASES])


def test_each_case_has_a_row():
    """Nothing is tested that the table says otherwise, or doesn't say at all."""
    assert {ROWS[one.name].hangs for one in CASES} == {TOLD}


def is_told(call, release=lambda: None):
    """Make sure that a call that overruns is told while it does; return how it ends.

    As soon as somebody has heard of it, ``release`` has it go on.
    """
    name, heard = f"told {next(numbers)}", []

    def hear(event):
        if isinstance(event, Overrun):
            heard.append(time.monotonic())
            release()

    with subscribe(hear, pipeline=name):
        outcome = Pipeline(name, Timeout(LIMIT)).try_call(call)
    ended = time.monotonic()

    assert watcher().snapshot()["pipelines"][name]["overran"] == 1
    assert [instant < ended for instant in heard] == [True]
    return outcome


@each_case
@pytest.mark.parametrize("how", list(HANGS))
def test_a_client_is_told_and_its_late_answer_handed_over(bench, case, how):
    """The server answers after all, as soon as somebody has heard of it.

    One that only looks for a connection is cut when it has found one, and uses it.
    """
    bench = bench(case)
    bench.hang(how)
    client = bench.open() if case.lazy else None

    outcome = is_told(lambda: case.call(client) if case.lazy else bench.visit(), bench.heal)

    assert outcome.ok or (case.causes and isinstance(outcome.error, AttemptTimeout))
    assert case.call(client or bench.open())


@each_case
def test_a_clients_own_timeout_keeps_the_limit(bench, case):
    """It is given what is left, and raises its own error."""
    bench = bench(case)
    client = bench.warm() if case.connects else None
    bench.hang("silence")
    client = client or bench.open()

    began = time.monotonic()
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its name is looked at
        Pipeline("own", Timeout(LIMIT)).call(lambda: case.bounded(client, allowance()))

    assert time.monotonic() - began < LATEST
    assert type(caught.value).__name__ in case.expires


lock, event, line, future = threading.Lock(), threading.Event(), queue.Queue(), Future()
lock.acquire()
WAITS = {
    "lock": (lock.acquire, lock.release),
    "event": (event.wait, event.set),
    "queue": (line.get, lambda: line.put("tea")),
    "future": (future.result, lambda: future.set_result("tea")),
}


@pytest.mark.parametrize("call, release", WAITS.values(), ids=list(WAITS))
def test_what_waits_for_another_thread_is_told(call, release):
    """The other thread may end the waiting; what is gained then belongs to the caller."""
    assert is_told(call, release).ok


OWN = {
    "lock": lambda: lock.acquire(timeout=allowance()),
    "queue": lambda: line.get(timeout=allowance()),
    "future": lambda: Future().result(timeout=allowance()),
    "subprocess": lambda: subprocess.run(SLEEP, timeout=allowance(), check=True),
}
EXPIRED = (queue.Empty, TimeoutError, subprocess.TimeoutExpired)


@pytest.mark.parametrize("call", OWN.values(), ids=list(OWN))
def test_what_is_left_can_be_given_to_what_waits(call):
    """Each has a timeout of its own, and a way of its own to say that it is over."""
    began = time.monotonic()
    with contextlib.suppress(EXPIRED):
        assert not Pipeline("own", Timeout(LIMIT)).call(call)
    assert time.monotonic() - began < LATEST


def test_a_program_is_told_and_its_late_answer_handed_over():
    """It runs to its end."""
    assert is_told(lambda: subprocess.run(SLEEP, check=True)).unwrap().returncode == 0


def test_a_sleep_is_told():
    """Nobody can wake it."""
    assert is_told(lambda: time.sleep(LONGER)).unwrap() is None
