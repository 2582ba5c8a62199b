"""The search for a rate, the line before it, and what is told: pure decisions."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from holdfast.strategies.rate.learnt import BELOW, GROWTH, LONGEST_REST, RateSearch
from holdfast.strategies.rate.line import BURST, Line, Place
from holdfast.strategies.rate.line import GRACE as HANGING
from holdfast.strategies.rate.told import DOUBT, GRACE, SILENT, Told
from holdfast.verdict.quotas import Quota

STEPS = some.lists(
    some.tuples(
        some.sampled_from(["accepted", "throttled", "settled"]),
        some.floats(0.0, 30.0),
        some.floats(0.0, 5.0),
        some.none() | some.floats(0.0, 100.0),
    ),
    max_size=60,
)


def play(search, steps, now=1000.0):
    """Let a search learn; yield each instant."""
    for what, passed, took, hint in steps:
        now += passed
        if what == "accepted":
            search.accepted(now, now - took)
        elif what == "throttled":
            search.throttled(now, now - took, hint)
        else:
            search.settle(now, hint or 1.0)
        yield now


@given(STEPS, some.floats(0.01, 10.0), some.floats(10.0, 1e4))
def test_the_rate_stays_within_its_bounds(steps, floor, ceiling):
    """Whatever happens, in whatever order, and however late it is told."""
    search = RateSearch(10.0, floor, ceiling)
    for _ in play(search, steps):
        assert floor <= search.rate <= ceiling
        assert 0.0 < search.pace <= search.rate


@given(STEPS)
def test_a_refusal_never_raises_the_rate(steps):
    """Nor does one of a call that was sent before the last cut lower it."""
    search = RateSearch(100.0, 0.1, 1000.0)
    for now in play(search, steps):
        before, cuts = search.rate, search.cuts
        search.throttled(now, now)
        assert search.rate <= before
        if search.cuts > cuts:
            cut = search.rate
            search.throttled(now + 1.0, now - 1.0)
            assert (search.rate, search.cuts) == (cut, cuts + 1)


@given(STEPS)
def test_an_acceptance_never_lowers_a_growing_rate(steps):
    """But for the one that ends a time without any, which says how long a window is."""
    search = RateSearch(100.0, 0.1, 1000.0)
    for now in play(search, steps):
        before, blocked = search.rate, search.blocked
        search.accepted(now, now)
        assert blocked or search.rate >= before * BELOW


@given(some.lists(some.floats(0.001, 2.0), max_size=50))
def test_rests_are_bounded(gaps):
    """While nothing is accepted, calls go out ever more rarely, but they go out."""
    search, now = RateSearch(100.0, 0.1, 1000.0), 1000.0
    search.throttled(now, now)
    for gap in gaps:
        now += gap
        search.throttled(now, now)
        assert search.resume <= now + max(LONGEST_REST, 1 / search.rate)


def served(search, quota, seconds, now=1000.0, demand=inf):
    """Send at the rate of the search to a server that takes ``quota`` a second and saves nothing."""
    end, free, refused, sent = now + seconds, now, 0, 0
    while now < end:
        sent += 1
        if now >= free:
            free = max(now, free) + 1.0 / quota
            search.accepted(now, now)
        else:
            refused += 1
            search.throttled(now, now)
        now = max(now + 1.0 / min(search.pace, demand), search.resume)
    return now, refused / sent


@pytest.mark.parametrize("quota", [2.0, 30.0, 300.0])
def test_it_finds_a_quota(quota):
    """From far below, within half a minute, and few are refused."""
    search = RateSearch(10.0, 0.1, 1000.0)
    now, _ = served(search, quota, 60.0)
    _, refused = served(search, quota, 60.0, now)
    assert refused <= 0.1
    assert 0.5 * quota <= search.rate <= 1.5 * quota


def test_a_rate_that_is_not_used_does_not_grow():
    """A client that has little to do does not learn that it might do a lot."""
    search = RateSearch(10.0, 0.1, 1000.0)
    served(search, 500.0, 60.0, demand=3.0)
    assert search.rate <= 15.0


def test_a_rate_that_is_used_doubles_within_a_second_or_so():
    """Until the first refusal."""
    search = RateSearch(10.0, 0.1, 1000.0)
    now, _ = served(search, 1e6, 1.5)
    assert search.rate >= 10.0 * (1 + GROWTH)
    assert served(search, 1e6, 10.0, now)[1] == 0.0
    assert search.rate == 1000.0


def test_one_refusal_of_a_client_that_does_little_is_no_disaster():
    """What was accepted of it says nothing about the quota, so a part of the rate is left."""
    search = RateSearch(10.0, 0.1, 1000.0)
    search.throttled(1000.0, 1000.0)
    assert search.rate >= 3.5
    search.accepted(1100.0, 1100.0)
    search.throttled(1200.0, 1200.0)
    assert search.rate >= 1.4


def test_a_hint_is_waited_for():
    """Even one that comes with a refusal that says nothing else new."""
    search = RateSearch(10.0, 0.1, 1000.0)
    search.throttled(1000.0, 1000.0)
    search.throttled(1000.1, 999.0, 7.0)
    assert search.resume == pytest.approx(1007.1)


# -- the line ---------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    some.lists(some.tuples(some.floats(0.0, 1.0), some.floats(0.5, 200.0)), max_size=40),
    some.integers(1, 30),
)
def test_no_stampede(changes, callers):
    """However the rate moves, no more calls start than tokens have come, and a burst."""
    line, now = Line(200.0), 1000.0
    places = [Place() for _ in range(callers)]
    due = {}
    started, tokens = 0, max(1.0, 200.0 * BURST)
    for place in places:
        if line.passes(now):
            started += 1
        else:
            due[place] = now + line.join(place, now)
    rate = 200.0
    for passed, other in changes:
        now += passed
        tokens += passed * rate
        for place in [place for place, at in due.items() if at <= now]:
            wait = line.begin(place, now)
            if wait:
                due[place] = now + wait
            else:
                del due[place]
                started += 1
        assert started <= tokens + 1e-6 + 200.0 * BURST
        rate = other
        line.pace(rate, -inf, now)
    assert len(line) == len(due)


@given(some.lists(some.booleans(), min_size=1, max_size=30))
def test_all_who_stay_get_their_turn_in_order(stays):
    """Whoever leaves is ahead of nobody any more."""
    line, now = Line(1.0), 1000.0
    assert line.passes(now)
    places = [Place() for _ in stays]
    for place in places:
        line.join(place, now)
    for place, stay in zip(places, stays, strict=True):
        if not stay:
            line.leave(place)
    left = [place for place, stay in zip(places, stays, strict=True) if stay]
    for number, place in enumerate(left, 1):
        assert line.until(place, now) == pytest.approx(number)
    for number, place in enumerate(left, 1):
        assert line.begin(place, now + number) == 0.0
    assert len(line) == 0


def test_who_never_wakes_is_taken_for_gone():
    """Its thread is dead; if it comes after all, it is the first."""
    line, now = Line(10.0), 1000.0
    assert line.passes(now)
    hung, late = Place(), Place()
    line.join(hung, now)
    assert not line.passes(now + 1.0)
    assert line.passes(now + 1.0 + HANGING)
    line.join(late, now + 1.0 + HANGING)
    assert line.begin(hung, now + 1.1 + HANGING) == 0.0
    assert line.begin(late, now + 1.2 + HANGING) == 0.0


def test_nothing_starts_before_a_pause_is_over():
    """And one at a time after it."""
    line, now = Line(100.0), 1000.0
    line.pace(100.0, now + 2.0, now)
    assert not line.passes(now + 1.9)
    assert line.passes(now + 2.0)
    line.pace(100.0, now + 9.0, now + 3.0)
    line.pace(100.0, -inf, now + 4.0)
    assert line.passes(now + 4.01)


# -- what is told -----------------------------------------------------------------------------


@given(
    some.floats(0.0, 1e6), some.floats(0.0, 1e5), some.none() | some.floats(0.0, 1e6),
    some.none() | some.floats(0.1, 1e5), some.booleans(),
)  # fmt: skip
def test_what_is_told_makes_a_rate_above_nothing(remaining, reset, limit, window, refills):
    """Never 0: with nothing left it is a pause, not a rate."""
    told = Told()
    told.hear(1000.0, [Quota(remaining, reset, limit, window, refills)])
    assert told.rate > 0.0
    assert told.even > 0.0
    assert told.resume <= 1000.0 + reset


@given(some.floats(1.0, 1e4), some.floats(1.0, 1e4), some.floats(1.0, 1e4))
def test_the_less_is_left_the_slower_it_goes(reset, one, other):
    """And of several quotas the scarcest counts."""
    few, many, both = Told(), Told(), Told()
    few.hear(0.0, [Quota(min(one, other), reset)])
    many.hear(0.0, [Quota(max(one, other), reset)])
    both.hear(0.0, [Quota(one, reset), Quota(other, reset)])
    assert few.rate == both.rate <= many.rate


def test_a_bucket_that_refills_is_not_waited_for():
    """It is whole again in a minute, and has a token again in a second."""
    told = Told()
    told.hear(1000.0, [Quota(0.0, 60.0, 60.0, None, refills=True)])
    assert (told.rate, told.resume) == (pytest.approx(1.0), -inf)


def test_a_word_holds_until_its_reset_and_a_little_longer():
    """Or until so many answers have said nothing."""
    told = Told()
    assert not told.speaks(0.0)
    told.hear(0.0, [Quota(5.0, 10.0)])
    assert told.speaks(10.0 + GRACE - 0.1)
    assert not told.speaks(10.0 + GRACE)
    for _ in range(SILENT):
        told.hear(0.0, ())
    assert not told.speaks(0.0)


def test_a_refusal_with_something_left_is_doubt():
    """For a minute; with nothing left it is what was told."""
    told = Told()
    told.hear(0.0, [Quota(0.0, 10.0)])
    told.doubt(0.0)
    assert not told.doubted(0.0)
    told.hear(0.0, [Quota(5.0, 10.0)])
    told.doubt(0.0)
    assert told.doubted(DOUBT - 1)
    assert not told.doubted(DOUBT)
