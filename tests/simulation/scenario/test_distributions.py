"""Distributions of durations: their means, their shapes, and what they refuse."""

import math
import statistics
from random import Random

import pytest

from holdfast import ConfigurationError
from holdfast.simulation import (
    Constant,
    Exponential,
    Lognormal,
    Mixture,
    Pareto,
    Part,
    Recorded,
    Stragglers,
    Uniform,
)

ALL = [
    Constant(value=0.2),
    Exponential(mean=0.09),
    Lognormal(median=0.05, sigma=0.5),
    Lognormal.from_mean(0.005, 0.002),
    Uniform(low=0.1, high=0.3),
    Pareto(shortest=0.1, shape=4.0),
    Stragglers(usual=Exponential(mean=0.01), share=0.05, times=10),
    Mixture(parts=(Part(weight=3, of=Constant(value=1)), Part(weight=1, of=Exponential(mean=5)))),
    Recorded(values=(0.1, 0.2, 0.6)),
]


def drawn(distribution, count=20_000, seed=2):
    rng = Random(seed)
    return [distribution.draw(rng) for _ in range(count)]


@pytest.mark.parametrize("distribution", ALL, ids=lambda one: one.kind)
def test_its_mean_is_the_mean_of_what_is_drawn(distribution):
    """20,000 draws come within 5 % of the mean."""
    assert statistics.fmean(drawn(distribution)) == pytest.approx(distribution.mean, rel=0.05)


@pytest.mark.parametrize("distribution", ALL, ids=lambda one: one.kind)
def test_equal_seeds_draw_equal_durations(distribution):
    """Nothing but the seed decides, and no duration is negative."""
    assert drawn(distribution, 100) == drawn(distribution, 100)
    assert min(drawn(distribution, 1000)) >= 0


def test_a_lognormal_of_a_mean_and_a_deviation_has_both():
    """`from_mean` finds the median and sigma."""
    durations = drawn(Lognormal.from_mean(0.005, 0.002), 50_000)
    assert statistics.fmean(durations) == pytest.approx(0.005, rel=0.02)
    assert statistics.stdev(durations) == pytest.approx(0.002, rel=0.05)


def test_stragglers_are_as_many_as_said():
    """5 % of a constant take ten times as long."""
    durations = drawn(Stragglers(usual=Constant(value=1), share=0.05, times=10))
    assert set(durations) == {1, 10}
    assert durations.count(10) / len(durations) == pytest.approx(0.05, abs=0.005)


def test_a_pareto_tail_falls_by_its_shape():
    """Twice as long is 2 ** shape times as rare."""
    durations = drawn(Pareto(shortest=1, shape=2), 40_000)
    longer = [sum(one > limit for one in durations) for limit in (2, 4)]
    assert longer[0] / longer[1] == pytest.approx(4, rel=0.1)


def test_a_recording_is_read_from_a_column(tmp_path):
    """Headings are found by name; the first column is the default."""
    file = tmp_path / "latencies.csv"
    file.write_text("instant,latency\n1,0.25\n2,0.75\n")
    assert Recorded(path=str(file), column="latency").values == (0.25, 0.75)
    assert Recorded(path=str(file)).values == (1, 2)
    file.write_text("0.5\n\n0.7\n")
    assert Recorded(path=str(file)).values == (0.5, 0.7)


@pytest.mark.parametrize(
    "text, column, message",
    [
        ("a,b\n1,2\n", "c", r"column='c' is not allowed: it must be one of 'a', 'b'"),
        ("a\n1\nx\n", None, r"latencies.csv:3: 'x' is not allowed"),
        ("a\n1\n-2\n", None, r"latencies.csv:3: '-2' is not allowed"),
        ("a\nnan\n", None, r"latencies.csv:2: 'nan' is not allowed"),
        ("a,b\n1,2\n1\n", "b", r"latencies.csv:3: '' is not allowed"),
        ("a\n", None, r"it must hold at least one number"),
    ],
)
def test_a_bad_recording_is_refused_with_its_line(tmp_path, text, column, message):
    """The file, the line and the value are in the message."""
    file = tmp_path / "latencies.csv"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        Recorded(path=str(file), column=column)


def test_a_recording_that_does_not_exist_is_refused():
    """The path is in the message."""
    with pytest.raises(ConfigurationError, match=r"nowhere.csv.*can be read"):
        Recorded(path="nowhere.csv")


@pytest.mark.parametrize(
    "make, option",
    [
        (lambda: Constant(value=-1), "value"),
        (lambda: Exponential(mean=0), "mean"),
        (lambda: Lognormal(median=0, sigma=1), "median"),
        (lambda: Lognormal(median=1, sigma=-1), "sigma"),
        (lambda: Lognormal.from_mean(0, 1), "mean"),
        (lambda: Uniform(low=2, high=1), "low"),
        (lambda: Pareto(shortest=1, shape=1), "shape"),
        (lambda: Stragglers(usual=Constant(value=1), share=1.1), "share"),
        (lambda: Stragglers(usual=Constant(value=1), times=math.inf), "times"),
        (lambda: Mixture(parts=()), "parts"),
        (lambda: Part(weight=0, of=Constant(value=1)), "weight"),
        (Recorded, "values"),
        (lambda: Recorded(values=(1, -1)), "values"),
    ],
)
def test_what_makes_no_sense_is_refused(make, option):
    """The message names the option."""
    with pytest.raises(ConfigurationError, match=f"^{option}="):
        make()
