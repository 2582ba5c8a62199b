"""What is ambient in a process, and what becomes of it in a forked child."""

import os
import random
import subprocess
import sys
import textwrap
import time

import pytest

from holdfast import CircuitBreaker
from holdfast._world import World, _renew_all, now, renew_after_fork, world
from holdfast.events import subscribe


def test_the_clock_is_monotonic_unless_a_test_says_otherwise(monkeypatch):
    """Wall clocks jump."""
    assert World().clock is time.monotonic

    monkeypatch.setattr(world, "clock", lambda: 42.0)
    assert now() == 42.0


def test_a_new_world_is_quiet():
    """Nobody listens, nothing is overridden, and calls go the quick way."""
    quiet = World()
    quiet.refresh()

    assert (quiet.listeners, quiet.overrides, quiet.detour, quiet.bypass) == ((), {}, False, False)
    assert isinstance(quiet.rng, random.Random)


@pytest.mark.parametrize(
    "change", [{"listeners": (print,)}, {"overrides": {"blocking": object()}}, {"bypass": True}]
)
def test_whatever_is_unusual_makes_calls_take_the_slow_way(change):
    """One attribute tells the happy path about all of it."""
    busy = World()
    for name, value in change.items():
        setattr(busy, name, value)

    busy.refresh()

    assert busy.detour


def test_an_override_stands_in_for_a_runtime():
    """Test kits install one; without it the runtime proper is made when it is asked for."""
    usual, override = object(), object()
    some = World()
    some.runtimes["blocking"] = lambda: usual
    assert some.runtime("blocking") is usual

    some.overrides["blocking"] = override
    assert some.runtime("blocking") is override


def test_the_randomness_of_the_process_is_one_seam(monkeypatch):
    """Seed it, and the jitter of a breaker is known."""

    def first():
        monkeypatch.setattr(world, "rng", random.Random(7))
        breaker = CircuitBreaker(failures=1, open_jitter=1.0)
        with subscribe(told.append):
            breaker.failed(breaker.enter(0.0, (), {}), 0.0, ValueError())
        return told[-1].open_for

    told = []
    assert first() == first()


# -- forks ------------------------------------------------------------------------------------


class Thing:
    forked = 0

    def _after_fork(self):
        self.forked += 1


def test_what_asked_for_it_is_renewed_in_a_child():
    """Once, however often it asked; what is gone is not waited for."""
    thing = Thing()
    renew_after_fork(thing)
    renew_after_fork(thing)
    renew_after_fork(Thing())

    _renew_all()

    assert thing.forked == 1


PRELUDE = """
import os, random, signal, sys, threading
from holdfast import Bulkhead, BulkheadFullError, CircuitBreaker, Fallback, RetryBudget
from holdfast.shapes import History

inside, leave = threading.Event(), threading.Event()

class Slow(random.Random):
    '''A source of jitter that keeps the breaker's lock until it is told otherwise.'''

    def uniform(self, a, b):
        inside.set()
        leave.wait()
        return a

def held(lock):
    '''Hold a lock in another thread, as one that is just counting does.'''

    def hold():
        with lock:
            inside.set()
            leave.wait()

    inside.clear()
    threading.Thread(target=hold).start()
    inside.wait()
"""

FORK = """
child = os.fork()
if child == 0:
    signal.alarm(10)  # whoever waits for a lock of the parent's is stopped
    try:
        in_child()
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)
leave.set()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def fork(prepare, check):
    """Run `prepare`, fork, and run `check` in the child."""
    script = PRELUDE + textwrap.dedent(prepare)
    script += "def in_child():\n" + textwrap.indent(textwrap.dedent(check), "    ") + FORK
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="it needs os.fork")


@forks
def test_a_child_can_use_a_breaker_whose_lock_was_held():
    """Another thread was opening it at the moment of the fork; it does not exist in the child."""
    fork(
        """
        breaker = CircuitBreaker(failures=1, rng=Slow())
        thread = threading.Thread(
            target=lambda: breaker.failed(breaker.enter(0.0, (), {}), 0.0, ValueError())
        )
        thread.start()
        inside.wait()
        """,
        """
        leave.set()
        assert breaker.state == "closed"
        assert breaker.snapshot()["failures_in_a_row"] == 0
        breaker.failed(breaker.enter(0.0, (), {}), 0.0, ValueError())
        assert breaker.snapshot()["state"] == "half-open"
        """,
    )


@forks
def test_a_child_has_all_the_permits_of_a_bulkhead():
    """Whoever holds or awaits the others lives in the parent."""
    fork(
        """
        bulkhead = Bulkhead(2, queue=1)
        for _ in range(3):
            bulkhead.enter(0.0, (), {})
        held(bulkhead._lock)
        """,
        """
        assert (bulkhead.in_flight, bulkhead.waiting) == (0, 0)
        permits = [bulkhead.enter(0.0, (), {}) for _ in range(2)]
        bulkhead.enter(0.0, (), {})
        assert (bulkhead.in_flight, bulkhead.waiting) == (2, 1)
        try:
            bulkhead.enter(0.0, (), {})
        except BulkheadFullError:
            bulkhead.succeeded(permits[0], 0.0, None)
        assert (bulkhead.in_flight, bulkhead.waiting) == (2, 0)
        """,
    )


@forks
def test_a_child_can_use_a_budget_and_a_memory_whose_locks_were_held():
    """What they know is kept."""
    fork(
        """
        budget = RetryBudget(capacity=3.0)
        budget.withdraw()
        stale = Fallback.stale(60.0)
        stale.after_result("kept", History("p", 0.0))
        held(budget._lock)
        held(stale._lock)
        """,
        """
        assert budget.withdraw() and budget.tokens == 1.0
        verdict = stale.after_error(ValueError(), History("p", 1.0))
        assert verdict.make(verdict.subject) == "kept"
        """,
    )


@forks
def test_a_parent_goes_on_as_if_nothing_had_happened():
    """Its breaker stays open, its permits stay taken."""
    fork(
        """
        breaker, bulkhead = CircuitBreaker(failures=1), Bulkhead(1)
        bulkhead.enter(0.0, (), {})
        breaker.trip()
        child = os.fork()
        if child == 0:
            os._exit(0 if breaker.state == "closed" and bulkhead.in_flight == 0 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert breaker.state == "open"
        assert bulkhead.in_flight == 1
        """,
        "pass",
    )
