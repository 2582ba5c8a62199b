"""Experiment 5, short: one seed, twenty seconds."""

import pytest

from tests.experiments.e04_steady import stack, whole
from tests.experiments.e05_layers import play


@pytest.mark.parametrize("depth", [3, 5])
def test_layers_do_not_multiply_an_outage(depth):
    """Bar: at most 1.05 attempts per call at a dead leaf; today below 0.01, the breakers are open."""
    assert play(whole, 1.0, depth, seed=1, seconds=20.0)[1] <= 0.01


@pytest.mark.parametrize("depth", [3, 5])
def test_budgets_alone_keep_layers_from_multiplying(depth):
    """Without any breaker the leaf sees hardly more than one attempt per call."""
    assert play(stack(breaker=False), 1.0, depth, seed=1)[1] <= 1.05


@pytest.mark.parametrize("depth", [3, 5])
def test_layers_hide_a_tenth_of_failures(depth):
    """Bar: at least 99.8 % success at f = 10 %; today all."""
    assert play(whole, 0.1, depth, seed=1, seconds=20.0)[0] >= 0.998


def test_bare_retries_multiply():
    """The leaf of three layers of three attempts sees 27 for each call."""
    bare = stack(attempts=3, budget=False, breaker=False)

    assert play(bare, 1.0, 3, seed=1, seconds=1.0)[1] == 27.0


def test_breakers_that_open_by_chance_bring_layers_down():
    """Without confidence each layer's breaker is an outage now and then for the one above."""
    today = stack(attempts=3, ratio=0.1, confidence=None)

    assert play(today, 0.1, 5, seed=1)[0] < 0.95
