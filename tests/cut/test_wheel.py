"""The queue of timers: what has run out comes first, whatever else comes and goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast._runtimes.cutting.wheel import Wheel
from holdfast.deadline import NOTHING, OVER


def entry(at):
    """Return what a call sets: its limit, and what the watcher wants to know."""
    return [at, 1.0, None, None, NOTHING, 1, None]


def filled(limits, *, mixed):
    wheel = Wheel(lambda *_: None, "p", mixed=mixed)
    for at in limits:
        own = entry(at)
        wheel.due[id(own)] = own
    return wheel


def taken(wheel, now):
    """Take out what has run out, as the watcher does."""
    found = []
    for own in wheel.run_out(now):
        del wheel.due[id(own)]
        found.append(own[0])
    return found


LIMITS = st.lists(st.floats(0.0, 100.0), max_size=20)


@given(LIMITS, st.floats(0.0, 100.0))
def test_calls_of_one_limit_run_out_in_their_order(limits, now):
    """Exactly those whose instant has come are shown, and the next one is due after them."""
    limits.sort()
    wheel = filled(limits, mixed=False)
    assert taken(wheel, now) == [at for at in limits if at <= now]
    assert wheel.next_due() == min((at for at in limits if at > now), default=float("inf"))


@given(LIMITS, st.floats(0.0, 100.0))
def test_calls_of_any_limits_run_out_wherever_they_stand(limits, now):
    """Deadlines from outside come in any order."""
    wheel = filled(limits, mixed=True)
    assert taken(wheel, now) == [at for at in limits if at <= now]
    assert wheel.next_due() == min((at for at in limits if at > now), default=float("inf"))


@pytest.mark.parametrize("mixed", [False, True])
def test_a_call_that_ends_is_not_shown(mixed):
    """It leaves from the middle."""
    wheel = filled([1.0, 2.0, 3.0], mixed=mixed)
    del wheel.due[list(wheel.due)[1]]
    assert taken(wheel, 5.0) == [1.0, 3.0]


def test_a_limit_from_outside_that_is_over_gives_the_time_back():
    """A call whose outer one has ended has all of its own limit."""
    from holdfast.deadline import Ambient, inside

    outer = Ambient(1.0, 1.0, None, None, NOTHING)
    own = inside(outer, 9.0, 9.0)
    own += 1, None
    wheel = Wheel(lambda *_: None, "p", mixed=True)
    wheel.due[id(own)] = own
    outer[3] = OVER
    assert taken(wheel, 5.0) == []
    assert wheel.next_due() == 9.0


def test_it_is_armed_once_for_all_calls():
    """Nobody wakes the watcher for each of them."""
    armed = []
    wheel = Wheel(lambda _, at: armed.append(at), "p")
    for at in 1.0, 2.0, 3.0:
        if not wheel.armed:
            wheel.arm(at)
    assert armed == [1.0]


def test_a_child_process_keeps_the_calls_of_its_own_thread():
    """The others are the parent's."""
    armed = []
    wheel = Wheel(lambda _, at: armed.append(at), "p")
    for thread, at in (1, 5.0), (2, 3.0), (1, 7.0):
        own = entry(at)
        own[5] = thread
        wheel.due[id(own)] = own
    wheel.forked(1)
    assert [own[0] for own in wheel.due.values()] == [5.0, 7.0]
    assert armed == [5.0]
