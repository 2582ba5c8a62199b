"""A breaker in shadow mode: it decides, counts and tells as ever, and lets every call pass."""

import pytest

from holdfast import CircuitBreaker, CircuitOpenError, ConfigurationError
from holdfast import events as told
from holdfast.strategies.breaker.circuit_breaker import EARLIER

DOWN = ConnectionError("down")


def made(**options):
    usual = {"failures": 1, "open_for": 5.0, "open_jitter": 0.0, "probes": 1, "shadow": True}
    return CircuitBreaker(**(usual | options))


def enter(breaker, now=0.0):
    return breaker.enter(now, (), {})


def fail(breaker, now=0.0):
    breaker.failed(enter(breaker, now), now, DOWN)


def test_open_it_lets_calls_pass_and_tells(clock, heard):
    """As a rejection that was not enforced, complete with its error."""
    breaker = made(name="payments")
    fail(breaker)
    heard.clear()

    assert enter(breaker, 1.0) == EARLIER

    (event,) = heard
    assert (type(event), event.enforced, event.detected) == (told.CallRejected, False, True)
    assert (event.error.state, event.error.retry_after) == ("open", 4.0)
    assert (breaker.detected, breaker.enforced) == (1, 0)


@pytest.mark.parametrize("control", ["trip", "isolate"])
def test_by_hand_it_holds_nobody_up_either(clock, control):
    """Shadow is shadow."""
    breaker = made()
    getattr(breaker, control)()

    assert enter(breaker, 1.0) == EARLIER


@pytest.mark.parametrize("how", ["succeeded", "failed", "abandoned"])
def test_what_becomes_of_such_a_call_changes_nothing(clock, how):
    """It would not have been made."""
    breaker = made(failure_rate=0.5, slow=1.0, slow_rate=0.5)
    fail(breaker)
    permit = enter(breaker, 1.0)
    clock.now = 2.0
    before = breaker.snapshot()

    getattr(breaker, how)(permit, 2.0, *{"succeeded": [None], "failed": [DOWN]}.get(how, []))

    assert breaker.snapshot() == before


def test_half_open_its_probes_count(clock):
    """So many calls are probes and decide; the others pass beside them."""
    breaker = made(probes=2)
    fail(breaker)
    clock.now = 5.0
    permits = [enter(breaker, 5.0) for _ in range(5)]
    assert permits[2:] == [EARLIER] * 3

    for permit in permits[:2]:
        breaker.succeeded(permit, 5.0, None)

    assert breaker.state == "closed"
    assert breaker.detected == 3


def test_a_probe_that_fails_opens_it_for_longer(clock):
    """The story goes on as it would without shadow."""
    breaker = made()
    fail(breaker)
    fail(breaker, 5.0)

    clock.now = 5.0
    assert breaker.snapshot()["retry_after"] == 10.0


def test_the_ramp_lets_everybody_pass(clock):
    """Those it would have refused are counted."""
    breaker = made(ramp=10.0)
    fail(breaker)
    breaker.succeeded(enter(breaker, 5.0), 5.0, None)

    assert [enter(breaker, 5.0) for _ in range(3)] == [EARLIER] * 3
    assert breaker.detected == 3


def test_a_health_check_is_asked_and_the_call_passes(clock):
    """The call would have been rejected, so it is let pass; the check decides."""
    asked = []
    breaker = made(probe=lambda: None)
    fail(breaker)
    clock.now = 5.0

    class Here:
        pipeline = "p"

        def background(self, fn, done):
            asked.append(fn)
            done(None)

        def refuse(self, error, now, *, enforced=True):
            return error

    assert breaker.enter(5.0, (), {}, Here()) == EARLIER
    assert len(asked) == 1
    assert breaker.state == "closed"


def test_it_can_be_switched_while_it_runs(clock):
    """From one call to the next; the state of the breaker is the same."""
    breaker = made()
    fail(breaker)
    assert enter(breaker, 1.0) == EARLIER

    breaker.shadow = False
    with pytest.raises(CircuitOpenError):
        enter(breaker, 1.0)
    breaker.shadow = True
    assert enter(breaker, 1.0) == EARLIER

    assert (breaker.detected, breaker.enforced) == (3, 1)
    report = breaker.snapshot()
    assert (report["shadow"], report["detected"], report["enforced"]) == (True, 3, 1)


def test_shadow_is_a_switch():
    """Nothing but True or False."""
    with pytest.raises(ConfigurationError, match="shadow="):
        CircuitBreaker(shadow=1)
