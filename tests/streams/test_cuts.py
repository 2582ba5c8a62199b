"""Streams that stall for real: on a socket, in a thread, in a loop of asyncio."""

import asyncio
import gc
import socket
import threading
import time

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
    remaining,
)
from tests.cut.conftest import SOON, Stopwatch

pytestmark = pytest.mark.real_time

BETWEEN = 0.15


class Wire:
    """A connection whose other end is the test's: it says so much, then nothing more."""

    def __init__(self):
        self.here, self.there = socket.socketpair()
        self.ended = []

    def lines(self):
        """Yield each byte that comes."""
        try:
            while got := self.here.recv(1):
                yield got
        except BaseException as error:
            self.ended.append(type(error))
            raise


@pytest.fixture
def wire():
    wire = Wire()
    yield wire
    wire.here.close()
    wire.there.close()


def test_a_socket_that_stalls_in_the_middle_is_cut(wire):
    """In the consumer's own thread, after `between`; gates hear of a time-out."""
    breaker, bulkhead = CircuitBreaker(failures=1), Bulkhead(1)
    lines = Pipeline("p", breaker, bulkhead, Timeout(60.0, between=BETWEEN))(wire.lines)
    wire.there.sendall(b"ab")
    stream = lines()
    assert [next(stream), next(stream)] == [b"a", b"b"]
    with Stopwatch() as watch, pytest.raises(AttemptTimeout) as caught:
        next(stream)
    assert BETWEEN * 0.9 < watch.seconds < SOON
    assert caught.value.seconds == BETWEEN
    assert (breaker.state, bulkhead.in_flight) == ("open", 0)
    assert list(stream) == []


def test_a_socket_that_never_begins_is_cut(wire):
    """After `first`."""
    lines = Pipeline("p", Timeout(60.0, first=BETWEEN))(wire.lines)
    with Stopwatch() as watch, pytest.raises(AttemptTimeout) as caught:
        list(lines())
    assert watch.seconds < SOON
    assert caught.value.seconds == BETWEEN


def test_a_cut_end_is_no_end(wire):
    """A stream that takes the cut for the end of its data is not believed: it has timed out."""

    def quiet():
        try:
            yield from wire.lines()
        except OSError:
            return

    wire.there.sendall(b"a")
    stream = Pipeline("p", Timeout(60.0, between=BETWEEN))(quiet)()
    assert next(stream) == b"a"
    with pytest.raises(AttemptTimeout):
        next(stream)


def test_in_all_is_cut_too(wire):
    """At the instant at which there is nothing left, with the whole as its limit."""
    stream = Pipeline("p", Timeout(2 * BETWEEN))(wire.lines)()
    wire.there.sendall(b"a")
    next(stream)
    with Stopwatch() as watch, pytest.raises(AttemptTimeout) as caught:
        next(stream)
    assert watch.seconds < SOON
    assert caught.value.seconds == 2 * BETWEEN


def test_the_consumers_own_time_is_not_cut(wire):
    """Whatever it does with an item, on sockets of its own too, is its own affair."""
    stream = Pipeline("p", Timeout(60.0, between=BETWEEN))(wire.lines)()
    other, others_end = socket.socketpair()
    wire.there.sendall(b"ab")
    with other, others_end:
        assert next(stream) == b"a"
        other.settimeout(2 * BETWEEN)
        with pytest.raises(TimeoutError):
            other.recv(1)
        assert next(stream) == b"b"
    stream.close()


def test_a_stall_is_resumed_on_another_connection():
    """What is left comes from the second one."""
    wires = [Wire(), Wire()]
    wires[0].there.sendall(b"ab")
    wires[1].there.sendall(b"cd")
    wires[1].there.shutdown(socket.SHUT_WR)
    left = list(wires)

    def lines():
        yield from left.pop(0).lines()

    pipeline = Pipeline(
        "p", Retry(2, backoff=backoff.constant(0.0)), Timeout(60.0, between=BETWEEN)
    )
    assert list(pipeline.stream(lines, resume=lambda last: {})()) == [b"a", b"b", b"c", b"d"]
    for one in wires:
        one.here.close()
        one.there.close()


def test_a_deadline_around_the_consumer_cuts_an_item(wire):
    """Where it comes before the stream's own."""
    stream = Pipeline("p", Timeout(60.0, between=30.0))(wire.lines)()
    wire.there.sendall(b"a")
    next(stream)
    with Stopwatch() as watch, deadline(BETWEEN), pytest.raises(DeadlineExceeded):
        next(stream)
    assert watch.seconds < SOON


def test_the_body_sees_its_limit_and_the_consumer_none():
    """In the quick way of drawing, too."""
    seen = []

    @Pipeline("p", Timeout(60.0, first=30.0, between=20.0))
    def rows():
        while True:
            seen.append(remaining())
            yield

    @Pipeline("p", Timeout(60.0, first=30.0, between=20.0))
    async def arows():
        while True:
            seen.append(remaining())
            yield

    async def main():
        stream = arows()
        for _ in range(3):
            await anext(stream)
            assert remaining() == float("inf")
        await stream.aclose()

    stream = rows()
    for _ in range(3):
        next(stream)
        assert remaining() == float("inf")
    asyncio.run(main())
    assert seen == pytest.approx([30.0, 20.0, 20.0] * 2, abs=1.0)


def test_a_late_item_that_nothing_could_cut_is_handed_over():
    """And is no success: a breaker that is told at the end counts a time-out."""
    breaker = CircuitBreaker(failures=1)

    @Pipeline("p", breaker, Timeout(60.0, between=0.01))
    def rows():
        yield 1
        time.sleep(0.1)
        yield 2
        yield 3

    assert list(rows()) == [1, 2, 3]
    assert breaker.state == "open"


@pytest.mark.parametrize("limit", [
    Timeout(0.5, first=0.01), Timeout.adaptive(ceiling=0.01, floor=0.005)
])  # fmt: skip
def test_a_stream_whose_first_item_was_late_is_held_to_its_end(limit):
    """It is handed over like any late item; so its place is taken, and the breaker hears at its end."""
    breaker, bulkhead = CircuitBreaker(failures=1), Bulkhead(1)

    @Pipeline("p", breaker, bulkhead, limit)
    def rows():
        time.sleep(0.1)
        yield 1
        yield 2

    stream = rows()
    assert next(stream) == 1
    assert (bulkhead.in_flight, breaker.state) == (1, "closed")
    assert list(stream) == [2]
    assert (bulkhead.in_flight, breaker.state) == (0, "open")


def test_a_stream_whose_first_item_was_late_has_its_limits(wire):
    """Those of its further items hold as ever."""

    @Pipeline("p", Timeout(60.0, first=0.01, between=BETWEEN))
    def lines():
        time.sleep(0.1)
        yield 1
        yield from wire.lines()

    stream = lines()
    assert next(stream) == 1
    with pytest.raises(AttemptTimeout) as caught:
        next(stream)
    assert caught.value.seconds == BETWEEN


def test_a_late_item_is_refused_where_that_is_asked_for():
    """With ``late="raise"`` nobody gets it, and the source is closed."""
    ended = []

    @Pipeline("p", Timeout(60.0, between=0.01, late="raise"))
    def rows():
        try:
            yield 1
            time.sleep(0.1)
            yield 2
        finally:
            ended.append(1)

    with pytest.raises(AttemptTimeout):
        list(rows())
    assert ended == [1]


def test_an_async_stall_is_cancelled_in_time():
    """By one timer of the stream, which nothing is left of."""
    breaker = CircuitBreaker(failures=1)

    @Pipeline("p", breaker, Timeout(60.0, between=BETWEEN))
    async def rows():
        for one in range(3):
            yield one
        await asyncio.Event().wait()

    async def main():
        stream = rows()
        assert [await anext(stream) for _ in range(3)] == [0, 1, 2]
        with Stopwatch() as watch, pytest.raises(AttemptTimeout) as caught:
            await anext(stream)
        assert caught.value.seconds == BETWEEN
        assert BETWEEN * 0.9 < watch.seconds < SOON
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    assert breaker.state == "open"


def test_an_async_consumers_own_time_is_not_between():
    """The timer that rings meanwhile finds nobody to cancel."""

    @Pipeline("p", Timeout(60.0, between=0.05))
    async def rows():
        for one in range(3):
            await asyncio.sleep(0)
            yield one

    async def main():
        got = []
        async for one in rows():
            await asyncio.sleep(0.12)
            got.append(one)
        return got

    assert asyncio.run(main()) == [0, 1, 2]


def test_threads_that_drop_streams_leave_no_permit():
    """Begun in many threads, dropped or closed in others, by hand or by the collector."""
    bulkhead = Bulkhead(1000)
    rows = Pipeline("p", bulkhead, Timeout(60.0, between=30.0))(lambda: (yield from range(9)))
    begun, many = [], 50

    def begin():
        for number in range(many):
            stream = rows()
            next(stream)
            begun.append([stream] if number % 2 else cyclic(stream))

    def drop():
        while begun:
            try:
                begun.pop()
            except IndexError:
                return

    for work in (begin, drop):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    gc.collect()
    assert bulkhead.in_flight == 0


def cyclic(stream):
    """Return a list that holds a stream, and itself."""
    cycle = [stream]
    cycle.append(cycle)
    return cycle
