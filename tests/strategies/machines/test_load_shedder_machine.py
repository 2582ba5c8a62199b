"""`LoadShedder` against a model made of plain lists, through any story that hypothesis can make up."""

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

from holdfast import DeadlineTooShortError, LoadShedder, ThrottledError, priority
from holdfast.criticality import CLASSES
from holdfast.deadline import Ambient, ambient
from holdfast.shapes import Wait
from holdfast.testing import VirtualClock

INTERVALS, TARGETS, EXPECTED = (80, 10, 10), (16, 2, 2), 3
"""Whole seconds, so that nothing depends on rounding."""


class Waiting:
    """One who waits, as the model sees it."""

    def __init__(self, place, rank, since, until, due):
        self.place, self.rank, self.since, self.until, self.due = place, rank, since, until, due


class LoadShedderMachine(RuleBasedStateMachine):
    """Callers of all classes come, wait, leave, end; some have deadlines; the size changes."""

    size = queue = reserved = 0

    def __init__(self):
        super().__init__()
        self.clock = VirtualClock(0.0)
        self.clock.__enter__()
        self.shedder = LoadShedder(
            self.size,
            queue=self.queue,
            target=TARGETS[1],
            interval=INTERVALS[1],
            expected=EXPECTED,
            reserve=self.reserved / self.size,
        )
        self.inside, self.line = [], []
        self.empty_at = [0, 0, 0]

    @property
    def now(self):
        return self.clock.now()

    # -- the model -----------------------------------------------------------------------------

    def room(self, rank):
        limit = self.size - (self.reserved if rank else 0)
        return len(self.inside) < max(1, limit)

    def stands(self, rank):
        return self.empty_at[rank] < self.now - INTERVALS[rank]

    def of_class(self, rank):
        return [one for one in self.line if one.rank == rank]

    def order(self):
        """Return those who wait in the order in which they will be served."""
        order = []
        for rank in range(3):
            mine = self.of_class(rank)
            order += reversed(mine) if self.stands(rank) else mine
        return order

    def serve(self):
        """Let in whose turn it is, and put out those whose turn comes too late."""
        served = True
        while served:
            served = False
            for one in self.order():
                if self.room(one.rank):
                    self.line.remove(one)
                    late = self.now > one.until or one.due - self.now < EXPECTED
                    if late:
                        assert not one.place.granted
                        assert self.shedder.expired(one.place, self.now) is not None
                    else:
                        self.inside.append(one.place)
                    served = True
                    break

    # -- what happens --------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 2, 6, 40]))
    def wait(self, seconds):
        for _ in range(seconds):
            self.clock.advance(1)
            for one in [one for one in self.line if self.now >= one.until]:
                self.line.remove(one)
                assert self.shedder.expired(one.place, self.now) is not None

    @rule(rank=st.sampled_from([0, 1, 1, 2]), left=st.sampled_from([1, 4, 6, 1000, 1000]))
    def arrive(self, rank, left):
        due = self.now + left
        token = ambient.set(Ambient(due, left, None))
        try:
            with priority(CLASSES[rank]):
                answer = self.shedder.enter(self.now, (), {})
        except DeadlineTooShortError:
            assert left < EXPECTED
            return
        except ThrottledError:
            assert not self.room(rank)
            assert len(self.line) >= self.queue
            assert self.last(rank) is None
            return
        finally:
            ambient.reset(token)
        assert left >= EXPECTED
        if self.room(rank):
            assert not isinstance(answer, Wait)
            self.inside.append(answer)
            return
        assert isinstance(answer, Wait)
        if len(self.line) >= self.queue:
            victim = self.last(rank)
            self.line.remove(victim)
            assert isinstance(self.shedder.expired(victim.place, self.now), ThrottledError)
            alone = victim.rank != rank and not self.of_class(rank)
        else:
            alone = not self.of_class(rank)
        if alone:
            self.empty_at[rank] = self.now
        patience = TARGETS[rank] if self.stands(rank) else INTERVALS[rank]
        until = min(self.now + patience, due - EXPECTED)
        assert answer.delay == until - self.now
        self.line.append(Waiting(answer.permit, rank, self.now, until, due))

    def last(self, rank):
        """Return whom a newcomer of that class puts out of a full queue, None for nobody."""
        if not self.line:
            return None
        last = self.order()[-1]
        return last if last.rank > rank or (last.rank == rank and self.stands(rank)) else None

    @precondition(lambda self: self.inside)
    @rule(place=st.integers(0, 20), outcome=st.sampled_from(["succeeded", "failed", "abandoned"]))
    def end(self, place, outcome):
        permit = self.inside.pop(place % len(self.inside))
        extra = {"succeeded": (None,), "failed": (OSError(),), "abandoned": ()}[outcome]
        getattr(self.shedder, outcome)(permit, self.now, *extra)
        self.serve()

    @precondition(lambda self: self.line)
    @rule(place=st.integers(0, 20))
    def cancel(self, place):
        one = self.line.pop(place % len(self.line))
        self.shedder.abandoned(one.place, self.now)

    @rule(size=st.integers(1, 5))
    def resize(self, size):
        if self.reserved:
            return  # its share would have to be rounded as the shedder does it
        self.size = size
        self.shedder.size = size
        self.serve()

    @invariant()
    def agrees_with_its_model(self):
        assert self.shedder.in_flight == len(self.inside)
        assert self.shedder.waiting == len(self.line)
        assert all(place.granted for place in self.inside)
        assert not any(one.place.granted for one in self.line)

    def teardown(self):
        try:
            self.land()
        finally:
            self.clock.__exit__(None, None, None)

    def land(self):
        while self.inside:
            self.end(0, "succeeded")
        assert (self.shedder.in_flight, self.shedder.waiting) == (0, 0)


@pytest.mark.parametrize("size, queue, reserved", [(1, 0, 0), (1, 3, 0), (4, 2, 1), (3, 50, 0)])
def test_a_load_shedder_does_what_its_model_does(size, queue, reserved):
    """Who is in, who waits and who is refused agrees after every step; at the end all is free."""

    class Configured(LoadShedderMachine):
        pass

    Configured.size, Configured.queue, Configured.reserved = size, queue, reserved

    run_state_machine_as_test(
        Configured, settings=settings(settings.get_profile("machines"), max_examples=60)
    )
