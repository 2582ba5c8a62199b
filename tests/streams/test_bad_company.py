"""Streams among limits around them, closed loops, full stacks and sources that misbehave."""

import asyncio
import gc
import socket
import sys
from contextlib import nullcontext, suppress
from functools import partial

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    CircuitBreaker,
    DeadlineExceeded,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    deadline,
)
from tests.cut.conftest import until

real_time = pytest.mark.real_time


class Source:
    """An iterator, sync and async, that is no generator, and whose close fails if it is told to."""

    def __init__(self, *items, fault=None):
        self.items = list(items)
        self.fault = fault
        self.closed = 0

    def __iter__(self):
        return self

    def __next__(self):
        if not self.items:
            raise StopIteration
        item = self.items.pop(0)
        if isinstance(item, Exception):
            raise item
        return item

    def close(self):
        self.closed += 1
        if self.fault is not None:
            raise self.fault


# -- truth -----------------------------------------------------------------------------------------


@real_time
@pytest.mark.parametrize("layers", [(), (Timeout(30.0),)], ids=["no limit", "its own limit"])
def test_the_end_of_a_stream_in_a_call_that_was_cut_is_no_end(layers):
    """The code after the loop would take half of it for all."""
    inner, reached = Pipeline("inner", *layers), []
    here, there = socket.socketpair()

    @inner
    def chunks():
        while got := here.recv(10):
            yield got

    def download():
        try:
            list(chunks())
            reached.append("all of it")
        except DeadlineExceeded:
            reached.append("told")
            raise

    there.send(b"half")
    with here, there, pytest.raises(AttemptTimeout):
        Pipeline("outer", Timeout(0.1)).call(download)
    assert reached == ["told"]


@pytest.mark.parametrize(
    "around", [nullcontext, partial(deadline, 30.0)], ids=["alone", "deadline"]
)
def test_an_end_that_our_own_limit_has_caused_is_no_end(around):
    """An async generator that swallows its cancellation looks complete; however it is drawn."""

    @Pipeline("p", Timeout(30.0, between=0.01))
    async def swallows():
        yield 1
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return

    async def main():
        with around():
            async for item in swallows():
                assert item == 1

    with pytest.raises(AttemptTimeout):
        asyncio.run(main())


# -- permits ---------------------------------------------------------------------------------------


def at(depth, action):
    """Do something so deep down; where a generator can't go on at all, Python drops it unseen."""
    if depth:
        at(depth - 1, action)
    else:
        sum(1 for _ in (1 for _ in (1 for _ in "a")))
        action()


@pytest.mark.parametrize("how", ["end", "error", "close"])
def test_a_stream_that_ends_where_the_stack_does_gives_its_permit_back(how):
    """It was opened where there was room; what has no stack is given back in a thread of its own."""
    bulkhead = Bulkhead(1000)

    @Pipeline("p", bulkhead, CircuitBreaker(failures=1000))
    def two():
        yield 1
        if how == "error":
            raise KeyError

    for room in range(60):
        stream = two()
        next(stream)
        action = stream.close if how == "close" else partial(next, stream, None)
        with suppress(RecursionError, KeyError):
            at(sys.getrecursionlimit() - 60 + room, action)
        del stream, action

    def all_back():
        gc.collect()
        return not bulkhead.in_flight

    until(all_back)


# -- loops -----------------------------------------------------------------------------------------


def test_a_stream_that_goes_on_in_another_loop_keeps_its_limits():
    """Its timer was one of the first loop, which may even be closed."""

    @Pipeline("p", Timeout(30.0, between=0.02))
    async def slow():
        yield 1
        yield 2
        await asyncio.sleep(30)

    stream = slow()

    async def two():
        return [await anext(stream), await anext(stream)]

    first = asyncio.new_event_loop()
    try:
        assert first.run_until_complete(two()) == [1, 2]
    finally:
        first.close()
    with pytest.raises(AttemptTimeout):
        asyncio.run(anext(stream))


# -- sources ---------------------------------------------------------------------------------------


def test_an_error_stays_the_news_where_closing_fails_too():
    """A retry asks about the error that ended the stream."""
    sources = [Source(ConnectionError("real"), fault=OSError("closing")), Source(1)]
    ask = Pipeline("p", Retry(2, on=ConnectionError, backoff=backoff.constant(0))).stream(
        lambda: sources.pop(0)
    )
    assert list(ask()) == [1]

    broken = Source(1, ConnectionError("real"), fault=OSError("closing"))
    with pytest.raises(ConnectionError, match="real") as caught:
        list(Pipeline("p").stream(lambda: broken)())
    assert "OSError('closing')" in caught.value.__notes__[0]


def test_who_leaves_hears_that_closing_has_failed():
    """As of any generator."""
    stream = Pipeline("p").stream(lambda: Source(1, 2, fault=OSError("closing")))()
    next(stream)
    with pytest.raises(OSError, match="closing"):
        stream.close()


def test_an_end_that_is_thrown_into_a_source_is_no_end():
    """Only a generator would say so by itself."""
    source = Source(1, 2)
    stream = Pipeline("p").stream(lambda: source)()
    next(stream)
    with pytest.raises(RuntimeError, match="StopIteration"):
        stream.throw(StopIteration())
    assert source.closed


def test_keywords_of_any_name_can_be_resumed():
    """Where the function takes them all."""

    @Pipeline("p", Retry(2, on=ConnectionError, backoff=backoff.constant(0))).stream(
        resume=lambda last, url, **more: {"start": last + 1}
    )
    def numbers(url, **more):
        for number in range(more.get("start", 0), 4):
            yield number
            if number == 1:
                raise ConnectionError

    assert list(numbers("https://numbers", fresh=True)) == [0, 1, 2, 3]
