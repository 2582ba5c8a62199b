"""What streams can be protected, what the protected function looks like, and what is refused."""

import asyncio
import functools
import inspect
import typing
from collections.abc import AsyncIterator, Iterator

import pytest

from holdfast import (
    Bulkhead,
    CircuitBreaker,
    Coalesce,
    ConfigurationError,
    Fallback,
    Pipeline,
    Retry,
    Timeout,
    backoff,
)
from holdfast.testing import off

NO_WAIT = backoff.constant(0.0)


@pytest.fixture
def pipeline():
    return Pipeline(
        "p", Retry(2, backoff=NO_WAIT), CircuitBreaker(failures=1), Bulkhead(9), Timeout(9.0)
    )


def rows(first: int, *, times: int = 2) -> Iterator[int]:
    """Count."""
    yield from range(first, first + times)


async def arows(first: int, *, times: int = 2) -> AsyncIterator[int]:
    """Count."""
    for one in range(first, first + times):
        yield one


class Table:
    """Has rows in all sorts of methods."""

    def __init__(self, first=0):
        self.first = first

    def rows(self, more):
        yield from (self.first, more)

    async def arows(self, more):
        yield self.first
        yield more

    def __call__(self, more):
        yield from (self.first, more)

    @classmethod
    def made(cls, more):
        yield from (0, more)

    @staticmethod
    def plain(more):
        yield from (0, more)


class AsyncTable:
    async def __call__(self, more):
        yield 0
        yield more


def collected(stream):
    """Return all items of a stream of either colour."""
    if hasattr(stream, "__aiter__"):

        async def consumed():
            return [one async for one in stream]

        return asyncio.run(consumed())
    return list(stream)


KINDS = {
    "function": functools.partial(lambda more: (yield from (0, more))),
    "method": Table().rows,
    "async method": Table().arows,
    "classmethod": Table.made,
    "static method": Table.plain,
    "object": Table(),
    "async object": AsyncTable(),
    "partial": functools.partial(lambda first, more: (yield from (first, more)), 0),
    "partial of an object": functools.partial(Table()),
    "async partial": functools.partial(AsyncTable()),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_all_that_yields_is_protected(pipeline, kind, stream):
    """Through partials, methods and callable objects; `stream` does the same."""
    protect = pipeline.stream if stream else pipeline
    assert collected(protect(KINDS[kind])(7)) == [0, 7]


def test_methods_are_decorated_in_their_class(pipeline):
    """In a class body ``self`` arrives as usual."""

    class Shop:
        factor = 10

        @pipeline
        def rows(self, one):
            yield self.factor * one

        @pipeline.stream
        async def arows(self, one):
            yield self.factor * one

        @classmethod
        @pipeline
        def made(cls, one):
            yield cls.factor * one

        @staticmethod
        @pipeline
        def plain(one):
            yield one

    shop = Shop()
    assert [collected(one) for one in (shop.rows(2), shop.arows(2), shop.made(2))] == [[20]] * 3
    assert collected(Shop.plain(2)) == [2]


@pytest.mark.parametrize("fn", [rows, arows])
def test_it_looks_like_the_one_inside(pipeline, fn):
    """Name, documentation, annotations and signature; and its pipeline is at hand."""
    protected = pipeline(fn)
    assert (protected.__name__, protected.__doc__) == (fn.__name__, fn.__doc__)
    assert inspect.signature(protected) == inspect.signature(fn)
    assert typing.get_type_hints(protected) == typing.get_type_hints(fn)
    assert protected.__wrapped__ is fn
    assert protected.pipeline is pipeline


@pytest.mark.parametrize("stream", [False, True])
def test_it_is_a_generator_function(pipeline, stream):
    """As `inspect` and frameworks see it, that ask whether an answer is a stream."""
    protect = pipeline.stream if stream else pipeline
    assert inspect.isgeneratorfunction(protect(rows))
    assert inspect.isasyncgenfunction(protect(arows))
    assert not inspect.iscoroutinefunction(protect(arows))
    assert inspect.isgenerator(protect(rows)(1))


# -- functions that return streams -------------------------------------------------------------------


class Cursor:
    """An iterator with a `close`, as databases have them."""

    def __init__(self, *items):
        self._items = iter(items)
        self.closed = 0

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._items)

    def close(self):
        self.closed += 1


class AsyncCursor(Cursor):
    """Its async twin."""

    def __aiter__(self):
        return self

    async def __anext__(self):
        for one in self._items:
            return one
        raise StopAsyncIteration

    async def aclose(self):
        self.closed += 1


def returning(flow, make):
    """Return a function of the flow's colour that returns what ``make`` makes."""

    async def amake():
        return make()

    return make if flow.blocking else amake


def test_an_iterator_that_is_returned_is_a_stream(flow, pipeline):
    """From a plain function, or by awaiting an ``async def``."""
    kind = Cursor if flow.blocking else AsyncCursor
    assert flow.all(pipeline.stream(returning(flow, lambda: kind(1, 2)))) == [1, 2]


def test_an_iterator_is_closed_where_it_is_left_early(flow, pipeline):
    """By its `close`, or `aclose`; one that is exhausted has ended by itself."""
    cursor = (Cursor if flow.blocking else AsyncCursor)(1, 2)
    stream = flow.begin(pipeline.stream(returning(flow, lambda: cursor)))
    stream.next()
    stream.close()
    assert cursor.closed == 1


def test_what_it_iterates_over_is_closed_too(flow, pipeline):
    """A response that gives an iterator has the connection."""

    class Response:
        closed = 0

        def __iter__(self):
            yield from (1, 2)

        async def __aiter__(self):
            yield 1
            yield 2

        def close(self):
            self.closed += 1

    response = Response()
    stream = flow.begin(pipeline.stream(returning(flow, lambda: response)))
    stream.next()
    stream.close()
    assert response.closed == 1


def test_an_attempt_includes_the_call(flow, pipeline):
    """That the call itself fails is repeated like a first item that does not come."""
    kind, calls = Cursor if flow.blocking else AsyncCursor, []

    def make():
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionError("down")
        return kind(1)

    layers = Retry(2, backoff=NO_WAIT), Bulkhead(1)
    assert flow.all(Pipeline("p", *layers).stream(returning(flow, make))) == [1]


def test_what_has_no_iterator_is_refused(flow, pipeline):
    """When it is iterated over; nothing counts it, and nothing is repeated."""
    calls = []

    def make():
        calls.append(1)
        return 7

    with pytest.raises(TypeError, match="which is no stream: nothing"):
        flow.all(pipeline.stream(returning(flow, make)))
    assert calls == [1]
    assert pipeline[CircuitBreaker].state == "closed"
    assert pipeline[Bulkhead].in_flight == 0


def test_nothing_but_items_can_be_sent_for(flow):
    """What is thrown where the iterator knows no `throw` is raised there, and closes it."""
    cursor = (Cursor if flow.blocking else AsyncCursor)(1, 2)
    stream = flow.begin(Pipeline("p", Bulkhead(1)).stream(returning(flow, lambda: cursor)))
    stream.next()
    with pytest.raises(KeyError):
        stream.throw(KeyError("x"))
    assert cursor.closed == 1


# -- what cannot stand around a stream ---------------------------------------------------------------


def test_sharing_one_stream_is_refused(flow):
    """It is read once, so there is nothing to share, or to keep."""
    function = flow.source([1]).function
    with pytest.raises(
        ConfigurationError, match="cannot stand around a stream, which is read once"
    ):
        Pipeline("p", Coalesce(key=lambda: 1))(function)
    with pytest.raises(
        ConfigurationError, match="cannot stand around a stream, which is read once"
    ):
        Pipeline("p", Fallback.stale(9.0, key=lambda: 1))(function)


@pytest.mark.parametrize("kind", [classmethod, staticmethod])
def test_descriptors_are_refused_with_the_order_that_works(pipeline, kind):
    """As for other functions."""
    with pytest.raises(ConfigurationError, match=f"put @{kind.__name__} above"):
        pipeline.stream(kind(rows))


@pytest.mark.parametrize("fn", [3, "rows"])
def test_what_cannot_be_called_is_refused(pipeline, fn):
    """As for other functions."""
    with pytest.raises(ConfigurationError, match="a pipeline protects functions"):
        pipeline.stream(fn)


def test_an_async_fallback_of_a_blocking_stream_is_refused():
    """As for other functions."""

    async def instead(error):
        return [1]

    with pytest.raises(ConfigurationError, match="is async"):
        Pipeline("p", Fallback(instead))(rows)


# -- tests that want no protection -------------------------------------------------------------------


def test_switched_off_it_is_the_bare_generator(flow):
    """One attempt, no limit, no permit."""
    source = flow.source([ConnectionError], [1, 2])
    bulkhead = Bulkhead(1)
    protected = Pipeline("p", Retry(2, backoff=NO_WAIT), bulkhead)(source.function)
    with off():
        with pytest.raises(ConnectionError):
            flow.all(protected)
        stream = flow.begin(protected)
        stream.next()
        assert bulkhead.in_flight == 0
        assert stream.next() == 2
        stream.close()


def test_a_stream_that_was_begun_before_keeps_its_promises(flow):
    """Its permit comes back, though protection was switched off meanwhile."""
    bulkhead = Bulkhead(1)
    stream = flow.begin(Pipeline("p", bulkhead)(flow.source([1, 2]).function))
    stream.next()
    with off():
        stream.close()
    assert bulkhead.in_flight == 0
