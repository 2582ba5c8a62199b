"""Limits of streams: in all, to the first item, between two; on virtual time."""

import asyncio
import math

import pytest

from holdfast import (
    AttemptTimeout,
    CircuitBreaker,
    ConfigurationError,
    DeadlineExceeded,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    deadline,
    remaining,
)
from holdfast.events import TimedOut
from holdfast.testing import record
from tests.streams.conftest import flowing
from tests.streams.flows import Do, Pause

NO_WAIT = backoff.constant(0.0)


def protected(flow, timeout, *script):
    """Return a protected stream function, with that limit alone."""
    return Pipeline("p", timeout)(flow.source(script).function)


def test_the_first_item_has_a_limit_of_its_own(timed):
    """Nothing comes within `first`: the error names it."""
    source = timed.source([Pause(6.0), 1])
    with pytest.raises(AttemptTimeout) as caught:
        timed.all(Pipeline("p", Timeout(60.0, first=5.0))(source.function))
    assert (caught.value.pipeline, caught.value.seconds) == ("p", 5.0)
    assert source.open == 0


def test_a_late_first_item_is_another_attempts_affair(timed):
    """A retry around the limit begins anew."""
    source = timed.source([Pause(6.0), 1], [Pause(1.0), 2])
    rows = Pipeline("p", Retry(2, backoff=NO_WAIT), Timeout(60.0, first=5.0))(source.function)
    assert timed.all(rows) == [2]


def test_later_items_are_not_bound_by_first(timed):
    """They may take as long as there is in all."""
    rows = protected(timed, Timeout(60.0, first=1.0), 1, Pause(20.0), 2, Pause(20.0), 3)
    assert timed.all(rows) == [1, 2, 3]


def test_each_further_item_has_its_limit(timed):
    """From the instant at which it is asked for; each has the whole of it."""
    rows = protected(
        timed, Timeout(60.0, between=10.0), 1, Pause(9.0), 2, Pause(9.0), 3, Pause(11), 4
    )
    stream = timed.begin(rows)
    assert [stream.next() for _ in range(3)] == [1, 2, 3]
    with pytest.raises(AttemptTimeout) as caught:
        stream.next()
    assert caught.value.seconds == 10.0
    with pytest.raises(timed.end):
        stream.next()


def test_the_first_item_is_not_bound_by_between(timed):
    """Before the first there is nothing between."""
    assert timed.all(protected(timed, Timeout(60.0, between=1.0), Pause(30.0), 1)) == [1]


def test_the_consumers_own_time_is_not_between(timed):
    """It may keep an item as long as it likes."""
    stream = timed.begin(protected(timed, Timeout(60.0, between=1.0), 1, Pause(0.5), 2, 3))
    stream.next()
    timed.sleep(30.0)
    assert stream.next() == 2
    timed.sleep(20.0)
    assert stream.next() == 3


def test_all_of_it_has_a_limit(timed):
    """Counted from the call of the attempt that gave the first item."""
    rows = protected(timed, Timeout(5.0), 1, Pause(3.0), 2, Pause(3.0), 3)
    stream = timed.begin(rows)
    assert [stream.next(), stream.next()] == [1, 2]
    with pytest.raises(AttemptTimeout):
        stream.next()
    assert timed.elapsed() == 5.0


def test_the_end_of_it_all_is_told_at_the_next_item(timed):
    """While the consumer has an item nobody is interrupted."""
    source = timed.source([1, 2])
    stream = timed.begin(Pipeline("p", Timeout(5.0))(source.function))
    stream.next()
    timed.sleep(6.0)
    assert source.open == 1
    with record() as events, pytest.raises(AttemptTimeout) as caught:
        stream.next()
    assert caught.value.seconds == 5.0
    assert source.ended == [GeneratorExit]
    assert [event.seconds for event in events.of(TimedOut)] == [5.0]


def test_async_items_are_cut_at_their_instant():
    """In asyncio what hangs is cancelled when its time is up, once; clean-up is awaited."""
    with flowing("asyncio") as flow:
        cancelled = []

        async def rows():
            yield 1
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(flow.elapsed())
                await asyncio.sleep(1.0)
                raise

        stream = flow.begin(Pipeline("p", Timeout(60.0, between=2.0))(rows))
        stream.next()
        with pytest.raises(AttemptTimeout):
            stream.next()
        assert cancelled == [2.0]
        assert flow.elapsed() == 3.0


def test_several_timeouts_hold_at_once(timed):
    """The shortest of each kind counts, wherever it stands."""
    timeouts = Timeout(60.0, between=2.0), Timeout(50.0, between=20.0), Timeout(5.0)
    source = timed.source([1, Pause(1.0), 2, Pause(2.5), 3], [1, Pause(1.5), 2, Pause(1.5), 3] * 3)
    rows = Pipeline("p", *timeouts)(source.function)
    with pytest.raises(AttemptTimeout):
        timed.all(rows)
    assert timed.elapsed() == 3.0
    with pytest.raises(AttemptTimeout):
        timed.all(rows)
    assert timed.elapsed() == 8.0


def test_the_body_sees_what_is_left_of_an_items_limit(timed):
    """`remaining` in the generator tells the item's limit, or what is left in all."""
    seen = []
    look = Do(lambda: seen.append(remaining()))
    rows = protected(
        timed, Timeout(10.0, first=5.0, between=3.0), look, 1, look, 2, Pause(1), look, 3
    )
    stream = timed.begin(rows)
    stream.next(), stream.next()
    timed.sleep(7.0)
    stream.next()
    assert seen == pytest.approx([5.0, 3.0, 2.0])


def test_the_consumer_does_not_see_it(timed):
    """The limit is the item's; who has the item is not bound by it."""
    rows = protected(timed, Timeout(10.0, first=5.0, between=3.0), 1, 2)
    if timed.blocking:
        assert [remaining() for _ in rows()] == [math.inf, math.inf]
        return

    async def consumed():
        return [remaining() async for _ in rows()]

    assert timed.run(consumed) == [math.inf, math.inf]


def test_a_deadline_around_the_consumer_holds_too(timed):
    """An item ends with the deadline of who asks for it."""
    rows = protected(timed, Timeout(60.0, between=10.0), 1, Pause(3.0), 2, 3)
    if timed.blocking:
        with deadline(2.0), pytest.raises((AttemptTimeout, DeadlineExceeded)):
            list(rows())
        return

    async def consumed():
        with deadline(2.0):
            return [one async for one in rows()]

    with pytest.raises((AttemptTimeout, DeadlineExceeded)):
        timed.run(consumed)


def test_a_call_around_the_consumer_limits_it_too(timed):
    """A protected function that iterates over a protected stream: each item has what is left of both."""
    source = timed.source([1, Pause(1.5), 2, Pause(9.0), 3], [1, Pause(3.0), 2])
    rows = Pipeline("inner", Timeout(60.0, between=2.0))(source.function)
    outer = Pipeline("outer", Timeout(3.0))
    for limit, elapsed in ((3.0, 3.0), (2.0, 5.0)):
        with pytest.raises(AttemptTimeout) as caught:
            outer.call(list, rows()) if timed.blocking else timed.run(outer.acall, collected, rows)
        assert caught.value.seconds == limit
        assert timed.elapsed() == elapsed
    assert source.open == 0


async def collected(rows):
    return [one async for one in rows()]


def test_an_item_over_its_limit_is_a_failure(timed):
    """A breaker counts the stream that stalls in its middle, though it had opened well."""
    breaker = CircuitBreaker(failures=1)
    source = timed.source([1, Pause(5.0), 2])
    rows = Pipeline("p", breaker, Timeout(60.0, between=1.0))(source.function)
    with pytest.raises(AttemptTimeout):
        timed.all(rows)
    assert breaker.state == "open"


@pytest.mark.parametrize("order", ["outside", "inside"])
def test_it_counts_where_the_gate_stands(timed, order):
    """On either side of the limit: a gate inside of it hears of the time-out, too."""
    breaker, limit = CircuitBreaker(failures=1), Timeout(60.0, between=1.0)
    layers = (breaker, limit) if order == "outside" else (limit, breaker, Timeout(50.0))
    with pytest.raises(AttemptTimeout):
        timed.all(Pipeline("p", *layers)(timed.source([1, Pause(5.0), 2]).function))
    assert breaker.state == "open"


@pytest.mark.parametrize("options", [
    {"first": 0.0}, {"between": -1.0}, {"first": 61.0}, {"between": 61.0}, {"between": "1"},
])  # fmt: skip
def test_parts_are_checked(options):
    """A part is a positive number of seconds, and not more than the whole."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Timeout(60.0, **options)


def test_parts_are_shown_and_compared():
    """They are options like the others."""
    timeout = Timeout(60.0, first=5.0, between=10.0)
    assert timeout == Timeout(60.0, first=5.0, between=10.0) != Timeout(60.0, first=5.0)
    assert "first=5.0, between=10.0" in repr(timeout)


def test_other_functions_know_no_parts(timed):
    """A function that returns has the whole, whatever `first` says."""
    source = timed.source([1])
    pipeline = Pipeline("p", Timeout(60.0, first=1.0, between=1.0))
    if timed.blocking:
        pipeline.call(timed.sleep, 5.0)
    else:
        timed.run(pipeline.acall, asyncio.sleep, 5.0)
    assert timed.elapsed() == 5.0
    assert source.calls == []


def test_a_learnt_timeout_limits_the_first_item(timed):
    """It learns from, and limits, the way there; the rest takes its time."""
    adaptive = Timeout.adaptive(ceiling=2.0, floor=1.0, late="raise")
    source = timed.source([Pause(1.5), 1, Pause(9.0), 2], [Pause(3.0), 1])
    rows = Pipeline("p", adaptive)(source.function)
    assert timed.all(rows) == [1, 2]
    with pytest.raises(AttemptTimeout):
        timed.all(rows)


@pytest.mark.parametrize("timeout", [
    Timeout(1.0, sync="thread"), Timeout.adaptive(sync="thread")
])  # fmt: skip
def test_a_worker_thread_is_no_place_for_a_stream(timeout):
    """A generator that a worker is left in can't be closed; async ones never are in one."""

    def rows():
        yield 1

    async def arows():
        yield 1

    with pytest.raises(ConfigurationError, match="cannot limit a stream"):
        Pipeline("p", timeout)(rows)

    async def consumed():
        return [one async for one in Pipeline("p", timeout)(arows)()]

    assert asyncio.run(consumed()) == [1]
