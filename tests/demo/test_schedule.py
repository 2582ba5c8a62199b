from itertools import pairwise
from statistics import fmean, pstdev

import pytest

from holdfast.demo.schedule import arrivals


def users(**changes):
    options = {"rate": 50.0, "share_of_payments": 0.5, "start": -1.0, "end": 200.0, "seed": 1}
    return arrivals(**{**options, **changes})


def test_the_same_seed_gives_the_same_users():
    """Both runs meet the same users at the same instants; another seed gives others."""
    assert users() == users()
    assert users() != users(seed=2)


def test_arrivals_are_poisson():
    """Gaps are exponential: mean and standard deviation both 1/rate; and the rate is right."""
    at = [arrival.at for arrival in users()]
    gaps = [later - earlier for earlier, later in pairwise(at)]

    assert len(at) == pytest.approx(201 * 50, rel=0.05)
    assert fmean(gaps) == pytest.approx(0.02, rel=0.05)
    assert pstdev(gaps) == pytest.approx(0.02, rel=0.05)


def test_arrivals_lie_within_the_run_in_order():
    """None before the start, none after the end, none out of turn."""
    at = [arrival.at for arrival in users(end=20.0)]

    assert at == sorted(at)
    assert at[0] >= -1.0
    assert at[-1] < 20.0


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_share_of_payments(share):
    """So many of the users want to pay, the others to be notified."""
    pages = [arrival.page for arrival in users(share_of_payments=share)]

    assert pages.count("/pay") / len(pages) == pytest.approx(share, abs=0.02)
    assert set(pages) <= {"/pay", "/notify"}
