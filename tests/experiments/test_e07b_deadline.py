"""Experiment 7b, short: a queue that asks whether what is left of a deadline will do."""

from tests.experiments.e07b_deadline import mean, play, queue_with


def test_dropping_what_has_expired_is_not_enough():
    """First come, first served: what has not expired yet is about to; 2 % of users are served."""
    users, useful = mean(None, range(1, 2), after=20)

    assert users <= 0.15
    assert useful <= 0.15


def test_what_is_left_must_cover_what_is_expected():
    """Bar: 89 % of users; today 100 %, and recovered after 1 s."""
    told = play(lambda: queue_with("learn"), after=40)

    assert told.users >= 0.99
    assert told.useful >= 0.99
    assert told.recovered is not None
    assert told.recovered <= 2
