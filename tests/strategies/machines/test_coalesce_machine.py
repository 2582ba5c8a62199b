"""`Coalesce` against a model: sets of callers, through any story that hypothesis can make up."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from holdfast import Coalesce

KEYS = st.integers(0, 2)


class CoalesceMachine(RuleBasedStateMachine):
    """Callers board and leave; attempts land or are lost, some of them after all have left."""

    def __init__(self):
        super().__init__()
        self.coalesce = Coalesce(lambda key: key)
        self.flights = {}
        """The open flight of a key, and its seats: the model."""
        self.left_behind = []
        self.cancelled = set()

    @rule(key=KEYS)
    def board(self, key):
        seat, leads = self.coalesce.board(key)
        flight = seat.flight
        assert leads == (key not in self.flights)
        if leads:
            flight.cancel = lambda: self.cancelled.add(flight)
        known, seats = self.flights.setdefault(key, (flight, []))
        assert known is flight
        seats.append(seat)

    @precondition(lambda self: self.flights)
    @rule(data=st.data())
    def leave(self, data):
        key = data.draw(st.sampled_from(sorted(self.flights)))
        flight, seats = self.flights[key]
        seat = seats.pop(data.draw(st.integers(0, len(seats) - 1)))

        self.coalesce.abandoned(seat, 0.0)

        assert seat.last == (not seats)
        assert (flight in self.cancelled) == (not seats)
        if not seats:
            del self.flights[key]
            self.left_behind.append(flight)

    @precondition(lambda self: self.flights)
    @rule(data=st.data(), lost=st.booleans())
    def end(self, data, lost):
        key = data.draw(st.sampled_from(sorted(self.flights)))
        flight, seats = self.flights.pop(key)

        if lost:
            self.coalesce.lose(flight)
        else:
            self.coalesce.land(flight, key, None)

        for seat in seats:
            assert seat.granted
            assert self.coalesce.again(seat, 0.0) is lost
            assert seat.take()[0] == (None if lost else key)

    @precondition(lambda self: self.left_behind)
    @rule(lost=st.booleans())
    def end_unseen(self, lost):
        flight = self.left_behind.pop()
        if lost:
            self.coalesce.lose(flight)
        else:
            self.coalesce.land(flight, "unseen", None)
        assert flight.outcome == (None, None, None)

    @invariant()
    def agrees_with_its_model(self):
        snapshot = self.coalesce.snapshot()
        assert snapshot["flights"] == len(self.flights)
        assert snapshot["sharing"] == sum(len(seats) for _, seats in self.flights.values())
        assert not any(seat.granted for _, seats in self.flights.values() for seat in seats)


def test_seats_and_flights_do_what_their_model_does():
    """Who shares with whom agrees after every step; nobody is woken without an end."""
    run_state_machine_as_test(CoalesceMachine, settings=settings.get_profile("machines"))
