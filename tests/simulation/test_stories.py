"""What the stories of ready scenarios claim, in short versions of them."""

from dataclasses import replace

import pytest

from holdfast import Bulkhead, Pipeline, Retry, backoff, standard
from holdfast.simulation import files
from holdfast.simulation.policies.policies import Policy
from holdfast.simulation.runs.compare import compare


def played(name, *policies, **changes):
    """Return the figures of each policy in a ready scenario with some changes, by the policy's name."""
    scenario = replace(files.scenario(name), **changes)
    return {one.policy: one.figures[0] for one in compare(scenario, policies).played}


def faults(name, *spans):
    """Return the faults of a ready scenario at other times: pairs of beginning and length."""
    usual = files.scenario(name).faults
    return tuple(
        replace(fault, at=at, lasts=lasts) for fault, (at, lasts) in zip(usual, spans, strict=True)
    )


def test_a_hedge_cuts_the_tail_for_little():
    """A third of the p99 for some 5 % more attempts, and not more of them when everything is slow."""
    told = played("stragglers", "none", "hedge", seconds=35, faults=faults("stragglers", (25, 10)))
    none, hedge = told["none"], told["hedge"]

    assert hedge.health.p99 < none.health.p99 / 2.5
    assert 1.01 < hedge.health.amplification < 1.07
    assert 1 < hedge.fault.amplification < 1.1
    assert hedge.success > 0.995


@pytest.mark.parametrize("clients, served", [(1, 0.9), (8, 0.75)])
def test_slowness_with_room_for_all_is_not_taken_for_overload(clients, served):
    """One call in forty times out when everything is 20 times slower: no reason to refuse the others."""
    usual = files.scenario("stragglers")
    told = played(
        "stragglers",
        "standard",
        seconds=45,
        faults=faults("stragglers", (25, 20)),
        clients=replace(usual.clients, count=clients, attempt_timeout=1.0),
    )

    assert told["standard"].fault.success > served


def by_class():
    return standard("by class", attempt_timeout=1.0, key=lambda request: request.priority)


def test_critical_users_are_served_while_others_are_refused():
    """Unless a client's breaker refuses them, which counts the refusals of the others."""
    told = played(
        "criticality",
        *("none", "retry+breaker", "standard", Policy.of(by_class)),
        seconds=16,
        faults=faults("criticality", (4, 10)),
    )
    none = told["none"].fault

    assert none.critical > 0.999
    assert none.success < 0.4
    assert none.goodput > 140
    assert none.wasted == 0  # refused at once
    assert told["retry+breaker"].fault.critical < 0.5 < told["standard"].fault.critical < 0.97
    assert told["by_class"].fault.critical > 0.995


def in_turn():
    return Pipeline("row", Bulkhead(1, queue=100))


def for_ever():
    return Pipeline("row", Retry(None, backoff=backoff.exponential(base=0.01, cap=2.0)))


def test_of_those_who_update_a_row_at_once_one_gets_through():
    """One at a time, all of them do."""
    told = played(
        "contention", "none", "retry", "standard", Policy.of(in_turn), Policy.of(for_ever)
    )
    conflicts = {name: one.errors.get("Conflict", 0) for name, one in told.items()}

    assert (told["none"].success, conflicts["none"]) == (0.01, 99)
    assert told["none"].wasted == pytest.approx(0.04, abs=0.005)
    assert conflicts["retry"] > 70
    assert told["standard"].success < 0.05
    assert told["for_ever"].success == 1
    assert 6 < told["for_ever"].amplification < 10
    assert (told["in_turn"].success, told["in_turn"].amplification) == (1, 1)
    assert told["in_turn"].p99 == pytest.approx(4, rel=0.05)


def test_an_adaptive_timeout_tells_soon_that_nothing_comes():
    """In a fifth of the fixed limit, and it gives up on few answers that would have come."""
    told = played(
        "grey-failure",
        *("none", "timeout", "adaptive-timeout", "standard"),
        seconds=60,
        faults=faults("grey-failure", (15, 10), (25, 10), (45, 15)),
    )
    timeout, adaptive = told["timeout"], told["adaptive-timeout"]

    assert timeout.wasted == pytest.approx(1.0, abs=0.001)
    assert adaptive.wasted < 0.3
    assert adaptive.health.success > 0.995
    assert adaptive.fault.success > timeout.fault.success - 0.01
    assert told["standard"].wasted < adaptive.wasted
    assert told["none"].wasted is None  # nobody is ever told
