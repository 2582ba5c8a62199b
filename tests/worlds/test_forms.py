"""All the ways to use a pipeline or a retry, in threads and in asyncio."""

import functools

import pytest

from holdfast import (
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    DeadlineExceeded,
    Pipeline,
    Retry,
    RetryBudget,
    Timeout,
    backoff,
    deadline,
    remaining,
)
from holdfast.events import CallRejected, RetriesExhausted, RetryScheduled
from holdfast.testing import Fail, Hang, Ok, record

SECOND = backoff.constant(1.0)


# -- functions -----------------------------------------------------------------------------------


def test_call_and_acall(world):
    """A function may be protected for one call, without a decorator."""
    pipeline = Pipeline("p", Retry(2, backoff=SECOND))
    dependency = world.dependency(ConnectionError, Ok("up"))

    @world.function
    async def main():
        if world.name == "asyncio":
            return await pipeline.acall(dependency.aio, "order", total=5)
        return pipeline.call(dependency, "order", total=5)

    assert world.run(main) == "up"
    assert dependency.calls[1].args == ("order",)
    assert dependency.calls[1].kwargs == {"total": 5}
    assert world.elapsed() == 1.0


def test_methods_and_partials(world):
    """Methods, with their own self, and partials are protected like functions."""
    pipeline = Pipeline("p", Retry(2, backoff=SECOND))

    class Client:
        def __init__(self, dependency):
            self.dependency = dependency

        @pipeline
        @world.function
        async def get(self, path, *, timeout):
            return await world.do(self.dependency, path, timeout)

    dependency = world.dependency(ConnectionError, Ok("up"))
    assert world.run(Client(dependency).get, "/orders", timeout=5) == "up"
    assert [call.args for call in dependency.calls] == [("/orders", 5)] * 2
    partial = functools.partial(Client.get, Client(dependency), timeout=7)
    assert world.run(world.protect(Pipeline("q", Retry(2)), partial), "/stock") == "up"
    assert dependency.calls[-1].args == ("/stock", 7)


def test_a_function_keeps_its_face(world):
    """Name, docstring and signature stay those of the function."""

    @world.function
    async def pay(order, *, total=5):
        """Pay for an order."""

    protected = world.protect(Pipeline("p", Retry(2)), pay)
    assert (protected.__name__, protected.__doc__) == ("pay", "Pay for an order.")
    assert protected.__wrapped__ is pay


def test_a_function_may_be_protected_twice(world):
    """Pipelines nest: the outer one sees what the inner one gives up on."""
    inner = Pipeline("inner", Timeout(2.0, sync="thread"))
    outer = Pipeline("outer", Retry(2, backoff=SECOND))
    call = world.protect(outer, world.protect(inner, world.dependency(Hang(), Ok("up"))))
    assert world.run(call) == "up"
    assert world.elapsed() == 3.0


# -- loops ---------------------------------------------------------------------------------------


def looping(world, retry, dependency):
    async def main():
        async for attempt in world.attempts(retry):
            with attempt:
                return attempt.number, await world.do(dependency)
        return None

    return main


def test_a_loop_makes_attempts(world):
    """The block is run again after a delay until it ends well."""
    dependency = world.dependency(
        Fail(ConnectionError("down"), takes=0.5), ConnectionError, Ok("up")
    )
    assert world.run(looping(world, Retry(5, backoff=SECOND), dependency)) == (3, "up")
    assert dependency.times == [world.start, world.start + 1.5, world.start + 2.5]


def test_a_loop_gives_up(world):
    """After the last attempt the block's own error is raised, with a note, and it is told."""
    with record() as events, pytest.raises(ConnectionError, match="down") as caught:
        world.run(
            looping(world, Retry(3, backoff=SECOND), world.dependency(ConnectionError("down")))
        )
    assert "gave up after 3 attempts" in caught.value.__notes__[0]
    assert [event.attempt for event in events.of(RetryScheduled)] == [1, 2]
    assert [event.attempts for event in events.of(RetriesExhausted)] == [3]


def test_a_loop_retries_only_what_is_meant(world):
    """An error that `on` does not match leaves the loop at once."""
    dependency = world.dependency(KeyError("bug"))
    with pytest.raises(KeyError, match="bug"):
        world.run(looping(world, Retry(3, on=ConnectionError), dependency))
    assert len(dependency.calls) == 1


def test_a_loop_obeys_the_deadline(world):
    """A loop does not sleep past the deadline either."""
    dependency = world.dependency(ConnectionError("down"))
    with deadline(2.5), pytest.raises(ConnectionError):
        world.run(looping(world, Retry(None, backoff=SECOND), dependency))
    assert len(dependency.calls) == 3


def test_a_loop_uses_and_earns_the_budget(world):
    """A loop's retries cost tokens, and its successes earn them."""
    budget = RetryBudget(ratio=0.5, capacity=5)
    retry = Retry(5, backoff=SECOND, budget=budget)
    world.run(looping(world, retry, world.dependency(ConnectionError, ConnectionError, Ok())))
    assert budget.tokens == 5 - 2 + 0.5


def test_one_retry_makes_many_loops(world):
    """A retry is a value: each loop over it begins anew."""
    retry = Retry(2, backoff=SECOND)
    for _ in range(2):
        assert world.run(looping(world, retry, world.dependency(ConnectionError, 7))) == (2, 7)


def test_a_pipeline_inside_a_loop(world):
    """What is protected can be called in a loop, and gives its errors to the loop."""
    call = world.protect(
        Pipeline("p", Timeout(2.0, sync="thread")), world.dependency(Hang(), Ok("up"))
    )
    assert world.run(looping(world, Retry(2, backoff=SECOND), call)) == (2, "up")
    assert world.elapsed() == 3.0


# -- blocks --------------------------------------------------------------------------------------


def test_a_block_holds_a_permit(world):
    """A `with` block takes a permit and gives it back at its end."""
    bulkhead = Bulkhead(1)
    pipeline = Pipeline("p", bulkhead)

    async def main():
        async with world.block(pipeline):
            inside = bulkhead.in_flight
        return inside, bulkhead.in_flight

    assert world.run(main) == (1, 0)


def test_a_block_waits_in_the_queue(world):
    """A block queues for a permit like a call, and is refused like one."""
    pipeline = Pipeline("p", Bulkhead(1, queue=1))

    async def main():
        async with world.block(pipeline):
            await world.sleep(2.0)
            return world.elapsed()

    with record() as events:
        *served, refused = world.together(main, main, main)
    assert served == [2.0, 4.0]
    assert isinstance(refused, BulkheadFullError)
    assert [event.pipeline for event in events.of(CallRejected)] == ["p"]


def test_blocks_count_for_the_breaker(world):
    """A block that raises is a failure, and an open breaker refuses the next one."""
    breaker = CircuitBreaker(failures=2)
    pipeline = Pipeline("p", breaker)

    async def main():
        async with world.block(pipeline):
            raise ConnectionError("down")

    for _ in range(2):
        with pytest.raises(ConnectionError):
            world.run(main)
    with pytest.raises(CircuitOpenError):
        world.run(main)


def test_a_block_that_is_refused_gives_back_what_it_had(world):
    """When an inner gate refuses, the outer ones get their permits back, and nothing is counted."""
    bulkhead, breaker = Bulkhead(1), CircuitBreaker(failures=1)
    breaker.isolate()

    async def main():
        async with world.block(Pipeline("p", bulkhead, breaker)):
            pass

    with pytest.raises(CircuitOpenError):
        world.run(main)
    assert bulkhead.in_flight == 0


def test_a_block_sets_the_deadline(world):
    """A cooperative timeout in a block is the deadline of all that runs inside."""
    pipeline = Pipeline("p", Timeout(5.0, sync="cooperative"))
    call = world.protect(Pipeline("q", Timeout(60.0, sync="thread")), world.dependency(Hang()))
    left = []

    async def main():
        async with world.block(pipeline):
            left.append(remaining())
            await world.do(call)

    with pytest.raises(DeadlineExceeded):
        world.run(main)
    assert left == [5.0]
    assert world.elapsed() == 5.0
    assert remaining() == float("inf")


def test_blocks_nest(world):
    """Two blocks of one pipeline hold two permits, and each gives back its own."""
    bulkhead = Bulkhead(2)
    pipeline = Pipeline("p", bulkhead)
    seen = []

    async def main():
        async with world.block(pipeline):
            async with world.block(pipeline):
                seen.append(bulkhead.in_flight)
            seen.append(bulkhead.in_flight)
        seen.append(bulkhead.in_flight)

    world.run(main)
    assert seen == [2, 1, 0]


@pytest.mark.parametrize("strategy", [Retry(2), Timeout(2.0, sync="thread")])
def test_a_block_cannot_be_run_again_or_interrupted(world, strategy):
    """A pipeline that would have to do so is refused, with the remedy."""

    async def main():
        async with world.block(Pipeline("p", strategy)):
            pass

    with pytest.raises(ConfigurationError, match="decorate a function instead"):
        world.run(main)
