"""Throttle, in threads and in asyncio."""

import pytest

from holdfast import AttemptTimeout, Pipeline, Throttle, ThrottledError, Timeout
from holdfast.events import CallRejected
from holdfast.testing import Fail, Hang, Ok, record


def ends(world, call, times):
    """Return how so many calls end, one each tenth of a second."""

    @world.function
    async def series():
        outcomes = []
        for _ in range(times):
            try:
                outcomes.append(await world.do(call))
            except Exception as error:
                outcomes.append(type(error))
            await world.sleep(0.1)
        return outcomes

    return world.run(series)


def test_a_dependency_that_refuses_all_is_left_alone_but_for_probes(world):
    """After `min_calls` most calls are rejected here; some still ask, and find it well again."""
    throttle = Throttle(window=2.0, min_calls=5, max_rejection=0.8)
    dependency = world.dependency(*[Fail(ConnectionError("full"))] * 20, Ok("served"))
    call = world.protect(Pipeline("p", throttle), dependency)
    with record() as events:
        outcomes = ends(world, call, 200)
    assert outcomes[:5] == [ConnectionError] * 5
    rejected = outcomes.count(ThrottledError)
    assert rejected == len(events.of(CallRejected)) > 20
    assert outcomes[-50:] == ["served"] * 50


def test_a_healthy_dependency_is_not_throttled_however_many_call_at_once(world):
    """Calls whose answers are still to come are not held against it."""
    throttle = Throttle()
    call = world.protect(Pipeline("p", throttle), world.dependency(Ok("served", takes=2.0)))
    assert world.together(*[call] * 50) == ["served"] * 50
    assert throttle.snapshot()["accepts"] == 50


def test_a_timeout_inside_is_a_refusal(world):
    """It is how an overloaded dependency refuses most often."""
    throttle = Throttle(min_calls=1, max_rejection=0.999)
    call = world.protect(
        Pipeline("p", throttle, Timeout(1.0, sync="thread")), world.dependency(Hang())
    )
    with pytest.raises(AttemptTimeout):
        world.run(call)
    assert (throttle.snapshot()["requests"], throttle.snapshot()["accepts"]) == (1, 0)
    assert throttle.rejecting == 0.5


def test_a_block_is_counted(world):
    """A pipeline of gates can also be used as a block: it is an accept if nothing is raised."""
    throttle = Throttle()
    pipeline = Pipeline("p", throttle)

    @world.function
    async def twice():
        async with world.block(pipeline):
            pass
        with pytest.raises(OSError, match="down"):
            async with world.block(pipeline):
                raise OSError("down")

    world.run(twice)
    assert (throttle.snapshot()["requests"], throttle.snapshot()["accepts"]) == (2, 1)
