"""Bad configuration fails where it is written: every option of every constructor."""

import datetime as dt
import decimal
import math
import sys

import pytest

from holdfast import (
    Bulkhead,
    Chaos,
    CircuitBreaker,
    ConfigurationError,
    Fallback,
    LoadShedder,
    Pipeline,
    Retry,
    RetryBudget,
    Timeout,
    backoff,
    concurrency,
    on_result,
    stop,
)
from holdfast.testing import Fail, Ok, VirtualClock

NO_NUMBERS = [True, False, "5", b"5", [5], {}, 5j, object(), decimal.Decimal(5)]
NOT_FINITE = [math.nan, math.inf, -math.inf]
DURATION = "a finite duration in seconds, greater than 0"
DURATION_OR_ZERO = "a finite duration in seconds, of at least 0"
BAD_DURATIONS = [-1, -0.001, -(10**400), 10**400, *NOT_FINITE]

# What is wrong for each kind of option, with what the message must say; None is right for some.
KINDS = {
    "duration": (DURATION, [0, 0.0, None, dt.timedelta(0), dt.timedelta(-1), *BAD_DURATIONS]),
    "duration or zero": (DURATION_OR_ZERO, [None, *BAD_DURATIONS]),
    "optional duration": (DURATION, [0, 0.0, *BAD_DURATIONS]),
    "count": ("a whole number of at least 1", [0, -1, 1.0, 2.5, None, *NOT_FINITE]),
    "optional count or zero": ("a whole number of at least 0", [-1, 1.0, *NOT_FINITE]),
    "optional count": ("a whole number of at least 1", [0, -1, 1.0, 2.5, *NOT_FINITE]),
    "share": ("a number greater than 0 and at most 1", [0, 0.0, -0.1, 1.001, 2, None, *NOT_FINITE]),
    "optional share": ("a number greater than 0 and at most 1", [0, 0.0, -0.1, 1.001, *NOT_FINITE]),
    "share or zero": ("a number of at least 0 and at most 1", [-0.1, 1.001, None, *NOT_FINITE]),
    "at least 0": ("a number of at least 0", [-0.1, None, 10**400, *NOT_FINITE]),
    "at least 1": ("a number of at least 1", [0, 0.999, -1, None, 10**400, *NOT_FINITE]),
}

OPTIONS = [
    (Timeout, "seconds", "duration", {}),
    (Bulkhead, "size", "count", {}),
    (Bulkhead, "queue", "optional count or zero", {"size": 1}),
    (Bulkhead, "max_wait", "optional duration", {"size": 1}),
    (CircuitBreaker, "failures", "optional count", {"failure_rate": 0.5}),
    (CircuitBreaker, "failure_rate", "optional share", {}),
    (CircuitBreaker, "min_calls", "count", {}),
    (CircuitBreaker, "slow", "optional duration", {"slow_rate": 0.5}),
    (CircuitBreaker, "slow_rate", "optional share", {"slow": 1.0}),
    (CircuitBreaker, "open_for", "duration", {}),
    (CircuitBreaker, "open_growth", "at least 1", {}),
    (CircuitBreaker, "open_cap", "optional duration", {}),
    (CircuitBreaker, "open_jitter", "share or zero", {}),
    (CircuitBreaker, "probes", "count", {}),
    (CircuitBreaker, "probe_timeout", "optional duration", {}),
    (Retry, "attempts", "optional count", {}),
    (Retry, "max_elapsed", "optional duration", {}),
    (RetryBudget, "ratio", "share", {}),
    (RetryBudget, "capacity", "at least 1", {}),
    (Fallback.stale, "ttl", "duration", {}),
    (Fallback.stale, "max_keys", "count", {"ttl": 60.0}),
    (backoff.exponential, "base", "duration or zero", {}),
    (backoff.exponential, "factor", "at least 1", {}),
    (backoff.exponential, "cap", "duration or zero", {}),
    (backoff.exponential, "amplitude", "at least 0", {}),
    (backoff.constant, "seconds", "duration or zero", {}),
    (backoff.constant, "amplitude", "at least 0", {}),
    (backoff.linear, "base", "duration or zero", {}),
    (backoff.linear, "step", "duration or zero", {}),
    (backoff.linear, "cap", "duration or zero", {}),
    (backoff.linear, "amplitude", "at least 0", {}),
    (backoff.fibonacci, "base", "duration or zero", {}),
    (backoff.fibonacci, "cap", "duration or zero", {}),
    (backoff.fibonacci, "amplitude", "at least 0", {}),
]


def cases():
    for build, option, kind, others in OPTIONS:
        allowed, wrong = KINDS[kind]
        for value in (*wrong, *NO_NUMBERS):
            text = f"{value!r}"[:12]
            yield pytest.param(build, option, value, allowed, others,
                               id=f"{build.__name__}-{option}-{text}")  # fmt: skip


@pytest.mark.parametrize("build, option, value, allowed, others", [*cases()])
def test_a_wrong_value_is_refused_where_it_is_written(build, option, value, allowed, others):
    """The message names the option, the value and what is allowed."""
    with pytest.raises(ConfigurationError) as caught:
        build(**others, **{option: value})

    message = str(caught.value)
    assert message.startswith(f"{option}={value!r} is not allowed: it must be ")
    assert allowed in message or (
        "duration" in allowed and "a duration in seconds (int or float), or a timedelta" in message
    )


RIGHT = {
    "duration": [5, 0.001, 1e9, sys.float_info.max, dt.timedelta(seconds=5)],
    "duration or zero": [5, 0.001, 30.0, dt.timedelta(0)],
    "optional duration": [None, 5, 0.001, 1e9],
    "count": [20, 10**9],
    "optional count or zero": [None, 0, 1, 10**9],
    "optional count": [None, 1, 10**9],
    "share": [1, 1.0, 0.001],
    "optional share": [None, 1, 1.0, 0.001],
    "share or zero": [0, 0.0, 1, 0.5],
    "at least 0": [0, 0.5, 1e9],
    "at least 1": [1, 1.0, 1e9],
}


@pytest.mark.parametrize(
    "build, option, value, others",
    [
        pytest.param(build, option, value, others, id=f"{build.__name__}-{option}-{value!r}")
        for build, option, kind, others in OPTIONS
        for value in RIGHT[kind]
        if not (value is None and option.startswith("slow"))
        and not (option == "size" and value > 1_000)  # permits are objects
    ],
)
def test_a_right_value_is_accepted(build, option, value, others):
    """Ints as well as floats, the ends of the range, and None where it has a meaning."""
    more = {"open_cap": {"open_for": 0.001}, "open_for": {"open_cap": sys.float_info.max}}
    if option == "cap" and build is backoff.exponential:
        others = {"base": 0.0}

    build(**others, **more.get(option, {}), **{option: value})


HALF = dt.timedelta(seconds=0.5)


@pytest.mark.parametrize(
    "made, option",
    [
        (LoadShedder(2, interval=HALF, target=HALF, expected=HALF), "interval"),
        (concurrency.aimd(slow=HALF), "slow"),
        (Ok("tea", takes=HALF), "takes"),
        (Fail(OSError, takes=HALF), "takes"),
    ],
    ids=lambda made: getattr(made, "__name__", type(made).__name__),
)
def test_a_timedelta_is_a_duration_like_any_other(made, option):
    """Wherever a duration is asked for, in the test kit, too; it is kept in seconds."""
    assert getattr(made, option) == 0.5


def test_a_timedelta_is_a_duration_in_what_is_called_too():
    """Windows of faults, clocks, and the time until everything stops."""
    with VirtualClock() as clock:
        began = clock.now()
        clock.advance(HALF)
        assert clock.now() - began == 0.5
        with stop(HALF) as stopping:
            assert stopping.until == clock.now() + 0.5
        chaos = Chaos(1.0, result="chaos", between=(HALF, dt.timedelta(seconds=1)), enabled=True)
        call = Pipeline("p", chaos)(lambda: "tea")
        answers = []
        for _ in range(3):
            answers.append(call())
            clock.advance(0.5)
    assert answers == ["tea", "chaos", "tea"]


@pytest.mark.parametrize("value", [0, -1, 0.0, -1.0, math.nan, math.inf, True, "10"])
def test_a_window_is_a_duration(value):
    """Whether a rate needs it or not."""
    for rate in (None, 0.5):
        with pytest.raises(ConfigurationError, match="window="):
            CircuitBreaker(window=value, failure_rate=rate, min_calls=1)


@pytest.mark.parametrize(
    "build, told",
    [
        (
            lambda: CircuitBreaker(open_for=120.0, open_cap=60.0),
            "open_cap=60.0 .* at least open_for=120.0",
        ),
        (lambda: backoff.exponential(60.0), "cap=30.0 .* at least base=60.0, and is 30 s where"),
        (lambda: Fallback(ValueError), "instead=.*ValueError.* returned, not raised"),
        (lambda: CircuitBreaker(open_cap=1.0), "open_cap=1.0 .* at least open_for=5.0"),
        (lambda: CircuitBreaker(failures=None), "without a condition"),
        (lambda: CircuitBreaker(slow=1.0), "need each other"),
        (
            lambda: CircuitBreaker(failure_rate=0.5, window_calls=10),
            "min_calls=20 .* window of 10 calls",
        ),
        (
            lambda: CircuitBreaker(window=60, window_calls=100),
            "window=60 .*seconds.* window_calls=100",
        ),
        (lambda: CircuitBreaker(window_calls=10.0), "window_calls=10.0"),
        (lambda: CircuitBreaker(rng=7), "rng=7"),
        (lambda: CircuitBreaker(ignore=7), "ignore=7"),
        (lambda: CircuitBreaker(on=7), "on=7"),
        (lambda: Retry(on=7), "on=7"),
        (lambda: Retry(nested="both"), "nested='both' .* one of 'allow', 'inner', 'outer'"),
        (lambda: Retry(nested=None), "nested=None"),
        (lambda: Retry(backoff=1.0), "backoff=1.0"),
        (lambda: Retry(backoff=backoff.exponential), "call it"),
        (lambda: Retry(before_sleep=7), "before_sleep=7"),
        (lambda: Retry(budget=0.1), "budget=0.1 .* a RetryBudget or None"),
        (lambda: Timeout(1.0, sync="signal"), "sync='signal'"),
        (lambda: backoff.exponential(5.0, cap=1.0), "cap=1.0 .* at least base=5.0"),
        (lambda: backoff.exponential(jitter="half"), "jitter='half' .* 'full', 'equal'"),
        (lambda: backoff.exponential(jitter=0.1), "jitter=0.1"),
        (lambda: backoff.constant(jitter="decorrelated"), "jitter='decorrelated'"),
        (lambda: backoff.linear(jitter="smooth"), "jitter='smooth'"),
        (lambda: backoff.fibonacci(jitter=True), "jitter=True"),
        (lambda: Fallback("later", on=7), "on=7"),
        (lambda: Fallback.stale(60.0, key=7), "key=7"),
    ],
)
def test_options_that_cannot_work_are_refused(build, told):
    """Also those that contradict each other."""
    with pytest.raises(ConfigurationError, match=told):
        build()


def test_a_breaker_ignores_exceptions_only():
    """`ignore=on_result(...)` would have no effect."""
    with pytest.raises(ConfigurationError, match=r"ignore=.* exceptions only"):
        CircuitBreaker(ignore=on_result(bool))


@pytest.mark.parametrize(
    "build",
    [
        lambda: Timeout(5.0, "cooperative"),
        lambda: Bulkhead(10, 5),
        lambda: CircuitBreaker(5),
        lambda: Retry(5, Exception),
        lambda: Fallback("later", Exception),
    ],
)
def test_options_are_named(build):
    """Only the first one, where its meaning is plain, may be given without its name."""
    with pytest.raises(TypeError):
        build()
