"""Hedges with others around and inside them."""

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    CompositionWarning,
    Fallback,
    Pipeline,
    Retry,
    RetryBudget,
    Timeout,
    backoff,
)
from holdfast.strategies.hedge.hedge import Hedge
from holdfast.testing import Fail, Hang, Ok

NO_WAIT = backoff.constant(0)


def down(**options):
    return Fail(ConnectionError("down"), **options)


def test_a_hedged_call_takes_one_permit(world):
    """A bulkhead outside counts calls, not attempts: two calls fill it, hedged as they are."""
    bulkhead = Bulkhead(2)
    pipeline = Pipeline("p", bulkhead, Hedge(0.2))
    call = world.protect(pipeline, world.dependency(Ok("served", takes=1.0)))

    first, second, third = world.together(call, call, call)

    assert (first, second) == ("served", "served")
    assert isinstance(third, BulkheadFullError)


def test_losers_keep_a_permit_in_threads_until_they_end(world):
    """A blocking loser still burdens the dependency, so it counts; a cancelled task does not."""
    bulkhead = Bulkhead(1)
    pipeline = Pipeline("p", bulkhead, Hedge(0.2))
    dependency = world.dependency(Ok("slow", takes=2.0), Ok("quick"), Ok("third"))
    call = world.protect(pipeline, dependency)
    assert world.run(call) == "quick"

    if world.name == "threads":
        with pytest.raises(BulkheadFullError):
            world.run(call)
        world.advance(1.8)
    assert world.run(call) == "third"


def test_a_retry_around_a_hedge_shares_its_budget(world):
    """Both draw on one bucket, which a success credits once; in an outage it bounds both together."""
    budget = RetryBudget(ratio=0.5, capacity=4)
    retry = Retry(3, backoff=NO_WAIT, budget=budget)
    pipeline = Pipeline("p", retry, Hedge(0.2, budget=budget))
    dependency = world.dependency(down())
    call = world.protect(pipeline, dependency)

    for _ in range(10):
        with pytest.raises(ConnectionError):
            world.run(call)

    assert len(dependency.calls) == 10 + 4
    assert budget.tokens == 0.0
    world.call(pipeline, world.dependency(Ok()))
    assert budget.tokens == 0.5


def test_a_retry_repeats_a_race_that_was_lost(world):
    """The retry sees one outcome for each race, the first attempt's error."""
    dependency = world.dependency(down(takes=0.5), Fail(KeyError("2"), takes=0.5), Ok("third"))
    pipeline = Pipeline("p", Retry(2, on=ConnectionError, backoff=NO_WAIT), Hedge(0.2))

    assert world.call(pipeline, dependency) == "third"

    assert world.elapsed() == pytest.approx(0.7)


def test_retries_inside_belong_to_each_attempt(world):
    """A hedge around a retry races whole series of attempts."""
    dependency = world.dependency(down(), Hang(), down(), Ok("hedge"))
    with pytest.warns(CompositionWarning):
        pipeline = Pipeline("p", Hedge(0.2), Retry(2, backoff=NO_WAIT))

    assert world.call(pipeline, dependency) == "hedge"

    assert world.elapsed() == pytest.approx(0.2)


def test_a_breaker_inside_sees_every_attempt_that_ended(world):
    """Failures of attempts count; a loser that was cancelled is no outcome."""
    breaker = CircuitBreaker(failures=5)
    pipeline = Pipeline("p", Hedge(0.2), breaker)
    world.call(pipeline, world.dependency(Hang(), Ok("hedge")))
    with pytest.raises(ConnectionError):
        world.call(pipeline, world.dependency(down(), down()))

    assert breaker.snapshot()["failures_in_a_row"] == 2


def test_a_breaker_outside_sees_calls(world):
    """One outcome for each call, however many attempts it took."""
    breaker = CircuitBreaker(failures=5)
    pipeline = Pipeline("p", breaker, Hedge(0.2))
    with pytest.raises(ConnectionError):
        world.call(pipeline, world.dependency(down()))

    assert breaker.snapshot()["failures_in_a_row"] == 1


def test_timeouts_outside_and_inside(world):
    """The inner limit ends attempts, the outer one the call, with all that is under way."""
    dependency = world.dependency(Hang())
    pipeline = Pipeline("p", Timeout(1.5), Hedge(0.4, max_hedges=9), Timeout(1.0))

    with pytest.raises(AttemptTimeout, match=r"within 1\.5 s"):
        world.call(pipeline, dependency)

    assert world.elapsed() == pytest.approx(1.5)


def test_a_fallback_answers_when_all_attempts_failed(world):
    """It gets the error of the first."""
    pipeline = Pipeline("p", Fallback(str, on=ConnectionError), Hedge(0.2))

    assert world.call(pipeline, world.dependency(down(), Fail(KeyError()))) == "down"


def test_one_hedge_in_two_pipelines(world):
    """What it learns, and its budget, is shared where it is."""
    hedge = Hedge(0.2, budget=RetryBudget(capacity=1))
    slow = world.dependency(Ok("slow", takes=1.0))
    world.call(Pipeline("one", hedge), slow)
    world.call(Pipeline("two", hedge), slow)

    assert len(slow.calls) == 3
    assert hedge.title == "hedge 'one'"
