"""When a breaker should open: conditions over counts, without the breaker."""

import pytest

from holdfast import ConfigurationError
from holdfast.strategies.breaker.trip import Trip, new_trip
from holdfast.strategies.breaker.window import CountWindow, TimeWindow


def by_streak(failures):
    return Trip(failures, None, None, 1, None)


def by_rate(failure_rate, *, min_calls=4, size=10):
    return Trip(None, failure_rate, None, min_calls, CountWindow(size))


def by_slowness(slow_rate, *, min_calls=4, size=10):
    return Trip(None, None, slow_rate, min_calls, CountWindow(size))


def test_so_many_failures_in_a_row_are_a_reason():
    """The third failure in a row, and no earlier one, is the reason to open."""
    trip = by_streak(3)

    assert [trip.failed(0.0) for _ in range(3)] == [None, None, "3 failures in a row"]


def test_a_success_ends_the_row():
    """Failures on both sides of a success do not add up."""
    trip = by_streak(2)

    trip.failed(0.0)
    assert trip.succeeded(0.0) is None
    assert trip.failed(0.0) is None
    assert trip.failed(0.0) == "2 failures in a row"


def test_the_row_goes_on_beyond_the_limit():
    """While nobody opens (a disabled breaker), each further failure is a reason again."""
    trip = by_streak(1)

    assert trip.failed(0.0) == "a failure"
    assert trip.failed(0.0) == "2 failures in a row"


def test_the_rate_says_nothing_before_min_calls():
    """Three failures of three are not a rate yet where four calls are asked for."""
    trip = by_rate(0.5)

    assert [trip.failed(0.0) for _ in range(4)] == [None, None, None, "4 of 4 calls failed"]


@pytest.mark.parametrize("failures, reason", [(4, None), (5, "5 of 10 calls failed")])
def test_the_rate_is_reached_exactly(failures, reason):
    """A share of one half is met by five of ten calls, not by four."""
    trip = by_rate(0.5, min_calls=10)
    for _ in range(10 - failures):
        trip.succeeded(0.0)

    for _ in range(failures - 1):
        trip.failed(0.0)

    assert trip.failed(0.0) == reason


def test_a_success_can_complete_a_rate():
    """It brings the number of calls up to `min_calls` (resilience4j and interlock open there, too)."""
    trip = by_rate(0.5)
    for _ in range(3):
        trip.failed(0.0)

    assert trip.succeeded(0.0) == "3 of 4 calls failed"


def test_slow_calls_are_a_reason_even_when_they_succeed():
    """The share of slow calls opens the breaker also where nothing fails."""
    trip = by_slowness(0.75)

    assert trip.succeeded(0.0) is None
    assert [trip.succeeded(0.0, slow=True) for _ in range(3)] == [
        None,
        None,
        "3 of 4 calls were slow",
    ]


@pytest.mark.parametrize("slow, reason", [(4, None), (5, "5 of 10 calls were slow")])
def test_the_share_of_slow_calls_is_reached_exactly(slow, reason):
    """A share of one half is met by five of ten calls, not by four."""
    trip = by_slowness(0.5, min_calls=10)
    for _ in range(10 - slow):
        trip.succeeded(0.0)

    for _ in range(slow - 1):
        trip.succeeded(0.0, slow=True)

    assert trip.succeeded(0.0, slow=True) == reason


def test_slow_failures_count_as_slow():
    """A failure that took long counts for the share of slow calls as well."""
    trip = by_slowness(1.0)

    assert [trip.failed(0.0, slow=True) for _ in range(4)][-1] == "4 of 4 calls were slow"


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_a_fast_call_can_complete_a_rate_of_slow_ones(outcome):
    """It brings the number of calls up to `min_calls`, whatever it is itself."""
    trip = by_slowness(0.25)
    for _ in range(3):
        trip.succeeded(0.0, slow=True)

    assert getattr(trip, outcome)(0.0) == "3 of 4 calls were slow"


def test_failures_come_before_slowness():
    """Where both shares are met at once, the failures are named."""
    trip = Trip(None, 0.5, 0.5, 2, CountWindow(10))
    trip.failed(0.0, slow=True)

    assert trip.failed(0.0, slow=True) == "2 of 2 calls failed"


def test_a_row_and_a_rate_work_side_by_side():
    """Whichever condition is met first is the reason."""
    trip = Trip(5, 0.5, None, 4, CountWindow(10))
    for outcome in (trip.succeeded, trip.failed, trip.succeeded):
        assert outcome(0.0) is None

    assert trip.failed(0.0) == "2 of 4 calls failed"


def test_slow_calls_do_not_matter_without_a_share_for_them():
    """A window that is kept for the failure rate ignores slowness."""
    trip = by_rate(0.5, min_calls=1)

    assert trip.succeeded(0.0, slow=True) is None


def test_a_time_window_forgets_for_the_rate():
    """Failures that have left the window no longer speak."""
    trip = Trip(None, 0.5, None, 2, TimeWindow(10.0))
    trip.failed(0.0)

    assert trip.failed(20.0) is None
    assert trip.failed(21.0) == "2 of 2 calls failed"


def test_clear_forgets_the_row_and_the_window():
    """After `clear`, counting starts anew."""
    trip = Trip(2, 0.5, None, 2, CountWindow(10))
    trip.failed(0.0)

    trip.clear()

    assert trip.failed(0.0) is None
    assert by_streak(2).clear() is None


# -- checked and made ---------------------------------------------------------------------------


def conditions(**options):
    usual = {
        "failures": 5, "failure_rate": None, "window": None, "window_calls": None, "min_calls": 20,
        "slow": None, "slow_rate": None,
    }  # fmt: skip
    return new_trip(**(usual | options))


@pytest.mark.parametrize(
    "options, kind",
    [
        ({}, None),
        ({"failure_rate": 0.5}, TimeWindow),
        ({"failure_rate": 0.5, "window": 60}, TimeWindow),
        ({"failure_rate": 0.5, "window_calls": 100}, CountWindow),
        ({"slow": 1.0, "slow_rate": 0.5}, TimeWindow),
        ({"slow": 1.0, "slow_rate": 0.5, "window_calls": 20, "failures": None}, CountWindow),
    ],
)
def test_a_window_is_kept_only_where_a_rate_needs_it(options, kind):
    """Seconds, be they an int, or calls; without a rate there is no window at all."""
    window = conditions(**options).window

    assert window is None if kind is None else isinstance(window, kind)


@pytest.mark.parametrize(
    "options, told",
    [
        ({"failures": None}, "without a condition"),
        ({"window": 60}, "no rate to be taken over it"),
        ({"window_calls": 100}, "no rate to be taken over it"),
        ({"slow": 1.0}, "slow=1.0 and slow_rate=None need each other"),
        ({"slow_rate": 0.5}, "slow=None and slow_rate=0.5 need each other"),
        (
            {"failure_rate": 0.5, "window_calls": 19},
            "min_calls=20 is not allowed: a window of 19 calls",
        ),
    ],
)
def test_conditions_that_cannot_work_together_are_refused(options, told):
    """The message names the options that contradict each other."""
    with pytest.raises(ConfigurationError) as caught:
        conditions(**options)

    assert told in str(caught.value)
