"""Experiment 3, short, the server's part: the bars of a load shedder."""

import pytest

from tests.experiments.e03_shedder import P99, play


@pytest.mark.parametrize("overload", [1.5, 3.0])
def test_an_overloaded_server_does_what_it_can(overload):
    """Bar: goodput >= 99 % and p99 <= 263 ms (526 at half speed); today 99.6 % and 248 (453) ms."""
    calm, over, half, restored = play(overload=overload, seconds=15.0, seed=3)

    assert min(calm.goodput, over.goodput, half.goodput, restored.goodput) >= 0.99
    assert max(calm.p99, over.p99, restored.p99) <= P99
    assert half.p99 <= 2 * P99
