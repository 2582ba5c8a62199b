"""The decisions of a retry against a plain statement of its rules, call after call."""

import math
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from holdfast import AttemptTimeout, CircuitOpenError, Retry, RetryBudget, on_result
from holdfast.shapes import Again, Earlier, History, Instead


class Busy(ConnectionError):
    def __init__(self, retry_after):
        super().__init__("busy")
        self.retry_after = retry_after


class Lowest(Random):
    """Jitter of nothing, so that each delay is known."""

    def uniform(self, a, b):
        return a


CONFIGURATIONS = {
    "attempts": {"attempts": 4},
    "elapsed": {"attempts": None, "max_elapsed": 30.0},
    "budget": {"attempts": None, "capacity": 3.0},
    "all": {"attempts": 6, "max_elapsed": 60.0, "capacity": 5.0},
}
LINEAR = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]


def plain(attempt):
    """Return the delay after an attempt, growing to 8 s."""
    return LINEAR[min(attempt, len(LINEAR)) - 1]


class RetryMachine(RuleBasedStateMachine):
    """One call after the other; each of their attempts ends in some way, after some time."""

    attempts = None
    max_elapsed = math.inf
    capacity = None

    def __init__(self):
        super().__init__()
        self.budget = None if self.capacity is None else RetryBudget(0.5, self.capacity)
        limit = None if self.max_elapsed == math.inf else self.max_elapsed
        self.retry = Retry(
            self.attempts,
            on=ConnectionError | on_result(lambda result: result == "bad") | TimeoutError,
            backoff=plain,
            max_elapsed=limit,
            budget=self.budget,
        )
        self.tokens = math.inf if self.capacity is None else self.capacity
        self.now = 0.0
        self.history = None

    @initialize(patience=st.sampled_from([math.inf, 10.0, 40.0]))
    def begin(self, patience):
        self.next_call(patience)

    @precondition(lambda self: self.history is None)
    @rule(patience=st.sampled_from([math.inf, 10.0, 40.0]))
    def next_call(self, patience):
        self.started = self.now
        self.deadline = self.now + patience
        self.made = 1
        self.shortest = math.inf
        self.ended_in = []
        self.history = History("payments", self.now, self.started)
        self.history.deadline = self.deadline
        self.history.rng = Lowest()

    # What the documentation says, in its order.
    def expected_delay(self, asked, cost):
        """Return the delay that must be the verdict, or None where the outcome must stand."""
        if self.attempts is not None and self.made >= self.attempts:
            return None
        delay = max(plain(self.made), min(asked, 120.0))
        if self.now - self.started + delay > self.max_elapsed:
            return None
        room = 0.0 if self.shortest == math.inf else self.shortest
        if self.now + delay + room >= self.deadline:
            return None
        if self.tokens < 1:
            return None
        self.tokens = max(0.0, self.tokens - cost)
        return delay

    def take(self, quarters):
        """Let an attempt take its time."""
        self.now += quarters / 4
        self.shortest = min(self.shortest, quarters / 4)
        self.history.ended(self.now)
        self.history.deadline = self.deadline  # it has looked at the one in force: there is none

    def compare(self, verdict, delay):
        if delay is None:
            assert verdict is None
            self.history = None
            return
        assert type(verdict) is Again
        assert verdict.delay == delay
        self.now += delay
        self.made += 1
        self.history.resumed(self.now, delay)

    @precondition(lambda self: self.history is not None)
    @rule(quarters=st.integers(0, 16), asked=st.sampled_from([0.0, 0.0, 5.0, 20.0, 200.0]))
    def fail(self, quarters, asked):
        self.take(quarters)
        error = Busy(asked)
        self.ended_in.append(error)
        verdict = self.retry.after_error(error, self.history)
        history = self.history
        self.compare(verdict, self.expected_delay(asked, 1.0))
        if self.history is None:
            self.check_note(error, history)

    @precondition(lambda self: self.history is not None)
    @rule(quarters=st.integers(1, 16))
    def time_out(self, quarters):
        self.take(quarters)
        error = AttemptTimeout(seconds=quarters / 4)
        self.ended_in.append(error)
        verdict = self.retry.after_error(error, self.history)
        self.compare(verdict, self.expected_delay(0.0, 2.0))

    @precondition(lambda self: self.history is not None)
    @rule(quarters=st.integers(0, 16))
    def return_something_bad(self, quarters):
        self.take(quarters)
        self.ended_in.append("bad")
        verdict = self.retry.after_result("bad", self.history)
        self.compare(verdict, self.expected_delay(0.0, 1.0))

    @precondition(lambda self: self.history is not None)
    @rule(quarters=st.integers(0, 16))
    def succeed(self, quarters):
        self.take(quarters)
        assert self.retry.after_result("good", self.history) is None
        if self.capacity is not None:
            self.tokens = min(self.capacity, self.tokens + 0.5)
        self.history = None

    @precondition(lambda self: self.history is not None)
    @rule()
    def raise_something_else(self):
        self.take(0)
        assert self.retry.after_error(KeyError(), self.history) is None
        self.history = None

    @precondition(lambda self: self.history is not None)
    @rule()
    def be_rejected(self):
        self.take(0)
        verdict = self.retry.after_error(CircuitOpenError(), self.history)
        if not self.ended_in:
            assert verdict is None
        elif self.ended_in[-1] == "bad":
            assert type(verdict) is Instead
            assert verdict.make(verdict.subject) == "bad"
        else:
            assert type(verdict) is Earlier
            assert verdict.error is self.ended_in[-1]
        self.history = None

    def check_note(self, error, history):
        assert f"gave up after {self.made} attempt" in error.__notes__[-1]
        assert history.reason in error.__notes__[-1]

    def teardown(self):
        if self.budget is not None:
            assert self.budget.tokens == self.tokens


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_retry_decides_by_its_rules(configuration):
    """Every verdict and every delay is what the rules say, and the budget balances."""
    kind = type("Configured", (RetryMachine,), CONFIGURATIONS[configuration])

    run_state_machine_as_test(kind, settings=settings.get_profile("machines"))
