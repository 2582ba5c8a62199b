"""The bulkhead against its model, through any story that hypothesis can make up."""

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
from reference_models import BulkheadPair


class BulkheadMachine(RuleBasedStateMachine):
    """Callers come, queue, lose patience, end; workers are abandoned; people change the size."""

    size = queue = 0

    def __init__(self):
        super().__init__()
        self.pair = BulkheadPair(self.size, self.queue)

    @rule(calls=st.integers(1, 5))
    def enter(self, calls):
        for _ in range(calls):
            self.pair.enter()

    @precondition(lambda self: self.pair.inside)
    @rule(place=st.integers(0, 20), outcome=st.sampled_from(["succeeded", "failed", "abandoned"]))
    def end(self, place, outcome):
        self.pair.end(place, outcome)

    @precondition(lambda self: self.pair.waiting)
    @rule(place=st.integers(0, 20), how=st.sampled_from(["cancelled", "expired"]))
    def give_up(self, place, how):
        self.pair.give_up(place, how)

    @precondition(lambda self: self.pair.waiting)
    @rule(place=st.integers(0, 20))
    def lose(self, place):
        self.pair.lose(place)

    @rule()
    def hold(self):
        self.pair.hold()

    @precondition(lambda self: self.pair.model.held)
    @rule()
    def release(self):
        self.pair.release()

    @rule(size=st.integers(1, 6))
    def resize(self, size):
        self.pair.resize(size)

    @invariant()
    def agrees_with_its_model(self):
        self.pair.agree()

    def teardown(self):
        self.pair.land()


@pytest.mark.parametrize("size, queue", [(1, 0), (1, 3), (3, 2), (5, 20)])
def test_a_bulkhead_does_what_its_model_does(size, queue):
    """Who is in and who waits agrees after every step; in the end the permits balance to zero."""

    class Configured(BulkheadMachine):
        pass

    Configured.size, Configured.queue = size, queue

    run_state_machine_as_test(Configured, settings=settings.get_profile("machines"))
