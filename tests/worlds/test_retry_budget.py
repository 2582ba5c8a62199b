"""RetryBudget, in threads and in asyncio."""

import pytest

from holdfast import Pipeline, Retry, RetryBudget, Timeout, backoff, on_result
from holdfast.events import RetriesExhausted
from holdfast.testing import Hang, Ok, record

NOW = backoff.constant(0.0)


def failing_calls(world, call, number):
    for _ in range(number):
        with pytest.raises(ConnectionError):
            world.run(call)


def test_when_nothing_succeeds_retries_end(world):
    """Of many failing calls only the budget's capacity is retried, then each is tried once."""
    dependency = world.dependency(ConnectionError("down"))
    retry = Retry(3, backoff=NOW, budget=RetryBudget(capacity=10))
    call = world.protect(Pipeline("p", retry), dependency)
    failing_calls(world, call, 100)
    assert len(dependency.calls) == 110


def test_an_empty_budget_is_told(world):
    """The last error is raised, with the reason in its note and in an event."""
    retry = Retry(3, backoff=NOW, budget=RetryBudget(capacity=1))
    with record() as events, pytest.raises(ConnectionError) as caught:
        world.call(Pipeline("p", retry), world.dependency(ConnectionError("down")))
    assert events.of(RetriesExhausted)[0].reason == "the retry budget is empty"
    assert caught.value.__notes__[0].endswith("the retry budget is empty")


def test_successes_earn_retries(world):
    """Each success puts the ratio of a token back."""
    budget = RetryBudget(ratio=0.1, capacity=1)
    retry = Retry(2, backoff=NOW, budget=budget)
    failing_calls(world, world.protect(Pipeline("p", retry), world.dependency(ConnectionError)), 1)
    assert budget.tokens == 0.0
    good = world.protect(Pipeline("p", retry), world.dependency(Ok()))
    for _ in range(11):
        world.run(good)
    assert budget.tokens == pytest.approx(1.0)
    assert world.call(Pipeline("p", retry), world.dependency(ConnectionError, Ok("up"))) == "up"


def test_results_that_are_judged_earn_retries_too(world):
    """With conditions on results a good one earns the credit, and a bad one costs."""
    budget = RetryBudget(ratio=0.5, capacity=2)
    retry = Retry(2, on=on_result(lambda result: result == "bad"), backoff=NOW, budget=budget)
    call = world.protect(Pipeline("p", retry), world.dependency("bad", "bad", "good"))
    assert [world.run(call), world.run(call)] == ["bad", "good"]
    assert budget.tokens == 1.5


def test_a_retry_after_a_timeout_costs_double(world):
    """An attempt that timed out cost its dependency the most, so its retry costs two tokens."""
    budget = RetryBudget(capacity=10)
    pipeline = Pipeline("p", Retry(2, backoff=NOW, budget=budget), Timeout(1.0, sync="thread"))
    world.call(pipeline, world.dependency(Hang(), Ok()))
    assert budget.tokens == pytest.approx(8.1)


def test_pipelines_may_share_a_budget(world):
    """What one pipeline has spent, another one cannot spend again."""
    budget = RetryBudget(capacity=2)
    first, second = (
        Pipeline(name, Retry(5, backoff=NOW, budget=budget)) for name in ("first", "second")
    )
    dependency = world.dependency(ConnectionError("down"))
    failing_calls(world, world.protect(first, dependency), 1)
    failing_calls(world, world.protect(second, dependency), 1)
    assert len(dependency.calls) == 3 + 1


def test_a_retry_that_the_deadline_forbids_costs_nothing(world):
    """The budget is asked last, so a retry that will not happen leaves it alone."""
    budget = RetryBudget(capacity=5)
    retry = Retry(3, backoff=backoff.constant(10.0), max_elapsed=5.0, budget=budget)
    with pytest.raises(ConnectionError):
        world.call(Pipeline("p", retry), world.dependency(ConnectionError("down")))
    assert budget.tokens == 5.0
