"""The delays of a hedge: what they make of a distribution, and of what they are not told."""

import copy
import math
import pickle
import random

import pytest

from holdfast import ConfigurationError
from holdfast.strategies.hedge.delay import (
    Fixed,
    Learning,
    edges,
    exceeded_by,
    knee,
    quantile,
    survival,
)
from holdfast.strategies.quantile import Quantiles


def learnt(rule, durations, *, apart=0.01):
    """Return what has learnt from calls that ended one after the other."""
    learning, now = Learning(rule), 1000.0
    for duration in durations:
        now += apart
        learning.ended(duration, now)
    return learning


def with_stragglers(count, share, *, seed=1):
    draw = random.Random(seed)
    for _ in range(count):
        duration = draw.lognormvariate(-5.37, 0.385)
        yield duration * 10 if draw.random() < share else duration


# -- the estimator ---------------------------------------------------------------------------------


def test_without_censoring_the_survival_is_what_is_left():
    """Of four calls three take longer than the first, and none longer than the last."""
    curve = survival([(1.0, 1), (2.0, 2), (5.0, 1)], [])
    assert curve == [(1.0, 0.75), (2.0, 0.25), (5.0, 0.0)]


def test_a_call_that_was_going_on_is_at_risk_until_then():
    """Kaplan and Meier's own arithmetic: a lower bound counts in the denominators before it."""
    curve = survival([(1.0, 1), (3.0, 1)], [(2.0, 2)])
    assert curve == [(1.0, 0.75), (3.0, 0.0)]


def test_a_call_that_ended_counts_before_one_that_was_cut_at_the_same_time():
    """At a tie the call that was still going on was at risk."""
    assert survival([(2.0, 1)], [(2.0, 1)]) == [(2.0, 0.5)]


def test_where_most_is_unknown_the_curve_does_not_fall_to_zero():
    """What is longer than everything known stays a share of its own."""
    curve = survival([(1.0, 90)], [(2.0, 10)])
    assert curve == [(1.0, pytest.approx(0.1))]
    assert exceeded_by(curve, 0.01) == 1.0


def test_the_edges_of_a_sketch_bound_what_it_holds():
    """No value lies above the edge it counts at: a constant duration is not longer than itself."""
    for value in (0.00123, 0.01, 0.0999, 7.7):
        sketch = Quantiles()
        sketch.add(value, 0.0)
        ((edge, count),) = edges(sketch, 0.0)
        assert count == 1
        assert value <= edge * (1 + 1e-9) <= value * 1.045


# -- quantile --------------------------------------------------------------------------------------


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.99])
def test_a_quantile_is_exceeded_by_the_rest(q):
    """The delay is the smallest that at most 1 - q of the calls exceed, within the sketch's error."""
    durations = [number / 1000 for number in range(1, 1001)]
    delay = learnt(quantile(q), random.Random(3).sample(durations, 1000)).delay
    assert q <= delay <= 1.045 * q + 0.02


def test_censoring_does_not_make_the_delay_drift():
    """Losers that are known by a lower bound only leave the delay where it is, round after round."""
    draw = random.Random(5)
    learning, now, delays = Learning(quantile(0.9)), 1000.0, []
    for _ in range(40_000):
        now += 0.005
        duration, delay = draw.expovariate(10), learning.delay or math.inf
        other = delay + draw.expovariate(10)
        if other < duration:
            learning.going(other, now)
        else:
            learning.ended(duration, now)
        delays.append(delay)
    true = math.log(10) / 10
    assert sum(delays[20_000:]) / 20_000 == pytest.approx(true, rel=0.06)
    assert min(delays[20_000:]) > 0.8 * true


def test_losers_that_are_left_out_would_drag_the_delay_down():
    """What the lower bounds are for: without them only quick calls are left, and ever quicker ones."""
    draw = random.Random(5)
    learning, now = Learning(quantile(0.9)), 1000.0
    for _ in range(20_000):
        now += 0.005
        duration, delay = draw.expovariate(10), learning.delay or math.inf
        if duration < delay + draw.expovariate(10):
            learning.ended(duration, now)
    assert learning.delay < 0.8 * math.log(10) / 10


# -- knee ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.01, 0.03, 0.05, 0.08])
def test_the_knee_is_past_the_body_whatever_the_share_of_stragglers(share):
    """A body that ends at about 12 ms gives that delay with one straggler in a hundred, or eight."""
    assert 0.0105 <= learnt(knee(), with_stragglers(4000, share)).delay <= 0.016


def test_the_knee_of_equal_durations_lies_above_them():
    """Where everything takes equally long, what takes longer is unusual."""
    assert 0.1 < learnt(knee(), [0.1] * 200).delay <= 0.13


def test_one_outlier_does_not_move_the_knee():
    """The delay is behind the body, and not behind the slowest call ever seen."""
    assert 0.1 < learnt(knee(), [0.1] * 200 + [9.0] + [0.1] * 200).delay <= 0.15


def test_an_even_tail_has_no_knee():
    """An exponential tail is as likely to end as ever: the delay lies beyond nearly every call."""
    draw = random.Random(2)
    durations = [draw.expovariate(10) for _ in range(4000)]
    delay = learnt(knee(), durations).delay
    assert sum(one > delay for one in durations) / 4000 < 0.01


@pytest.mark.parametrize("max_extra", [0.02, 0.05, 0.1])
def test_no_more_than_max_extra_are_to_be_hedged(max_extra):
    """With a fifth of the calls slow, the delay comes after all but that share."""
    durations = list(with_stragglers(4000, 0.2))
    delay = learnt(knee(max_extra=max_extra), durations).delay
    assert sum(one > delay for one in durations[-3000:]) / 3000 <= 1.15 * max_extra


def test_a_greater_factor_hedges_later():
    """The factor is how much longer a call must be expected to go on."""
    durations = list(with_stragglers(4000, 0.05))
    delays = [learnt(knee(factor), durations).delay for factor in (1.0, 2.5, 6.0)]
    assert delays == sorted(delays)
    assert delays[0] < delays[-1]


# -- learning --------------------------------------------------------------------------------------


def test_nothing_is_learnt_from_too_few():
    """Below `min_samples` there is no delay, and one sample later there is."""
    assert learnt(knee(min_samples=50), [0.1] * 49).delay is None
    assert learnt(knee(min_samples=50), [0.1] * 50).delay is not None


def test_the_floor():
    """However quick the calls, the delay is at least the floor."""
    assert learnt(quantile(0.9), [1e-5] * 200).delay == 0.001
    assert learnt(quantile(0.9, floor=0.2), [0.1] * 200).delay == 0.2


def test_what_is_known_stays_when_nothing_comes_in():
    """After a pause longer than the window, the delay holds until enough is known again."""
    learning = learnt(knee(), [0.1] * 200)
    before = learning.delay
    for number in range(50):
        learning.ended(5.0, 5000.0 + number)
        assert learning.delay == before


def test_it_notices_when_everything_is_slow():
    """A median of more than twice the usual is a slow-down; stragglers alone are none."""
    learning = learnt(knee(window=10.0), [0.1] * 1000)
    now = 1010.0
    for _ in range(600):
        now += 0.01
        learning.ended(0.1, now)
        learning.going(3.0, now)
    assert not learning.slow
    for _ in range(2000):
        now += 0.01
        learning.ended(0.25, now)
    assert learning.slow


def test_a_new_normal_is_accepted_in_the_end():
    """After some twenty minutes a dependency that is three times slower is no longer in trouble."""
    learning = learnt(knee(min_samples=10), [0.1] * 100)
    now, slow = 1001.0, []
    for _ in range(3000):
        now += 0.5
        learning.ended(0.3, now)
        slow.append(learning.slow)
    assert any(slow)
    assert not slow[-1]


def test_a_given_delay_learns_only_the_quickest_answer():
    """That is all that is needed, to know what a deadline can hold."""
    fixed = Fixed(0.5)
    for duration in (0.4, 0.2, 0.9):
        fixed.ended(duration, 0.0)
        fixed.going(0.1, 0.0)
    assert (fixed.delay, fixed.quick, fixed.snapshot(0.0)) == (0.5, 0.2, {})


# -- values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [quantile(0.9), quantile(0.99, floor=0.1), knee(), knee(4.0, window=9)]
)
def test_delays_are_values(value):
    """Equal, hashable, picklable, and shown as they are written."""
    assert eval(repr(value)) == value
    assert pickle.loads(pickle.dumps(value)) == value
    assert len({value, copy.copy(value)}) == 1
    assert value.replace(floor=0.5).floor == 0.5


@pytest.mark.parametrize(
    "make, option",
    [
        (lambda: quantile(1.0), "q"),
        (lambda: quantile(0.0), "q"),
        (lambda: quantile(95), "q"),
        (lambda: quantile(0.9, floor=0), "floor"),
        (lambda: quantile(0.9, window=-1), "window"),
        (lambda: quantile(0.9, min_samples=0), "min_samples"),
        (lambda: knee(0), "factor"),
        (lambda: knee(max_extra=1.5), "max_extra"),
        (lambda: knee(max_extra=0), "max_extra"),
    ],
)
def test_bad_options_are_refused_by_name(make, option):
    """A value outside its range fails where it is written."""
    with pytest.raises(ConfigurationError, match=f"^{option}="):
        make()
