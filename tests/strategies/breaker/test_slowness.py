"""A limit for slow calls that the breaker learns."""

import pickle

import pytest

from holdfast import CircuitBreaker, ConfigurationError
from holdfast.strategies.breaker.slowness import Usual, learnt

DOWN = ConnectionError("down")


def made(rule, **options):
    usual = {
        "failures": None,
        "slow_rate": 0.5,
        "window_calls": 20,
        "min_calls": 20,
        "open_jitter": 0.0,
    }
    return CircuitBreaker(slow=rule, **(usual | options))


def call(breaker, now, took):
    permit = breaker.enter(now, (), {})
    breaker.succeeded(permit, now + took, None)


def taught(clock, rule, calls=200, took=0.1, **options):
    """Return a breaker that has seen so many calls, of 1 to 2 times ``took``, ten a second."""
    breaker = made(rule, **options)
    for number in range(calls):
        clock.now += 0.1
        call(breaker, clock.now, took * (1 + number % 100 / 100))
    return breaker


def test_a_rule_is_a_value():
    """Equal by its options, shown as it is written, and it pickles."""
    assert learnt(0.95, margin=2.0) == learnt(quantile=0.95, margin=2.0) != learnt()
    assert repr(learnt(0.95, margin=2.0)) == "learnt(0.95, margin=2.0)"
    assert pickle.loads(pickle.dumps(learnt(0.9))) == learnt(0.9)


@pytest.mark.parametrize(
    "options",
    [{"quantile": 0.4}, {"quantile": 1.1}, {"margin": 0.9}, {"window": 0}, {"min_samples": 0}],
)
def test_a_rule_out_of_range_is_refused(options):
    """The message names the option."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        learnt(**options)


def test_a_learnt_limit_needs_a_rate():
    """As a limit in seconds does."""
    with pytest.raises(ConfigurationError, match="slow_rate"):
        CircuitBreaker(slow=learnt())


def test_nothing_is_slow_before_there_are_enough_samples():
    """The limit is infinite then."""
    usual = Usual(learnt(min_samples=10))
    usual.noted.extend([0.1] * 9)
    assert usual.limit(0.0) == float("inf")

    usual.noted.append(0.1)

    assert usual.limit(0.0) == pytest.approx(0.3, rel=0.02)


def test_the_limit_is_the_quantile_times_the_margin(clock):
    """The 99th percentile of 0.1 to 0.2 s, three times."""
    breaker = taught(clock, learnt())

    assert breaker.snapshot()["slow_after"] == pytest.approx(0.6, rel=0.04)
    assert made(learnt()).snapshot()["slow_after"] is None


def test_it_opens_when_calls_take_far_longer_than_usual(clock):
    """Nobody had to know what is usual."""
    breaker = taught(clock, learnt())
    for _ in range(9):
        call(breaker, clock.now, 0.7)
    assert breaker.state == "closed"

    call(breaker, clock.now, 0.7)

    assert breaker.state == "open"
    assert breaker.snapshot()["reason"] == "10 of 20 calls were slow"


def test_a_lasting_slow_down_below_the_margin_becomes_the_usual(clock):
    """Twice as slow opens nothing, and then twice as slow again neither."""
    breaker = taught(clock, learnt(window=30.0))
    for took in (0.2, 0.4, 0.8):
        for number in range(400):
            clock.now += 0.1
            call(breaker, clock.now, took * (1 + number % 100 / 100))

    assert breaker.state == "closed"
    assert breaker.snapshot()["slow_after"] == pytest.approx(4.8, rel=0.04)


def test_failures_are_no_samples(clock):
    """A refused connection says nothing about how long an answer takes."""
    breaker = taught(clock, learnt(), failures=10_000)
    for _ in range(1_000):
        breaker.failed(breaker.enter(clock.now, (), {}), clock.now, DOWN)

    assert breaker.snapshot()["slow_after"] == pytest.approx(0.6, rel=0.04)


def test_slow_calls_are_no_samples(clock):
    """Otherwise two per cent of slow calls would make all slow calls usual before any rate is met."""
    breaker = taught(clock, learnt(), min_calls=15)
    for _ in range(500):
        call(breaker, clock.now, 0.1)
        call(breaker, clock.now, 0.1)
        call(breaker, clock.now, 60.0)

    assert breaker.state == "closed"
    assert breaker.snapshot()["slow_calls"] in (6, 7)
    assert breaker.snapshot()["slow_after"] <= 0.6


def test_a_slow_probe_fails_until_the_usual_is_forgotten(clock):
    """Where the dependency stays slow for good, that is the new usual once the window is over."""
    breaker = taught(clock, learnt(window=30.0), open_for=5.0, open_cap=5.0, probes=1)
    for _ in range(10):
        call(breaker, clock.now, 5.0)
    assert breaker.state == "open"

    states = []
    for _ in range(6):
        clock.now += 10.0
        if breaker.state != "closed":
            call(breaker, clock.now, 5.0)
        states.append(breaker.state)

    assert states[0] == "open"
    assert states[-1] == "closed"
    assert breaker.snapshot()["slow_after"] is None


def test_reset_forgets_what_was_learnt(clock):
    """As on the first day."""
    breaker = taught(clock, learnt())

    breaker.reset()

    assert breaker.snapshot()["slow_after"] is None
