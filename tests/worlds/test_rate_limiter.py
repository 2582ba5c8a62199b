"""RateLimiter, in threads and in asyncio."""

import asyncio

import pytest

from holdfast import (
    DeadlineTooShortError,
    Pipeline,
    Rate,
    RateLimitedError,
    RateLimiter,
    Retry,
    backoff,
    deadline,
)
from holdfast.events import CallRejected
from holdfast.testing import Fail, Ok, record

asyncio_only = pytest.mark.parametrize("world", ["asyncio"], indirect=True)


def timed(world, call, *args):
    """Return a function that tells when the call ended, and how."""

    @world.function
    async def function():
        try:
            answer = await world.do(call, *args)
        except Exception as error:
            answer = type(error)
        return pytest.approx(world.elapsed()), answer

    return function


def test_who_is_above_the_limit_is_refused_or_waits(world):
    """With `max_wait` calls are spread out in the order of their arrival, and the rest are refused."""
    limiter = RateLimiter(2, burst=1, max_wait=1.0)
    call = timed(world, world.protect(Pipeline("p", limiter), world.dependency(Ok("served"))))
    assert world.together(*[call] * 4) == [
        (0.0, "served"),
        (0.5, "served"),
        (1.0, "served"),
        (0.0, RateLimitedError),
    ]
    assert limiter.waiting == 0


def test_late_comers_wait_behind_the_others(world):
    """A call that arrives while others wait starts after them."""
    pipeline = Pipeline("p", RateLimiter(1, max_wait=None))
    call = timed(world, world.protect(pipeline, world.dependency(Ok("served"))))
    ends = world.together(call, call, call, world.after(1.5, call))
    assert ends == [(0.0, "served"), (1.0, "served"), (2.0, "served"), (3.0, "served")]


def test_a_turn_beyond_the_deadline_is_refused_at_once(world):
    """Nobody waits for a turn that comes too late, and the place is given back."""
    limiter = RateLimiter(1, max_wait=None)
    call = world.protect(Pipeline("p", limiter), world.dependency(Ok("served")))

    async def hurried():
        with deadline(0.5):
            await world.do(call)

    world.run(call)
    with record() as events, pytest.raises(DeadlineTooShortError) as caught:
        world.run(world.function(hurried))
    assert caught.value.retry_after == pytest.approx(1.0)
    assert world.elapsed() == 0.0
    assert len(events.of(CallRejected)) == 1
    assert world.run(timed(world, call)) == (1.0, "served")


def test_a_retry_comes_back_when_it_is_told_to(world):
    """`retry_after` of a refusal is waited for by a retry that asks for it."""
    pipeline = Pipeline(
        "p", Retry(3, on=RateLimitedError, backoff=backoff.constant(0.001)), RateLimiter(4, burst=1)
    )
    call = timed(world, world.protect(pipeline, world.dependency(Ok("served"))))
    first, second = world.together(call, call)
    assert first == (0.0, "served")
    assert second[1] == "served"
    assert 0.25 <= world.elapsed() < 0.6


def test_costs_come_from_the_arguments_and_are_corrected_by_the_result(world):
    """With `call`, too, where the function itself comes first; a failed call is not corrected."""
    tokens = Rate(100, cost=lambda prompt, **_: len(prompt), actual=len)
    limiter = RateLimiter(Rate(10), tokens)
    pipeline = Pipeline("p", limiter)
    dependency = world.dependency(Ok("x" * 10), Fail(OSError("down")), Ok("x" * 10))
    call = world.protect(pipeline, dependency)
    world.run(call, "y" * 60, model="large")
    assert limiter.available == (9.0, 90.0)
    with pytest.raises(OSError, match="down"):
        world.run(call, "y" * 60)
    assert limiter.available == (8.0, 30.0)

    @world.function
    async def answer(prompt):
        return prompt[:5]

    @world.function
    async def by_hand():
        if world.name == "threads":
            return pipeline.call(answer, "y" * 20)
        return await pipeline.acall(answer, "y" * 20)

    assert world.run(by_hand) == "y" * 5
    assert limiter.available == (7.0, 25.0)


def test_a_block_takes_from_the_limit(world):
    """With a fixed cost a pipeline of gates can also be used as a block, and waits there."""
    pipeline = Pipeline("p", RateLimiter(1, max_wait=None))

    @world.function
    async def twice():
        for _ in range(2):
            async with world.block(pipeline):
                pass

    world.run(twice)
    assert world.elapsed() == pytest.approx(1.0)


def test_in_shadow_mode_nobody_waits(world):
    """All pass at once; what would have happened is told."""
    limiter = RateLimiter(1, max_wait=5.0, shadow=True)
    call = timed(world, world.protect(Pipeline("p", limiter), world.dependency(Ok("served"))))
    with record() as events:
        assert world.together(*[call] * 3) == [(0.0, "served")] * 3
    assert [event.enforced for event in events.of(CallRejected)] == [False, False]


@asyncio_only
def test_a_cancelled_waiter_gives_its_place_to_the_next(world):
    """Who waits already keeps the time that it was told; a newcomer has what was given back."""
    limiter = RateLimiter(1, max_wait=None)
    call = world.protect(Pipeline("p", limiter), world.dependency(Ok("served")))

    async def main():
        _, waiter, last = (asyncio.ensure_future(call()) for _ in range(3))
        await asyncio.sleep(0.5)
        last.cancel()
        await asyncio.sleep(0)
        newcomer = asyncio.ensure_future(call())
        await waiter
        assert world.elapsed() == pytest.approx(1.0)
        await newcomer
        return last.cancelled()

    assert world.run(main) is True
    assert world.elapsed() == pytest.approx(2.0)
    assert limiter.waiting == 0
