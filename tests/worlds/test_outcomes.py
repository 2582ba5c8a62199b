"""`try_call` and `outcome`: the same call, with an `Outcome` in place of an exception."""

import asyncio

import pytest

from holdfast import CircuitBreaker, Outcome, Pipeline, Retry, backoff
from holdfast.testing import Fail, Ok


def outcome_of(world, pipeline, target, *args):
    """Ask for an outcome in whichever way this world has."""
    target = world.coloured(target)
    if world.name == "threads":
        return pipeline.try_call(target, *args)
    return world.run(pipeline.outcome, target, *args)


def test_a_call_that_returns(world):
    """The strategies do their work, and the result is in the outcome."""
    pipeline = Pipeline("payments", Retry(2, backoff=backoff.constant(1.0)))
    dependency = world.dependency(Fail(OSError("down")), Ok("receipt"))

    outcome = outcome_of(world, pipeline, dependency)

    assert isinstance(outcome, Outcome)
    assert outcome.unwrap() == "receipt"
    assert world.elapsed() == 1.0


def test_a_call_that_fails(world):
    """The function's own exception is in the outcome, with the notes of the strategies."""
    pipeline = Pipeline("payments", Retry(2, backoff=backoff.constant(1.0)))
    error = OSError("down")

    outcome = outcome_of(world, pipeline, world.dependency(Fail(error), Fail(error)))

    assert str(outcome.error) == "down"
    assert "gave up after 2 attempts" in outcome.error.__notes__[0]
    assert not outcome.rejected


def test_a_call_that_is_rejected(world):
    """An open breaker is no exception here, but an outcome that says when to come back."""
    breaker = CircuitBreaker(open_jitter=0.0, open_for=5.0)
    pipeline = Pipeline("payments", breaker)
    breaker.trip()

    outcome = outcome_of(world, pipeline, world.dependency(Ok("never")))

    assert outcome.rejected
    assert outcome.retry_after == 5.0
    assert outcome.value_or("later") == "later"


def test_an_interruption_is_raised(world):
    """What is no `Exception` is no outcome: it passes through."""

    async def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outcome_of(world, Pipeline("payments"), world.function(interrupted))


def test_a_function_of_the_wrong_colour_is_a_mistake():
    """Misuse is told to the programmer, it is no outcome of the call."""

    async def pay():
        """Never run."""

    with pytest.raises(TypeError, match=r"use 'await pipeline\.acall"):
        Pipeline("payments").try_call(pay)


def test_what_cannot_be_awaited_is_a_mistake():
    """The same in async code."""
    with pytest.raises(TypeError, match="cannot be awaited"):
        asyncio.run(Pipeline("payments").outcome(lambda: "at once"))
