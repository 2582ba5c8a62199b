"""The circuit breaker against its model, through any story that hypothesis can make up."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from reference_models import BreakerPair

OUTCOMES = ["succeeded", "failed", "abandoned", "ignored"]
ANSWERS = ["succeeded", "succeeded", "failed", "abandoned"]
USUAL = {"failures": 3, "open_for": 5.0, "open_cap": 20.0, "probes": 2}

CONFIGURATIONS = {
    "consecutive": USUAL,
    "one failure, one probe": USUAL | {"failures": 1, "probes": 1, "open_growth": 1.0},
    "rate over a number of calls": USUAL
    | {"failures": None, "failure_rate": 0.5, "window_calls": 8, "min_calls": 4},
    "rate over a time": USUAL
    | {"failures": None, "failure_rate": 0.6, "window": 20.0, "min_calls": 3},
    "slow calls": USUAL
    | {"failures": None, "slow": 2.0, "slow_rate": 0.5, "window_calls": 6, "min_calls": 3},
    "all conditions": USUAL
    | {"failures": 4, "failure_rate": 0.75, "slow": 3.0, "slow_rate": 0.75, "window": 10.0}
    | {"min_calls": 4, "probes": 3},
    "short leases": USUAL | {"failures": 1, "probes": 3, "probe_timeout": 2.0},
    "ramp": USUAL | {"failures": 2, "ramp": 8.0},
    "ramp, with a rate": USUAL
    | {"failures": None, "failure_rate": 0.5, "window_calls": 8, "min_calls": 4, "ramp": 8.0},
    "health check": USUAL | {"checked": True, "probe_timeout": 4.0},
    "health check, and a ramp": USUAL
    | {"failures": 1, "checked": True, "ramp": 8.0, "slow": 1.0, "slow_rate": 0.5, "min_calls": 3},
    "shadow": USUAL | {"failures": 2, "shadow": True},
    "shadow, with all": USUAL
    | {"failures": 2, "failure_rate": 0.5, "window_calls": 8, "min_calls": 4, "shadow": True}
    | {"ramp": 8.0, "checked": True},
}
BY_HAND = {"consecutive", "all conditions", "ramp", "shadow, with all"}


class BreakerMachine(RuleBasedStateMachine):
    """Calls come, hang, end in any way and in any order; time goes on, and sometimes back."""

    options = None
    clock = None
    by_hand = False

    def __init__(self):
        super().__init__()
        self.clock.now = 100.0
        self.pair = BreakerPair(self.clock, **self.options)

    @rule(calls=st.integers(1, 4))
    def enter(self, calls):
        for _ in range(calls):
            self.pair.enter()

    @precondition(lambda self: self.pair.flying)
    @rule(place=st.integers(0, 20), outcome=st.sampled_from(OUTCOMES))
    def settle(self, place, outcome):
        self.pair.settle(place, outcome)

    @precondition(lambda self: self.pair.asking)
    @rule(place=st.integers(0, 5), outcome=st.sampled_from(ANSWERS))
    def answer(self, place, outcome):
        self.pair.answer(place, outcome)

    @rule(
        outcome=st.sampled_from(OUTCOMES),
        times=st.integers(1, 6),
        quarters=st.sampled_from([0, 0, 0, 16]),
    )
    def call(self, outcome, times, quarters):
        """Make calls one after the other."""
        for _ in range(times):
            flying = len(self.pair.flying)
            self.pair.enter()
            if len(self.pair.flying) > flying:
                self.clock.now += quarters / 4
                self.pair.settle(flying, outcome)

    @rule(quarters=st.integers(1, 100))
    def wait(self, quarters):
        self.clock.now += quarters / 4

    @precondition(lambda self: self.pair.model.state == "open")
    @rule(early=st.sampled_from([0.0, 0.0, 0.25]))
    def wait_for_the_probe(self, early):
        self.clock.now = max(self.clock.now, self.pair.model.until - early)

    @rule(quarters=st.integers(1, 40))
    def step_back(self, quarters):
        self.clock.now -= quarters / 4

    @precondition(lambda self: self.by_hand)
    @rule(how=st.sampled_from(["trip", "isolate", "disable", "reset", "reset"]))
    def take_control(self, how):
        self.pair.control(how)

    @invariant()
    def agrees_with_its_model(self):
        self.pair.agree()

    def teardown(self):
        self.pair.land()


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_a_breaker_does_what_its_model_does(clock, configuration):
    """State, counts, probes, rejections and rest agree after every step."""

    class Configured(BreakerMachine):
        options = CONFIGURATIONS[configuration]
        by_hand = configuration in BY_HAND

    Configured.clock = clock

    run_state_machine_as_test(Configured, settings=settings.get_profile("machines"))
