"""How a breaker comes back: along a ramp, and by asking a health check."""

import math
from random import Random

import pytest

from holdfast import CircuitBreaker, CircuitOpenError, ConfigurationError
from holdfast import events as told
from holdfast.deadline import Ambient, ambient, restore
from holdfast.shapes import Site
from holdfast.strategies.breaker.recovery import opening

DOWN = ConnectionError("down")


def made(**options):
    """Return a breaker without jitter that opens at the first failure and closes on one probe."""
    usual = {"failures": 1, "open_for": 5.0, "open_jitter": 0.0, "probes": 1, "rng": Random(0)}
    return CircuitBreaker(**(usual | options))


def fail(breaker, now):
    breaker.failed(breaker.enter(now, (), {}), now, DOWN)


def succeed(breaker, now):
    breaker.succeeded(breaker.enter(now, (), {}), now, None)


def rejection(breaker, now, site=None):
    with pytest.raises(CircuitOpenError) as caught:
        breaker.enter(now, (), {}, *(() if site is None else (site,)))
    return caught.value


def admitted(breaker, now, calls=1_000):
    """Return how many of so many calls pass; they are still under way then."""
    passed = 0
    for _ in range(calls):
        try:
            breaker.enter(now, (), {})
        except CircuitOpenError:
            continue
        passed += 1
    return passed


# -- how long it stays open ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "failed_trials, seconds", [(0, 5.0), (1, 10.0), (2, 20.0), (3, 40.0), (4, 60.0), (10_000, 60.0)]
)
def test_the_open_time_grows_with_each_failed_trial_up_to_its_cap(failed_trials, seconds):
    """It doubles from 5 s and never exceeds 60 s, also after ten thousand failed trials."""
    assert opening(5.0, 2.0, 60.0, failed_trials) == seconds


def test_without_growth_the_open_time_stays():
    """A growth of 1 leaves it as it is."""
    assert opening(5.0, 1.0, 60.0, 1_000) == 5.0


# -- the ramp ---------------------------------------------------------------------------------


def ramping(**options):
    """Return a breaker whose ramp of 10 s begins at the instant 5."""
    breaker = made(**({"ramp": 10.0} | options))
    fail(breaker, 0.0)
    succeed(breaker, 5.0)
    return breaker


def test_without_a_ramp_everybody_passes_at_once(clock):
    """It is off by default."""
    breaker = made()
    fail(breaker, 0.0)
    succeed(breaker, 5.0)

    assert admitted(breaker, 5.0) == 1_000


@pytest.mark.parametrize(
    "after, share", [(0.0, 0.0), (1.0, 0.1), (2.5, 0.25), (5.0, 0.5), (9.0, 0.9)]
)
def test_a_growing_share_of_the_calls_passes(clock, after, share):
    """None at first, half of them half-way, drawn at random."""
    assert admitted(ramping(), 5.0 + after) / 1_000 == pytest.approx(share, abs=0.04)


def test_at_the_end_of_the_ramp_it_is_closed(clock):
    """Everybody passes, and it rests again."""
    breaker = ramping()
    clock.now = 14.9
    assert breaker.state == "ramping"

    clock.now = 15.0
    assert breaker.state == "closed"
    assert admitted(breaker, 15.0) == 1_000
    assert breaker.resting is not None


def test_a_call_that_the_ramp_refuses_is_told_when_all_pass(clock):
    """State, seconds, and words that do not speak of probes."""
    error = rejection(ramping(name="payments"), 5.0)

    assert (error.state, error.retry_after) == ("ramping", 10.0)
    assert error.__cause__ is None
    assert str(error) == "circuit breaker 'payments' is ramping; all calls pass in 10 s"


def test_the_end_of_the_ramp_is_told(clock, heard):
    """Half-open, ramping, closed; the last one with the first call after the ramp."""
    breaker = ramping()
    breaker.enter(20.0, (), {})

    assert [type(event).__name__ for event in heard] == [
        "BreakerOpened", "BreakerHalfOpened", "BreakerRamping", "BreakerClosed",
    ]  # fmt: skip
    assert (heard[2].ramp, heard[2].at) == (10.0, 5.0)
    assert (heard[3].reason, heard[3].at) == ("ramped up in 10 s", 20.0)


def test_while_ramping_the_usual_conditions_count(clock):
    """A single failure opens nothing that it would not open otherwise."""
    breaker = made(ramp=10.0, failures=2)
    fail(breaker, 0.0)
    fail(breaker, 0.0)
    succeed(breaker, 5.0)

    fail(breaker, 14.999)
    clock.now = 14.999
    assert breaker.state == "ramping"

    fail(breaker, 14.9999)
    assert breaker.state == "open"


def test_opening_while_ramping_is_a_trial_that_failed(clock):
    """The open time grows, until a ramp has reached its end."""
    breaker = ramping()
    breaker.failed(breaker.enter(14.999, (), {}), 20.0, DOWN)
    assert rejection(breaker, 20.0).retry_after == 10.0

    succeed(breaker, 30.0)
    succeed(breaker, 40.0)
    fail(breaker, 50.0)
    assert rejection(breaker, 50.0).retry_after == 5.0


def test_a_call_of_the_ramp_counts_after_its_end_too(clock):
    """The end of a ramp changes no epoch: what was admitted is still under way."""
    breaker = ramping()
    permit = breaker.enter(14.999, (), {})
    breaker.enter(15.0, (), {})

    breaker.failed(permit, 16.0, DOWN)

    clock.now = 16.0
    assert breaker.state == "open"


@pytest.mark.parametrize(
    "lever, state", [("trip", "open"), ("isolate", "isolated"), ("reset", "closed")]
)
def test_levers_end_a_ramp(clock, lever, state):
    """As they end any other state."""
    breaker = ramping()

    getattr(breaker, lever)()

    assert breaker.state == state


def test_the_ramp_shows(clock):
    """In the snapshot and in the repr."""
    breaker = ramping(name="payments")
    clock.now = 8.0

    report = breaker.snapshot()
    assert (report["state"], report["retry_after"], report["reason"]) == ("ramping", 7.0, "")
    assert repr(breaker) == "<CircuitBreaker 'payments' ramping, 7 s left>"


@pytest.mark.parametrize("ramp", [0, -1.0, "15", math.inf])
def test_a_ramp_is_a_duration(ramp):
    """Greater than zero, and finite."""
    with pytest.raises(ConfigurationError, match="ramp="):
        CircuitBreaker(ramp=ramp)


# -- the health check -------------------------------------------------------------------------


class Background:
    """Errands that wait until the test says how they end."""

    def __init__(self):
        self.begun = []
        self.deadlines = []

    def __call__(self, fn, done):
        self.begun.append((fn, done))
        self.deadlines.append(ambient.get()[0])

    def end(self, error=None):
        self.begun.pop(0)[1](error)


@pytest.fixture
def background():
    return Background()


def checked(background, clock, **options):
    """Return a breaker whose health check is under way at the instant 5, and its site."""
    breaker = made(**({"probe": check, "probes": 2} | options))
    site = Site("payments", background=background)
    fail(breaker, 0.0)
    clock.now = 5.0
    assert rejection(breaker, 5.0, site).state == "half-open"
    return breaker, site


def check():
    """Ask nobody."""


def test_a_call_after_the_open_time_starts_the_check_and_is_rejected(clock, background):
    """No user's call is spent, and one check at a time is enough."""
    breaker, site = checked(background, clock)
    for _ in range(100):
        rejection(breaker, 5.0, site)

    assert [fn for fn, _ in background.begun] == [check]
    assert breaker.snapshot()["probes_in_flight"] == 1


def test_before_the_open_time_nothing_is_asked(clock, background):
    """An open breaker leaves the dependency alone."""
    breaker = made(probe=check)
    fail(breaker, 0.0)

    rejection(breaker, 4.9, Site("payments", background=background))

    assert background.begun == []


def test_checks_follow_one_another_until_there_are_enough(clock, background):
    """The second begins when the first has succeeded, and closes the breaker without any call."""
    breaker, _ = checked(background, clock)

    background.end()
    assert len(background.begun) == 1
    assert breaker.state == "half-open"
    background.end()

    assert breaker.state == "closed"
    assert background.begun == []


def test_a_check_that_fails_opens_it_for_longer(clock, background):
    """As a probe does; its error is the cause that is shown."""
    breaker, site = checked(background, clock)

    background.end(TimeoutError("no answer"))

    error = rejection(breaker, 5.0, site)
    assert error.retry_after == 10.0
    assert str(error.__cause__) == "no answer"
    assert breaker.snapshot()["reason"] == "a health check failed"
    assert background.begun == []


@pytest.mark.parametrize("options", [{"on": OSError}, {"ignore": KeyError}])
def test_whatever_a_check_raises_is_a_failure(clock, background, options):
    """`on` and `ignore` speak of the calls' outcomes."""
    breaker, _ = checked(background, clock, failures=1, **options)

    background.end(KeyError("unhealthy"))

    assert breaker.state == "open"


def test_a_check_that_was_interrupted_is_no_outcome(clock, background):
    """Its place is free; its loop may have ended, so the next call is a probe itself."""
    breaker, site = checked(background, clock)

    background.end(KeyboardInterrupt())
    assert breaker.snapshot()["probes_in_flight"] == 0
    probe = breaker.enter(5.0, (), {}, site)
    rejection(breaker, 5.0, site)
    breaker.succeeded(probe, 5.0, None)
    rejection(breaker, 5.0, site)

    assert len(background.begun) == 1


def test_a_check_that_hangs_gives_its_place_back(clock, background, heard):
    """After `probe_timeout` the next call starts another; if the first ends after all, it counts."""
    breaker, site = checked(background, clock, probe_timeout=3.0)
    clock.now = 7.9
    rejection(breaker, 7.9, site)
    assert len(background.begun) == 1

    clock.now = 8.0
    rejection(breaker, 8.0, site)

    assert len(background.begun) == 2
    assert [event.lease for event in heard if isinstance(event, told.ProbeExpired)] == [3.0]
    background.end()
    background.end()
    assert breaker.state == "closed"


def test_a_check_of_an_earlier_trial_changes_nothing(clock, background):
    """The breaker was reset meanwhile."""
    breaker, _ = checked(background, clock)
    breaker.reset()

    background.end(DOWN)

    assert breaker.state == "closed"
    assert background.begun == []


def test_a_slow_check_is_a_good_one(clock, background):
    """`slow` speaks of calls; a check has its own time, and its lease."""
    breaker, _ = checked(background, clock, probes=1, slow=0.1, slow_rate=0.5)
    clock.now = 10.0

    background.end()

    assert breaker.state == "closed"


def test_a_check_knows_nothing_of_the_callers_deadline(clock, background):
    """It is asked for everybody, not for the call that happened to come first."""
    token = ambient.set(Ambient(5.1, 0.1, "caller"))
    try:
        checked(background, clock)
        assert ambient.get()[0] == 5.1
    finally:
        restore(token)

    assert background.deadlines == [math.inf]


def test_a_check_that_cannot_be_started_opens_it_again(clock):
    """No thread is to be had: the caller gets a rejection as others do, and the cause is shown."""

    def no_thread(fn, done):
        raise RuntimeError("can't start new thread")

    breaker = made(probe=check)
    fail(breaker, 0.0)
    clock.now = 5.0

    error = rejection(breaker, 5.0, Site("payments", background=no_thread))

    assert (error.state, error.retry_after) == ("open", 10.0)
    assert str(error.__cause__) == "can't start new thread"


def test_checks_and_a_ramp_go_together(clock, background):
    """After the checks the calls come back by and by."""
    breaker, _ = checked(background, clock, probes=1, ramp=10.0)

    background.end()

    assert breaker.state == "ramping"


def test_the_reason_says_what_succeeded(clock, background, heard):
    """Health checks, not probes."""
    checked(background, clock, probes=1)
    background.end()

    assert heard[-1].reason == "a health check succeeded"


def test_a_check_must_be_callable():
    """A function without arguments."""
    with pytest.raises(ConfigurationError, match="probe="):
        CircuitBreaker(probe="http://localhost/health")


# -- who may forget it ------------------------------------------------------------------------


def test_it_is_busy_while_it_keeps_calls_away(clock):
    """Open until its time is over, ramping, or held by hand; not at rest, nor after one failure."""
    breaker = made(failures=2, ramp=10.0, open_cap=60.0)
    fail(breaker, 0.0)
    seen = [breaker.busy(0.0)]
    fail(breaker, 61.0)
    seen.append(breaker.busy(61.0))
    seen.append(breaker.busy(1e9))
    succeed(breaker, 66.0)
    seen.append(breaker.busy(66.0))
    breaker.enter(76.0, (), {})
    seen.append(breaker.busy(76.0))
    breaker.disable()
    seen.append(breaker.busy(76.0))

    assert seen == [False, True, False, True, False, True]
