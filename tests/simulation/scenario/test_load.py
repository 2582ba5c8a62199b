"""Models of load: how many users come, when, and how that looks in a plot."""

import math
import statistics
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import ConfigurationError
from holdfast.simulation import (
    Bursty,
    Closed,
    Constant,
    Diurnal,
    Fault,
    Poisson,
    Ramp,
    Replay,
    Steps,
)
from holdfast.simulation.world.users import arrivals

OPEN = [
    Poisson(rate=100),
    Bursty(burst_rate=400, calm_rate=20, calm=3, burst=1),
    Ramp(start=20, end=200, begins=20, ends=80),
    Diurnal(rate=100, swing=0.8, period=50),
    Steps(steps=((0, 50), (40, 300), (50, 50))),
    Replay(instants=tuple(number / 50 for number in range(5000))),
]


def instants(load, seconds=100, seed=1):
    return list(load.arrivals(Random(seed), seconds))


def expected(load, begins, ends, steps=1000):
    width = (ends - begins) / steps
    return math.fsum(load.rate_at(begins + width * (step + 0.5)) for step in range(steps)) * width


@pytest.mark.parametrize("load", OPEN, ids=lambda one: one.kind)
def test_arrivals_are_in_order_within_the_time_and_the_same_for_one_seed(load):
    """A load is a sequence of instants that the seed decides."""
    found = instants(load)
    assert found == sorted(found) == instants(load)
    assert found[0] >= 0
    assert found[-1] < 100


@pytest.mark.parametrize(
    "load", [one for one in OPEN if one.kind != "bursty"], ids=lambda o: o.kind
)
@pytest.mark.parametrize("begins", [0, 20, 40, 60, 80])
def test_users_come_at_the_rate_that_is_plotted(load, begins):
    """In any stretch the count is what the rate says, within 4 standard deviations of Poisson's."""
    found = sum(begins <= instant < begins + 20 for instant in instants(load))
    mean = expected(load, begins, begins + 20)
    assert abs(found - mean) <= 4 * math.sqrt(mean)


def test_bursts_have_their_mean_in_the_long_run():
    """The rate in plots is the mean of calm and bursts."""
    load = Bursty(burst_rate=400, calm_rate=20, calm=3, burst=1)
    assert load.rate_at(0) == 115
    assert len(instants(load, 3000)) / 3000 == pytest.approx(115, rel=0.05)


def test_bursts_vary_more_than_independent_users_do():
    """Counts per second have a variance far above their mean, where Poisson's are equal."""

    def dispersion(load):
        counts = [0] * 1000
        for instant in instants(load, 1000):
            counts[int(instant)] += 1
        return statistics.pvariance(counts) / statistics.fmean(counts)

    assert dispersion(Poisson(rate=100)) == pytest.approx(1, abs=0.2)
    assert dispersion(Bursty(burst_rate=400, calm=3, burst=1)) > 20


def test_independent_users_come_after_exponential_gaps():
    """The gaps have a standard deviation as large as their mean."""
    gaps = [later - one for one, later in pairwise(instants(Poisson(rate=100)))]
    assert statistics.stdev(gaps) == pytest.approx(statistics.fmean(gaps), rel=0.05)


@settings(max_examples=30, derandomize=True, database=None, deadline=None)
@given(
    steps=st.dictionaries(st.integers(0, 9), st.integers(0, 50), min_size=1),
    seed=st.integers(0, 2**32),
)
def test_nobody_comes_while_the_rate_is_zero(steps, seed):
    """Thinning keeps nobody where there is no rate."""
    load = Steps(steps=tuple(sorted(steps.items())))
    for instant in instants(load, 10, seed):
        assert load.rate_at(instant) > 0


def test_a_replay_can_be_read_from_a_file_in_any_order(tmp_path):
    """The instants are sorted; later ones than the run's end are left out."""
    file = tmp_path / "arrivals.csv"
    file.write_text("at\n3.5\n1.25\n200\n")
    load = Replay(path=str(file))
    assert instants(load) == [1.25, 3.5]
    assert load.rate_at(1.5) == 1


def test_a_closed_load_tells_its_highest_rate():
    """Ten users who think for two seconds ask five times a second at most."""
    assert Closed(users=10, think=Constant(value=2)).rate_at(0) == 5


def surged(load, faults, seed=1):
    streams = {}
    return list(
        arrivals(load, 100, faults, lambda name: streams.setdefault(name, Random(f"{seed} {name}")))
    )


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 2.5, 4.0])
def test_a_surge_multiplies_the_users(factor):
    """While it lasts; before and after it everybody comes as they would have."""
    load = Poisson(rate=200)
    usual, found = surged(load, ()), surged(load, (Fault(at=40, lasts=20, load=factor),))
    outside = [instant for instant in usual if not 40 <= instant < 60]
    assert [instant for instant in found if not 40 <= instant < 60] == outside
    inside = len(found) - len(outside)
    assert abs(inside - 4000 * factor) <= 4 * math.sqrt(4000 * factor)


def test_a_surge_adds_users_to_those_who_would_have_come():
    """Common random numbers: with more load, nobody's instant changes."""
    load = Bursty(burst_rate=400, calm=3, burst=1)
    usual = surged(load, ())
    assert set(usual) <= set(surged(load, (Fault(at=10, lasts=50, load=2.5),)))


@pytest.mark.parametrize(
    "make, option",
    [
        (lambda: Poisson(rate=0), "rate"),
        (lambda: Poisson(rate=-5), "rate"),
        (lambda: Bursty(burst_rate=-1, calm=1, burst=1), "burst_rate"),
        (lambda: Bursty(burst_rate=1, calm=0, burst=1), "calm"),
        (lambda: Ramp(start=-1, end=1, ends=5), "start"),
        (lambda: Ramp(start=0, end=1, begins=5, ends=5), "ends"),
        (lambda: Diurnal(rate=1, swing=1.5), "swing"),
        (lambda: Steps(steps=()), "steps"),
        (lambda: Steps(steps=((0, 1), (0, 2))), "steps"),
        (lambda: Steps(steps=((5, 1), (1, 2))), "steps"),
        (lambda: Steps(steps=((0, -1),)), "steps"),
        (lambda: Closed(users=0), "users"),
        (lambda: Closed(users=1, think=Constant(value=0)), "think"),
        (Replay, "values"),
    ],
)
def test_what_makes_no_sense_is_refused(make, option):
    """The message names the option."""
    with pytest.raises(ConfigurationError, match=f"^{option}="):
        make()
