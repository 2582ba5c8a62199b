"""The statistics of the overhead benchmark, on made-up samplers."""

import gc

import pytest

from benchmarks.overhead.sampling import (
    MANY,
    calibrated,
    figure,
    interleaved,
    overhead,
    quietly,
    rotations,
)

SAMPLES = [5.0, 2.0, 3.0]
BARE = [1.0, 0.5, 4.0]


def steady(seconds_per_call):
    return lambda count: count * seconds_per_call


@pytest.mark.parametrize("statistic, expected", [("minimum", 2.0), ("median", 3.0)])
def test_samples_become_one_figure(statistic, expected):
    """The minimum is the sample disturbed least, the median the one in the middle."""
    assert figure(SAMPLES, statistic) == expected


@pytest.mark.parametrize("statistic, expected", [("minimum", 1.5), ("median", 2.0)])
def test_overhead_subtracts_the_bare_call_by_the_same_statistic(statistic, expected):
    """A minimum is compared with the bare minimum, a median with the bare median."""
    assert overhead(SAMPLES, BARE, statistic) == expected


def test_a_rejection_counts_in_full():
    """Without a bare call there is nothing to subtract."""
    assert overhead(SAMPLES, None, "minimum") == 2.0


def test_a_sample_is_calibrated_to_its_length():
    """So many calls are made that a sample takes the time asked for."""
    assert calibrated(steady(0.001), 0.5) == 500


def test_calibration_ends_for_calls_that_cost_nothing():
    """A clock that never moves doesn't make the harness run for ever."""
    assert calibrated(steady(0.0), 0.5) == MANY


def test_calibration_makes_at_least_one_call():
    """A call that takes longer than a sample is sampled one by one."""
    assert calibrated(steady(3.0), 0.5) == 1


def test_each_round_begins_with_another_candidate():
    """Every candidate is in every round, and none always follows the same silence."""
    assert list(rotations("abc", 4)) == [list("abc"), list("bca"), list("cab"), list("abc")]


def test_samples_are_taken_in_turn():
    """A round takes one sample of everybody before the next round begins."""
    taken = []

    def sampler(name):
        def sample(count):
            taken.append(name)
            return count * 1.0

        return sample

    result = interleaved({name: sampler(name) for name in "ab"}, rounds=3, seconds=1.0)

    assert result == {"a": [1.0] * 3, "b": [1.0] * 3}
    assert "".join(taken[-6:]) == "abbaab"


def test_the_garbage_collector_is_off_during_a_sample():
    """It is off while calls are timed, and back on after them."""
    seen = []

    quietly(lambda _count: seen.append(gc.isenabled()) or 0.0, 1)

    assert seen == [False]
    assert gc.isenabled()


def test_the_garbage_collector_comes_back_after_an_error():
    """A candidate that raises in the middle leaves the collector as it was."""
    with pytest.raises(ZeroDivisionError):
        quietly(lambda count: 1 / (count - 1), 1)

    assert gc.isenabled()
