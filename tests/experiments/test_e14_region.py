"""A few cells of experiment 14; all of them: ``python -m tests.experiments 14``."""

import pytest

from tests.experiments.e02_client import BEST
from tests.experiments.e14_region import recovery
from tests.experiments.outage import shipped


@pytest.mark.parametrize("load, stall", [(0.5, 30), (0.83, 10), (0.98, 3)])
def test_users_are_served_again_within_seconds_whatever_load_and_stall(load, stall):
    """Bar: at most 4 s, in the median of the seeds."""
    assert recovery(shipped, load, stall, seed=1) <= 4


def test_an_interval_that_doubles_makes_an_outage_half_as_long_again():
    """What `standard` did before: 8 s and more after a stall of 30 s."""
    assert recovery(BEST, 0.5, 30, seed=1) >= 8
