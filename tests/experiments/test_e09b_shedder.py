"""Experiment 9, short, the server's part: what matters is served, whatever else is asked for."""

from tests.experiments.e09b_shedder import play


def test_the_critical_are_served_at_three_and_a_half_times_the_capacity():
    """Bar: 99.9 % of the critical calls and 99 % of the capacity; today 99.9 % and 100 %."""
    told = play(3.5, seconds=20.0)

    assert told.critical >= 0.999
    assert told.goodput >= 0.99
    assert told.sheddable < 0.1


def test_the_critical_alone_near_the_capacity():
    """3.9 times: no bar but that nothing is idle; today 98 % of the critical."""
    told = play(3.9, seconds=20.0)

    assert told.critical >= 0.95
    assert told.goodput >= 0.99
