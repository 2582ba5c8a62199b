"""Defects that resilience libraries are known for, and that must not be ours.

Each has been seen in a released library: a breaker that is closed by a call from before it opened, one
that waits for a hung probe for ever, one that counts a cancellation as a success, one that re-raises a
single exception object until the process runs out of memory, and so on.
"""

import gc
import itertools
import timeit
import tracemalloc

import pytest

from holdfast import (
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    Retry,
    Timeout,
)
from holdfast.shapes import Again, History
from holdfast.strategies.breaker.window import CountWindow, TimeWindow

DOWN = ConnectionError("down")


def made(**options):
    usual = {"failures": 5, "open_for": 5.0, "open_jitter": 0.0, "probes": 1}
    return CircuitBreaker(**(usual | options))


def enter(gate, now=0.0):
    return gate.enter(now, (), {})


def fail(breaker, now=0.0, error=DOWN):
    breaker.failed(enter(breaker, now), now, error)


def opened(**options):
    breaker = made(failures=1, **options)
    fail(breaker)
    return breaker


def test_a_success_from_before_it_opened_does_not_close_it(clock):
    """Neither an open breaker nor a half-open one whose probe is still running."""
    breaker = made()
    old = [enter(breaker), enter(breaker)]
    for _ in range(5):
        fail(breaker)

    breaker.succeeded(old[0], 1.0, None)
    assert breaker.state == "open"

    clock.now = 5.0
    enter(breaker, 5.0)
    breaker.succeeded(old[1], 5.0, None)
    assert breaker.state == "half-open"


def test_a_burst_of_callers_gets_no_more_than_the_probes_through(clock):
    """Twenty callers at the moment of recovery: one gets through, nineteen are told to wait."""
    breaker = opened()
    outcomes = []
    for _ in range(20):
        try:
            outcomes.append(enter(breaker, 5.0) is not None)
        except CircuitOpenError:
            outcomes.append(False)

    assert outcomes == [True] + [False] * 19


def test_a_cancelled_probe_neither_closes_it_nor_blocks_it(clock):
    """A cancellation is no success; the next caller is the next probe."""
    breaker = opened()
    for _ in range(100):
        breaker.abandoned(enter(breaker, 5.0), 5.0)

    clock.now = 5.0
    assert breaker.state == "half-open"
    assert enter(breaker, 5.0) is not None


def test_a_hung_probe_does_not_block_it_for_ever(clock):
    """Its lease ends, and with it its place."""
    breaker = opened(probe_timeout=10.0)
    enter(breaker, 5.0)
    with pytest.raises(CircuitOpenError):
        enter(breaker, 14.0)

    assert enter(breaker, 15.0) is not None


def test_cancellations_do_not_open_it(clock):
    """Users that go away say nothing about the dependency."""
    breaker = made()
    for _ in range(1_000):
        breaker.abandoned(enter(breaker), 0.0)

    assert breaker.state == "closed"


def test_a_cancellation_between_failures_is_no_success(clock):
    """Four failures, a cancelled call, a failure: five in a row."""
    breaker = made()
    for _ in range(4):
        fail(breaker)
    breaker.abandoned(enter(breaker), 0.0)

    fail(breaker)

    assert breaker.state == "open"


def test_an_ignored_exception_between_failures_is_no_success(clock):
    """It must not reset the count."""
    breaker = made(ignore=KeyError)
    for _ in range(4):
        fail(breaker)
        fail(breaker, error=KeyError())

    fail(breaker)

    assert breaker.state == "open"


def test_four_failures_of_five_open_it(clock):
    """Without five in a row ever: that is what the failure rate is for."""
    breaker = made(failure_rate=0.5)
    passed = 0
    for number in range(800):
        try:
            permit = enter(breaker)
        except CircuitOpenError:
            continue
        passed += 1
        if number % 5:
            breaker.failed(permit, 0.0, DOWN)
        else:
            breaker.succeeded(permit, 0.0, None)

    assert breaker.state == "open"
    assert passed <= 25


def test_the_call_that_opens_it_raises_its_own_exception(clock):
    """The breaker takes note and lets it pass: `failed` has no answer."""
    breaker = made(failures=1)

    assert breaker.failed(enter(breaker), 0.0, DOWN) is None


def test_a_breaker_that_is_held_open_does_not_heal_itself(clock):
    """No time ends it."""
    breaker = made()
    breaker.isolate()
    clock.now = 1e9

    with pytest.raises(CircuitOpenError):
        enter(breaker, 1e9)


def test_an_open_breaker_is_not_worth_retrying(clock):
    """Attempts against an open circuit would only be sleeps."""
    breaker = opened()
    with pytest.raises(CircuitOpenError) as caught:
        enter(breaker, 1.0)

    assert Retry().after_error(caught.value, History("payments", 1.0)) is None


@pytest.mark.parametrize("attempts", [1, 3])
def test_so_many_attempts_are_so_many(attempts):
    """Not one more."""
    retry, history = Retry(attempts, backoff=lambda attempt: 0.0), History("payments", 0.0)
    made = 1
    while type(retry.after_error(ConnectionError(), history)) is Again:
        history.resumed(0.0, 0.0)
        made += 1

    assert made == attempts


@pytest.mark.parametrize(
    "build, option",
    [
        (lambda: CircuitBreaker(failures=0), "failures=0"),
        (lambda: CircuitBreaker(open_for=0), "open_for=0"),
        (lambda: CircuitBreaker(probes=0), "probes=0"),
        (lambda: Bulkhead(0), "size=0"),
        (lambda: Retry(0), "attempts=0"),
        (lambda: Timeout(0), "seconds=0"),
    ],
)
def test_a_zero_is_refused_and_not_replaced_in_silence(build, option):
    """A falsy option is a value, not the wish for a default."""
    with pytest.raises(ConfigurationError, match=option):
        build()


# -- rejections -------------------------------------------------------------------------------


def reject(gate):
    try:
        enter(gate, 1.0)
    except (CircuitOpenError, BulkheadFullError) as error:
        return error
    raise AssertionError("it was not rejected")


def full_bulkhead():
    bulkhead = Bulkhead(1)
    enter(bulkhead)
    return bulkhead


GATES = {"breaker": opened, "bulkhead": full_bulkhead}


@pytest.mark.parametrize("gate", GATES)
def test_each_rejection_is_an_error_of_its_own(clock, gate):
    """One shared object would collect the tracebacks of all its callers."""
    gate = GATES[gate]()

    one, other = reject(gate), reject(gate)

    assert one is not other
    assert len(list(walk(one.__traceback__))) == len(list(walk(other.__traceback__)))


def walk(traceback):
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


@pytest.mark.parametrize("gate", GATES)
def test_memory_does_not_grow_with_rejections(clock, gate):
    """Ten thousand callers are refused, and nothing of them is kept.

    What other threads of the process take meanwhile grows in some round, and not in each.
    """
    gate = GATES[gate]()

    def caller():
        request = bytearray(1_000)
        return len(request) if reject(gate) else 0

    def grown():
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10_000):
            caller()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        return after - before

    for _ in range(100):
        caller()
    gc.collect()
    tracemalloc.start()
    try:
        assert any(grown() < 20_000 for _ in range(3))
    finally:
        tracemalloc.stop()


def test_the_cause_of_a_rejection_does_not_grow_either(clock):
    """It is one copy without a traceback, whoever is refused."""
    breaker = opened()
    for _ in range(1_000):
        error = reject(breaker)

    assert error.__cause__.__traceback__ is None
    assert error.__cause__ is reject(breaker).__cause__


# -- cost -------------------------------------------------------------------------------------


def seconds_per_add(window, adds=2_000, rounds=7):
    """Return the best time of an addition to a window that is full."""
    instants = itertools.count()

    def add():
        window.add(next(instants) * 0.001, failed=True)

    timeit.timeit(add, number=adds)
    return min(timeit.repeat(add, number=adds, repeat=rounds)) / adds


@pytest.mark.real_time
@pytest.mark.parametrize(
    "small, large",
    [(CountWindow(100), CountWindow(100_000)), (TimeWindow(1.0), TimeWindow(100_000.0))],
    ids=["count", "time"],
)
def test_a_large_window_costs_no_more_than_a_small_one(small, large):
    """An outcome is counted in constant time; others take a thousand times longer."""
    for _ in range(100_000):
        large.add(0.0)
    ratios = (seconds_per_add(large) / seconds_per_add(small) for _ in range(3))

    assert any(ratio < 3 for ratio in ratios)


def test_a_window_needs_memory_for_its_length_and_not_for_its_calls():
    """A byte for each call of a count window, ten buckets for a window of time."""
    tracemalloc.start()
    try:
        windows = CountWindow(100_000), TimeWindow(3_600.0)
        for window in windows:
            for second in range(20_000):
                window.add(float(second), failed=second % 2 == 0)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert held < 150_000
    assert all(window.failures for window in windows)
