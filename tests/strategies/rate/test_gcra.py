"""The arithmetic of rate limits: buckets, starts, and who waits for whom."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.strategies.rate.gcra import Turn, meter

NOW = 1000.0
CLOSE = 1e-6


def limits(*pairs):
    """Return the meter of limits given as (rate, burst)."""
    return meter([rate for rate, _ in pairs], [burst for _, burst in pairs])


def reserve(one, now, *costs):
    """Enter as a limiter does, waiting as long as it takes; return the turn."""
    if one.passes(now, costs):
        return Turn(now, costs)
    turn = Turn(now + one.wait(now, costs), costs)
    one.append(turn)
    return turn


def most(starts, place):
    """Return the fullest that an ideal bucket of 1 token a second ever gets."""
    level, last, fullest = 0.0, starts[0][0], 0.0
    for start, costs in starts:
        level = max(0.0, level - (start - last)) + costs[place]
        last, fullest = start, max(fullest, level)
    return fullest


def test_a_burst_passes_at_once_and_then_one_by_one():
    """Ten at once, the eleventh when the first token has drained: one tenth of a second later."""
    one = limits((10.0, 10.0))
    assert [one.passes(NOW, (1,)) for _ in range(11)] == [True] * 10 + [False]
    assert one.wait(NOW, (1,)) == pytest.approx(0.1)
    assert not one.passes(NOW + 0.099, (1,))
    assert one.passes(NOW + 0.1, (1,))
    assert not one.passes(NOW + 0.1, (1,))


def test_what_is_told_to_wait_passes_after_exactly_that():
    """Rounded instants refuse nobody who came back when it was told to, at any rate and any hour."""
    for rate in (0.3, 7.0, 1e6):
        for now in (0.0, 1e3 / 3, 1e7 / 7):
            one = limits((rate, 1.0))
            assert one.passes(now, (1,))
            assert one.passes(now + one.wait(now, (1,)), (1,))


def test_the_wait_is_that_of_the_scarcest_limit():
    """Each limit has its own wait; the longest counts, and its place is known."""
    one = limits((10.0, 1.0), (1.0, 1.0), (5.0, 1.0))
    assert one.passes(NOW, (1, 1, 1))
    assert one.wait(NOW, (1, 1, 1)) == pytest.approx(1.0)
    assert one.scarce == 1
    assert one.wait(NOW, (1, 0, 1)) == pytest.approx(0.2)
    assert one.scarce == 2


def test_a_cost_above_the_burst_never_has_its_turn():
    """The wait is infinite, and the place of the limit is known."""
    one = limits((10.0, 10.0), (1.0, 5.0))
    assert one.wait(NOW, (1, 6)) == math.inf
    assert one.scarce == 1


def test_all_or_nothing():
    """A call that one limit has no room for takes nothing from the others."""
    one = limits((1.0, 10.0), (1.0, 1.0))
    assert one.passes(NOW, (1, 1))
    assert not one.passes(NOW, (1, 1))
    assert one.left(NOW) == [9.0, 0.0]


def test_a_call_that_costs_nothing_waits_for_nobody():
    """Neither a full bucket nor those who wait hold it up."""
    for one, costs in ((limits((1.0, 1.0)), (0,)), (limits((1.0, 1.0), (1.0, 1.0)), (0, 0))):
        full = tuple(1 for _ in costs)
        reserve(one, NOW, *full)
        assert one.passes(NOW, costs)
        reserve(one, NOW, *full)
        assert one.passes(NOW, costs)


def test_nobody_overtakes_who_waits():
    """A small call that a big one left room for starts no earlier than the big one."""
    one = limits((1.0, 10.0), (1.0, 100.0))
    reserve(one, NOW, 8, 1)
    big = reserve(one, NOW, 10, 1)
    small = reserve(one, NOW, 0, 1)
    assert (big.start, small.start) == (NOW + 8, NOW + 8)


def test_a_thread_whose_clock_is_a_little_behind_does_not_wait():
    """Two threads read the clock and take the lock in another order: no wait comes of it."""
    for one in (limits((10.0, 10.0)), limits((10.0, 10.0), (10.0, 10.0))):
        costs = (1,) * len(one.rates)
        assert one.passes(NOW, costs)
        assert one.passes(NOW - 1e-4, costs)
        assert one.left(NOW) == pytest.approx([8.0] * len(costs))


# -- giving back ------------------------------------------------------------------------------


def test_the_place_of_the_last_in_line_is_given_back():
    """Who comes next has it."""
    one = limits((1.0, 1.0))
    reserve(one, NOW, 1)
    second, third = reserve(one, NOW, 1), reserve(one, NOW, 1)
    assert (second.start, third.start) == (NOW + 1, NOW + 2)
    one.leave(third)
    assert reserve(one, NOW, 1).start == NOW + 2


def test_a_place_in_the_middle_is_not_moved_to_the_end():
    """Two would start at once at the end, if what the middle one gave back were free there."""
    one = limits((1.0, 1.0))
    reserve(one, NOW, 1)
    middle, last = reserve(one, NOW, 1), reserve(one, NOW, 1)
    one.leave(middle)
    assert last.start == NOW + 2
    assert reserve(one, NOW + 0.5, 1).start == NOW + 3


def test_with_room_in_the_bucket_a_place_in_the_middle_is_not_lost():
    """What was not taken there is still there later, up to a full burst."""
    one = limits((1.0, 3.0))
    for _ in range(3):
        reserve(one, NOW, 1)
    middle, last = reserve(one, NOW, 1), reserve(one, NOW, 1)
    one.leave(middle)
    assert reserve(one, NOW, 1).start == last.start


def test_when_all_have_left_it_is_as_if_they_had_never_come():
    """However many waited, nothing remains of them."""
    one = limits((1.0, 2.0))
    turns = [reserve(one, NOW, 1) for _ in range(50)]
    for turn in turns[2:]:
        one.leave(turn)
    assert one.wait(NOW, (1,)) == pytest.approx(1.0)
    assert not one.turns


def test_who_is_refused_for_its_deadline_costs_the_others_nothing(monkeypatch):
    """The last in line leaves in one step, however many wait: under overload most calls do just that."""
    one = limits((10.0, 1.0))
    for _ in range(1001):
        reserve(one, NOW, 1)
    steps, after = [], type(one)._after
    monkeypatch.setattr(
        type(one), "_after", lambda *given: (steps.append(1), after(*given))[1], raising=True
    )
    for _ in range(10):
        one.leave(reserve(one, NOW, 1))
    assert (one.wait(NOW, (1,)), len(one.turns), len(steps)) == (pytest.approx(100.1), 1000, 10)


def test_the_last_in_line_leaves_a_line_that_has_changed_meanwhile():
    """Its place is given back as it is now: after a debt, and after others have left before it."""
    one = limits((1.0, 1.0))
    turns = [reserve(one, NOW, 1) for _ in range(5)]
    one.leave(turns[2])
    one.adjust(0, 3.0, NOW)
    assert one.wait(NOW, (1,)) == pytest.approx(7.0)  # 1 + 3 + 3 who wait
    one.leave(turns[4])
    assert one.wait(NOW, (1,)) == pytest.approx(6.0)
    one.leave(turns[3])
    assert one.wait(NOW, (1,)) == pytest.approx(5.0)


def test_somebody_leaves_while_the_line_is_played_again(monkeypatch):
    """The garbage collector may end a waiting coroutine anywhere; its place is given back."""
    one = limits((1.0, 1.0))
    turns = [reserve(one, NOW, 1) for _ in range(6)]
    collected, after = iter([turns[5], turns[1]]), type(one)._after

    def collecting(*given):
        for turn in collected:
            one.leave(turn)
        return after(*given)

    one.leave(turns[2])
    monkeypatch.setattr(type(one), "_after", collecting)
    one.settle(NOW)

    assert one.wait(NOW, (1,)) == pytest.approx(5.0)  # the last who waits starts at 4
    assert list(one.turns) == [turns[3], turns[4]]


def test_a_turn_of_another_meter_gives_nothing_back():
    """A child that was forked while a call waited starts afresh; that call's place was the parent's."""
    parent, child = limits((1.0, 1.0)), limits((1.0, 1.0))
    turns = [reserve(parent, NOW, 1) for _ in range(2)]
    assert child.passes(NOW, (1,))
    child.leave(turns[1])
    child.adjust(0, 0.5, NOW)
    assert child.wait(NOW, (1,)) == pytest.approx(1.5)


def test_leaving_after_the_start_gives_nothing_back():
    """It has taken what it took: a late word about it changes nothing."""
    one = limits((1.0, 1.0))
    reserve(one, NOW, 1)
    turn = reserve(one, NOW, 1)
    assert one.begin(turn, NOW + 1) == 0.0
    one.leave(turn)
    assert one.wait(NOW + 1, (1,)) == pytest.approx(1.0)


# -- waking late ------------------------------------------------------------------------------


def woken(one, turns, now):
    """Wake all of them at ``now``, and again whenever they are told; return their starts."""
    asleep, starts = dict.fromkeys(turns, now), []
    while asleep:
        turn = min(asleep, key=lambda one: (asleep[one], one.number))
        now = asleep.pop(turn)
        later = one.begin(turn, now)
        if later:
            asleep[turn] = now + later
        else:
            starts.append((now, turn.costs))
    return starts


@pytest.mark.parametrize("late", [0.0, 0.0005, 0.01, 0.5, 2.0, 4.9, 5.1, 60.0])
@pytest.mark.parametrize("pairs", [[(10.0, 1.0)], [(10.0, 5.0)], [(10.0, 3.0), (7.0, 9.0)]])
def test_who_wakes_late_keeps_the_promise(late, pairs):
    """However long they stood still: in any t seconds at most burst + rate * t start, in order."""
    one = limits(*pairs)
    costs = (1,) * len(pairs)
    first = [(NOW, costs) for _ in range(100) if one.passes(NOW, costs)]
    turns = [reserve(one, NOW, *costs) for _ in range(40)]

    starts = first + woken(one, turns, NOW + 0.1 + late)

    for number, (begin, _) in enumerate(starts):
        for count, (end, _) in enumerate(starts[number:], 1):
            assert all(count <= burst + rate * (end - begin + 0.002) for rate, burst in pairs)
    assert [turn.waits for turn in turns] == [False] * 40
    assert starts[-1][0] <= max(turns[-1].told, NOW + late + 45 / 7 + 1)


def test_those_who_wake_in_another_order_start_in_theirs():
    """A process that stood still wakes its threads in any order: first come, first served anyhow."""
    one = limits((10.0, 1.0))
    turns = [reserve(one, NOW, 1) for _ in range(6)][1:]

    told = [one.begin(turn, NOW + 3.0) for turn in reversed(turns)]

    assert told == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0])


def test_a_stop_too_short_to_matter_moves_nobody():
    """With room in the bucket, a late start is made up for at once, and the others keep their times."""
    one = limits((10.0, 5.0))
    turns = [reserve(one, NOW, 1) for _ in range(20)][5:]
    starts = [turn.start for turn in turns]

    assert one.begin(turns[0], starts[0] + 0.05) == 0.0

    assert [turn.start for turn in turns[1:]] == starts[1:]


def test_who_never_wakes_holds_up_nobody_for_long():
    """Its loop is closed, say: it counts as started, and a newcomer passes as if it were gone."""
    one = limits((1.0, 1.0))
    reserve(one, NOW, 1)
    reserve(one, NOW, 1)

    assert one.wait(NOW + 2.5, (1,)) == 0.0
    assert one.passes(NOW + 6.5, (1,))
    assert not one.turns


def test_who_wakes_after_all_finds_its_old_place():
    """Before those who came later, and after those who have started since."""
    one = limits((1.0, 1.0))
    early = [reserve(one, NOW, 1) for _ in range(2)][1]
    assert one.passes(NOW + 60, (1,))
    later = reserve(one, NOW + 60, 1)
    assert later.start == NOW + 61

    assert one.begin(early, NOW + 60.5) == pytest.approx(0.5)
    assert one.begin(later, NOW + 61) == pytest.approx(1.0)
    assert [one.begin(early, NOW + 61), one.begin(later, NOW + 62)] == [0.0, 0.0]


# -- corrections ------------------------------------------------------------------------------


@pytest.mark.parametrize("others", [0, 1])
def test_more_than_was_said_is_a_debt(others):
    """Later calls wait until it is paid, and those who wait already keep their times."""
    one = limits((1.0, 10.0))
    turn = reserve(one, NOW, 10)
    waiting = [reserve(one, NOW, 1) for _ in range(others)]
    one.correct(turn, 0, 25.0, NOW)
    assert reserve(one, NOW, 1).start == NOW + 15 + 1 + others
    assert [one.start for one in waiting] == [NOW + 1] * others


def test_less_than_was_said_comes_back_up_to_a_full_burst():
    """A bucket is never emptier than empty."""
    one = limits((1.0, 10.0))
    turn = reserve(one, NOW, 8)
    one.correct(turn, 0, 3.0, NOW)
    assert one.left(NOW) == [7.0]
    one.adjust(0, -1000.0, NOW)
    assert one.left(NOW) == [10.0]


def test_a_correction_before_the_start_moves_those_who_come_later():
    """Who waits and turns out to be lighter makes room behind."""
    one = limits((1.0, 4.0))
    reserve(one, NOW, 4)
    turn = reserve(one, NOW, 3)
    one.correct(turn, 0, 1.0, NOW)
    assert reserve(one, NOW, 3).start == NOW + 4


def test_other_limits_hold_for_those_who_come_later():
    """Who waits keeps its start; the bucket stays as full as it is."""
    one = limits((1.0, 1.0))
    reserve(one, NOW, 1)
    turn = reserve(one, NOW, 1)
    one.change([0.5], [1.0], NOW)
    assert turn.start == NOW + 1
    assert reserve(one, NOW, 1).start == pytest.approx(NOW + 4)


# -- what always holds ------------------------------------------------------------------------

stories = st.lists(
    st.tuples(
        st.sampled_from(["enter", "enter", "enter", "leave"]),
        st.integers(0, 3),
        st.integers(1, 3),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=40,
)


@pytest.mark.parametrize("bursts", [(1, 3), (3, 3), (3, 7), (7, 3)])
@settings(max_examples=100, derandomize=True, database=None, deadline=None)
@given(story=stories)
def test_no_interval_sees_more_than_the_burst_and_the_rate(bursts, story):
    """Whoever comes, waits or leaves: an ideal bucket, fed with the starts, never overflows.

    Which is to say that in any t seconds at most burst + rate * t is taken, from each limit; and the
    starts keep the order of arrival.
    """
    one = limits(*((1.0, burst) for burst in bursts))
    now, turns, left = NOW, [], set()
    for what, later, cost, which in story:
        now += later / 4
        if what == "enter":
            turns.append(reserve(one, now, min(cost, bursts[0]), min(1 + cost % 2, bursts[1])))
        else:
            waiting = [turn for turn in turns if turn.start > now and turn not in left]
            if waiting:
                turn = waiting[which % len(waiting)]
                left.add(turn)
                one.leave(turn)
    starts = [(turn.start, turn.costs) for turn in turns if turn not in left]
    assert starts == sorted(starts, key=lambda start: start[0])
    for place, burst in enumerate(bursts):
        assert most(starts or [(NOW, (0, 0))], place) <= burst + CLOSE


@settings(max_examples=100, derandomize=True, database=None, deadline=None)
@given(gaps=st.lists(st.integers(0, 8), min_size=1, max_size=60), cost=st.integers(1, 4))
def test_the_quick_bucket_does_what_the_general_one_does(gaps, cost):
    """One limit alone, and the same limit beside one that is never reached, agree on every call."""
    quick, general = limits((2.0, 4.0)), limits((2.0, 4.0), (1e9, 1e9))
    now = NOW
    for gap in gaps:
        now += gap / 8
        assert quick.passes(now, (cost,)) == general.passes(now, (cost, 1))
        assert quick.wait(now, (cost,)) == pytest.approx(general.wait(now, (cost, 1)))
