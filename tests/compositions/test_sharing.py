"""One strategy object in several pipelines: shared where it is an identity, a value otherwise."""

from contextlib import ExitStack

import pytest

from holdfast import (
    Bulkhead,
    BulkheadFullError,
    Chaos,
    CircuitBreaker,
    CircuitOpenError,
    Fallback,
    Pipeline,
    RateLimiter,
    Retry,
    RetryBudget,
    Timeout,
    backoff,
)
from holdfast.events import BreakerOpened, subscribe
from holdfast.extend import Gate
from holdfast.testing import Fail, Ok, record

NO_WAIT = backoff.constant(0)


def test_a_shared_breaker_opens_for_both(world):
    """Failures of one pipeline open it for the other; each rejection names its own pipeline."""
    breaker = CircuitBreaker(failures=1)
    reads, writes = Pipeline("reads", breaker), Pipeline("writes", breaker)
    with pytest.raises(ConnectionError):
        world.call(reads, world.dependency(Fail(ConnectionError("down"))))
    for pipeline in (reads, writes):
        with pytest.raises(CircuitOpenError) as caught:
            world.call(pipeline, world.dependency(Ok(1)))
        assert caught.value.pipeline == pipeline.name
        assert str(caught.value).startswith(f"pipeline '{pipeline.name}': circuit breaker 'reads'")


def test_two_breakers_are_two(world):
    """Equal options make no shared state: each object is its own."""
    pipelines = [Pipeline(name, CircuitBreaker(failures=1)) for name in ("reads", "writes")]
    with pytest.raises(ConnectionError):
        world.call(pipelines[0], world.dependency(Fail(ConnectionError("down"))))
    assert world.call(pipelines[1], world.dependency(Ok(1))) == 1


def test_a_shared_bulkhead_is_one_compartment(world):
    """What one pipeline takes, the other one lacks."""
    bulkhead = Bulkhead(1)

    @world.function
    async def work():
        await world.sleep(1.0)
        return "done"

    calls = [world.protect(Pipeline(name, bulkhead), work) for name in ("reads", "writes")]
    first, second = world.together(*calls)
    assert first == "done"
    assert isinstance(second, BulkheadFullError)
    assert second.pipeline == "writes"


def test_a_shared_budget_bounds_both(world):
    """Two retries with one budget make together as many retries as it holds."""
    budget = RetryBudget(capacity=3.0)
    dependency = world.dependency(Fail(ConnectionError("down")))
    for name in ("reads", "writes"):
        with pytest.raises(ConnectionError):
            world.call(Pipeline(name, Retry(3, backoff=NO_WAIT, budget=budget)), dependency)
    assert len(dependency.calls) == 2 + 3
    assert budget.tokens == 0


def test_a_shared_retry_shares_nothing(world):
    """A value has no state, so two calls through one retry have their own attempts."""
    retry = Retry(3, backoff=NO_WAIT)
    for name in ("reads", "writes"):
        dependency = world.dependency(Fail(ConnectionError("down")))
        with pytest.raises(ConnectionError):
            world.call(Pipeline(name, retry), dependency)
        assert len(dependency.calls) == 3


def test_the_first_pipeline_names_what_has_no_name():
    """A strategy without a name takes that of the first pipeline, and keeps it."""
    breaker, named = CircuitBreaker(), CircuitBreaker(name="shared")
    Pipeline("reads", breaker, named)
    Pipeline("writes", breaker, named)
    assert breaker.name == "reads"
    assert named.name == "shared"
    assert repr(breaker) == "<CircuitBreaker 'reads' closed>"


def test_events_of_a_shared_strategy_name_all_its_pipelines(world):
    """A transition concerns every pipeline that uses the breaker, and listeners of each hear of it."""
    breaker = CircuitBreaker(failures=1)
    reads, _ = Pipeline("reads", breaker), Pipeline("writes", breaker)
    heard = {"reads": [], "writes": [], "others": []}
    with record() as events, ExitStack() as subscriptions:
        for name, into in heard.items():
            subscriptions.enter_context(subscribe(into.append, pipeline=name))
        with pytest.raises(ConnectionError):
            world.call(reads, world.dependency(Fail(ConnectionError("down"))))
    (opened,) = events.of(BreakerOpened)
    assert opened.pipeline == "reads, writes"
    kinds = {name: {type(event).__name__ for event in into} for name, into in heard.items()}
    assert "BreakerOpened" in kinds["reads"]
    assert kinds["writes"] == {"BreakerOpened"}
    assert kinds["others"] == set()


def test_a_strategy_twice_in_one_pipeline(world):
    """A bulkhead that stands twice takes two permits, and gives two back."""
    bulkhead = Bulkhead(2)
    assert world.call(Pipeline("p", bulkhead, bulkhead), world.dependency(Ok(1))) == 1
    assert bulkhead.in_flight == 0
    with pytest.raises(BulkheadFullError):
        world.call(Pipeline("q", bulkhead, bulkhead, bulkhead), world.dependency(Ok(1)))
    assert bulkhead.in_flight == 0


def test_functions_of_one_pipeline_share_its_strategies(world):
    """Decorated, called and used as a block, one pipeline is one breaker."""
    breaker = CircuitBreaker(failures=2, open_for=60.0)
    pipeline = Pipeline("p", breaker)
    for dependency in (world.dependency(Fail(OSError("a"))), world.dependency(Fail(OSError("b")))):
        with pytest.raises(OSError, match=r"a|b"):
            world.call(pipeline, dependency)
    with pytest.raises(CircuitOpenError):
        pipeline.call(lambda: 1)
    with pytest.raises(CircuitOpenError), pipeline:
        pass


# -- deriving --------------------------------------------------------------------------------------


@pytest.fixture
def base():
    """A pipeline with one layer of each kind."""
    return Pipeline(
        "base", Fallback("instead"), Timeout(9.0), Bulkhead(5), Retry(3), CircuitBreaker()
    )


def kinds(pipeline):
    return [type(strategy).__name__ for strategy in pipeline.strategies]


def test_with_replaces_the_layer_of_the_same_kind(base):
    """The new one takes the place of the old; all others are the same objects."""
    faster = base.with_(Timeout(1.0), name="faster")
    assert (base.name, faster.name) == ("base", "faster")
    assert kinds(faster) == kinds(base)
    assert faster.strategies[1] == Timeout(1.0)
    for place in (0, 2, 3, 4):
        assert faster.strategies[place] is base.strategies[place]
    assert base.strategies[1] == Timeout(9.0)


def test_with_puts_what_was_not_there_in_its_usual_place():
    """As `standard` would, in whatever order they are given; a timeout next to the function."""
    derived = Pipeline("p", Retry(3)).with_(Bulkhead(1), Timeout(1.0))
    assert kinds(derived) == ["Bulkhead", "Retry", "Timeout"]
    assert derived.name == "p"
    derived = derived.with_(CircuitBreaker(), RateLimiter(3), Fallback(None), Chaos(error=OSError))
    assert kinds(derived) == [
        "Fallback", "RateLimiter", "Bulkhead", "Retry", "CircuitBreaker", "Timeout", "Chaos",
    ]  # fmt: skip


def test_with_keeps_a_total_timeout_outside(base):
    """What comes to an attempt stands inside the retry, and outside the attempt's own timeout."""
    whole = Pipeline("p", Timeout(9.0), Retry(3), Timeout(1.0))
    assert kinds(whole.with_(CircuitBreaker())) == ["Timeout", "Retry", "CircuitBreaker", "Timeout"]
    assert kinds(whole.with_(Bulkhead(2))) == ["Timeout", "Bulkhead", "Retry", "Timeout"]
    assert kinds(Pipeline("p", Timeout(9.0)).with_(Retry(3))) == ["Timeout", "Retry"]
    assert kinds(Pipeline("p", Chaos(error=OSError)).with_(Timeout(1.0))) == ["Timeout", "Chaos"]


class Passing(Gate):
    """A gate of the user's own, of no kind that is known."""

    resting = "passed"


def test_with_puts_what_it_does_not_know_innermost():
    """Its place is for its author to say."""
    assert kinds(Pipeline("p", Retry(3)).with_(Passing())) == ["Retry", "Passing"]


def test_with_refuses_to_guess():
    """Of two layers of a kind, it is unclear which one is meant."""
    pipeline = Pipeline("p", Timeout(9.0), Retry(3), Timeout(1.0))
    with pytest.raises(ValueError, match="has 2 layers of the kind Timeout"):
        pipeline.with_(Timeout(2.0))


def test_without_leaves_layers_out(base):
    """Layers of the given classes are gone; the rest is shared, state included."""
    bare = base.without(Fallback, Timeout, name="bare")
    assert kinds(bare) == ["Bulkhead", "Retry", "CircuitBreaker"]
    assert bare.strategies[2] is base.strategies[4]
    assert base.without(RetryBudget).strategies == base.strategies


def test_a_derived_pipeline_shares_state(base, world):
    """A breaker that the derived pipeline opens is open for the one that it came from."""
    derived = base.without(Fallback).with_(Retry(1))
    for _ in range(5):
        with pytest.raises(ConnectionError):
            world.call(derived, world.dependency(Fail(ConnectionError("down"))))
    assert base.strategies[4].state == "open"
    assert world.call(base, world.dependency(Ok("never"))) == "instead"


def test_deriving_warns_like_building():
    """An order that defeats itself is found in derived pipelines, too."""
    base = Pipeline("p", Timeout(2.0), Retry(3))
    with pytest.warns(match="never fires before the outer one"):
        Pipeline("q", *base.strategies, Timeout(5.0))
    with pytest.warns(match="stands outside the retry"):
        wrong = Pipeline("r", CircuitBreaker(), Retry(3))
    with pytest.warns(match="stands outside the retry"):
        wrong.with_(Retry(2))


def test_a_pipeline_is_immutable(base):
    """Neither its name nor its strategies can be assigned."""
    for attribute in ("name", "strategies", "anything"):
        with pytest.raises(AttributeError, match=r"make another with with_\(\)"):
            setattr(base, attribute, None)
        with pytest.raises(AttributeError, match=r"make another with with_\(\)"):
            delattr(base, attribute)
