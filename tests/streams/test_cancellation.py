"""A task that consumes a stream is cancelled at each of its steps: all is closed, and given back."""

import asyncio
import gc

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    CircuitBreaker,
    Hedge,
    Pipeline,
    Retry,
    Timeout,
    backoff,
)
from holdfast.testing import VirtualLoop
from tests.races.loops import LOOPS, loop_factory

NO_WAIT = backoff.constant(0.0)
STEPS = 24


class Rows:
    """A source of three items, each after some awaits; knows how many are open."""

    def __init__(self):
        self.open = 0
        self.fails = 0

    async def __call__(self):
        self.open += 1
        try:
            await asyncio.sleep(0)
            if self.fails:
                self.fails -= 1
                raise ConnectionError("down")
            for one in range(3):
                await asyncio.sleep(0)
                yield one
            await asyncio.sleep(0)
        finally:
            try:
                await asyncio.sleep(0)
            finally:
                self.open -= 1


def gates():
    return CircuitBreaker(failures=1), Bulkhead(1)


STACKS = {
    "gates": gates,
    "limit": lambda: (*gates(), Timeout(60.0, first=20.0, between=30.0)),
    "limits": lambda: (Timeout(90.0), *gates(), Timeout(60.0, between=30.0)),
    "retry": lambda: (Retry(2, backoff=NO_WAIT), *gates(), Timeout(60.0)),
    "hedge": lambda: (CircuitBreaker(failures=1), Bulkhead(3), Hedge(after=1e-9), Timeout(60.0)),
}


async def consume(rows, got):
    """Draw all items, with an await between them."""
    async for one in rows():
        got.append(one)
        await asyncio.sleep(0)


async def turns(number):
    for _ in range(number):
        await asyncio.sleep(0)


def given_back(layers):
    """Return whether nobody is inside, and nothing was counted as a failure."""
    breaker, bulkhead = (
        next(one for one in layers if isinstance(one, kind)) for kind in (CircuitBreaker, Bulkhead)
    )
    return (breaker.state, bulkhead.in_flight) == ("closed", 0)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("stack", STACKS)
def test_a_consumer_is_cancelled_at_each_step(stack, loop):
    """It ends as cancelled; the source is closed, permits are back, and no breaker heard a failure."""

    async def cancelled_at(step):
        layers, source, got = STACKS[stack](), Rows(), []
        task = asyncio.ensure_future(consume(Pipeline("p", *layers)(source.__call__), got))
        await turns(step)
        ended = task.done()
        task.cancel("enough")
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        del task
        gc.collect(0)
        await turns(8)
        assert got == list(range(len(got)))
        assert ended or isinstance(result, asyncio.CancelledError), result
        assert source.open == 0, step
        assert given_back(layers), step
        return ended

    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        ended = [runner.run(cancelled_at(step)) for step in range(STEPS)]
    assert not ended[0]
    assert stack == "hedge" or any(ended)


@pytest.mark.parametrize("stack", ["limit", "limits"])
def test_a_consumer_that_catches_its_cancellation_goes_on(stack):
    """The stream is over, for its source was cancelled; the task's own state is as it was."""
    layers = STACKS[stack]()

    @Pipeline("p", *layers)
    async def rows():
        yield 1
        await asyncio.Event().wait()

    async def main():
        async def consumer():
            stream = rows()
            await anext(stream)
            with pytest.raises(asyncio.CancelledError):
                await anext(stream)
            assert asyncio.current_task().uncancel() == 0
            return [one async for one in stream]

        task = asyncio.create_task(consumer())
        await turns(5)
        task.cancel()
        return await task

    assert asyncio.run(main()) == []
    assert given_back(layers)


def test_a_cancellation_that_the_source_swallows_is_not_the_streams_affair():
    """An item that comes all the same is handed over, as by the bare generator."""

    async def rows():
        yield 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield 2

    async def main(rows):
        async def consumer():
            return [one async for one in rows()]

        task = asyncio.create_task(consumer())
        await turns(5)
        task.cancel()
        return await task

    pipeline = Pipeline("p", *STACKS["limit"]())
    assert asyncio.run(main(rows)) == asyncio.run(main(pipeline(rows))) == [1, 2]


@pytest.mark.parametrize("around", [None, 50.0])
def test_a_stall_is_cancelled_once(around):
    """The source sees one cancellation, may clean up in peace, and the task's count is as it was."""
    seen = []

    @Pipeline("p", Timeout(60.0, between=1.0))
    async def rows():
        yield 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            seen.append(error)
            await asyncio.sleep(5.0)
            raise

    async def main():
        async with asyncio.timeout(around):
            with pytest.raises(AttemptTimeout) as caught:
                await consume(rows, [])
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(0)
        return caught.value

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        error = runner.run(main())
    assert error.seconds == 1.0
    assert len(seen) == 1


def test_a_stall_that_a_timeout_outside_ends_is_its_own():
    """`asyncio.timeout` around the consumer raises its `TimeoutError`; gates heard no failure."""
    layers = STACKS["limit"]()

    @Pipeline("p", *layers)
    async def rows():
        yield 1
        await asyncio.Event().wait()

    async def main():
        async with asyncio.timeout(0.01):
            await consume(rows, [])

    with pytest.raises(TimeoutError) as caught:
        asyncio.run(main())
    assert not isinstance(caught.value, AttemptTimeout)
    assert given_back(layers)


def test_a_consumer_in_a_task_group_is_cancelled_by_its_sibling():
    """And the group ends with the sibling's error alone."""
    layers = STACKS["limits"]()

    @Pipeline("p", *layers)
    async def rows():
        yield 1
        await asyncio.Event().wait()

    async def broken():
        await turns(5)
        raise KeyError("sibling")

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(consume(rows, []))
            group.create_task(broken())

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(main())
    assert [type(one) for one in caught.value.exceptions] == [KeyError]
    assert given_back(layers)


def test_a_closing_that_is_cancelled_gives_back_all_the_same():
    """Whoever is cancelled in ``aclose`` leaves no permit behind."""
    layers = STACKS["gates"]()

    @Pipeline("p", *layers)
    async def rows():
        try:
            yield 1
        finally:
            await asyncio.sleep(3600.0)

    async def main():
        stream = rows()
        await anext(stream)
        closing = asyncio.create_task(stream.aclose())
        await turns(3)
        assert layers[1].in_flight == 1
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)

    asyncio.run(main())
    assert given_back(layers)
