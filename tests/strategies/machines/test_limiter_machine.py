"""The concurrency limiter against its model, through any story that hypothesis can make up."""

import math

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

from holdfast import ConcurrencyLimitedError, ConcurrencyLimiter, priority
from holdfast.criticality import RANKS
from holdfast.shapes import Wait

CLASSES = st.sampled_from(["critical", "default", "sheddable"])
TENANTS = st.sampled_from(["ours", "theirs", "nobody"])
OUTCOMES = st.sampled_from(["returned", "lost", "wrong", "cancelled"])
SHARES = {"ours": 0.5, "theirs": 0.25}


class Algorithm:
    """A limit that the story sets, and what it was told."""

    def __init__(self):
        self.limit = 4.0
        self.samples = []

    def search(self, _low, _high, _initial):
        return self

    def sample(self, now, rtt, in_flight, dropped):
        self.samples.append((now, rtt, in_flight, dropped))
        return self.limit


class Model:
    """The limiter as its documentation tells it: calls in lists, each with what it is."""

    def __init__(self, shares, queue):
        self.shares = shares
        self.queue = queue
        self.inside = []
        self.waiting = []
        self.limit = 4.0
        self.rest_until = 0.0
        self.samples = []

    def enter(self, now, name, tenant, *, shadow):
        """Return the call: inside, waiting, or neither."""
        self.settle(now)
        call = {"rank": RANKS[name], "tenant": tenant}
        behind = any(self.line(one) == self.line(call) for one in self.waiting)
        if self.fits(now, call) and not behind:
            self.let_in(now, call)
        elif shadow:
            self.inside.append({**call, "at": now, "sample": False})
            return self.inside[-1]
        elif self.limit >= 1 and len(self.waiting) < self.queue:
            self.waiting.append(call)
        return call

    def fits(self, now, call):
        if self.limit < 1:
            return not self.inside and now >= self.rest_until
        ceiling = (self.limit * 4, self.limit, max(1, self.limit * 0.75))[call["rank"]]
        of_party = sum(one["tenant"] == call["tenant"] for one in self.inside)
        guaranteed = max(1, self.shares.get(call["tenant"], 0) * ceiling)
        return len(self.inside) < math.floor(ceiling) or (
            call["tenant"] in self.shares and of_party < math.floor(guaranteed)
        )

    def line(self, call):
        return call["rank"], call["tenant"] if call["tenant"] in self.shares else None

    def let_in(self, now, call):
        call["at"], call["sample"] = now, len(self.inside) < max(1, math.floor(self.limit))
        self.inside.append(call)

    def settle(self, now):
        """Let in who fits, the most important first, then who came first."""
        while fitting := [call for call in self.waiting if self.fits(now, call)]:
            call = min(fitting, key=lambda one: one["rank"])
            self.waiting = [one for one in self.waiting if one is not call]
            self.let_in(now, call)

    def end(self, now, call, outcome, found):
        told = min(len(self.inside), max(1, math.floor(self.limit)))
        self.inside = [one for one in self.inside if one is not call]
        took = now - call["at"]
        if outcome == "lost" or (outcome == "returned" and call["sample"]):
            self.samples.append((now, took, told, outcome == "lost"))
            self.limit = found
        if self.limit < 1:
            self.rest_until = now + min(60.0, took * (1 / self.limit - 1))
        self.settle(now)

    def leave(self, now, call, how, *, shadow):
        """Return whether a call that waited too long goes in all the same."""
        self.waiting = [one for one in self.waiting if one is not call]
        if how == "cancelled":
            return False
        if self.fits(now, call):
            self.let_in(now, call)
            return True
        if shadow:
            self.inside.append(call)
            call.update(at=now, sample=False)
        return shadow

    def has(self, call):
        """Return whether the call is inside."""
        return any(one is call for one in self.inside)


class LimiterMachine(RuleBasedStateMachine):
    """Calls of all classes and parties come, wait and end in any way, while the limit moves."""

    shares = None
    queue = 0

    def __init__(self):
        super().__init__()
        self.algorithm = Algorithm()
        parties = {"partition": lambda tenant: tenant, "shares": self.shares} if self.shares else {}
        waiting = {"queue": self.queue, "max_wait": 1.0 if self.queue else None}
        self.gate = ConcurrencyLimiter(self.algorithm, min=0.1, **waiting, **parties)
        self.model = Model(self.shares or {}, self.queue)
        self.calls = []
        self.now = 0.0

    @rule(name=CLASSES, tenant=TENANTS, calls=st.integers(1, 6))
    def enter(self, name, tenant, calls):
        for _ in range(calls):
            call = self.model.enter(self.now, name, tenant, shadow=self.gate.shadow)
            try:
                with priority(name):
                    answer = self.gate.enter(self.now, (tenant,), {})
            except ConcurrencyLimitedError:
                assert "at" not in call
                assert all(one is not call for one in self.model.waiting)
                continue
            waits = isinstance(answer, Wait)
            assert waits == (not self.model.has(call))
            self.calls.append((answer.permit if waits else answer, call))

    def take(self, place, *, inside):
        """Take out one of the calls that are inside, or one of those that wait."""
        fitting = [one for one in self.calls if self.model.has(one[1]) == inside]
        if not fitting:
            return None, None
        chosen = fitting[place % len(fitting)]
        self.calls = [one for one in self.calls if one is not chosen]
        return chosen

    @precondition(lambda self: self.calls)
    @rule(
        place=st.integers(0, 50),
        outcome=OUTCOMES,
        found=st.sampled_from([0.25, 1.0, 2.5, 4.0, 9.9]),
    )
    def end(self, place, outcome, found):
        permit, call = self.take(place, inside=True)
        if call is None:
            return
        self.algorithm.limit = found
        match outcome:
            case "returned":
                self.gate.succeeded(permit, self.now, "result")
            case "lost":
                self.gate.failed(permit, self.now, TimeoutError())
            case "wrong":
                self.gate.failed(permit, self.now, KeyError())
            case "cancelled":
                self.gate.abandoned(permit, self.now)
        self.model.end(self.now, call, outcome, found)

    @precondition(lambda self: self.model.waiting)
    @rule(place=st.integers(0, 50), how=st.sampled_from(["cancelled", "expired"]))
    def give_up(self, place, how):
        permit, call = self.take(place, inside=False)
        passes = self.model.leave(self.now, call, how, shadow=self.gate.shadow)
        if how == "cancelled":
            self.gate.abandoned(permit, self.now)
        else:
            assert (self.gate.expired(permit, self.now) is None) == passes
        if passes:
            self.calls.append((permit, call))

    @rule(seconds=st.sampled_from([0.125, 1.0, 30.0]))
    def wait(self, seconds):
        self.now += seconds

    @rule(shadow=st.booleans())
    def switch(self, shadow):
        self.gate.shadow = shadow

    @invariant()
    def agrees_with_its_model(self):
        assert self.gate.limit == self.model.limit
        assert self.gate.in_flight == len(self.model.inside)
        assert self.gate.waiting == len(self.model.waiting)
        assert self.algorithm.samples == self.model.samples
        for permit, call in self.calls:
            assert getattr(permit, "granted", True) == self.model.has(call)
        for tenant, count in self.gate.snapshot()["partitions"].items():
            assert count == sum(call["tenant"] == tenant for call in self.model.inside)

    def teardown(self):
        for permit, _ in self.calls:
            self.gate.abandoned(permit, self.now)
        assert (self.gate.in_flight, self.gate.waiting) == (0, 0)
        assert set(self.gate.snapshot()["partitions"].values()) <= {0}


@pytest.mark.parametrize("queue", [0, 3, 20])
@pytest.mark.parametrize("shares", [None, SHARES], ids=["one party", "two parties"])
def test_a_limiter_does_what_its_model_does(shares, queue):
    """Who comes in, who waits and what is a sample agrees at every step; in the end all balances."""

    class Configured(LimiterMachine):
        pass

    Configured.shares, Configured.queue = shares, queue

    run_state_machine_as_test(Configured, settings=settings.get_profile("machines"))
