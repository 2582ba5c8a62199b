"""Permits are held until a stream has ended, however it does, and given back once."""

import asyncio
import gc
import threading

import pytest

from holdfast import (
    Bulkhead,
    BulkheadFullError,
    ConcurrencyLimiter,
    Fallback,
    Hedge,
    LoadShedder,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    on_result,
)
from holdfast.extend import Gate
from tests.streams.flows import Pause

NO_WAIT = backoff.constant(0.0)


class Ledger(Gate):
    """Writes down who enters, and how each one leaves; it is told when an answer began."""

    def __init__(self):
        self.log = []
        self.out = set()
        self.entered = 0

    def enter(self, now, args, kwargs, site, /):
        self.entered += 1
        self.out.add(self.entered)
        self.log.append(("enter", now))
        return self.entered

    def answered(self, permit, at, now, /):
        self.log.append(("answered", at))
        return permit

    def succeeded(self, permit, now, result, /):
        self.out.remove(permit)
        self.log.append(("succeeded", now))

    def failed(self, permit, now, error, /):
        self.out.remove(permit)
        self.log.append(("failed", now))

    def abandoned(self, permit, now, /):
        self.out.remove(permit)
        self.log.append(("abandoned", now))

    @property
    def words(self):
        return [word for word, _ in self.log]


def held(flow, *script):
    """Return a ledger, and a stream behind it that has given its first item."""
    ledger = Ledger()
    rows = Pipeline("p", ledger)(flow.source(script).function)
    stream = flow.begin(rows)
    stream.next()
    assert ledger.words == ["enter"]
    return ledger, stream


def test_until_it_is_exhausted(flow):
    """Then it was a success."""
    ledger, stream = held(flow, 1, 2)
    stream.next()
    assert ledger.words == ["enter"]
    with pytest.raises(flow.end):
        stream.next()
    assert ledger.words == ["enter", "answered", "succeeded"]


def test_until_it_breaks_off(flow):
    """Then it was a failure."""
    ledger, stream = held(flow, 1, ConnectionError)
    with pytest.raises(ConnectionError):
        stream.next()
    assert ledger.words == ["enter", "answered", "failed"]


def test_until_it_is_interrupted():
    """An interruption is no outcome, for it says nothing about the source."""
    ledger, ended = Ledger(), []

    @Pipeline("p", ledger)
    def rows():
        try:
            yield 1
            raise KeyboardInterrupt
        finally:
            ended.append(1)

    stream = rows()
    next(stream)
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert (ledger.words, ended) == (["enter", "answered", "abandoned"], [1])


def test_until_it_is_closed(flow):
    """Then it has no outcome; a second time nothing happens."""
    ledger, stream = held(flow, 1, 2)
    stream.close()
    stream.close()
    assert ledger.words == ["enter", "answered", "abandoned"]


def test_until_it_is_forgotten(flow):
    """A stream that nobody refers to any more gives its permit back, and closes its source."""
    ledger, stream = held(flow, 1, 2)
    del stream
    gc.collect()
    flow.settle()
    assert ledger.words == ["enter", "answered", "abandoned"]


def test_until_the_collector_finds_it_in_a_cycle(flow):
    """Forgotten in a cycle is forgotten, too."""
    ledger, stream = held(flow, 1, 2)
    cycle = [stream]
    cycle.append(cycle)
    del stream, cycle
    gc.collect()
    flow.settle()
    assert ledger.words == ["enter", "answered", "abandoned"]


@pytest.mark.parametrize("make", [
    lambda: Bulkhead(3), ConcurrencyLimiter, lambda: LoadShedder(3)
])  # fmt: skip
def test_while_its_gate_is_at_work(make):
    """The collector may strike while this thread has the gate's lock: nothing hangs, or is lost."""
    gate = make()

    @Pipeline("p", gate)
    def rows():
        yield 1
        yield 2

    stream = rows()
    next(stream)
    cycle = [stream]
    cycle.append(cycle)
    del stream, cycle
    with gate._lock:
        gc.collect()
    assert list(rows()) == [1, 2]
    assert gate.in_flight == 0


def test_a_hundred_that_are_dropped_at_once(flow):
    """Each gives back its own."""
    ledger, source = Ledger(), flow.source([1, 2])
    rows = Pipeline("p", ledger)(source.function)
    streams = [flow.begin(rows) for _ in range(100)]
    for one in streams:
        one.next()
    assert len(ledger.out) == 100
    del streams, one
    gc.collect()
    flow.settle()
    assert ledger.out == set()
    assert ledger.words.count("abandoned") == 100
    assert source.ended == [GeneratorExit] * 100


def test_in_another_thread_than_it_was_begun_in():
    """A generator may be handed to a thread, be exhausted there, or be dropped there."""
    bulkhead = Bulkhead(3)

    @Pipeline("p", bulkhead)
    def rows():
        yield 1
        yield 2

    exhausted, closed, dropped = rows(), rows(), [rows()]
    for one in (exhausted, closed, dropped[0]):
        next(one)
    assert bulkhead.in_flight == 3
    for deed in (lambda: list(exhausted), closed.close, dropped.clear):
        thread = threading.Thread(target=deed)
        thread.start()
        thread.join()
    del one
    assert bulkhead.in_flight == 0


def test_with_the_loop_that_ends():
    """A loop closes the streams that it is left with; so permits come back with `asyncio.run`."""
    bulkhead, kept = Bulkhead(1), []

    @Pipeline("p", bulkhead)
    async def rows():
        yield 1
        yield 2

    async def main():
        kept.append(rows())
        await anext(kept[0])
        assert bulkhead.in_flight == 1

    asyncio.run(main())
    assert bulkhead.in_flight == 0


def test_with_a_loop_that_was_closed_under_it():
    """Nobody can close an async generator whose loop is gone; forgotten, it gives back all the same."""
    ledger = Ledger()

    @Pipeline("p", ledger, Timeout(60.0, between=30.0))
    async def rows():
        yield 1
        yield 2

    async def begin(stream):
        await anext(stream)
        await anext(stream)

    loop, stream = asyncio.new_event_loop(), rows()
    loop.run_until_complete(begin(stream))
    loop.close()
    assert ledger.words == ["enter"]
    del stream
    gc.collect()
    assert ledger.words == ["enter", "answered", "abandoned"]


def test_a_held_permit_keeps_others_out(flow):
    """A bulkhead's place is taken for as long as a stream lasts."""
    rows = Pipeline("p", Bulkhead(1))(flow.source([1, 2]).function)
    first, second = flow.begin(rows), flow.begin(rows)
    assert first.next() == 1
    with pytest.raises(BulkheadFullError):
        second.next()
    first.close()
    assert flow.all(rows) == [1, 2]


def test_no_permit_before_the_first_item_is_asked_for(flow):
    """A stream that is only made holds nothing."""
    bulkhead = Bulkhead(1)
    stream = flow.begin(Pipeline("p", bulkhead)(flow.source([1]).function))
    assert bulkhead.in_flight == 0
    stream.close()


def test_attempts_that_fail_hold_nothing(flow):
    """Each attempt inside a retry enters, and leaves when it has failed."""
    ledger = Ledger()
    source = flow.source([ConnectionError], [1])
    flow.all(Pipeline("p", Retry(2, backoff=NO_WAIT), ledger)(source.function))
    assert ledger.words == ["enter", "failed", "enter", "answered", "succeeded"]


def test_a_first_item_that_is_refused_is_given_back(flow):
    """A retry that gives up a stream for its first item leaves no permit behind."""
    ledger = Ledger()
    retry = Retry(2, on=on_result(lambda item: item == "busy"), backoff=NO_WAIT)
    source = flow.source(["busy", 2], [1])
    assert flow.all(Pipeline("p", retry, ledger)(source.function)) == [1]
    assert ledger.words == ["enter", "answered", "succeeded", "enter", "answered", "succeeded"]


def test_the_loser_of_a_hedge_gives_back_its_own(timed):
    """It has no outcome; the winner's is held on."""
    ledger = Ledger()
    source = timed.source([Pause(5.0), "slow"], [Pause(0.5), "quick", "rest"])
    stream = timed.begin(Pipeline("p", Hedge(after=1.0), ledger)(source.function))
    assert stream.next() == "quick"
    timed.sleep(10.0)
    assert len(ledger.out) == 1
    stream.close()
    assert ledger.out == set()


def test_gates_hear_from_the_innermost_to_the_outermost(flow):
    """In the order in which a call would leave them."""
    order = []

    class Named(Ledger):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def succeeded(self, permit, now, result, /):
            order.append((self.name, result))

    gates = [Named("outer"), Named("middle"), Named("inner")]
    flow.all(Pipeline("p", *gates)(flow.source([1, 2]).function))
    assert order == [("inner", 1), ("middle", 1), ("outer", 1)]


@pytest.mark.parametrize("word", ["answered", "succeeded"])
def test_a_gate_that_raises_harms_no_other(flow, word):
    """All get their permits back; then its error is raised."""

    class Broken(Ledger):
        def answered(self, permit, at, now, /):
            return self._broken("answered", permit)

        def succeeded(self, permit, now, result, /):
            self._broken("succeeded", permit)

        def _broken(self, where, permit):
            if where == word:
                raise RuntimeError(where)
            return permit

    outer, inner = Ledger(), Ledger()
    rows = Pipeline("p", outer, Broken(), inner)(flow.source([1]).function)
    with pytest.raises(RuntimeError, match=word):
        flow.all(rows)
    assert (outer.out, inner.out) == (set(), set())


def test_a_source_that_raises_when_it_is_closed_gives_back_all_the_same(flow):
    """The error of its clean-up passes, and the permits are back."""
    ledger = Ledger()

    def rows():
        try:
            yield 1
        finally:
            raise OSError("clean-up")

    async def arows():
        try:
            yield 1
        finally:
            raise OSError("clean-up")

    stream = flow.begin(Pipeline("p", ledger)(rows if flow.blocking else arows))
    stream.next()
    with pytest.raises(OSError, match="clean-up"):
        stream.close()
    assert ledger.out == set()


def test_a_fallbacks_stream_is_held_as_any(flow):
    """By the gate outside of it; the one inside has had a failure."""
    outer, inner = Ledger(), Ledger()
    source = flow.source([ConnectionError])
    stream = flow.begin(Pipeline("p", outer, Fallback([7, 8]), inner)(source.function))
    assert stream.next() == 7
    assert inner.words == ["enter", "failed"]
    assert outer.words == ["enter"]
    assert stream.next() == 8
    stream.close()
    assert outer.words == ["enter", "answered", "abandoned"]


def test_latency_is_the_time_to_the_first_item(timed):
    """A gate that has `answered` is told the instant, just before it hears how it ended."""
    ledger = Ledger()
    source = timed.source([Pause(2.0), 1, Pause(3.0), 2])
    start = timed._clock.now()
    timed.all(Pipeline("p", ledger)(source.function))
    assert [(word, at - start) for word, at in ledger.log] == [
        ("enter", 0.0),
        ("answered", 2.0),
        ("succeeded", 5.0),
    ]
