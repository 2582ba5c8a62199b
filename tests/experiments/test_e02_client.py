"""A short run of experiment 2's client part; the full one: ``python -m tests.experiments 02``."""

import pytest

from tests.experiments.e02_client import BEST, QUEUED, stragglers
from tests.experiments.outage import play


def test_clients_alone_find_the_capacity_that_a_brownout_leaves():
    """Bar: >= 100 of 120/s served in the fault, <= 0.1 % falsely rejected in health at 83 % load."""
    outage = play(BEST, seed=1, healthy=130)

    assert outage.goodput >= 100
    assert outage.false_rejections <= 0.001
    assert outage.recovered <= 3


@pytest.mark.parametrize("clients, goodput", [(1, 100), (50, 100), (200, 90)])
def test_the_same_options_do_for_fleets_of_other_sizes(clients, goodput):
    """Bar: >= 100/s, missed by 200 clients of one call a second each: 96 to 102/s."""
    outage = play(BEST, seed=2, clients=clients, healthy=40, after=30)

    assert outage.goodput >= goodput
    assert outage.false_rejections <= 0.001


def test_a_long_brownout_is_not_taken_for_normal():
    """Four minutes on, the limit is still where it was in the first half."""
    assert play(BEST, seed=3, healthy=40, fault=240, after=30).goodput >= 105


def test_a_queue_before_the_limit_takes_up_what_is_no_overload():
    """Bar: <= 0.1 % falsely refused, with a straggler in 50 calls: 0.03 %, without a queue 0.5 %."""
    health = {"seed": 1, "draw": stragglers, "healthy": 60, "fault": 1, "after": 1}

    assert play(QUEUED, **health).false_rejections <= 0.001
    assert play(BEST, **health).false_rejections >= 0.002


def test_with_a_queue_a_dependency_that_becomes_slower_loses_nobody():
    """Three times slower, with the capacity of before: of 250/s all but a few are served at once."""
    slower = {"seed": 3, "speed": 1 / 3, "workers": 81, "healthy": 40, "fault": 20, "after": 10}

    assert play(QUEUED, **slower).failed <= 25
    assert play(BEST, **slower).failed >= 100
