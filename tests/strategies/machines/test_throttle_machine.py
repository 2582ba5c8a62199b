"""The throttle against its model, which remembers every call and counts anew for each question."""

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

from holdfast import Throttle, ThrottledError

DOWN = ConnectionError("down")
WINDOW, TENTH, DOUBT = 10.0, 1.0, 5


class Draws:
    """The next draw, as the machine says."""

    value = 0.0

    def random(self):
        return self.value


class Call:
    """When it was wanted, and when it was accepted, if it was."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.pending = False
        self.accepted = None


class Machine(RuleBasedStateMachine):
    """Calls are wanted, rejected, sent, accepted, refused, cancelled, and come back late."""

    def __init__(self):
        super().__init__()
        self.now = 1000.0
        self.draws = Draws()
        self.throttle = Throttle(min_calls=3, window=WINDOW, rng=self.draws)
        self.calls, self.open = [], []

    def recent(self, instant, tenths=10):
        return instant is not None and instant // TENTH > self.now // TENTH - tenths

    def likely(self):
        requests = sum(self.recent(call.wanted) for call in self.calls)
        doubt = sum(call.pending and self.recent(call.wanted, DOUBT) for call in self.calls)
        accepts = sum(self.recent(call.accepted) for call in self.calls)
        if requests - doubt < self.throttle.min_calls:
            return requests, accepts, 0.0
        likely = (requests - doubt - 1.5 * accepts) / (requests - doubt + 1)
        return requests, accepts, min(0.9, max(0.0, likely))

    @rule(quarters=st.integers(1, 12))
    def time_passes(self, quarters):
        self.now += quarters / 4

    @rule(draw=st.sampled_from([0.05, 0.3, 0.6, 0.95]), calls=st.integers(1, 4))
    def want(self, draw, calls):
        for _ in range(calls):
            self.draws.value = draw
            call = Call(self.now)
            _, _, likely = self.likely()
            if draw < likely:
                with pytest.raises(ThrottledError):
                    self.throttle.enter(self.now, (), {})
            else:
                call.pending = True
                self.open.append((self.throttle.enter(self.now, (), {}), call))
            self.calls.append(call)

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 50), how=st.sampled_from(["accept", "refuse", "refuse", "cancel"]))
    def end(self, which, how):
        permit, call = self.open.pop(which % len(self.open))
        call.pending = False
        if how == "accept":
            self.throttle.succeeded(permit, self.now, "answer")
            call.accepted = self.now
        elif how == "refuse":
            self.throttle.failed(permit, self.now, DOWN)
        else:
            self.throttle.abandoned(permit, self.now)
            self.calls.remove(call)

    @invariant()
    def agrees_with_its_model(self):
        requests, accepts, likely = self.likely()
        assert self.throttle.busy(self.now) == (likely > 0)
        counted = self.throttle._accepts
        counted.at(self.now)
        assert (counted.requests, counted.accepts) == (requests, accepts)


def test_a_throttle_does_what_its_model_does():
    """What is counted, and who is rejected, agree after every step."""
    run_state_machine_as_test(Machine, settings=settings.get_profile("machines"))
