"""Experiment 4, short: one seed for each load."""

import pytest

from tests.experiments.e04_steady import LOADS, play, stack, varied, whole


@pytest.mark.parametrize("load", LOADS)
def test_a_tenth_of_failures_is_not_seen_by_users(load):
    """Bar: at least 99.9 % success at f = 10 %; today 99.98 % at the least."""
    success, attempts = play(whole, 0.10, load, seed=1)

    assert success >= 0.999
    assert attempts <= 1.12


@pytest.mark.parametrize("load", LOADS)
def test_an_outage_is_not_amplified_whatever_the_number_of_clients(load):
    """Bar: at most 1.02 attempts per call at f = 100 %; today 0.94 at the most."""
    _, attempts = play(whole, 1.0, load, seed=1)

    assert attempts <= 1.02


def test_neither_is_it_where_durations_vary():
    """Bar: at least 99.9 %; an error that takes longer than most answers is no sign of overload."""
    assert play(whole, 0.10, "10 clients, 100/s in all", 1, varied)[0] >= 0.999


def test_it_is_the_breaker_that_makes_many_clients_harmless():
    """With budgets alone a thousand full buckets are ten thousand retries."""
    load = "1000 clients, 100/s in all"

    assert play(stack(breaker=False), 1.0, load, seed=1)[1] >= 1.9


def test_it_is_the_budget_that_limits_three_attempts_and_ten_percent():
    """A failure rate of 10 % takes 0.11 retries per success."""
    load = "10 clients, 100/s in all"

    assert play(stack(attempts=3, ratio=0.1), 0.10, load, seed=1)[0] < 0.995
