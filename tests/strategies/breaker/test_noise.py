"""How many failures in a row are more than chance, and how much a share of a few calls says."""

from math import ceil, comb, log
from random import Random

import pytest

from holdfast.strategies.breaker.noise import MEMORY, RUNS, Noise, deviations, lower_bound


def learnt_from(runs, *, every, doubt=0.01, start=0.0):
    """Return a noise that has seen these runs, one each ``every`` seconds, and the last instant."""
    noise, now = Noise(doubt), start
    for run in runs:
        noise.ended(run, now)
        now += every
    return noise, now - every


def geometric(share, total):
    """Return runs as independent failures with that share make them, in their expected numbers."""
    runs, left = [], total
    for length in range(1, 30):
        these = round(left * (1 - share))
        runs += [length] * these
        left -= these
    runs += [30] * left
    Random(0).shuffle(runs)
    return runs


def test_nothing_is_known_at_first():
    """A few failures in a row are enough then: as if one failure in five were followed by another."""
    assert Noise(0.01).needed(0.0) == 1 + ceil(log(0.01) / log(0.2)) == 4


def test_more_confidence_asks_for_longer_runs():
    """A thousandth of a false opening an hour needs more than a hundredth."""
    assert [Noise(doubt).needed(0.0) for doubt in (0.1, 0.01, 0.001, 1e-6)] == [3, 4, 6, 10]


@pytest.mark.parametrize("share, needed", [(0.1, 8), (0.2, 11), (0.3, 15)])
def test_the_run_that_is_needed_grows_with_the_noise(share, needed):
    """At 100 calls a second it follows from the formula, with the runs an hour as they came."""
    each = 1 / (100 * share * (1 - share))
    noise, now = learnt_from(geometric(share, 10_000), every=each)

    hourly = 3600 / each
    assert abs(noise.needed(now) - (1 + log(0.01 / hourly) / log(share))) < 1.2
    assert noise.needed(now) == needed


def test_the_same_noise_at_less_traffic_asks_for_shorter_runs():
    """There are fewer chances for chance."""
    often, now = learnt_from(geometric(0.3, 1_000), every=0.05)
    rarely, later = learnt_from(geometric(0.3, 1_000), every=300.0)

    assert rarely.needed(later) < often.needed(now) - 4


def test_a_lone_failure_long_ago_hardly_matters():
    """Right after it more is needed; a minute later, nearly as little as at first."""
    noise = Noise(0.01)
    noise.ended(1, 0.0)

    assert [noise.needed(seconds) for seconds in (1.0, 60.0, 3600.0)] == [9, 6, 4]


def test_a_long_run_counts_for_little():
    """It is rather an outage that was over in time: only its first eight failures are evidence."""
    noise, now = learnt_from(geometric(0.1, 1_000), every=0.1)
    before = noise.needed(now)

    noise.ended(10_000, now)

    assert noise.needed(now) <= before + 1


def test_most_calls_failing_is_never_taken_for_background():
    """Beyond one half the run that is needed grows no further."""
    half, now = learnt_from(geometric(0.5, 1_000), every=0.1)
    most, later = learnt_from(geometric(0.9, 1_000), every=0.1)

    assert most.needed(later) <= half.needed(now) + 1


def test_noise_that_has_gone_away_is_forgotten():
    """After an hour without a failure it is as if there had never been any."""
    noise, now = learnt_from(geometric(0.3, 10_000), every=0.05)

    assert noise.needed(now) == 15
    assert noise.needed(now + 6 * MEMORY) < 10
    assert noise.needed(now + 20 * MEMORY) == 4


def test_rare_runs_are_remembered_for_longer():
    """Where a run comes once in ten minutes, ten minutes are no time to forget it."""
    noise, now = learnt_from(geometric(0.3, 200), every=MEMORY)

    assert noise.needed(now) == noise.needed(now + MEMORY) == noise.needed(now + 3 * MEMORY)
    assert noise.needed(now + 10 * RUNS * MEMORY) == 4


def test_a_clock_that_goes_backwards_does_no_harm():
    """No time has passed then."""
    noise, now = learnt_from([1, 2, 1], every=1.0, start=1_000.0)

    noise.ended(1, now - 500.0)

    assert 4 <= noise.needed(now - 600.0) <= 15


def test_clearing_forgets_everything():
    """As on the first day."""
    noise, _ = learnt_from(geometric(0.3, 1_000), every=0.1)

    noise.clear()

    assert noise.needed(1e6) == 4


@pytest.mark.parametrize(
    "confidence, z", [(0.5, 0.0), (0.9, 1.2816), (0.95, 1.6449), (0.99, 2.3263), (0.999, 3.0902)]
)
def test_deviations_are_those_of_the_tables(confidence, z):
    """The one-sided quantiles of the normal distribution."""
    assert deviations(confidence) == pytest.approx(z, abs=1e-4)


@pytest.mark.parametrize(
    "hits, calls, bound", [(1, 10, 0.0179), (5, 10, 0.2366), (50, 100, 0.4038), (10, 10, 0.7225)]
)
def test_the_lower_bound_is_wilsons(hits, calls, bound):
    """Published values for 95 % on both sides, z = 1.96."""
    assert lower_bound(hits, calls, 1.959964) == pytest.approx(bound, abs=1e-4)


@pytest.mark.parametrize("calls", [10, 20, 30, 100])
@pytest.mark.parametrize("share", [0.3, 0.5])
def test_a_bound_above_the_true_share_is_as_rare_as_promised(calls, share):
    """With 99 % confidence about 1 % of the samples mislead, never 2 %, counted out exactly."""
    z = deviations(0.99)
    wrong = sum(
        comb(calls, hits) * share**hits * (1 - share) ** (calls - hits)
        for hits in range(calls + 1)
        if lower_bound(hits, calls, z) > share
    )

    assert wrong <= 0.02
