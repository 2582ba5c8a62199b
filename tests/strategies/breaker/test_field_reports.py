"""What the users of other breakers reported, or rely on: each here in words of ours."""

from itertools import permutations

import pytest

from holdfast import Bulkhead, CircuitBreaker, CircuitOpenError, Pipeline
from holdfast.testing import VirtualClock, record


def fail():
    raise OSError("down")


def played(order, **options):
    """Return a breaker that has seen failures and successes in this order."""
    usual = {"failures": None, "failure_rate": 0.5, "window_calls": 100, "min_calls": len(order)}
    breaker = CircuitBreaker(**(usual | options))
    pipeline = Pipeline("p", breaker)
    for call in order:
        pipeline.try_call(fail if call == "F" else int)
    return breaker


@pytest.mark.parametrize("order", sorted({"".join(one) for one in permutations("FFFSS")}))
@pytest.mark.parametrize("window", [{}, {"window_calls": None, "window": 60}])
def test_a_rate_knows_no_order(order, window):
    """Three of five failed, whichever came last (resilience4j and interlock open at all of them)."""
    assert played(order, **window).state == "open"


@pytest.mark.parametrize("percent", range(1, 101))
def test_a_share_that_is_exactly_reached_opens_it(percent):
    """0.55 * 100 is 55.00000000000001, and 55 failures of 100 are 55 per cent all the same."""
    order = "S" * (100 - percent) + "F" * percent

    assert played(order[:-1], failure_rate=percent / 100, min_calls=100).state == "closed"
    assert played(order, failure_rate=percent / 100).state == "open"


def test_successes_that_leave_the_window_can_complete_a_rate():
    """Whatever the next call is: what is left by then has mostly failed."""
    with VirtualClock() as clock:
        breaker = CircuitBreaker(failures=None, failure_rate=0.6, window=10.0, min_calls=5)
        pipeline = Pipeline("p", breaker)
        for call in "SSSSSSSSSS":
            pipeline.try_call(int if call == "S" else fail)
        clock.advance(8.0)
        for call in "FFFFFF":
            pipeline.try_call(int if call == "S" else fail)
        pipeline.try_call(int)
        assert breaker.state == "closed"

        clock.advance(4.0)
        pipeline.try_call(int)

        assert (breaker.state, breaker.snapshot()["reason"]) == ("open", "6 of 8 calls failed")


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"failures": 3, "failure_rate": None, "window_calls": None}, (3, None, None)),
        ({"min_calls": 4}, (3, 4, 3)),
    ],
)
def test_an_open_breaker_shows_what_opened_it(options, expected):
    """Until it closes (pybreaker keeps its counter, too): a dashboard must see the share."""
    with VirtualClock() as clock:
        breaker = played("SFFF", open_for=5.0, open_jitter=0.0, probes=1, **options)
        for passed in (0.0, 100.0):
            clock.advance(passed)
            seen = breaker.snapshot()
            assert (seen["failures_in_a_row"], seen["calls"], seen["failures"]) == expected

        Pipeline("p", breaker).call(int)

        assert breaker.state == "closed"
        assert breaker.snapshot()["failures_in_a_row"] == 0
        assert not breaker.snapshot()["failures"]


def test_an_order_that_changes_nothing_is_no_news():
    """Nor in resilience4j: only a change of state is told."""
    breaker = CircuitBreaker()
    Pipeline("p", breaker)
    with record() as events:
        for order in ("reset", "isolate", "isolate", "reset", "reset", "trip", "trip", "disable",
                      "disable", "isolate", "trip", "reset"):  # fmt: skip
            getattr(breaker, order)()

    assert [type(event).__name__ for event in events] == [
        "BreakerOverridden", "BreakerClosed", "BreakerOpened", "BreakerOverridden",
        "BreakerOverridden", "BreakerOpened", "BreakerClosed",
    ]  # fmt: skip


def test_a_reset_of_a_closed_breaker_still_forgets():
    """It is no news, but it is obeyed."""
    breaker = played("SFF", failures=3, failure_rate=None, window_calls=None)

    breaker.reset()

    assert breaker.snapshot()["failures_in_a_row"] == 0


def test_a_second_trip_is_obeyed():
    """It is open from then on, for as long as it is told to be."""
    with VirtualClock() as clock:
        breaker = CircuitBreaker(open_for=5.0, open_jitter=0.0)
        breaker.trip()
        clock.advance(4.0)

        breaker.trip("again", open_for=30.0)

        assert breaker.snapshot()["retry_after"] == 30.0
        assert breaker.snapshot()["reason"] == "again"


def test_who_is_rejected_beside_the_probes_is_told_when_to_come_back():
    """After as long as it was open last, as in Polly."""
    with VirtualClock() as clock:
        breaker = CircuitBreaker(failures=1, open_for=5.0, open_jitter=0.0, probes=1)
        pipeline = Pipeline("p", breaker)
        pipeline.try_call(fail)

        def late():
            clock.sleep(6.0)
            return pipeline.try_call(int).error

        _, error = clock.together(lambda: (clock.sleep(5.5), pipeline.call(clock.sleep, 2.0)), late)

    assert (error.state, error.retry_after) == ("half-open", 5.0)
    assert "its probes are under way; try again in 5 s" in str(error)


def test_probes_that_are_refused_further_in_say_nothing():
    """It stays half-open, one trial after the other, until one of them gets through."""
    with VirtualClock() as clock:
        inner = Bulkhead(1)
        breaker = CircuitBreaker(failures=1, open_for=5.0, open_jitter=0.0, probes=1)
        pipeline = Pipeline("p", breaker, inner)
        pipeline.try_call(fail)
        clock.advance(6.0)
        permit = inner.enter(clock.now(), (), {})

        kinds = {type(pipeline.try_call(int).error).__name__ for _ in range(20)}

        assert (breaker.state, kinds) == ("half-open", {"BulkheadFullError"})
        inner.abandoned(permit, clock.now())
        pipeline.call(int)
        assert breaker.state == "closed"


def test_an_error_is_shown_by_its_words():
    """In `%r`, events and outcomes, too."""
    breaker = CircuitBreaker(name="payments")
    breaker.trip()
    with pytest.raises(CircuitOpenError) as caught:
        Pipeline("p", breaker).call(int)

    assert repr(caught.value) == f"CircuitOpenError({str(caught.value)!r})"
    assert "payments" in repr(Pipeline("p", breaker).try_call(int))
