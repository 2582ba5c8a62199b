import re

import pytest

from holdfast.demo.measure import Sample
from holdfast.demo.plots import BREAKERS, _stretches, draw
from holdfast.demo.settings import Settings


def at(instant, breaker):
    return Sample(instant, 1, 1, 1, 1, 1, breaker)


@pytest.fixture(scope="module")
def runs(make_run):
    return [make_run(held=held) for held in (False, True)]


@pytest.fixture(scope="module")
def svg(runs):
    """What most tests look at, drawn once."""
    return draw(Settings(world="sync"), runs)


def test_stretches_join_what_is_alike():
    """A stretch lasts until the first sample with another state, the last one until the end."""
    samples = [
        at(0, "closed"),
        at(1, "closed"),
        at(2, "open"),
        at(3, "half-open"),
        at(5, "half-open"),
    ]

    assert list(_stretches(samples)) == [(0, 2, "closed"), (2, 3, "open"), (3, 5, "half-open")]


def test_no_samples_no_stretches():
    """A run that was never looked at has no states."""
    assert list(_stretches([])) == []


@pytest.mark.parametrize("used,logarithmic", [(32, False), (500, True)])
def test_what_is_in_use_is_drawn_on_a_fitting_axis(make_run, used, logarithmic):
    """Where the unprotected run needs many times the bulkhead, the axis is logarithmic and says so."""
    svg = draw(Settings(), [make_run(held=False, workers=used), make_run(held=True)])

    assert ("In use (logarithmic)" in svg) is logarithmic


def test_each_request_is_a_dot(svg, runs):
    """Nothing is thinned out, for it is the outliers that matter."""
    dots = len(re.findall(r"<use ", svg))

    assert dots >= sum(len(run.records) for run in runs)


def test_legend_and_phases(svg):
    """All kinds of answers, all states of the breaker and all phases are named."""
    for text in (
        "payments made",
        "payments queued (fallback)",
        "failed",
        "threads in use",
        "bulkhead (16)",
    ):
        assert f">{text}</text>" in svg
    for text in (*BREAKERS, "calm", "payments hang", "payments recovered"):
        assert f">{text}</text>" in svg


def test_the_same_runs_give_the_same_picture(svg, runs):
    """No date and no random names in it."""
    assert draw(Settings(world="sync"), runs) == svg


def test_matplotlibs_own_settings_are_left_alone(runs):
    """Drawing in somebody's process changes nothing for them."""
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    draw(Settings(), runs)

    assert dict(mpl.rcParams) == before


def test_a_run_without_requests_can_be_drawn(make_run):
    """Even a story that went wrong altogether has a report."""
    from dataclasses import replace

    empty = [replace(make_run(held=held), records=[], samples=[]) for held in (False, True)]

    assert "<svg" in draw(Settings(), empty)
