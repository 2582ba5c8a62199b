"""A breaker that asks for evidence: with `confidence`, noise and chance open nothing."""

from random import Random

import pytest

from holdfast import CircuitBreaker, ConfigurationError

DOWN = ConnectionError("down")


def made(**options):
    return CircuitBreaker(**({"open_jitter": 0.0, "confidence": 0.99} | options))


def fail(breaker, now=0.0):
    breaker.failed(breaker.enter(now, (), {}), now, DOWN)


def succeed(breaker, now=0.0, took=0.0):
    breaker.succeeded(breaker.enter(now, (), {}), now + took, None)


def noisy(breaker, share, *, seconds=60.0, rate=100.0):
    """Have that share of the calls fail for a while; return the last instant."""
    rng, now = Random(1), 0.0
    while now < seconds:
        now += 1 / rate
        (fail if rng.random() < share else succeed)(breaker, now)
    succeed(breaker, now)
    return now


def failures_to_open(breaker, now):
    count = 0
    while breaker._machine.state == "closed":
        fail(breaker, now)
        count += 1
    return count


@pytest.mark.parametrize("failures", [5, 10])
def test_a_quiet_dependency_opens_it_after_failures(clock, failures):
    """The option is the least; with nothing to the contrary it is what counts."""
    assert failures_to_open(made(failures=failures), 0.0) == failures


@pytest.mark.parametrize("share, least, most", [(0.02, 5, 6), (0.1, 7, 9), (0.3, 14, 17)])
def test_a_noisy_dependency_asks_for_a_longer_run(clock, share, least, most):
    """Of which as many calls fail as always; still far below a second after a hard stop."""
    breaker = made()
    now = noisy(breaker, share)
    assert breaker.state == "closed"

    assert least <= breaker.snapshot()["failures_needed"] <= most
    assert least <= failures_to_open(breaker, now) <= most


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.3])
def test_an_outage_need_not_be_complete(clock, noise):
    """One in which nine calls in ten fail is found within a second, at 100 calls a second."""
    breaker = made()
    began = now = noisy(breaker, noise)
    rng = Random(2)
    while breaker._machine.state == "closed":
        now += 0.01
        (fail if rng.random() < 0.9 else succeed)(breaker, now)

    assert now - began <= 1.0


def test_what_it_has_learnt_outlives_an_opening_but_not_a_reset(clock):
    """The dependency is the same after an outage; who resets means a fresh start."""
    breaker = made(probes=1)
    now = noisy(breaker, 0.3)
    needed = breaker.snapshot()["failures_needed"]
    failures_to_open(breaker, now)
    clock.now = now = now + 5.0
    succeed(breaker, now)

    assert breaker.snapshot()["failures_needed"] == needed
    breaker.reset()
    assert breaker.snapshot()["failures_needed"] == 5


def test_a_noisy_dependency_rests_between_failures(clock):
    """To learn how noisy it is takes no look at the calls that succeed."""
    breaker = made()
    noisy(breaker, 0.1, seconds=1.0)

    assert breaker.resting is not None


@pytest.mark.parametrize("calls, needed", [(10, 9), (20, 16), (100, 62)])
def test_a_rate_must_be_exceeded_for_sure(clock, calls, needed):
    """Nine of ten, but 62 of a hundred, are surely more than a half (Wilson, 99 %)."""
    breaker = made(failures=None, failure_rate=0.5, window_calls=calls, min_calls=calls)
    for _ in range(calls - needed + 1):
        succeed(breaker)
    for _ in range(needed - 1):
        fail(breaker)
    assert breaker.state == "closed"

    fail(breaker)

    assert breaker.state == "open"


def test_few_calls_that_all_fail_are_enough(clock):
    """With a bound `min_calls` need not be large: the sixth failure of six is evidence."""
    breaker = made(failures=None, failure_rate=0.5, window=60.0, min_calls=1)

    assert failures_to_open(breaker, 0.0) == 6


def test_a_rate_of_slow_calls_must_be_exceeded_for_sure(clock):
    """The same bound."""
    breaker = made(failures=None, slow=1.0, slow_rate=0.5, window=60.0, min_calls=1)
    for number in range(6):
        assert breaker.state == "closed", number
        succeed(breaker, took=2.0)

    assert breaker.state == "open"


@pytest.mark.parametrize("confidence", [0, 1, 1.0, 1.5, -0.1, "0.99", True])
def test_confidence_is_a_share_below_one(confidence):
    """Nothing is certain."""
    with pytest.raises(ConfigurationError, match="confidence="):
        CircuitBreaker(confidence=confidence)


@pytest.mark.parametrize(
    "options",
    [
        {"failure_rate": 1.0},
        {"failure_rate": 0.9, "window_calls": 20},
        {"slow": 1.0, "slow_rate": 0.9, "window_calls": 20},
    ],
)
def test_a_rate_that_can_never_be_shown_is_refused(options):
    """Twenty calls that all fail show 79 % at the most, with that confidence."""
    with pytest.raises(ConfigurationError, match=r"_rate=.* never show more than that"):
        made(**options)


def test_an_outage_between_two_runs_of_noise_counts_once(clock):
    """Failures while it is disabled are counted, and a success ends the run as ever."""
    breaker = made()
    breaker.disable()
    for _ in range(1_000):
        fail(breaker)
    succeed(breaker)

    assert breaker.snapshot()["failures_in_a_row"] == 0
    assert breaker.snapshot()["failures_needed"] <= 25
