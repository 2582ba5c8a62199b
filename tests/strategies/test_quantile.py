"""The quantile sketch: numbers in, quantiles out."""

import math
from random import Random

import pytest
from ddsketch import DDSketch
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import ConfigurationError
from holdfast.strategies.quantile import FRESH, HIGH, LOW, PARTS, Quantiles

QUANTILES = (0.0, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0)
NOW = 1000.0


def lognormal(rng):
    return rng.lognormvariate(math.log(0.02), 0.69)


def pareto(rng):
    return 0.005 * rng.paretovariate(1.2)


def bimodal(rng):
    return rng.gauss(1.0, 0.05) if rng.random() < 0.05 else rng.gauss(0.005, 0.0005)


def filled(values, **options):
    quantiles = Quantiles(**options)
    for value in values:
        quantiles.add(value, NOW)
    return quantiles


def exact(values, q):
    """Return the value with a share ``q`` of the others below it."""
    return sorted(values)[int(q * (len(values) - 1))]


# -- accuracy ------------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", [lognormal, pareto, bimodal])
@pytest.mark.parametrize("q", QUANTILES)
def test_a_quantile_is_within_two_per_cent_of_the_exact_one(draw, q):
    """Whatever the shape of the durations, and however far out the quantile."""
    rng = Random(1)
    values = [draw(rng) for _ in range(5_000)]
    assert filled(values).quantile(q, NOW) == pytest.approx(exact(values, q), rel=0.02)


@pytest.mark.parametrize("draw", [lognormal, pareto, bimodal])
def test_it_agrees_with_the_sketch_that_it_is_modelled_on(draw):
    """The `ddsketch` package with the same error puts the same values into the same buckets."""
    rng, theirs = Random(2), DDSketch(0.02)
    values = [draw(rng) for _ in range(5_000)]
    for value in values:
        theirs.add(value)
    ours = filled(values)
    for q in QUANTILES:
        assert ours.quantile(q, NOW) == pytest.approx(theirs.get_quantile_value(q), rel=1e-6)


@settings(derandomize=True, database=None, deadline=None)
@given(
    values=st.lists(st.floats(LOW, HIGH), min_size=1, max_size=200),
    q=st.floats(0.0, 1.0),
    error=st.sampled_from([0.001, 0.02, 0.1]),
)
def test_the_error_is_bounded_for_any_values(values, q, error):
    """From a microsecond to a day each quantile lies within the promised relative error."""
    found = filled(values, error=error).quantile(q, NOW)
    assert found == pytest.approx(exact(values, q), rel=error * (1 + 1e-9))


@pytest.mark.parametrize("value, edge", [
    (0.0, LOW), (-1.0, LOW), (1e-9, LOW), (math.nan, LOW), (1e9, HIGH), (math.inf, HIGH),
])  # fmt: skip
def test_what_lies_beyond_the_range_counts_at_its_edge(value, edge):
    """A clock that stood still or went backwards, or a hang of days, breaks nothing."""
    assert filled([value]).quantile(0.5, NOW) == pytest.approx(edge, rel=0.02)


def test_a_weight_counts_as_often():
    """One value with a weight of seven is seven values."""
    rng, weighted, repeated = Random(3), Quantiles(), Quantiles()
    for _ in range(100):
        value, weight = lognormal(rng), rng.randrange(1, 8)
        weighted.add(value, NOW, weight)
        for _ in range(weight):
            repeated.add(value, NOW)
    assert weighted.buckets(NOW) == repeated.buckets(NOW)
    assert weighted.count(NOW) == repeated.count(NOW)


def test_the_buckets_ascend_and_hold_everything():
    """They are what is known of the distribution: for whoever looks for its knee, for instance."""
    buckets = filled([0.3, 0.1, 0.1, 0.2]).buckets(NOW)
    assert [value for value, _ in buckets] == pytest.approx([0.1, 0.2, 0.3], rel=0.02)
    assert [count for _, count in buckets] == [2, 1, 1]


# -- the window ----------------------------------------------------------------------------------


def test_nothing_is_known_at_first():
    """Without values there is no quantile."""
    quantiles = Quantiles()
    assert quantiles.quantile(0.5, NOW) is None
    assert (quantiles.count(NOW), quantiles.buckets(NOW)) == (0, [])


def test_a_value_counts_for_the_window_and_no_longer():
    """It leaves after five sixths of the window at the earliest, and after the window at the latest."""
    for age in range(120):
        quantiles = Quantiles(60.0)
        quantiles.add(0.1, NOW)
        for step in range(age + 1):
            quantiles.add(5.0, NOW + step)
        there = quantiles.quantile(0.0, NOW + age) < 1.0
        assert there if age < 50 else not there or age < 60


def test_a_long_pause_empties_the_window():
    """After a pause longer than the window nothing of before counts."""
    quantiles = filled([0.1] * 10)
    assert quantiles.count(NOW + 1e6) == 0
    assert quantiles.quantile(0.5, NOW + 1e6) is None


def test_with_a_least_number_the_window_stretches():
    """What is known does not vanish while nothing comes in, and then gives way to what is new."""
    quantiles = Quantiles(60.0, least=100)
    for _ in range(100):
        quantiles.add(0.1, NOW)
    later = NOW + 1e6
    assert quantiles.quantile(0.5, later) == pytest.approx(0.1, rel=0.02)
    assert quantiles.count(later) == 100
    for second in range(70):
        quantiles.add(5.0, later + second)
        quantiles.add(5.0, later + second)
    assert quantiles.quantile(0.0, later + 70) == pytest.approx(5.0, rel=0.02)
    assert quantiles.count(later + 70) >= 100


@settings(derandomize=True, database=None, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 30.0), st.integers(1, 60)), min_size=1, max_size=30))
def test_a_window_with_a_least_number_never_falls_below_it(story):
    """Whatever the pauses and bursts, once there were so many values there always are."""
    quantiles, now, added = Quantiles(60.0, least=50), NOW, 0
    for pause, values in story:
        now += pause
        for _ in range(values):
            quantiles.add(0.1, now)
            added += 1
            assert quantiles.count(now) >= min(added, 50)


def test_clearing_forgets():
    """After `clear` it is as new."""
    quantiles = filled([0.1] * 10)
    quantiles.clear()
    assert quantiles.quantile(0.5, NOW) is None


# -- cost ----------------------------------------------------------------------------------------


def test_its_memory_is_bounded():
    """A million different values take a few hundred counts for each part of the window."""
    quantiles, rng = Quantiles(60.0), Random(4)
    for second in range(0, 120, 5):
        for _ in range(5_000):
            quantiles.add(10 ** rng.uniform(-9, 9), NOW + second)
    assert len(quantiles.buckets(NOW + 120)) <= 640
    assert len(quantiles._past) == PARTS - 1


def test_a_quantile_is_remembered_until_enough_has_been_added(monkeypatch):
    """Asking is cheap: the buckets are gone through once for some dozens of values."""
    quantiles, walks = filled([0.1] * 8 * FRESH), []
    walk = Quantiles.buckets
    monkeypatch.setattr(Quantiles, "buckets", lambda *args: walks.append(1) or walk(*args))
    for _ in range(FRESH):
        assert quantiles.quantile(0.5, NOW) == pytest.approx(0.1, rel=0.02)
        quantiles.add(0.1, NOW)
    assert len(walks) == 1
    quantiles.add(0.1, NOW)
    quantiles.quantile(0.5, NOW)
    assert len(walks) == 2


def test_a_remembered_quantile_follows_the_window():
    """When the window moves on, what was remembered is reckoned anew."""
    quantiles = filled([0.1] * 10)
    quantiles.add(5.0, NOW + 45.0)
    assert quantiles.quantile(0.0, NOW + 45.0) == pytest.approx(0.1, rel=0.02)
    assert quantiles.quantile(0.0, NOW + 65.0) == pytest.approx(5.0, rel=0.02)


@pytest.mark.parametrize("options", [
    {"window": 0.0}, {"window": math.inf}, {"error": 0.0}, {"error": 0.6}, {"least": -1},
])  # fmt: skip
def test_options_out_of_range_are_refused(options):
    """The option is named, with what is allowed."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Quantiles(**options)
