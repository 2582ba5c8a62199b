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
    """The limiter as its documentation tells it: calls in a list, each with what it is."""

    def __init__(self, shares):
        self.shares = shares
        self.inside = []
        self.limit = 4.0
        self.rest_until = 0.0
        self.samples = []

    def enter(self, now, name, tenant, *, shadow):
        """Return whether the call is let in."""
        of_party = sum(call["tenant"] == tenant for call in self.inside)
        ceiling = {
            "critical": self.limit * 4,
            "default": self.limit,
            "sheddable": max(1, self.limit * 0.75),
        }[name]
        if self.limit < 1:
            room = not self.inside and now >= self.rest_until
            within = True
        else:
            guaranteed = max(1, self.shares.get(tenant, 0) * ceiling)
            room = len(self.inside) < math.floor(ceiling) or (
                tenant in self.shares and of_party < math.floor(guaranteed)
            )
            within = len(self.inside) < math.floor(self.limit)
        if room or shadow:
            self.inside.append({"at": now, "tenant": tenant, "sample": room and within})
        return room or shadow

    def end(self, now, place, outcome, found):
        call = self.inside[place]
        told = min(len(self.inside), max(1, math.floor(self.limit)))
        del self.inside[place]
        took = now - call["at"]
        if outcome == "lost" or (outcome == "returned" and call["sample"]):
            self.samples.append((now, took, told, outcome == "lost"))
            self.limit = found
        if self.limit < 1:
            self.rest_until = now + took * (1 / self.limit - 1)


class LimiterMachine(RuleBasedStateMachine):
    """Calls of all classes and parties come and end in any way, while the limit moves."""

    shares = None

    def __init__(self):
        super().__init__()
        self.algorithm = Algorithm()
        parties = {"partition": lambda tenant: tenant, "shares": self.shares} if self.shares else {}
        self.gate = ConcurrencyLimiter(self.algorithm, min=0.1, **parties)
        self.model = Model(self.shares or {})
        self.permits = []
        self.now = 0.0

    @rule(name=CLASSES, tenant=TENANTS, calls=st.integers(1, 6))
    def enter(self, name, tenant, calls):
        for _ in range(calls):
            wanted = self.model.enter(self.now, name, tenant, shadow=self.gate.shadow)
            try:
                with priority(name):
                    self.permits.append(self.gate.enter(self.now, (tenant,), {}))
                got = True
            except ConcurrencyLimitedError:
                got = False
            assert got == wanted

    @precondition(lambda self: self.permits)
    @rule(
        place=st.integers(0, 50),
        outcome=OUTCOMES,
        found=st.sampled_from([0.25, 1.0, 2.5, 4.0, 9.9]),
    )
    def end(self, place, outcome, found):
        place %= len(self.permits)
        self.algorithm.limit = found
        permit = self.permits.pop(place)
        match outcome:
            case "returned":
                self.gate.succeeded(permit, self.now, "result")
            case "lost":
                self.gate.failed(permit, self.now, TimeoutError())
            case "wrong":
                self.gate.failed(permit, self.now, KeyError())
            case "cancelled":
                self.gate.abandoned(permit, self.now)
        self.model.end(self.now, place, outcome, found)

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
        assert self.algorithm.samples == self.model.samples
        for tenant, count in self.gate.snapshot()["partitions"].items():
            assert count == sum(call["tenant"] == tenant for call in self.model.inside)

    def teardown(self):
        for permit in self.permits:
            self.gate.abandoned(permit, self.now)
        assert self.gate.in_flight == 0
        assert set(self.gate.snapshot()["partitions"].values()) <= {0}


@pytest.mark.parametrize("shares", [None, SHARES], ids=["one party", "two parties"])
def test_a_limiter_does_what_its_model_does(shares):
    """Who comes in, and what becomes a sample, agrees after every step; in the end all balances."""

    class Configured(LimiterMachine):
        pass

    Configured.shares = shares

    run_state_machine_as_test(Configured, settings=settings.get_profile("machines"))
