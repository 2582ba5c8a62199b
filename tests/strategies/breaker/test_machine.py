"""The machine of a breaker alone: instants, outcomes and refusals in, permits and tellings out."""

from random import Random

import pytest

from holdfast.strategies.breaker.machine import CLOSED, DISABLED, HALF_OPEN, ISOLATED, OPEN, Machine
from holdfast.strategies.breaker.probe import Probe
from holdfast.strategies.breaker.recovery import Recovery
from holdfast.strategies.breaker.trip import new_trip

DOWN = ConnectionError("down")


def machine(*, checked=False, open_calls=0, probes=2, ramp=None, window=None):
    """Return a machine that opens at the first failure, for 5 s."""
    rate = None if window is None else 0.5
    trip = new_trip(1, rate, window, None, 2, None, slow_rate=None)
    recovery = Recovery(
        open_for=5.0, open_growth=2.0, open_cap=60.0, open_jitter=0.0, open_calls=open_calls,
        probes=probes, probe_timeout=None, ramp=ramp, rng=Random(0),
    )  # fmt: skip
    return Machine(trip, recovery, None, judges=False, checked=checked)


def opened(**options):
    made = machine(**options)
    made.settle(made.epoch, 0.0, DOWN, 0, failed=True)
    return made


def names(tellings):
    return [name for name, _ in tellings]


def test_a_failure_opens_it_and_tells_why():
    """What there is to tell comes back: nobody is called."""
    made = machine()
    assert made.resting == made.epoch
    tellings = made.settle(made.epoch, 1.0, DOWN, 0, failed=True)
    assert tellings == [("BreakerOpened", {"reason": "a failure", "open_for": 5.0, "error": DOWN})]
    assert (made.state, made.reopen_at, made.resting) == (OPEN, 6.0, None)


def test_an_outcome_of_an_earlier_epoch_changes_nothing():
    """A slow call from before it opened is stale."""
    made = machine()
    before = made.epoch
    made.settle(before, 0.0, DOWN, 0, failed=True)
    assert made.settle(before, 1.0, None, 0, failed=False) == []
    assert made.state == OPEN


def test_half_open_it_gives_out_so_many_probes():
    """Two are in flight, the third caller gets nothing; their successes close it."""
    made = opened(probes=2)
    assert made.enter(4.9, 1) == (None, [])
    first, tellings = made.enter(5.0, 1)
    second, _ = made.enter(5.0, 1)
    assert (type(first), names(tellings)) == (Probe, ["BreakerHalfOpened"])
    assert made.enter(5.0, 1) == (None, [])
    assert made.settle(first, 5.1, None, 1, failed=False) == []
    assert names(made.settle(second, 5.1, None, 1, failed=False)) == ["BreakerClosed"]
    assert made.state == CLOSED


def test_a_probe_that_is_abandoned_gives_its_place_back():
    """Its outcome is no verdict, so another call is the trial."""
    made = opened(probes=1)
    probe, _ = made.enter(5.0, 1)
    made.abandon(probe)
    other, _ = made.enter(5.0, 1)
    assert type(other) is Probe


def test_a_lease_that_has_run_out_is_told():
    """A hung probe gives its place back after its lease, here the cap of the open time."""
    made = opened(probes=1)
    made.enter(5.0, 1)
    assert made.enter(64.9, 1) == (None, [])
    probe, tellings = made.enter(65.0, 1)
    assert type(probe) is Probe
    assert names(tellings) == ["ProbeExpired"]


def test_the_refusals_decide_when_a_dependency_that_never_answered_is_tried():
    """``open_calls`` counts what its owner has refused since it opened."""
    made = opened(open_calls=3)
    assert made.enter(5.0, 2) == (None, [])
    assert made.seen(5.0, 2) == OPEN
    assert made.seen(5.0, 3) == HALF_OPEN
    assert type(made.enter(5.0, 3)[0]) is Probe


@pytest.mark.parametrize("order", [ISOLATED, DISABLED])
def test_what_a_person_has_ordered_holds_until_reset(order):
    """Also over a start afresh, as in a forked child."""
    made = machine()
    made.override(order)
    made.start()
    assert made.seen(0.0, 0) == order
    made.reset()
    assert made.seen(0.0, 0) == CLOSED


def test_each_change_of_state_is_a_new_epoch_but_for_the_end_of_a_ramp():
    """The same calls count before and after it."""
    made = opened(probes=1, ramp=10.0)
    epochs = [made.epoch]
    probe, _ = made.enter(5.0, 1)
    epochs.append(made.epoch)
    assert names(made.settle(probe, 5.0, None, 1, failed=False)) == ["BreakerRamping"]
    epochs.append(made.epoch)
    _, tellings = made.enter(15.0, 1)
    epochs.append(made.epoch)
    assert names(tellings) == ["BreakerClosed"]
    first = epochs[0]
    assert epochs == [first, first + 1, first + 2, first + 2]


def test_with_a_window_a_success_is_noted_and_counted_later():
    """Until `quick_until` a success changes nothing but a count."""
    made = machine(window=10.0)
    assert (made.quick_until > 1.1, made.resting) == (True, None)
    made.good += [1.0, 1.1]
    assert made.snapshot(1.2, 0)["calls"] == 2
