"""The rate limiter against its model, through any story that hypothesis can make up.

The model remembers everything that ever happened and works it all out anew for each question.
"""

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

from holdfast import Rate, RateLimitedError, RateLimiter
from holdfast._world import world
from holdfast.shapes import Wait

CLOSE = 1e-6
MAX_WAIT = 6.0


class Model:
    """Each limit is a list of all that was ever put into its bucket, or taken out, and when."""

    def __init__(self, limits):
        self.limits = limits
        self.deeds = []  # [instant, amounts, whether it is the start of a call]

    def level(self, place, instant):
        rate, _ = self.limits[place]
        level, last = 0.0, instant
        for at, amounts, _ in sorted(self.deeds, key=lambda deed: deed[0]):
            if at > instant:
                break
            level = max(0.0, max(0.0, level - max(0.0, at - last) * rate) + amounts[place])
            last = at
        return max(0.0, level - max(0.0, instant - last) * rate)

    def waiting(self, now):
        return [deed for deed in self.deeds if deed[2] and deed[0] > now + CLOSE]

    def wait(self, now, costs):
        """Return the seconds to wait; note the start if that is not too long."""
        first = max([now, *(deed[0] for deed in self.waiting(now))])
        delays = [
            (self.level(place, first) + cost - burst) / rate
            for place, (cost, (rate, burst)) in enumerate(zip(costs, self.limits, strict=True))
        ]
        wait = first - now + max(0.0, *delays)
        wait = 0.0 if wait < CLOSE else wait
        if wait <= MAX_WAIT + CLOSE:
            self.deeds.append([now + wait, list(costs), True])
            return wait, self.deeds[-1]
        return wait, None


class Machine(RuleBasedStateMachine):
    """Calls come, wait, change their minds, turn out dearer or cheaper."""

    limits = ((1.0, 2.0),)

    def __init__(self):
        super().__init__()
        self.now = 1000.0
        self.clock, world.clock = world.clock, lambda: self.now
        self.rates = tuple(
            Rate(rate, burst=burst, cost=lambda *costs, place=place: costs[place])
            for place, (rate, burst) in enumerate(self.limits)
        )
        self.limiter = RateLimiter(*self.rates, max_wait=MAX_WAIT)
        self.model = Model(self.limits)
        self.calls = []

    def teardown(self):
        world.clock = self.clock

    @rule(eighths=st.integers(1, 24))
    def time_passes(self, eighths):
        """Whoever waits wakes when its turn has come, and starts."""
        until = self.now + eighths / 8
        due = [call for call in self.calls if call[0].waits and call[1][0] <= until + CLOSE]
        for permit, deed in sorted(due, key=lambda call: call[1][0]):
            assert self.limiter.woken(permit, deed[0]) is None
        self.now = until

    @rule(costs=st.tuples(st.integers(1, 2), st.integers(1, 2)), calls=st.integers(1, 4))
    def enter(self, costs, calls):
        costs = costs[: len(self.limits)]
        for _ in range(calls):
            expected, deed = self.model.wait(self.now, costs)
            if deed is None:
                with pytest.raises(RateLimitedError) as caught:
                    self.limiter.enter(self.now, costs, {})
                assert caught.value.retry_after == pytest.approx(expected)
                continue
            answer = self.limiter.enter(self.now, costs, {})
            waits = isinstance(answer, Wait)
            assert (answer.delay if waits else 0.0) == pytest.approx(expected)
            self.calls.append((answer.permit if waits else answer, deed))

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0, 50))
    def cancel(self, which):
        permit, deed = self.calls.pop(which % len(self.calls))
        self.limiter.abandoned(permit, self.now)
        if deed[0] > self.now + CLOSE:
            deeds = self.model.deeds
            del deeds[
                next(place for place, one in enumerate(deeds) if one is deed)
            ]  # not its equal

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0, 50), actual=st.integers(0, 5), place=st.integers(0, 1))
    def correct(self, which, actual, place):
        place %= len(self.limits)
        permit, deed = self.calls[which % len(self.calls)]
        difference = actual - permit.costs[place]
        permit.adjust(actual, self.rates[place])
        if deed[0] > self.now + CLOSE:
            deed[1][place] = actual
        else:
            self.note(place, difference)

    @rule(difference=st.integers(-3, 3), place=st.integers(0, 1))
    def adjust(self, difference, place):
        place %= len(self.limits)
        self.limiter.adjust(difference, self.rates[place])
        self.note(place, difference)

    def note(self, place, difference):
        amounts = [0.0] * len(self.limits)
        amounts[place] = difference
        self.model.deeds.append([self.now, amounts, False])

    @invariant()
    def agrees_with_its_model(self):
        waiting = self.model.waiting(self.now)
        assert self.limiter.waiting == len(waiting)
        last = max([self.now, *(deed[0] for deed in waiting)])
        left = [
            max(0.0, burst - self.model.level(place, last))
            for place, (_, burst) in enumerate(self.limits)
        ]
        assert self.limiter.available == pytest.approx(left)


@pytest.mark.parametrize("limits", [((1.0, 2.0),), ((2.0, 7.0),), ((1.0, 4.0), (4.0, 2.0))])
def test_a_rate_limiter_does_what_its_model_does(limits):
    """Who passes, who waits how long and what is left agree after every step, on all limits."""

    class Configured(Machine):
        pass

    Configured.limits = limits

    run_state_machine_as_test(Configured, settings=settings.get_profile("machines"))
