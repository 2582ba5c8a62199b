"""Whom a flight waits for, told by marks."""

from dataclasses import dataclass

import pytest

from holdfast import Coalesce
from holdfast.strategies.coalesce.flight import Mark, inside


def waiting(*edges):
    """Return marks by name, of which the first of each edge has boarded the second."""
    marks = {name: Mark() for edge in edges for name in edge}
    for one, other in edges:
        marks[one].boards(marks[other])
    return marks


@pytest.mark.parametrize("edges, found", [
    (["ab"], False),
    (["ab", "ba"], True),
    (["ab", "bc", "ca"], True),
    (["ab", "bc", "cb"], False),
    (["ab", "ac", "cd", "da"], True),
])  # fmt: skip
def test_a_ring_is_found_however_long_it_is(edges, found):
    """And one that it only leads to is none of its own; nor does that one make it look for ever."""
    marks = waiting(*edges)
    assert (
        marks["b" if edges != ["ab", "ac", "cd", "da"] else "c"].waits_for((marks["a"],)) is found
    )


def test_a_flight_that_has_ended_waits_for_nobody():
    """Its outcome is there."""
    marks = waiting("ab", "ba")
    marks["b"].ended = True
    assert not marks["b"].waits_for((marks["a"],))


def test_what_has_ended_is_forgotten_with_the_next_one():
    """A flight that boards thousands of others remembers those that are in the air."""
    mark = Mark()
    for _ in range(100):
        other = Mark()
        mark.boards(other)
        other.ended = True
    assert len(mark.waits) == 1


def test_a_call_that_would_close_a_ring_is_made():
    """There is no seat for it (openfga 1335): two flights that need each other's key."""
    coalesce = Coalesce(lambda node: node)
    a, _ = coalesce.board("a")
    b, _ = coalesce.board("b")
    in_a, in_b = a.flight.mark, b.flight.mark
    token = inside.set((in_a,))
    seat, leads = coalesce.board("b")
    assert (seat is not None, leads) == (True, False)
    inside.reset(token)
    token = inside.set((in_b,))
    assert coalesce.board("a") == (None, False)
    inside.reset(token)


@dataclass(unsafe_hash=True)
class Query:
    text: str


def test_a_flight_whose_key_has_changed_is_not_boarded_after_it_has_landed():
    """Its place in the table cannot be found by then, and it is gone all the same."""
    coalesce = Coalesce(lambda query: query)
    query = Query("x")
    seat, _ = coalesce.board(query)
    query.text = "changed"
    coalesce.land(seat.flight, "found", None)
    assert coalesce.snapshot()["flights"] == 0
    query.text = "x"
    _, leads = coalesce.board(query)
    assert leads
