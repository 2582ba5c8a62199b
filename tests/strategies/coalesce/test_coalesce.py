"""`Coalesce`: who sits where, and which flight's end is whose business."""

import pytest

from holdfast import Coalesce, ConfigurationError, DeadlineExceeded, DeadlineTooShortError
from holdfast import events as told
from holdfast.deadline import NOTHING, Ambient, ambient

SCOPE = object()


def of_one(*_args, **_kwargs):
    return "key"


@pytest.fixture
def coalesce():
    return Coalesce(of_one)


def board(coalesce, key="key", *, due=None):
    """Return a seat in the flight of a key, for a caller with such a deadline."""
    token = ambient.set(NOTHING if due is None else Ambient(due, 1.0, None))
    try:
        seat, leads = coalesce.board(key)
    finally:
        ambient.reset(token)
    assert leads == (len(seat.flight.seats) == 1)
    return seat


def state(coalesce):
    snapshot = coalesce.snapshot()
    return snapshot["flights"], snapshot["sharing"], snapshot["led"], snapshot["shared"]


def test_who_calls_with_the_same_key_shares(coalesce):
    """The first one leads; the others sit with it, and a different key is a different flight."""
    first, second, other = board(coalesce), board(coalesce), board(coalesce, "other")

    assert first.flight is second.flight
    assert other.flight is not first.flight
    assert state(coalesce) == (2, 3, 2, 1)


def test_everybody_gets_the_outcome_and_is_woken(coalesce):
    """A flight that has landed is over: the next caller leads another one."""
    seats = [board(coalesce) for _ in range(3)]
    woken = []
    for seat in seats:
        seat.wake = lambda seat=seat: woken.append(seat)

    coalesce.land(seats[0].flight, "result", None)

    assert woken == seats
    assert all(seat.granted for seat in seats)
    assert [seat.take()[0] for seat in seats] == ["result"] * 3
    assert state(coalesce) == (0, 0, 1, 2)
    assert board(coalesce).granted is False


def test_an_outcome_can_be_taken_once(coalesce):
    """A seat forgets its flight, so that it does not keep an error alive."""
    seat = board(coalesce)
    coalesce.land(seat.flight, "result", None)

    assert seat.take() == ("result", None, None)
    assert seat.take() == (None, None, None)
    assert not coalesce.again(seat, 0.0)


def test_an_outcome_that_nobody_waits_for_is_not_kept(coalesce):
    """As when the last caller has left while the attempt was ending."""
    seat = board(coalesce)
    flight = seat.flight
    coalesce.abandoned(seat, 0.0)

    coalesce.land(flight, object(), None)

    assert flight.outcome == (None, None, None)


@pytest.mark.parametrize("leaver", [0, 1, 2])
def test_who_leaves_does_not_end_the_flight(coalesce, leaver):
    """Unless it was the last one, who cancels it."""
    seats = [board(coalesce) for _ in range(3)]
    flight, cancelled = seats[0].flight, []
    flight.cancel = lambda: cancelled.append(True)

    coalesce.abandoned(seats.pop(leaver), 0.0)
    assert (cancelled, state(coalesce)[:2]) == ([], (1, 2))

    coalesce.abandoned(seats[0], 0.0)
    assert not seats[0].last
    coalesce.abandoned(seats[1], 0.0)
    assert seats[1].last
    assert (cancelled, state(coalesce)[:2]) == ([True], (0, 0))


def test_nobody_boards_a_flight_that_all_have_left(coalesce):
    """It is being cancelled; the next caller leads one of its own, whose end is not the old one's."""
    old = board(coalesce)
    old_flight = old.flight
    coalesce.abandoned(old, 0.0)

    new = board(coalesce)
    coalesce.lose(old_flight)

    assert new.flight is not old_flight
    assert not new.granted
    assert state(coalesce)[:2] == (1, 1)


def test_a_lost_flight_is_taken_again_by_all_who_sat_in_it(coalesce):
    """Its end says nothing about the call."""
    first, second = board(coalesce), board(coalesce)

    coalesce.lose(first.flight)

    assert first.granted
    assert coalesce.again(first, 0.0)
    assert coalesce.again(second, 0.0)


def test_a_flight_ends_once(coalesce):
    """What comes second changes nothing."""
    seat = board(coalesce)
    coalesce.land(seat.flight, "result", None)

    coalesce.lose(seat.flight)
    coalesce.land(seat.flight, "other", None)

    assert not coalesce.again(seat, 0.0)
    assert seat.take()[0] == "result"


@pytest.mark.parametrize(
    "error, now, retried",
    [
        (DeadlineExceeded(at=10.0), 10.0, True),
        (DeadlineTooShortError(), 9.0, True),
        (ConnectionError("cut by the deadline"), 10.0, True),
        (ConnectionError("refused"), 9.0, False),
    ],
)
def test_what_the_first_callers_deadline_cut_is_for_the_others_to_try_again(
    coalesce, error, now, retried
):
    """Only those with more time do, and only where the deadline may have been the reason."""
    first, same, later = (board(coalesce, due=due) for due in (10.0, 10.0, 11.0))

    coalesce.land(first.flight, None, error)

    assert not coalesce.again(first, now)
    assert not coalesce.again(same, now)
    assert coalesce.again(later, now) is retried


def test_a_result_counts_however_late_it_is(coalesce):
    """An answer is an answer."""
    _first, later = board(coalesce, due=10.0), board(coalesce)

    coalesce.land(later.flight, "late", None)

    assert not coalesce.again(later, 12.0)


def test_a_caller_leaves_at_its_deadline_and_not_before(coalesce):
    """Before that it was only woken to look around."""
    seat = board(coalesce, due=10.0)

    assert coalesce.expired(seat, 9.0) is None
    assert state(coalesce)[1] == 1
    assert isinstance(coalesce.expired(seat, 10.0), DeadlineTooShortError)
    assert seat.last
    assert state(coalesce)[:2] == (0, 0)


def test_an_answer_in_the_last_moment_counts(coalesce):
    """Who was served at the instant of its deadline is served."""
    seat = board(coalesce, due=10.0)
    coalesce.land(seat.flight, "result", None)

    assert coalesce.expired(seat, 10.0) is None
    assert seat.take()[0] == "result"


# -- keys --------------------------------------------------------------------------------------


def test_a_key_is_one_functions_and_one_targets():
    """The same key of another function, or of another target of ``call``, is another flight."""
    coalesce = Coalesce(lambda order, **_: order)
    first = coalesce.key_of(SCOPE, (7,), {"debug": True}, 0)

    assert first == coalesce.key_of(SCOPE, (7,), {}, 0)
    assert first != coalesce.key_of(object(), (7,), {}, 0)
    assert first != coalesce.key_of(SCOPE, (8,), {}, 0)
    assert coalesce.key_of(SCOPE, (len, 7), {}, 1) != coalesce.key_of(SCOPE, (print, 7), {}, 1)


def test_a_key_that_is_not_hashable_is_refused():
    """The error shows the key and says what would do."""
    coalesce = Coalesce(lambda *orders: list(orders))

    with pytest.raises(ConfigurationError, match=r"key=\[1, 2\].*must be hashable.*tuple"):
        coalesce.key_of(SCOPE, (1, 2), {}, 0)


def test_what_the_key_function_raises_passes():
    """It is the caller's own mistake."""
    coalesce = Coalesce(lambda order: order["id"])

    with pytest.raises(KeyError):
        coalesce.key_of(SCOPE, ({},), {}, 0)


@pytest.mark.parametrize("key", [None, "order"])
def test_a_key_must_be_a_function(key):
    """What is no function is refused where it is written."""
    with pytest.raises(ConfigurationError, match="key="):
        Coalesce(key)


# -- people ------------------------------------------------------------------------------------


def test_sharing_is_told(coalesce, heard):
    """With how many wait for the attempt now."""
    board(coalesce)
    seat = board(coalesce)

    coalesce.tell(seat)

    (event,) = heard
    assert (type(event), event.strategy, event.sharing) == (told.CallCoalesced, "coalesce", 2)


def test_it_says_what_it_does(coalesce):
    """Name, flights in the air, calls shared so far; busy while anybody waits."""
    coalesce.joined("prices")
    seat = board(coalesce)
    board(coalesce)

    assert repr(coalesce) == "<Coalesce 'prices' 1 in flight, 1 shared>"
    assert coalesce.busy(0.0)
    coalesce.land(seat.flight, None, None)
    assert not coalesce.busy(0.0)
    assert coalesce.snapshot() == {
        "strategy": "coalesce",
        "name": "prices",
        "flights": 0,
        "sharing": 0,
        "led": 1,
        "shared": 1,
    }


def test_a_child_process_starts_afresh(coalesce):
    """Whoever flies lives in the parent."""
    board(coalesce)

    coalesce._after_fork()

    assert state(coalesce)[:2] == (0, 0)
