"""Experiment 9, short, the limiter's part: critical calls are served while others are refused."""

import pytest

from tests.experiments.e09_limiter import play


@pytest.mark.parametrize("overload", [2.0, 3.5])
def test_critical_calls_are_served_first(overload):
    """Bar: critical >= 99.9 % up to 3.5 times, goodput >= 99 %; today 100 % and 99.9 %."""
    told = play(overload=overload, seconds=25.0, seed=2)

    assert told.critical >= 0.999
    assert told.goodput >= 0.99
