"""ConcurrencyLimiter, in threads and in asyncio."""

import asyncio

import pytest

from holdfast import (
    AttemptTimeout,
    ConcurrencyLimitedError,
    ConcurrencyLimiter,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    concurrency,
    priority,
)
from holdfast.events import CallRejected, LimitChanged
from holdfast.testing import Fail, Hang, Ok, record

asyncio_only = pytest.mark.parametrize("world", ["asyncio"], indirect=True)


def outcome(world, call, *, name="default"):
    """Return a function that makes the call with a priority and tells how it ended."""

    @world.function
    async def function():
        with priority(name):
            try:
                return await world.do(call)
            except Exception as error:
                return type(error)

    return function


def test_calls_above_the_limit_are_refused_at_once(world):
    """The others are not disturbed, and the refusal says why."""
    limiter = ConcurrencyLimiter(initial=2, name="payments")
    dependency = world.dependency(Ok("served", takes=1.0))
    call = world.protect(Pipeline("shop", limiter), dependency)
    with record() as events:
        *served, refusal = world.together(call, call, world.after(0.5, call))

    assert served == ["served", "served"]
    assert isinstance(refusal, ConcurrencyLimitedError)
    assert "2 in flight" in str(refusal)
    assert [event.error for event in events.of(CallRejected)] == [refusal]
    assert (len(dependency.calls), limiter.in_flight) == (2, 0)


def test_critical_calls_are_let_in_beyond_the_limit(world):
    """The class is what is in force around the call, in threads and in tasks."""
    limiter = ConcurrencyLimiter(initial=4)
    call = world.protect(Pipeline("shop", limiter), world.dependency(Ok("served", takes=1.0)))
    three = [outcome(world, call, name="sheddable")] * 3
    late = [
        world.after(0.2, outcome(world, call, name="sheddable")),
        world.after(0.4, outcome(world, call)),
        world.after(0.6, outcome(world, call)),
        world.after(0.8, outcome(world, call, name="critical")),
    ]

    assert world.together(*three, *late)[3:] == [
        ConcurrencyLimitedError,
        "served",
        ConcurrencyLimitedError,
        "served",
    ]


def test_permits_come_back_however_a_call_ends(world):
    """After results, errors and timeouts nobody is inside."""
    limiter = ConcurrencyLimiter(initial=3)
    pipeline = Pipeline("p", limiter, Timeout(1.0, sync="thread"))
    dependency = world.dependency(Ok("fine"), Fail(KeyError("down")), Hang())
    call = outcome(world, world.protect(pipeline, dependency))

    assert world.together(call, call, call) == ["fine", KeyError, AttemptTimeout]
    assert limiter.in_flight == 0


def test_a_dead_dependency_gets_fewer_and_fewer_calls_and_recovers(world):
    """Timeouts shrink the limit to one call; the first answers bring it back."""
    limiter = ConcurrencyLimiter(concurrency.aimd(), initial=10)
    pipeline = Pipeline("p", limiter, Timeout(1.0, sync="thread"))
    dependency = world.dependency(*[Hang()] * 40, Ok("alive", takes=0.1))
    call = outcome(world, world.protect(pipeline, dependency))

    limits = []
    with record() as events:
        for _ in range(25):
            answers = world.together(*[call] * 10)
            limits.append(limiter.limit)
            if "alive" in answers:
                break
        for _ in range(20):
            world.together(*[call] * 4)

    assert min(limits) < 2
    assert limits == sorted(limits, reverse=True)
    assert limiter.limit > 3
    assert {event.after < event.before for event in events.of(LimitChanged)} == {True, False}


def test_each_attempt_of_a_retry_asks_anew(world):
    """Between two attempts the call is not in flight, so others get their turn."""
    limiter = ConcurrencyLimiter(initial=1)
    retry = Retry(3, on=ConnectionError, backoff=backoff.constant(1.0))
    first = world.dependency(Fail(ConnectionError("down"), takes=0.1), Ok("first", takes=0.1))
    second = world.dependency(Ok("second", takes=0.1))
    pipeline = Pipeline("p", retry, limiter)
    call, other = (world.protect(pipeline, one) for one in (first, second))

    assert world.together(call, world.after(0.5, other)) == ["first", "second"]
    assert (limiter.in_flight, limiter.enforced) == (0, 0)


def test_it_can_stand_around_a_block(world):
    """Where a pipeline is made of gates alone."""
    limiter = ConcurrencyLimiter(initial=1)
    pipeline = Pipeline("p", limiter)

    @world.function
    async def block():
        async with world.block(pipeline):
            await world.sleep(1.0)
            return limiter.in_flight

    first, second = world.together(block, world.after(0.5, block))
    assert first == 1
    assert isinstance(second, ConcurrencyLimitedError)
    assert limiter.in_flight == 0


def timed(world, call):
    """Return a function that tells when the call ended, and how."""

    @world.function
    async def function():
        try:
            answer = await world.do(call)
        except Exception as error:
            answer = type(error)
        return pytest.approx(world.elapsed(), abs=1e-3), answer

    return function


def test_with_a_queue_bursts_wait_for_their_turn(world):
    """In the order of arrival, for at most `max_wait`; their latency begins with their turn."""
    algorithm = concurrency.aimd(slow=1.5)
    limiter = ConcurrencyLimiter(algorithm, initial=1, max=1, queue=3, max_wait=2.5)
    dependency = world.dependency(Ok("served", takes=1.0))
    call = timed(world, world.protect(Pipeline("p", limiter), dependency))
    late = [world.after(0.1 * place, call) for place in range(1, 5)]
    with record() as events:
        ends = world.together(call, *late)

    assert ends == [
        (1.0, "served"),
        (2.0, "served"),
        (3.0, "served"),
        (2.8, ConcurrencyLimitedError),
        (0.4, ConcurrencyLimitedError),
    ]
    assert len(events.of(CallRejected)) == 2
    assert (limiter.in_flight, limiter.waiting, limiter.limit) == (0, 0, 1)


@pytest.mark.filterwarnings("ignore::holdfast.CompositionWarning")
def test_nobody_waits_past_its_deadline(world):
    """Although `max_wait` would allow it."""
    limiter = ConcurrencyLimiter(initial=1, queue=3, max_wait=5.0)
    inner = Pipeline("inner", limiter)
    slow = world.protect(inner, world.dependency(Ok("served", takes=3.0)))
    hurried = Pipeline("outer", Timeout(1.0), limiter)
    quick = timed(world, world.protect(hurried, world.dependency(Ok("served"))))

    assert world.together(slow, world.after(0.5, quick)) == ["served", (1.5, AttemptTimeout)]
    assert (limiter.in_flight, limiter.waiting) == (0, 0)


@asyncio_only
def test_a_cancelled_waiter_leaves_the_queue(world):
    """The next in the queue takes its turn."""
    limiter = ConcurrencyLimiter(initial=1, max=1, queue=3, max_wait=9.0)
    call = world.protect(Pipeline("p", limiter), world.dependency(Ok("served", takes=1.0)))

    async def main():
        first, second, third = (asyncio.ensure_future(call()) for _ in range(3))
        await asyncio.sleep(0.5)
        assert limiter.waiting == 2
        second.cancel()
        assert await asyncio.gather(first, third) == ["served", "served"]
        assert second.cancelled()

    world.run(main)
    assert world.elapsed() == pytest.approx(2.0)
    assert (limiter.in_flight, limiter.waiting) == (0, 0)


@asyncio_only
def test_a_cancelled_call_is_no_sample(world):
    """It gives its permit back and changes nothing."""
    limiter = ConcurrencyLimiter(concurrency.aimd(), initial=2)
    call = world.protect(Pipeline("p", limiter), world.dependency(Ok(takes=10.0)))

    async def main():
        task = asyncio.ensure_future(call())
        await asyncio.sleep(1.0)
        assert limiter.in_flight == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    world.run(main)
    assert (limiter.in_flight, limiter.limit) == (0, 2)
