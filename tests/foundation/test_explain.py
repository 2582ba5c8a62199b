"""`Pipeline.explain`: why a pipeline is as it is now, in words."""

import pytest

from holdfast import (
    Bulkhead,
    CircuitBreaker,
    Fallback,
    Pipeline,
    Retry,
    RetryBudget,
    Timeout,
    extend,
)
from holdfast.testing import VirtualClock


@pytest.fixture
def clock():
    with VirtualClock() as clock:
        yield clock


def fails():
    raise ConnectionError("refused")


def opened(clock, **options):
    breaker = CircuitBreaker(failures=2, open_for=5.0, open_jitter=0.0, **options)
    pipeline = Pipeline("payments", breaker)
    for _ in range(2):
        pipeline.try_call(fails)
    clock.advance(2.0)
    return pipeline, breaker


def test_a_breaker_that_is_open(clock):
    """Since when, why, after which failure, and when the next probe is due."""
    pipeline, _ = opened(clock)

    whole, layer = pipeline.explain().splitlines()

    assert whole == "payments: calls are rejected by the circuit breaker 'payments'"
    assert layer.startswith("  circuit breaker 'payments': open for 2 s: 2 failures in a row, ")
    assert layer.endswith("last ConnectionError('refused'); next probe in 3 s")


def test_a_breaker_in_shadow_mode(clock):
    """It rejects nothing, and says how much it would have rejected."""
    pipeline, _ = opened(clock, shadow=True)
    pipeline.try_call(fails)

    first, second = pipeline.explain().splitlines()

    assert first == "payments: calls pass"
    assert second.endswith("; in shadow mode: it would have rejected 1 calls")


def test_a_breaker_that_tries_again(clock):
    """How its probes are doing."""
    pipeline, breaker = opened(clock)
    clock.advance(3.0)
    pipeline.call(lambda: "up again")

    assert breaker.state == "half-open"
    assert "half-open: 2 failures in a row" in pipeline.explain()
    assert "1 probes have passed, 0 in flight" in pipeline.explain()


def test_a_breaker_held_open_by_hand():
    """Somebody did that, and must undo it."""
    breaker = CircuitBreaker()
    breaker.isolate()

    explained = Pipeline("payments", breaker).explain()

    assert "calls are rejected" in explained
    assert "isolated by hand, until reset()" in explained


def test_a_breaker_at_rest_and_one_that_counts(clock):
    """Closed; with failures in a row, or with what its window holds."""
    plain = CircuitBreaker()
    windowed = CircuitBreaker(failures=None, failure_rate=0.9, slow=1.0, slow_rate=0.9, name="w")
    assert Pipeline("payments", plain).explain() == (
        "payments: calls pass\n  circuit breaker 'payments': closed"
    )

    pipeline = Pipeline("both", plain, windowed)
    pipeline.try_call(clock.sleep, 2.0)
    pipeline.try_call(fails)

    assert "closed, 1 failures in a row" in pipeline.explain()
    assert "1 of the last 2 calls failed, 1 of them were slow" in pipeline.explain()


def test_bulkheads_budgets_and_stale_results(clock):
    """What is in flight, what is left, and how old it is."""
    budget = RetryBudget(capacity=10)
    budget.withdraw(8.0)
    stale = Fallback.stale(60.0)
    pipeline = Pipeline("payments", stale, Bulkhead(10, queue=2), Retry(3, budget=budget))

    said = pipeline.call(pipeline.explain)
    pipeline.call(lambda: "receipt")
    clock.advance(5.0)

    assert "bulkhead 'payments': 1 of 10 in flight" in said
    assert "retry: budget 2 of 10 tokens" in said
    assert "nothing kept" in said
    assert "results kept, the oldest 5 s old" in pipeline.explain()


def test_rejections_are_counted():
    """How many calls a layer has refused so far."""
    pipeline = Pipeline("payments", Bulkhead(1))
    pipeline.call(pipeline.try_call, fails)

    assert "1 calls rejected so far" in pipeline.explain()


def test_a_pipeline_without_state():
    """There is nothing to explain."""
    assert Pipeline("payments", Timeout(1.0)).explain() == (
        "payments: calls pass, and no layer has a state"
    )


def test_strategies_of_a_users_own():
    """They explain themselves, or their snapshot is spelt out."""

    class Toll(extend.Gate):
        def explain(self):
            return "three coins, please"

    class Ferry(extend.Gate):
        def snapshot(self):
            return {"strategy": "ferry", "name": "f", "sails_in": 2.50001, "boats": 3}

    explained = Pipeline("river", Toll(), Ferry()).explain()

    assert "toll: three coins, please" in explained
    assert "ferry: sails in 2.5, boats 3" in explained
