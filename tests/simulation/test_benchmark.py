"""The benchmark of the simulator itself measures what it says."""

import pytest

from benchmarks.simulator import cli as simulator


@pytest.mark.parametrize("name", simulator.SETTINGS)
def test_each_row_plays_the_calls_that_it_is_asked_for(name):
    """About as many, since users come by chance, in some time."""
    figures = simulator.measured(name, 1000)
    assert figures.calls == pytest.approx(1000, rel=0.15)
    assert figures.processor > 0 < figures.real
    assert figures.peak >= figures.before > 0
