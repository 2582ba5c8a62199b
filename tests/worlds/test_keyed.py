"""Keyed, in threads and in asyncio."""

import asyncio

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    BulkheadFullError,
    Chaos,
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    Pipeline,
    Timeout,
)
from holdfast.events import CallRejected
from holdfast.strategies.keyed.keyed import Keyed
from holdfast.testing import record

asyncio_only = pytest.mark.parametrize("world", ["asyncio"], indirect=True)


def shard_of(shard, *_rest):
    return shard


def shards(world):
    """Return a function of this world that fails for the shard "dead"."""

    @world.function
    async def call(shard):
        await world.sleep(0.1)
        if shard == "dead":
            raise ConnectionError("down")
        return f"from {shard}"

    return call


def test_one_dead_shard_is_found_and_the_others_are_served(world):
    """Its fifth failure opens its breaker; calls of other shards never notice."""
    call = world.protect(Pipeline("orders", Keyed(shard_of, CircuitBreaker)), shards(world))
    for _ in range(5):
        with pytest.raises(ConnectionError):
            world.run(call, "dead")

    with record() as events, pytest.raises(CircuitOpenError) as caught:
        world.run(call, "dead")
    assert caught.value.strategy == "circuit breaker 'dead'"
    assert caught.value.pipeline == "orders"
    assert [event.strategy for event in events.of(CallRejected)] == ["circuit breaker 'dead'"]
    assert world.run(call, "well") == "from well"


def test_a_dead_shard_is_found_to_be_well_again(world):
    """Its breaker lets probes through, as any other."""
    strategy = Keyed(shard_of, lambda _shard: CircuitBreaker(failures=1, probes=1))
    state = {"down": True}

    @world.function
    async def call(_shard):
        if state["down"]:
            raise ConnectionError("down")

    protected = world.protect(Pipeline("orders", strategy), call)
    with pytest.raises(ConnectionError):
        world.run(protected, "eu")
    state["down"] = False
    world.advance(6.0)
    world.run(protected, "eu")

    assert strategy["eu"].state != "half-open"
    assert strategy.snapshot()["open"] == 0


def test_waiting_for_a_key_is_waiting_for_it_alone(world):
    """Each key has its own queue; the permits come back to the bulkheads they came from."""
    strategy = Keyed(shard_of, lambda _shard: Bulkhead(1, queue=1))
    protected = world.protect(Pipeline("orders", strategy), shards(world))

    def of(shard):
        @world.function
        async def function():
            answer = await world.do(protected, shard)
            return answer, round(world.elapsed(), 3)

        return function

    outcomes = world.together(of("a"), of("a"), of("a"), of("b"))

    assert outcomes[:2] == [("from a", 0.1), ("from a", 0.2)]
    assert isinstance(outcomes[2], BulkheadFullError)
    assert outcomes[3] == ("from b", 0.1)
    assert [strategy[key].in_flight for key in "ab"] == [0, 0]


@asyncio_only
def test_a_cancelled_call_gives_its_permit_back(world):
    """Inside, and while it waits."""
    strategy = Keyed(shard_of, lambda _shard: Bulkhead(1, queue=1))
    protected = world.protect(Pipeline("orders", strategy), shards(world))

    async def main():
        tasks = [asyncio.ensure_future(protected("a")) for _ in range(2)]
        await asyncio.sleep(0.01)
        assert (strategy["a"].in_flight, strategy["a"].waiting) == (1, 1)
        for task in reversed(tasks):
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(one) for one in world.run(main)] == [asyncio.CancelledError] * 2
    assert (strategy["a"].in_flight, strategy["a"].waiting) == (0, 0)


def test_an_abandoned_thread_keeps_the_permit_of_its_key(world):
    """A timed-out call occupies its key's bulkhead for as long as it really runs."""
    strategy = Keyed(shard_of, lambda _shard: Bulkhead(1))

    @world.function
    async def hangs(_shard):
        await world.sleep(10.0)

    with pytest.raises(AttemptTimeout):
        world.call(Pipeline("orders", strategy, Timeout(1.0, sync="thread")), hangs, "a")

    # asyncio really ends what it gives up on; a thread cannot be interrupted
    assert strategy["a"].in_flight == (1 if world.name == "threads" else 0)
    world.advance(9.0)
    assert strategy["a"].in_flight == 0


def test_the_function_itself_is_no_argument(world):
    """With ``pipeline.call(fn, ...)`` the key sees what the function gets."""
    strategy = Keyed(shard_of, CircuitBreaker)
    pipeline = Pipeline("orders", strategy)
    function = shards(world)

    if world.name == "threads":
        pipeline.call(function, "a")
    else:
        world.run(pipeline.acall, function, "a")

    assert "a" in strategy


def test_as_a_block_it_has_no_key(world):
    """A block has no arguments: the key function says so, and nothing is held."""
    pipeline = Pipeline("orders", Keyed(lambda: "all", lambda _key: Bulkhead(1)))

    async def body():
        async with world.block(pipeline):
            return pipeline.strategies[0]["all"].in_flight

    assert world.run(world.function(body)) == 1
    assert pipeline.strategies[0]["all"].in_flight == 0


def test_strategies_with_steps_of_their_own(world):
    """Each key's adaptive timeout learns from its own calls."""
    strategy = Keyed(
        shard_of, lambda _shard: Timeout.adaptive(ceiling=2.0, min_samples=10, sync="thread")
    )

    @world.function
    async def call(shard):
        await world.sleep({"fast": 0.1, "slow": 1.0, "hangs": 60.0}[shard])
        return shard

    protected = world.protect(Pipeline("orders", strategy), call)
    for _ in range(12):
        assert world.run(protected, "fast") == "fast"
        assert world.run(protected, "slow") == "slow"
    before = world.now()
    with pytest.raises(AttemptTimeout):
        world.run(protected, "hangs")

    assert world.now() - before == pytest.approx(2.0)
    limits = {key: strategy[key].snapshot()["limit"] for key in ("fast", "slow", "hangs")}
    assert limits["fast"] < 0.5
    assert 1.0 < limits["slow"] <= limits["hangs"] == 2.0


def test_steps_of_their_own_go_with_their_keys(world):
    """What was compiled for a key is dropped with it, and made anew when it comes back."""
    strategy = Keyed(shard_of, lambda _shard: Timeout.adaptive(), max_keys=1)
    protected = world.protect(Pipeline("orders", strategy), shards(world))
    for shard in ("a", "b", "a"):
        assert world.run(protected, shard) == f"from {shard}"

    assert sum(len(lanes._steps) for lanes in strategy._keys._served) == 1
    assert strategy.snapshot()["evicted"] == 2


def test_a_function_protected_after_the_first_key_is_served_directly(world):
    """It is known by then that the strategies are gates."""
    strategy = Keyed(shard_of, lambda _shard: CircuitBreaker())
    for _ in range(2):
        assert world.run(world.protect(Pipeline("p", strategy), shards(world)), "a") == "from a"

    assert strategy.get("a") is not None


def test_what_a_bad_factory_makes_is_refused_in_the_call(world):
    """The error names what was made."""
    pipeline = Pipeline("orders", Keyed(shard_of, lambda _shard: Timeout(1.0)))

    with pytest.raises(ConfigurationError, match="makes a Timeout, which cannot be keyed"):
        world.run(world.protect(pipeline, shards(world)), "a")


def test_the_parent_rejects_all_keys(world):
    """Once most of them are open; its probes let the pipeline recover by itself."""
    state = {"down": True}
    parent = CircuitBreaker(name="all shards")
    strategy = Keyed(shard_of, lambda _shard: CircuitBreaker(failures=1, probes=1), parent=parent)

    @world.function
    async def call(_shard):
        if state["down"]:
            raise ConnectionError("down")

    protected = world.protect(Pipeline("orders", strategy), call)
    for shard in range(5):
        with pytest.raises(ConnectionError):
            world.run(protected, shard)
    with pytest.raises(CircuitOpenError) as caught:
        world.run(protected, "new")
    assert caught.value.strategy == "circuit breaker 'all shards'"

    state["down"] = False
    world.advance(6.0)
    for shard in range(3):
        world.run(protected, shard)
    world.advance(6.0)
    world.run(protected, "new")
    assert parent.state == "closed"


def test_a_keyed_gate_that_answers_after_a_wait_is_heard(world):
    """A fault with latency comes when the latency is over, and its own error, not ours."""
    ill = Keyed(shard_of, lambda _: Chaos(1.0, latency=2.0, error=OSError("ill"), enabled=True))
    call = world.protect(Pipeline("orders", ill), shards(world))
    started = world.now()

    with pytest.raises(OSError, match="ill"):
        world.run(call, "eu")

    assert world.now() - started == pytest.approx(2.0)


def test_a_deadline_cuts_the_wait_of_a_keyed_gate_that_would_answer(world):
    """As a hung dependency would be; the wait is the key's, so its strategy says what is to happen."""
    ill = Keyed(shard_of, lambda _: Chaos(1.0, latency=2.0, result="fake", enabled=True))
    call = world.protect(Pipeline("orders", Timeout(1.0), ill), shards(world))

    with pytest.raises(AttemptTimeout):
        world.run(call, "eu")


@asyncio_only
def test_a_call_is_cancelled_while_a_keyed_gate_is_about_to_answer(world):
    """The cancellation arrives as such."""
    ill = Keyed(shard_of, lambda _: Chaos(1.0, latency=2.0, result="fake", enabled=True))
    call = world.protect(Pipeline("orders", ill), shards(world))

    async def main():
        task = asyncio.ensure_future(call("eu"))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    world.run(main)
