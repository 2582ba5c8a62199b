"""The table of `Keyed` against a model that sorts a list, through any story hypothesis can make up."""

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

from holdfast import Bulkhead, BulkheadFullError
from holdfast.strategies.keyed.keyed import Keyed

DOWN = ConnectionError("down")
SIZE = 2


class Known:
    """What the model knows about a key in the table."""

    def __init__(self, child, now):
        self.child = child
        self.used = now
        self.inside = 0
        self.kept = False


class KeyedMachine(RuleBasedStateMachine):
    """Calls of few keys come and end; a bulkhead for each, and room for fewer keys than there are."""

    limit = 3

    def __init__(self):
        super().__init__()
        self.keyed = Keyed(lambda key: key, lambda _key: Bulkhead(SIZE), max_keys=self.limit)
        self.model = {}
        self.inside = []
        self.now = 0.0

    def make_room(self):
        """Return whether a new key gets a place, after the one that has to go for it."""
        if len(self.model) < self.limit:
            return True
        for known in sorted(self.model.values(), key=lambda one: one.used):
            if not known.kept and known.inside:
                known.kept = True  # it was found busy
            elif not known.kept:
                return self.gone([known])
        return self.gone([one for one in self.model.values() if not one.inside])

    def gone(self, candidates):
        """Forget the one of the candidates that the table has dropped; False where there is none."""
        missing = [key for key in self.model if key not in self.keyed]
        assert len(missing) == bool(candidates)
        for key in missing:
            assert self.model.pop(key) in candidates
        return bool(candidates)

    @rule(key=st.integers(0, 5))
    def enter(self, key):
        self.now += 1.0
        try:
            held = self.keyed.enter(self.now, (key,), {})
        except BulkheadFullError:
            held = None
        if key not in self.model:
            if not self.make_room():
                if held is not None:
                    self.inside.append((None, held))
                return
            self.model[key] = Known(self.keyed[key], self.now)
        known = self.model[key]
        known.used = self.now
        assert (held is None) == (known.inside == SIZE)
        if held is not None:
            known.inside += 1
            self.inside.append((known, held))

    @precondition(lambda self: self.inside)
    @rule(place=st.integers(0, 20), outcome=st.sampled_from(["succeeded", "failed", "abandoned"]))
    def end(self, place, outcome):
        self.now += 1.0
        known, held = self.inside.pop(place % len(self.inside))
        extra = {"succeeded": ["result"], "failed": [DOWN], "abandoned": []}[outcome]
        getattr(self.keyed, outcome)(held, self.now, *extra)
        if known is not None:
            known.inside -= 1
            if outcome == "failed" or (outcome == "succeeded" and known.kept):
                known.kept, known.used = outcome == "failed", self.now

    @invariant()
    def agrees_with_its_model(self):
        assert len(self.keyed) == len(self.model) <= self.limit
        for key, known in self.model.items():
            assert self.keyed[key] is known.child
            assert known.child.in_flight == known.inside

    def teardown(self):
        while self.inside:
            self.end(0, "abandoned")
        overflow = self.keyed.snapshot()["overflow"]
        assert overflow is None or overflow["in_flight"] == 0
        assert all(known.child.in_flight == 0 for known in self.model.values())


@pytest.mark.parametrize("limit", [1, 3])
def test_a_table_does_what_its_model_does(limit):
    """Who is there and who had to go agrees after every step, and no call is ever lost."""

    class Configured(KeyedMachine):
        pass

    Configured.limit = limit

    run_state_machine_as_test(Configured, settings=settings.get_profile("machines"))
