"""`Pipeline.explain`: why a pipeline is as it is now, in words."""

from random import Random

import pytest

from holdfast import (
    Bulkhead,
    Chaos,
    CircuitBreaker,
    Coalesce,
    ConcurrencyLimiter,
    Fallback,
    Hedge,
    Keyed,
    LoadShedder,
    Pipeline,
    Rate,
    RateLimiter,
    Retry,
    RetryBudget,
    Throttle,
    Timeout,
    extend,
    quantile,
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
    assert second.endswith("; in shadow mode: it would have rejected 1 call")


def test_a_breaker_that_tries_again(clock):
    """How its probes are doing."""
    pipeline, breaker = opened(clock)
    clock.advance(3.0)
    pipeline.call(lambda: "up again")

    assert breaker.state == "half-open"
    assert "half-open: 2 failures in a row" in pipeline.explain()
    assert "1 of its probes have passed, 0 in flight" in pipeline.explain()


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

    assert "closed, 1 failure in a row" in pipeline.explain()
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
    assert "2 results kept, the oldest 5 s old" in pipeline.explain()


def test_rejections_are_counted():
    """How many calls a layer has refused so far."""
    pipeline = Pipeline("payments", Bulkhead(1))
    pipeline.call(pipeline.try_call, fails)

    assert "1 call rejected so far" in pipeline.explain()


def said(strategy, *calls):
    """Make some calls, and return what is said about the strategy."""
    pipeline = Pipeline("payments", strategy)
    for call in calls:
        pipeline.try_call(call)
    return pipeline.explain().splitlines()[-1]


def test_limits(clock):
    """What is left, in flight, and learnt."""
    limiter = RateLimiter(Rate(5), Rate(100, per=60.0, burst=50))

    assert said(limiter, str).endswith("4 of 5 per 1 s left and 49 of 100 per 60 s left")
    assert said(ConcurrencyLimiter(max=9)).endswith("0 in flight, limit 9")


def test_a_throttle(clock):
    """How much the dependency accepts, and what follows."""
    throttle = Throttle(min_calls=1, rng=Random(3))

    assert said(throttle) == "  throttle 'payments': no calls lately"
    assert "0 of 9 calls were accepted in 10 s; it rejects 90%" in said(throttle, *[fails] * 9)


def test_a_load_shedder_with_a_queue(clock):
    """How many are served, and how many of which class wait."""
    shedder = LoadShedder(1)
    for _ in range(3):
        shedder.enter(clock.now(), (), {})

    assert said(shedder) == "  load shedder 'payments': 1 of 1 served, 2 default waiting"


def test_hedges_and_timeouts_that_learn(clock):
    """How much they know, and what they have made of it."""
    hedge = Hedge(after=quantile(0.9, min_samples=2), budget=None)
    timeout = Timeout.adaptive(min_samples=2, ceiling=3.0, sync="cooperative")

    assert "it has seen 1 call, too few to know when to hedge" in said(hedge, clock_sleep(clock))
    assert "hedges after 0.102 s; 0 hedges so far, 0 of them won" in said(hedge, clock_sleep(clock))
    assert "limit 3 s, the ceiling: 1 of 2 samples are there" in said(timeout, clock_sleep(clock))
    assert "limit 0.2 s (2 × p99 of 2 successes)" in said(timeout, clock_sleep(clock))


def clock_sleep(clock):
    return lambda: clock.sleep(0.1)


def test_keys(clock):
    """How many there are, and which are in trouble, why."""
    keyed = Keyed(str, lambda _key: CircuitBreaker(failures=1, open_jitter=0.0))
    pipeline = Pipeline("payments", keyed)
    pipeline.try_call(lambda shard: shard, "well")
    pipeline.try_call(lambda _shard: fails(), "dead")

    assert pipeline.explain().splitlines()[-1] == (
        "  keyed 'payments', a circuit breaker each: 2 of at most 10000 keys, 1 open; "
        "'dead': open for 0 s: a failure, last ConnectionError('refused'); next probe in 5 s"
    )


def test_chaos_and_single_flights(clock):
    """Whether it is on, and what it has done; how many calls were spared."""
    chaos = Chaos(rate=1.0, error=OSError, enabled=True)

    assert said(chaos, fails).endswith("on, for 1 of the calls; 1 fault injected so far")
    chaos.disable()
    assert said(chaos).endswith("off; 1 fault injected so far")
    assert said(Coalesce(lambda: 1), str).endswith("0 calls spared so far")


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
