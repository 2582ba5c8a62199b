"""Bulkhead, in threads and in asyncio."""

import asyncio

import pytest

from holdfast import AttemptTimeout, Bulkhead, BulkheadFullError, Pipeline, Timeout
from holdfast.events import CallRejected
from holdfast.testing import Fail, Hang, Ok, record

asyncio_only = pytest.mark.parametrize("world", ["asyncio"], indirect=True)


def timed(world, call):
    """Return a function that tells when the call ended, and how."""

    @world.function
    async def function():
        try:
            answer = await world.do(call)
        except Exception as error:
            answer = type(error)
        return world.elapsed(), answer

    return function


def test_so_many_calls_are_in_flight_and_no_more(world):
    """A call above the size is refused at once, with no queue, and the others are not disturbed."""
    bulkhead = Bulkhead(2)
    dependency = world.dependency(Ok("served", takes=1.0))
    call = timed(world, world.protect(Pipeline("p", bulkhead), dependency))
    assert world.together(*[call] * 4) == [
        (1.0, "served"),
        (1.0, "served"),
        (0.0, BulkheadFullError),
        (0.0, BulkheadFullError),
    ]
    assert len(dependency.calls) == 2
    assert bulkhead.in_flight == 0


def test_a_refusal_says_why(world):
    """The refusal names the pipeline and how many calls are in flight, and is told."""
    pipeline = Pipeline("payments", Bulkhead(1))
    call = world.protect(pipeline, world.dependency(Ok(takes=1.0)))
    with record() as events:
        _, refusal = world.together(call, call)
    assert isinstance(refusal, BulkheadFullError)
    assert refusal.pipeline == "payments"
    assert "1 of 1 are in flight" in str(refusal)
    assert [event.error for event in events.of(CallRejected)] == [refusal]


def test_the_queue_is_served_in_order(world):
    """Waiters get permits first come, first served; beyond the queue calls are refused at once."""
    pipeline = Pipeline("p", Bulkhead(1, queue=2))
    call = timed(world, world.protect(pipeline, world.dependency(Ok("served", takes=1.0))))
    assert world.together(*[call] * 4) == [
        (1.0, "served"),
        (2.0, "served"),
        (3.0, "served"),
        (0.0, BulkheadFullError),
    ]


def test_a_waiter_leaves_after_max_wait(world):
    """A wait is no longer than `max_wait`, and the permit then goes to the next in line."""
    pipeline = Pipeline("p", Bulkhead(1, queue=5, max_wait=2.5))
    call = timed(world, world.protect(pipeline, world.dependency(Ok("served", takes=2.0))))
    assert world.together(call, call, call, world.after(1.0, call)) == [
        (2.0, "served"),
        (4.0, "served"),
        (2.5, BulkheadFullError),
        (3.5, BulkheadFullError),
    ]


def test_permits_come_back_however_a_call_ends(world):
    """After results, errors and timeouts every permit is there again."""
    bulkhead = Bulkhead(3)
    pipeline = Pipeline("p", Timeout(1.0, sync="thread"), bulkhead)
    dependency = world.dependency(Ok(), Fail(ConnectionError("down")), Hang())
    call = timed(world, world.protect(pipeline, dependency))
    ends = [answer for _, answer in world.together(call, call, call)]
    assert ends == [None, ConnectionError, AttemptTimeout]
    assert (bulkhead.in_flight, bulkhead.waiting) == (0, 0)


def test_the_size_can_be_changed_while_it_runs(world):
    """A larger size serves those who wait, a smaller one lets calls end and admits fewer."""
    bulkhead = Bulkhead(1, queue=10)
    call = timed(world, world.protect(Pipeline("p", bulkhead), world.dependency(Ok(takes=2.0))))

    async def operator():
        await world.sleep(1.0)
        bulkhead.size = 3
        await world.sleep(1.5)
        bulkhead.size = 1

    ends = [end[0] for end in world.together(*[call] * 6, operator)[:-1]]
    assert ends == [2.0, 3.0, 3.0, 4.0, 6.0, 8.0]


def test_pipelines_may_share_a_bulkhead(world):
    """One compartment for two pipelines counts the calls of both."""
    bulkhead = Bulkhead(1)
    first = world.protect(Pipeline("a", bulkhead), world.dependency(Ok("a", takes=1.0)))
    second = world.protect(Pipeline("b", bulkhead), world.dependency(Ok("b", takes=1.0)))
    answer, refusal = world.together(first, second)
    assert answer == "a"
    assert refusal.pipeline == "b"


@asyncio_only
def test_a_cancelled_waiter_leaves_the_queue(world):
    """A waiter that is cancelled loses no permit, and the next one is served."""
    bulkhead = Bulkhead(1, queue=2)
    call = world.protect(Pipeline("p", bulkhead), world.dependency(Ok("served", takes=2.0)))

    async def main():
        holder, waiter, last = (asyncio.ensure_future(call()) for _ in range(3))
        await asyncio.sleep(1.0)
        waiter.cancel()
        answers = await asyncio.gather(holder, last)
        return answers, waiter.cancelled()

    assert world.run(main) == (["served", "served"], True)
    assert world.elapsed() == 4.0
    assert (bulkhead.in_flight, bulkhead.waiting) == (0, 0)


def test_an_abandoned_thread_keeps_its_permit(world):
    """Behind a bulkhead a timed-out call occupies its place as long as it really runs."""
    bulkhead = Bulkhead(1)
    pipeline = Pipeline("p", bulkhead, Timeout(1.0, sync="thread"))
    call = world.protect(pipeline, world.dependency(Ok(takes=10.0)))
    with pytest.raises(AttemptTimeout):
        world.run(call)
    # asyncio really ends what it gives up on; a thread cannot be interrupted
    assert bulkhead.in_flight == (1 if world.name == "threads" else 0)
    world.advance(9.0)
    assert bulkhead.in_flight == 0
