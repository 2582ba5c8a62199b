"""Short forms of experiments 4 to 7 for `standard`; in full: ``python -m benchmarks scenarios``."""

import pytest

from benchmarks.scenarios import e04_steady, e05_layers, e06_shards, e07_noise
from benchmarks.scenarios.experiment import OURS


@pytest.mark.parametrize("clients, seconds", [(10, 40.0), (100, 20.0)])
def test_one_failure_in_ten_reaches_hardly_a_user(clients, seconds):
    """Bar: >= 99.9 % success at f = 10 %, whatever the number of clients."""
    name = e04_steady.setting(10, clients)

    assert e04_steady.play(name, OURS, 1, seconds).figures["success"] >= 0.999


@pytest.mark.parametrize("clients", [10, 100])
def test_a_dead_dependency_is_not_called_more_than_its_users_call(clients):
    """Bar: <= 1.02 attempts per user at f = 100 %."""
    name = e04_steady.setting(100, clients)

    assert e04_steady.play(name, OURS, 1, 30.0).figures["attempts"] <= 1.02


@pytest.mark.parametrize("depth", [3, 5])
def test_layers_do_not_multiply_retries(depth):
    """Bars: <= 1.05 attempts at a dead leaf per user, >= 99.8 % success where it fails 10 %."""
    dead = e05_layers.play(f"{depth} layers, leaf dead", OURS, 1, 10.0).figures
    failing = e05_layers.play(f"{depth} layers, leaf fails 10 %", OURS, 1, 10.0).figures

    assert dead["attempts"] <= 1.05
    assert failing["success"] >= 0.998


@pytest.mark.parametrize("setting, through", [("1 of 3 refuses", 0.03), ("1 of 10 hangs", 0.08)])
def test_a_dead_shard_costs_the_users_of_the_others_nothing(setting, through):
    """Bars: >= 99.9 % served; <= 3 % let through, missed by 1 of 10 that hangs."""
    figures = e06_shards.play(setting, OURS, 1).figures

    assert figures["served"] >= 0.999
    assert figures["through"] <= through


def test_keys_beyond_the_table_take_no_memory():
    """Bar: bounded; here 1,500 keys beyond the 10,000 that are kept."""
    assert e06_shards.many(11_500, 10_200).figures["memory"] <= 1.1


def test_noise_opens_no_breaker_and_a_hard_stop_does():
    """Bars: no false opening at 30 % failures, and open within 1 s of a hard stop."""
    figures = e07_noise.play("e = 30 %", OURS, 1, 60.0).figures

    assert figures["opens"] == 0
    assert figures["detected"] <= 1.0
