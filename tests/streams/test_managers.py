"""Context managers made of generators: entering them is the attempt, permits are held to the exit."""

import asyncio
import contextlib
import inspect

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    CircuitBreaker,
    Fallback,
    Pipeline,
    Retry,
    Timeout,
    backoff,
)
from tests.streams.flows import Pause

NO_WAIT = backoff.constant(0.0)


class Entered:
    """How a block stands around a body, in both colours."""

    def __init__(self, flow):
        self.flow = flow
        self.make = contextlib.contextmanager if flow.blocking else contextlib.asynccontextmanager

    def manager(self, pipeline, *scripts):
        """Return a source, and the protected function that makes managers of it."""
        source = self.flow.source(*scripts)
        return source, pipeline(self.make(source.function))

    def run(self, manager, body=lambda value: value):
        """Run a plain body in the block; return what it returned, None where an error was suppressed."""
        if self.flow.blocking:
            with manager as value:
                return body(value)
            return None

        async def within():
            async with manager as value:
                return body(value)

        return self.flow.run(within)


@pytest.fixture
def entered(flow):
    return Entered(flow)


def fail(error):
    """Return a body that raises."""

    def body(_value):
        raise error

    return body


def test_entering_is_the_attempt(entered):
    """It is repeated until it succeeds; the body runs once."""
    source, connect = entered.manager(
        Pipeline("p", Retry(3, backoff=NO_WAIT)), [ConnectionError], ["connection"]
    )
    ran = []
    assert entered.run(connect("host"), ran.append) is None
    assert ran == ["connection"]
    assert source.calls == [("host",)] * 2
    assert source.ended == [ConnectionError, None]


def test_a_breaker_refuses_the_entering(entered):
    """After so many that could not be entered."""
    breaker = CircuitBreaker(failures=1)
    source, connect = entered.manager(Pipeline("p", breaker), [ConnectionError])
    for _ in range(2):
        with pytest.raises(Exception, match=r"^$|is open"):
            entered.run(connect())
    assert len(source.calls) == 1


def test_permits_are_held_until_the_exit(entered):
    """The body has the bulkhead's place."""
    bulkhead = Bulkhead(1)
    _, connect = entered.manager(Pipeline("p", bulkhead), [1])
    assert entered.run(connect(), lambda _: bulkhead.in_flight) == 1
    assert bulkhead.in_flight == 0


def test_the_bodys_error_reaches_the_generator_and_is_a_failure(entered):
    """As the very object; and it is not repeated."""
    breaker, error = CircuitBreaker(failures=1), ConnectionError("in the body")
    source, connect = entered.manager(Pipeline("p", Retry(3, backoff=NO_WAIT), breaker), [1])
    with pytest.raises(ConnectionError) as caught:
        entered.run(connect(), fail(error))
    assert caught.value is error
    assert source.ended == [ConnectionError]
    assert breaker.state == "open"


def test_an_error_that_is_suppressed_is_a_success(entered, flow):
    """The generator caught it, so nothing went wrong for who looks from outside."""

    def quiet():
        with contextlib.suppress(KeyError):
            yield 1

    async def aquiet():
        with contextlib.suppress(KeyError):
            yield 1

    breaker, bulkhead = CircuitBreaker(failures=1), Bulkhead(1)
    connect = Pipeline("p", breaker, bulkhead)(entered.make(quiet if flow.blocking else aquiet))
    assert entered.run(connect(), fail(KeyError("x"))) is None
    assert (breaker.state, bulkhead.in_flight) == ("closed", 0)


def test_another_error_that_the_generator_raises_takes_its_place(entered, flow):
    """As of any such manager."""

    def translating():
        try:
            yield 1
        except KeyError as error:
            raise ValueError("translated") from error

    async def atranslating():
        try:
            yield 1
        except KeyError as error:
            raise ValueError("translated") from error

    bulkhead = Bulkhead(1)
    body = translating if flow.blocking else atranslating
    with pytest.raises(ValueError, match="translated") as caught:
        entered.run(Pipeline("p", bulkhead)(entered.make(body))(), fail(KeyError("x")))
    assert isinstance(caught.value.__cause__, KeyError)
    assert bulkhead.in_flight == 0


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, GeneratorExit, SystemExit])
def test_an_interruption_of_the_body_is_neutral(interruption):
    """It passes, the generator's clean-up runs, and no outcome is told."""
    breaker, bulkhead, cleaned = CircuitBreaker(failures=1), Bulkhead(1), []

    @Pipeline("p", breaker, bulkhead)
    @contextlib.contextmanager
    def connection():
        try:
            yield 1
        finally:
            cleaned.append(1)

    with pytest.raises(interruption), connection():
        raise interruption
    assert (breaker.state, bulkhead.in_flight, cleaned) == ("closed", 0, [1])


@pytest.mark.parametrize("end", [StopIteration, StopAsyncIteration])
def test_a_stop_that_the_body_raises_passes(entered, end):
    """`contextlib` takes care that it is not taken for the generator's end."""
    bulkhead = Bulkhead(1)
    _, connect = entered.manager(Pipeline("p", bulkhead), [1])
    if entered.flow.blocking:
        with pytest.raises(end):
            entered.run(connect(), fail(end("x")))
    else:

        async def within():
            try:
                async with connect():
                    raise end("x")
            except end:
                return "passed"

        assert entered.flow.run(within) == "passed"
    assert bulkhead.in_flight == 0


def test_a_generator_that_does_not_stop_is_told_off(entered):
    """As of any such manager; permits come back."""
    bulkhead = Bulkhead(1)
    _, connect = entered.manager(Pipeline("p", bulkhead), [1, 2])
    with pytest.raises(RuntimeError, match="didn't stop"):
        entered.run(connect())
    entered.flow.settle()
    assert bulkhead.in_flight == 0


def test_a_limit_is_for_the_entering_only(timed):
    """The block may last; its exit, too."""
    entered = Entered(timed)
    _, connect = entered.manager(
        Pipeline("p", Timeout(2.0, between=1.0)), [Pause(1.0), 1, Pause(9.0)]
    )
    if timed.blocking:
        assert entered.run(connect(), lambda _: timed.sleep(60.0)) is None
    else:

        async def within():
            async with connect():
                await asyncio.sleep(60.0)

        timed.run(within)
    assert timed.elapsed() == 70.0


def test_an_entering_that_hangs_is_given_up_on(timed):
    """And repeated, where the pipeline has a retry."""
    entered = Entered(timed)
    pipeline = Pipeline("p", Retry(2, backoff=NO_WAIT), Timeout(2.0))
    source, connect = entered.manager(pipeline, [Pause(9.0), 1])
    with pytest.raises(AttemptTimeout):
        entered.run(connect())
    assert timed.elapsed() == 4.0
    assert source.open == 0


def test_a_fallback_may_give_another_value(entered):
    """The body runs with it, as if it had been entered."""
    _, connect = entered.manager(Pipeline("p", Fallback(["spare"])), [ConnectionError])
    assert entered.run(connect()) == "spare"


def test_each_call_makes_another_one(entered):
    """They nest, and interleave."""
    bulkhead = Bulkhead(2)
    _, connect = entered.manager(Pipeline("p", bulkhead), [1])
    first, second = connect(), connect()
    seen = entered.flow.blocking and entered.run(
        first, lambda _: entered.run(second, lambda _: bulkhead.in_flight)
    )
    assert seen in (False, 2)
    assert entered.run(connect()) == 1
    assert bulkhead.in_flight == 0


def test_it_decorates_functions_as_such_managers_do():
    """Each call of the decorated function enters it anew."""
    bulkhead, seen = Bulkhead(1), []

    @Pipeline("p", bulkhead)
    @contextlib.contextmanager
    def connection():
        yield

    @connection()
    def work():
        seen.append(bulkhead.in_flight)

    work()
    work()
    assert (seen, bulkhead.in_flight) == ([1, 1], 0)


def test_it_works_in_a_class_and_in_an_exit_stack():
    """As a method; and closed by the stack."""
    bulkhead = Bulkhead(2)

    class Client:
        @Pipeline("p", bulkhead)
        @contextlib.contextmanager
        def stream(self, path):
            """Open a path."""
            yield self, path

    client = Client()
    with contextlib.ExitStack() as stack:
        assert stack.enter_context(client.stream("/a")) == (client, "/a")
        assert stack.enter_context(client.stream("/b")) == (client, "/b")
        assert bulkhead.in_flight == 2
    assert bulkhead.in_flight == 0
    assert Client.stream.__doc__ == "Open a path."
    assert list(inspect.signature(client.stream).parameters) == ["path"]


def test_a_body_that_is_cancelled_is_neutral():
    """The generator sees the cancellation, and its clean-up is awaited."""
    breaker, bulkhead, seen = CircuitBreaker(failures=1), Bulkhead(1), []

    @Pipeline("p", breaker, bulkhead)
    @contextlib.asynccontextmanager
    async def connection():
        try:
            yield
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            seen.append("cancelled")
            raise

    async def main():
        async def work():
            async with connection():
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        for _ in range(3):
            await asyncio.sleep(0)
        assert bulkhead.in_flight == 1
        task.cancel()
        return await asyncio.gather(task, return_exceptions=True)

    (end,) = asyncio.run(main())
    assert isinstance(end, asyncio.CancelledError)
    assert (breaker.state, bulkhead.in_flight, seen) == ("closed", 0, ["cancelled"])
