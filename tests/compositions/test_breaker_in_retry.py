"""A breaker inside a retry: it may open between two attempts, and then the retrying ends."""

import pytest

from holdfast import (
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    Fallback,
    Pipeline,
    RejectedError,
    Retry,
    RetryBudget,
    Timeout,
    backoff,
    on_result,
)
from holdfast.events import BreakerOpened, CallRejected, RetriesExhausted, RetryScheduled
from holdfast.testing import Fail, Ok, record

PAUSE = backoff.constant(1.0)


def down():
    return Fail(ConnectionError("down"))


def test_the_breaker_opens_in_the_middle_of_a_call(world):
    """The attempt after the opening is rejected, so the call ends with the function's last error."""
    dependency = world.dependency(down())
    breaker = CircuitBreaker(failures=3, open_for=60.0)
    pipeline = Pipeline("p", Retry(10, backoff=PAUSE), breaker)
    with record() as events, pytest.raises(ConnectionError) as caught:
        world.call(pipeline, dependency)
    assert len(dependency.calls) == 3
    assert world.elapsed() == 3.0  # one more pause, then the rejection: no pointless sleeps
    assert "after 3 attempts" in caught.value.__notes__[0]
    assert "the next attempt was rejected" in caught.value.__notes__[0]
    assert len(events.of(BreakerOpened)) == 1
    (exhausted,) = events.of(RetriesExhausted)
    assert exhausted.attempts == 3
    assert len(events.of(CallRejected)) == 1


def test_an_open_breaker_is_not_retried(world):
    """The next call is rejected at once, without a pause: retrying a rejection makes no sense."""
    dependency = world.dependency(down())
    breaker = CircuitBreaker(failures=1, open_for=60.0, open_jitter=0)
    pipeline = Pipeline("p", Retry(10, backoff=PAUSE), breaker)
    with pytest.raises(ConnectionError):
        world.call(pipeline, dependency)
    began = world.now()
    with record() as events, pytest.raises(CircuitOpenError) as caught:
        world.call(pipeline, dependency)
    assert world.now() == began
    assert caught.value.retry_after == 59.0
    assert events.of(RetryScheduled) == []
    assert len(dependency.calls) == 1


@pytest.mark.parametrize("on", [
    CircuitOpenError,
    RejectedError,
    (ConnectionError, CircuitOpenError),
])  # fmt: skip
def test_a_retry_that_asks_for_rejections_gets_them(world, on):
    """``on=CircuitOpenError`` waits for the next probe, as the rejection's ``retry_after`` says."""
    dependency = world.dependency(down(), Ok("paid"))
    breaker = CircuitBreaker(failures=1, open_for=10.0, open_jitter=0, probes=1)
    with pytest.raises(ConnectionError):
        world.call(Pipeline("warm-up", breaker), dependency)
    pipeline = Pipeline("p", Retry(5, on=on, backoff=PAUSE), breaker)
    assert world.call(pipeline, dependency) == "paid"
    assert 10.0 <= world.elapsed() <= 11.0
    assert breaker.state == "closed"


def test_on_exception_does_not_mean_rejections(world):
    """``on=Exception``, the default, does not name rejections, so they are not retried."""
    breaker = CircuitBreaker()
    breaker.trip()
    with pytest.raises(CircuitOpenError):
        world.call(Pipeline("p", Retry(5, on=Exception, backoff=PAUSE), breaker), lambda: 1)
    assert world.elapsed() == 0.0


def test_each_attempt_counts_for_the_breaker(world):
    """Inside the retry the breaker sees attempts, so one call of five opens it."""
    breaker = CircuitBreaker(failures=5)
    with pytest.raises(ConnectionError):
        world.call(Pipeline("p", Retry(5, backoff=PAUSE), breaker), world.dependency(down()))
    assert breaker.state == "open"


def test_outside_the_retry_it_sees_calls(world):
    """Outside, it sees one outcome for a whole series of attempts, which is warned about."""
    breaker = CircuitBreaker(failures=2)
    with pytest.warns(match="put the breaker inside the retry"):
        pipeline = Pipeline("p", breaker, Retry(5, backoff=PAUSE))
    dependency = world.dependency(down())
    for expected in ("closed", "open"):
        with pytest.raises(ConnectionError):
            world.call(pipeline, dependency)
        assert breaker.state == expected
    assert len(dependency.calls) == 10


def test_a_retry_can_outlast_a_short_opening(world):
    """A pause that is longer than ``open_for`` meets a half-open breaker, and the call succeeds."""
    dependency = world.dependency(down(), Ok("paid"))
    breaker = CircuitBreaker(failures=1, open_for=0.5, open_jitter=0, probes=1)
    pipeline = Pipeline("p", Retry(3, backoff=PAUSE), breaker)
    assert world.call(pipeline, dependency) == "paid"
    assert breaker.state == "closed"


def test_a_rejected_attempt_costs_the_budget_its_token_and_no_more(world):
    """The token was for the attempt that was then rejected; nothing more is taken."""
    budget = RetryBudget()
    pipeline = Pipeline("p", Retry(9, backoff=PAUSE, budget=budget), CircuitBreaker(failures=1))
    with pytest.raises(ConnectionError):
        world.call(pipeline, world.dependency(down()))
    assert budget.tokens == 9.0


def test_a_rejection_inside_a_breaker_is_no_outcome_for_it(world):
    """A full bulkhead further in neither opens nor closes the breaker: the dependency said nothing."""
    bulkhead = Bulkhead(1)
    breaker = CircuitBreaker(failures=1)
    permit = bulkhead.enter(0.0, (), {})
    pipeline = Pipeline("p", breaker, bulkhead)
    for _ in range(3):
        with pytest.raises(BulkheadFullError):
            world.call(pipeline, lambda_ok(world))
    assert breaker.state == "closed"
    breaker.trip()
    world.advance(6.0)
    with pytest.raises(BulkheadFullError):
        world.call(pipeline, lambda_ok(world))
    assert (breaker.state, breaker.snapshot()["probes_passed"]) == ("half-open", 0)
    assert breaker.snapshot()["probes_in_flight"] == 0
    bulkhead.succeeded(permit, 0.0, None)


def lambda_ok(world):
    @world.function
    async def work():
        return "ok"

    return work


def test_a_rejection_inside_counts_where_it_is_asked_for(world):
    """``on=BulkheadFullError`` makes a failure of it."""
    bulkhead = Bulkhead(1)
    bulkhead.enter(0.0, (), {})
    breaker = CircuitBreaker(failures=2, on=(ConnectionError, BulkheadFullError))
    for _ in range(2):
        with pytest.raises(BulkheadFullError):
            world.call(Pipeline("p", breaker, bulkhead), lambda_ok(world))
    assert breaker.state == "open"


def test_the_last_rejection_reaches_the_fallback(world):
    """Whatever ends the retrying, the fallback outermost answers it."""
    seen = []

    def instead(error):
        seen.append(type(error))
        return "instead"

    breaker = CircuitBreaker(failures=2, open_for=60.0)
    pipeline = Pipeline("p", Fallback(instead), Retry(5, backoff=PAUSE), breaker, Timeout(9.0))
    dependency = world.dependency(down())
    assert [world.call(pipeline, dependency) for _ in range(2)] == ["instead"] * 2
    assert seen == [ConnectionError, CircuitOpenError]


def test_a_bad_result_is_returned_when_the_next_attempt_is_rejected(world):
    """The function did run: its last result is the answer, as when the attempts are used up."""
    bad = on_result(lambda result: result == "bad")
    dependency = world.dependency(Ok("bad"))
    pipeline = Pipeline("p", Retry(5, on=bad, backoff=PAUSE), CircuitBreaker(failures=2, on=bad))
    with record() as events:
        assert world.call(pipeline, dependency) == "bad"

    assert len(dependency.times) == 2
    (given_up,) = events.of(RetriesExhausted)
    assert (given_up.attempts, given_up.error) == (2, None)
    assert "rejected" in given_up.reason


def test_an_error_after_a_bad_result_is_the_last_outcome(world):
    """Of several outcomes the last one counts, whatever its kind."""
    bad = on_result(lambda result: result == "bad")
    dependency = world.dependency(Ok("bad"), down(), Ok("never"))
    both = ConnectionError | bad
    pipeline = Pipeline("p", Retry(5, on=both, backoff=PAUSE), CircuitBreaker(failures=2, on=both))

    with pytest.raises(ConnectionError, match="down"):
        world.call(pipeline, dependency)

    assert len(dependency.times) == 2
