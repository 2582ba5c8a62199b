"""Experiments 3, 9 and 12, short, and what their models count: the bars of gates and of timeouts."""

import pytest

from benchmarks.scenarios import e03_overload, e09_criticality, e12_timeouts
from benchmarks.scenarios.gates import LIMITER, SHEDDER
from benchmarks.scenarios.overload import Counted, Phase, played
from benchmarks.scenarios.patience import LastAnswers, Rfc6298


@pytest.mark.parametrize("policy, seconds", [(LIMITER, 15.0), (SHEDDER, 10.0)])
def test_an_overloaded_server_does_what_it_can(policy, seconds):
    """Bar, in the worst of four phases: goodput of 99 %, and 1.1 times the unloaded p99."""
    told = e03_overload.play("1.5 times", policy, seed=2, seconds=seconds).figures

    assert told["goodput"] >= 0.99
    assert told["ratio"] <= 1.1


@pytest.mark.parametrize("policy", [LIMITER, SHEDDER])
def test_critical_users_are_served_first(policy):
    """Bar at three times the capacity: 99.9 % of the critical users, and goodput of 99 %."""
    told = e09_criticality.play("3 times", policy, seed=1, seconds=12.0).figures

    assert told["critical"] >= 0.999
    assert told["goodput"] >= 0.99
    assert told["sheddable"] <= 0.2


def test_the_timeout_that_is_learnt_meets_its_bars():
    """Bars: 0.1 % and 0.5 % false timeouts, 300 ms for a call that fails."""
    told = e12_timeouts.play("50/s", e12_timeouts.ADAPTIVE, seed=1, stories=1).figures

    assert max(told["healthy"], told["healthy again"]) <= 0.001
    assert told["slower"] <= 0.005
    assert max(told["black hole"], told["grey"]) <= 300


def test_a_fixed_timeout_is_wrong_half_of_the_time():
    """The p99 of health gives up on a fifth of the answers of a service that is three times slower."""
    told = e12_timeouts.play("50/s", "100 ms", seed=1, seconds=30.0, stories=1).figures

    assert told["slower"] >= 0.2
    assert told["black hole"] == pytest.approx(100)


def test_equal_seeds_give_equal_users_to_all_designs():
    """The same users come and need the same work, whatever is put before the server."""
    phases = (Phase("calm", 10.0, 0.5),)

    def bare(target):
        return target

    def polite(target):
        async def served(request):
            await target(request)

        return served

    assert played(lambda: bare, phases, 1) == played(lambda: polite, phases, 1)


def test_what_settles_and_the_tail_are_not_counted():
    """A phase counts from after its settling to before its tail."""
    counted = Counted(Phase("one", 20.0, 1.0, settle=5.0, tail=2.0), begins=100.0)

    assert [counted.counts(at) for at in (104.9, 105.0, 117.9, 118.0)] == [False, True, True, False]


def test_the_retransmission_timeout_is_that_of_the_rfc():
    """First RTT r: r + 4 * r / 2; then the smoothed mean and deviation; doubled by a timeout."""
    rule = Rfc6298()
    rule.answered(0.1)
    assert rule.limit == pytest.approx(0.3)

    rule.answered(0.2)
    assert rule.limit == pytest.approx(0.1125 + 4 * 0.0625)

    rule.lost()
    assert rule.limit == pytest.approx(2 * (0.1125 + 4 * 0.0625))


@pytest.mark.parametrize("recorded, limit", [(False, 1.0), (True, 2.0)])
def test_the_last_answers_are_a_window(recorded, limit):
    """Twice the largest of the last two answers; a timeout counts at its limit where it is recorded."""
    rule = LastAnswers(0.99, 2.0, 2, recorded=recorded)
    for seconds in (0.5, 0.1, 0.2):
        rule.answered(seconds)
    assert rule.limit == pytest.approx(0.4)

    rule.limit = 1.0
    rule.lost()
    assert rule.limit == pytest.approx(limit)
