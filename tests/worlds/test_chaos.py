"""Chaos, in threads and in asyncio: what the layers around it make of it."""

import asyncio

import pytest

from holdfast import (
    AttemptTimeout,
    CircuitBreaker,
    CircuitOpenError,
    DeadlineExceeded,
    Fallback,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    deadline,
)
from holdfast.strategies.chaos.chaos import Chaos
from holdfast.testing import Ok

asyncio_only = pytest.mark.parametrize("world", ["asyncio"], indirect=True)


def on(**options):
    return Chaos(1.0, enabled=True, **options)


def test_injected_latency_passes_and_the_function_runs(world):
    """The call takes that much longer."""
    dependency = world.dependency(Ok("served", takes=0.5))

    assert world.call(Pipeline("p", on(latency=2.0)), dependency) == "served"
    assert (world.elapsed(), len(dependency.calls)) == (2.5, 1)


def test_a_timeout_cuts_injected_latency(world):
    """As a dependency that hangs: after the limit, not in advance."""
    dependency = world.dependency(Ok("served"))

    with pytest.raises(AttemptTimeout):
        world.call(Pipeline("p", Timeout(1.0), on(latency=60.0)), dependency)

    assert (world.elapsed(), dependency.calls) == (1.0, [])


def test_a_cooperative_timeout_cuts_it_as_well(world):
    """And what comes out is the timeout's own error."""
    pipeline = Pipeline("p", Timeout(1.0, sync="cooperative"), on(latency=60.0))

    with pytest.raises(AttemptTimeout) as caught:
        world.call(pipeline, world.dependency(Ok("served")))

    assert not isinstance(caught.value, DeadlineExceeded)
    assert world.elapsed() == 1.0


def test_the_callers_deadline_cuts_it_as_well(world):
    """There need not be a timeout in the pipeline."""
    protected = world.protect(Pipeline("p", on(latency=60.0)), world.dependency(Ok("served")))

    @world.function
    async def caller():
        with deadline(1.0):
            await world.do(protected)

    with pytest.raises(DeadlineExceeded):
        world.run(caller)
    assert world.elapsed() == 1.0


def test_injected_errors_are_retried_and_open_breakers(world):
    """Each attempt meets its own; the function is never reached."""
    breaker = CircuitBreaker(failures=3)
    pipeline = Pipeline(
        "p",
        Retry(3, on=ConnectionError, backoff=backoff.constant(1.0)),
        breaker,
        on(error=ConnectionError("chaos")),
    )
    dependency = world.dependency(Ok("served"))
    protected = world.protect(pipeline, dependency)

    with pytest.raises(ConnectionError, match="chaos"):
        world.run(protected)
    with pytest.raises(CircuitOpenError):
        world.run(protected)
    assert dependency.calls == []


def test_injected_results_take_the_functions_place(world):
    """Also after latency, and made from the arguments."""
    dependency = world.dependency(Ok("served"))

    assert world.call(Pipeline("p", on(result=None)), dependency) is None
    slow = Pipeline("p", on(latency=2.0, result=lambda shard: f"fake {shard}"))
    assert world.call(slow, dependency, "eu") == "fake eu"
    assert (world.elapsed(), dependency.calls) == (2.0, [])


def test_an_error_after_latency_meets_the_fallback(world):
    """Slow, then broken, then answered."""
    pipeline = Pipeline("p", Fallback("cached"), on(latency=2.0, error=OSError))

    assert world.call(pipeline, world.dependency(Ok("served"))) == "cached"
    assert world.elapsed() == 2.0


def test_it_is_switched_on_and_off_under_load(world):
    """For as long as somebody says, and no call is lost."""
    chaos = Chaos(1.0, error=ConnectionError("chaos"))
    protected = world.protect(
        Pipeline("p", Fallback("cached"), chaos), world.dependency(Ok("served", takes=1.0))
    )

    @world.function
    async def caller():
        return [await world.do(protected) for _ in range(3)]

    async def operator():
        await world.sleep(0.5)
        chaos.enable()
        await world.sleep(0.1)
        chaos.disable()

    answers, _ = world.together(caller, operator)
    assert answers == ["served"] * 3
    chaos.enable()
    assert world.run(protected) == "cached"


def test_a_window_on_the_clock_in_force(world):
    """From 10 to 20 seconds after it was enabled."""
    chaos = Chaos(1.0, result="fake", between=(10.0, 20.0))
    protected = world.protect(Pipeline("p", chaos), world.dependency(Ok("served")))
    chaos.enable()

    answers = []
    for _ in range(5):
        answers.append(world.run(protected))
        world.advance(6.0)
    assert answers == ["served", "served", "fake", "fake", "served"]


@asyncio_only
def test_a_cancelled_call_leaves_nothing(world):
    """While it waits for injected latency."""
    protected = world.protect(Pipeline("p", on(latency=60.0)), world.dependency(Ok("served")))

    async def main():
        task = asyncio.ensure_future(protected())
        await asyncio.sleep(1.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return task.cancelled()

    assert world.run(main)
    assert world.elapsed() == 1.0
