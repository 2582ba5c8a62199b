"""Any course of attempts, against a simple model of who wins, what may start, and what it costs."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from holdfast import RetryBudget
from holdfast.errors import BulkheadFullError
from holdfast.shapes import Site
from holdfast.strategies.hedge.hedge import Hedge
from holdfast.strategies.hedge.race import NEXT, OVER, WAIT, Race

SITE = Site("p")


class Races(RuleBasedStateMachine):
    """One hedge, many calls one after the other; the model is a few sets and numbers."""

    @initialize(max_hedges=st.integers(1, 3), capacity=st.integers(1, 5))
    def hedge(self, max_hedges, capacity):
        self.max_hedges = max_hedges
        self.tokens = float(capacity)
        self.budget = RetryBudget(ratio=0.5, capacity=capacity)
        self.one = Hedge(1.0, max_hedges, on=(OSError, TimeoutError), budget=self.budget)
        self.now = 1000.0
        self.begun = self.won = 0
        self.call()

    def call(self):
        self.race = Race(self.one, SITE, self.now, float("inf"))
        self.running, self.started, self.errors = {1}, 1, {}
        self.over = self.late = False

    def may_start(self, cost=1.0):
        """Say whether the model allows another attempt, and count it."""
        if self.started > self.max_hedges or self.tokens < 1:
            return False
        self.tokens = max(0.0, self.tokens - cost)
        self.started += 1
        self.begun += 1
        self.running.add(self.started)
        return True

    @precondition(lambda self: not self.over)
    @rule()
    def time_passes(self):
        if self.race.due == float("inf"):
            self.now += 1.0
            return
        self.now = self.race.due
        self.late = True
        assert self.race.tick(self.now) == self.may_start()

    @precondition(lambda self: not self.over)
    @rule(data=st.data())
    def an_attempt_returns(self, data):
        number = data.draw(st.sampled_from(sorted(self.running)))
        self.now += 0.01
        prompt = number == 1 and not self.late and self.started == 1
        assert self.race.returned(number, number, self.now) == OVER
        assert self.race.verdict == (number, None)
        if prompt:
            self.tokens = min(self.budget.capacity, self.tokens + 0.5)
        self.won += number > 1
        self.over = True

    @precondition(lambda self: not self.over)
    @rule(
        data=st.data(), kind=st.sampled_from([OSError, TimeoutError, BulkheadFullError, KeyError])
    )
    def an_attempt_fails(self, data, kind):
        number = data.draw(st.sampled_from(sorted(self.running)))
        self.now += 0.01
        error = kind()
        what = self.race.raised(number, error, self.now)
        self.running.discard(number)
        if kind is KeyError:
            self.won += number > 1
            assert (what, self.race.verdict) == (OVER, (None, error))
            self.over = True
            return
        self.errors[number] = error
        if kind is not BulkheadFullError and self.may_start(2.0 if kind is TimeoutError else 1.0):
            assert what == NEXT
        elif self.running:
            assert what == WAIT
        else:
            own = {n: e for n, e in self.errors.items() if not isinstance(e, BulkheadFullError)}
            first = min(own or self.errors)
            assert (what, self.race.verdict) == (OVER, (None, self.errors[first]))
            self.over = True

    @precondition(lambda self: self.over)
    @rule()
    def the_next_call(self):
        self.now += 1.0
        self.call()

    @invariant()
    def it_agrees(self):
        if not hasattr(self, "race"):
            return
        assert self.budget.tokens == self.tokens
        assert (self.one.started, self.one.won) == (self.begun, self.won)
        assert self.race.attempts == self.started <= 1 + self.max_hedges
        assert (self.race.verdict is not None) == self.over
        if not self.over:
            assert set(self.race.running) == self.running != set()


Races.TestCase.settings = settings(
    settings.get_profile("machines"), max_examples=60, stateful_step_count=30
)
TestRaces = Races.TestCase
TestRaces.__doc__ = "Verdicts, attempts, counts and tokens are those of the model."
