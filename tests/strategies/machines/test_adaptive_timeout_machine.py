"""The adaptive timeout against a plain list of durations."""

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from holdfast import AttemptTimeout, Timeout
from holdfast._world import world
from holdfast.strategies.timeout.adaptive import SILENCE

OURS = AttemptTimeout(pipeline="p", strategy="timeout", seconds=1.0)
FEW = 20


class AdaptiveTimeoutMachine(RuleBasedStateMachine):
    """Attempts that overlap succeed, fail, hang, answer late and are cancelled, within one window."""

    def __init__(self):
        super().__init__()
        self.before, world.rng = world.rng, Random(0)
        self.real = Timeout.adaptive(min_samples=FEW, window=1e9, name="model")
        self.now = 1000.0
        self.open = []
        self.durations = []
        self.row = self.timeouts = 0

    def teardown(self):
        world.rng = self.before

    @rule(times=st.integers(1, 12), late=st.booleans())
    def begin(self, times, late):
        for _ in range(times):
            limit = self.real.begin(self.now, late=late)
            assert self.real.floor <= limit.seconds <= self.real.ceiling
            assert limit.seconds == limit.usual or limit.weight > 1 or self.row >= SILENCE
            self.open.append(limit)

    @rule(share=st.floats(0.01, 1.0), times=st.integers(1, 12))
    def succeed(self, share, times):
        for _ in range(times):
            if self.open:
                limit = self.open.pop()
                self._returned(limit, share * limit.seconds)

    @rule(longer=st.floats(1.01, 20.0))
    def hang_and_answer_late(self, longer):
        if self.open:
            limit = self.open.pop()
            self._hung(limit)
            self._returned(limit, longer * limit.seconds)

    @rule(times=st.integers(1, 12))
    def hang(self, times):
        for _ in range(times):
            if self.open:
                self._hung(self.open.pop())

    @rule()
    def fail(self):
        if self.open:
            self.real.failed(self.open.pop(), 0.0, ConnectionError())
            self.row = 0

    @rule()
    def cancel(self):
        if self.open:
            self.open.pop()

    @rule(seconds=st.floats(0.0, 100.0))
    def let_time_pass(self, seconds):
        self.now += seconds

    def _returned(self, limit, took):
        heavy = limit.weight > 1 and took > limit.usual
        before = self.real.snapshot()["samples"]
        self.real.succeeded(limit, took, self.now)
        counted = self.real.snapshot()["samples"] - before
        assert counted == 1 or (heavy and 1 < counted <= limit.weight)
        self.durations += [took] * counted
        self.row = 0

    def _hung(self, limit):
        self.real.failed(limit, limit.seconds, OURS)
        self.row += 1
        self.timeouts += 1

    @invariant()
    def agrees_with_its_model(self):
        told = self.real.snapshot()
        assert told["samples"] == len(self.durations)
        assert told["timeouts"] == self.timeouts
        assert told["silent"] is (self.row >= SILENCE)
        assert (told["estimate"] is None) is (len(self.durations) < FEW)

    @invariant()
    def the_limit_follows_from_the_estimate(self):
        if self.real.estimate is None:
            assert self.real.limit == self.real.ceiling
            return
        wished = self.real.margin * self.real.estimate
        assert self.real.limit == min(max(wished, self.real.floor), self.real.ceiling)
        low, high = min(self.durations), max(self.durations)
        assert 0.97 * low <= self.real.estimate <= 1.03 * high


def test_the_timeout_does_what_its_model_does():
    """It counts what it should and nothing else, and its limit stays where it belongs."""
    run_state_machine_as_test(
        AdaptiveTimeoutMachine,
        settings=settings(
            settings.get_profile("machines"), max_examples=60, stateful_step_count=30
        ),
    )
