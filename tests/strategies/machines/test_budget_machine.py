"""The retry budget against exact fractions."""

from fractions import Fraction

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from holdfast import RetryBudget


class BudgetMachine(RuleBasedStateMachine):
    """Successes put in, retries take out."""

    ratio = capacity = 0.0

    def __init__(self):
        super().__init__()
        self.real = RetryBudget(self.ratio, self.capacity)
        self.earns = Fraction(str(self.ratio))
        self.tokens = self.most = Fraction(str(self.capacity))
        self.successes = self.retries = 0

    @rule(times=st.integers(1, 30))
    def succeed(self, times):
        for _ in range(times):
            self.real.deposit()
            self.tokens = min(self.most, self.tokens + self.earns)
        self.successes += times

    @rule(cost=st.sampled_from([1, 2]), times=st.integers(1, 5))
    def retry(self, cost, times):
        for _ in range(times):
            allowed = self.tokens >= 1
            assert self.real.withdraw(float(cost)) is allowed
            if allowed:
                self.tokens = max(Fraction(0), self.tokens - cost)
                self.retries += 1

    @invariant()
    def agrees_with_its_model(self):
        assert self.real.tokens == pytest.approx(float(self.tokens), abs=1e-6)
        if abs(self.tokens - self.most) > 1e-6:
            assert not self.real.full
        assert 0.0 <= self.real.tokens <= self.capacity

    @invariant()
    def retries_stay_a_share_of_the_successes(self):
        assert self.retries <= self.earns * self.successes + self.most


@pytest.mark.parametrize("ratio, capacity", [(0.1, 10.0), (0.125, 1.0), (1.0, 3.5), (0.3, 2.0)])
def test_a_budget_does_what_its_model_does(ratio, capacity):
    """It never holds more than it may, never less than nothing, and allows what it can pay for."""

    class Configured(BudgetMachine):
        pass

    Configured.ratio, Configured.capacity = ratio, capacity

    # so few lines that whatever is wrong with them shows in the first ten stories
    few = settings(settings.get_profile("machines"), max_examples=40)
    run_state_machine_as_test(Configured, settings=few)
