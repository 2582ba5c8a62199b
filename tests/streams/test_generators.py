"""A protected generator is a generator: send, throw, close, return, and all ways to iterate."""

import asyncio
import contextlib
import gc
import threading

import pytest

from holdfast import Bulkhead, CircuitBreaker, Pipeline, Retry, Timeout, backoff

NO_WAIT = backoff.constant(0.0)

LAYERS = {
    "none": list,
    "gate": lambda: [Bulkhead(8)],
    "limit": lambda: [Timeout(60.0, between=30.0)],
    "all": lambda: [Retry(3, backoff=NO_WAIT), CircuitBreaker(), Bulkhead(8), Timeout(60.0)],
}


@pytest.fixture(params=LAYERS)
def pipeline(request):
    """A pipeline without anything, one that holds, one that limits, and one that does it all."""
    return Pipeline("p", *LAYERS[request.param]())


class Oops(Exception):
    """What a consumer throws."""


def echo():
    """Yield what is sent; a thrown `Oops` is answered, and the end has a value."""
    got = "begun"
    while got != "enough":
        try:
            got = yield got
        except Oops as error:
            got = str(error)
    return "the end"


async def aecho():
    """Do the same."""
    got = "begun"
    while got != "enough":
        try:
            got = yield got
        except Oops as error:
            got = str(error)


def begun(flow, pipeline):
    return flow.begin(pipeline(echo if flow.blocking else aecho))


def test_what_is_sent_arrives(flow, pipeline):
    """As the value of ``yield``; ``None`` where it is merely iterated over."""
    stream = begun(flow, pipeline)
    assert stream.next() == "begun"
    assert [stream.send(1), stream.send("two"), stream.next()] == [1, "two", None]
    with pytest.raises(flow.end):
        stream.send("enough")


def test_nothing_can_be_sent_before_it_has_begun(flow, pipeline):
    """As with any generator."""
    stream = begun(flow, pipeline)
    with pytest.raises(TypeError, match="just-started"):
        stream.send(1)
    stream.close()


def test_what_is_thrown_arrives(flow, pipeline):
    """At the ``yield``; what follows is the answer to it."""
    stream = begun(flow, pipeline)
    stream.next()
    assert stream.throw(Oops("thrown")) == "thrown"
    assert stream.send("on") == "on"
    error = KeyError("not caught")
    with pytest.raises(KeyError) as caught:
        stream.throw(error)
    assert caught.value is error
    with pytest.raises(flow.end):
        stream.next()


def test_what_the_consumer_throws_and_nobody_catches_is_a_failure(flow):
    """An error is an error, wherever it came from."""
    breaker = CircuitBreaker(failures=1)
    stream = flow.begin(Pipeline("p", breaker)(flow.source([1, 2]).function))
    stream.next()
    with pytest.raises(Oops):
        stream.throw(Oops())
    assert breaker.state == "open"


def test_closing_closes_the_source(flow, pipeline):
    """At once; and the stream has ended."""
    source = flow.source([1, 2])
    stream = flow.begin(pipeline(source.function))
    stream.next()
    stream.close()
    assert source.ended == [GeneratorExit]
    with pytest.raises(flow.end):
        stream.next()


def test_a_source_that_yields_when_it_is_closed_is_told_off(flow, pipeline):
    """As any generator that ignores `GeneratorExit`; permits are back all the same."""

    def stubborn():
        with contextlib.suppress(GeneratorExit):
            yield 1
        yield 2

    async def astubborn():
        with contextlib.suppress(GeneratorExit):
            yield 1
        yield 2

    stream = flow.begin(pipeline(stubborn if flow.blocking else astubborn))
    stream.next()
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        stream.close()
    assert all(one.in_flight == 0 for one in pipeline.strategies if isinstance(one, Bulkhead))


def test_an_error_of_the_source_is_its_own_object(flow, pipeline):
    """It passes as it is, and the stream is over."""
    error = ValueError("wrong")
    stream = flow.begin(pipeline(flow.source([1, error]).function))
    stream.next()
    with pytest.raises(ValueError, match="wrong") as caught:
        stream.next()
    assert caught.value is error
    with pytest.raises(flow.end):
        stream.next()


@pytest.mark.parametrize("end", [StopIteration, StopAsyncIteration])
def test_a_stop_that_a_source_raises_is_a_runtime_error(flow, pipeline, end):
    """As in any generator (PEP 479)."""
    stream = flow.begin(pipeline(flow.source([1, end]).function))
    stream.next()
    with pytest.raises((RuntimeError, end)) as caught:
        stream.next()
    expected = RuntimeError if end is flow.end or not flow.blocking else StopAsyncIteration
    assert type(caught.value) is expected


@pytest.mark.parametrize("items", [[], [1], [1, 2]])
def test_what_a_generator_returns_is_the_value_of_yield_from(pipeline, items):
    """Of an empty one, too; as of one that is merely iterated over, or sent to."""

    def rows():
        yield from items
        return "the end"

    def outer():
        yield (yield from pipeline(rows)())

    assert list(outer()) == [*items, "the end"]


def test_yield_from_hands_on_what_is_sent_and_thrown(pipeline):
    """Through the protected generator, to the one inside."""

    def outer():
        yield (yield from pipeline(echo)())

    stream = outer()
    assert [next(stream), stream.send(1), stream.throw(Oops("x"))] == ["begun", 1, "x"]
    assert stream.send("enough") == "the end"
    stream.close()


@pytest.mark.parametrize(
    "item", [None, 0, "", False, (), NotImplemented, StopIteration, KeyError("x")]
)
def test_any_item_passes(flow, pipeline, item):
    """Falsy and odd items come as the objects they are."""

    def rows():
        yield item
        yield item

    async def arows():
        yield item
        yield item

    first, second = flow.all(pipeline(rows if flow.blocking else arows))
    assert first is second is item


def test_streams_of_one_pipeline_interleave(flow, pipeline):
    """Each has its own items; they may end in any order."""
    rows = pipeline(flow.source(lambda letter: [f"{letter}{n}" for n in range(3)]).function)
    streams = [flow.begin(rows, letter) for letter in "abc"]
    drawn = [one.next() for _ in range(3) for one in streams]
    assert drawn == [f"{letter}{n}" for n in range(3) for letter in "abc"]
    for one in streams:
        one.close()


def test_streams_nest(flow, pipeline):
    """A protected generator may iterate another protected one, of its own pipeline, too."""

    @pipeline
    def inner():
        yield from (1, 2)

    @pipeline
    def outer():
        for one in inner():
            yield one * 10

    @pipeline
    async def ainner():
        yield 1
        yield 2

    @pipeline
    async def aouter():
        async for one in ainner():
            yield one * 10

    assert flow.all(outer if flow.blocking else aouter) == [10, 20]


def test_an_error_further_in_passes_both(flow):
    """Each pipeline hears of it, and each source is closed."""
    breakers = CircuitBreaker(failures=1), CircuitBreaker(failures=1)
    source = flow.source([1, ConnectionError])
    inner = Pipeline("inner", breakers[0])(source.function)

    def outer():
        yield from inner()

    async def aouter():
        async for one in inner():
            yield one

    with pytest.raises(ConnectionError):
        flow.all(Pipeline("outer", breakers[1])(outer if flow.blocking else aouter))
    assert [one.state for one in breakers] == ["open", "open"]


def test_a_loop_that_is_left_by_break_is_neutral(flow):
    """The generator is forgotten, so it is closed; nobody was at fault."""
    breaker, bulkhead = CircuitBreaker(failures=1), Bulkhead(1)
    source = flow.source([1, 2, 3])
    rows = Pipeline("p", breaker, bulkhead)(source.function)
    if flow.blocking:
        for _ in rows():
            break
    else:

        async def consumed():
            async for _ in rows():
                break

        flow.run(consumed)
        gc.collect()
        flow.settle()
    assert (breaker.state, bulkhead.in_flight) == ("closed", 0)
    assert source.ended == [GeneratorExit]


def test_it_may_be_consumed_in_another_thread(pipeline):
    """Begun here, drawn there, ended here."""
    stream = pipeline(echo)()
    assert next(stream) == "begun"
    got = []
    thread = threading.Thread(target=lambda: got.append(stream.send("there")))
    thread.start()
    thread.join()
    assert [*got, stream.send("here")] == ["there", "here"]
    stream.close()


def test_it_may_be_consumed_in_other_tasks(pipeline):
    """Each item in a task, and so in a context, of its own."""

    async def main():
        stream = pipeline(aecho)()
        drawn = [await asyncio.create_task(anext(stream)) for _ in range(2)]
        await asyncio.create_task(stream.aclose())
        return drawn

    assert asyncio.run(main()) == ["begun", None]


def test_two_tasks_cannot_draw_at_once(pipeline):
    """As with any async generator; the one that drew gets its item."""

    async def slow():
        await asyncio.sleep(0)
        yield 1
        await asyncio.sleep(0)
        yield 2

    async def main():
        stream = pipeline(slow)()
        await anext(stream)
        drawn = await asyncio.gather(anext(stream), anext(stream), return_exceptions=True)
        await stream.aclose()
        return drawn

    two, error = asyncio.run(main())
    assert two == 2
    assert isinstance(error, RuntimeError)


def test_a_generator_cannot_be_entered_twice(pipeline):
    """As with any generator: one that asks itself for an item is told so, and lives on."""

    @pipeline
    def rows():
        yield 1
        with contextlib.suppress(ValueError):
            next(stream)
        yield 2

    stream = rows()
    assert list(stream) == [1, 2]
