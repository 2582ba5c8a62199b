"""Async pipelines where asyncio is not as usual: no loop at all, a loop that changes threads or ends.

Sources: trio and Twisted users of other libraries, who lose their own error to ``no running loop``;
frameworks that run one loop from several threads in turn; tenacity 25 and 228 (tests patch
``time.sleep``); gevent applied after the imports.
"""

import asyncio
import gc
import threading
import time
import weakref

import pytest

from holdfast import (
    Bulkhead,
    Chaos,
    CircuitBreaker,
    Coalesce,
    Hedge,
    Pipeline,
    RateLimiter,
    Retry,
    Timeout,
    backoff,
    standard,
)
from holdfast._runtimes.aio import Asyncio, _errands
from holdfast.events import subscribe

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.filterwarnings("ignore::holdfast.CompositionWarning"),
]

SENTENCE = "no asyncio event loop is running here.*trio"
SOON = backoff.constant(0.001)


def drive(coroutine):
    """Run a coroutine as another library's loop does: without asyncio."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    finally:
        coroutine.close()
    raise AssertionError("it waits")


async def answer():
    return "answer"


async def fail():
    raise ConnectionError("no route")


# -- without asyncio -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layers",
    [
        (Timeout(1.0),),
        (Timeout(2.0), Timeout(1.0)),
        (Timeout.adaptive(),),
        (Hedge(1.0),),
        (Coalesce(key=lambda: 1),),
        standard("p").strategies,
        (Chaos(1.0, latency=0.1, enabled=True),),
    ],
    ids=["timeout", "timeouts", "adaptive", "hedge", "coalesce", "standard", "chaos"],
)
def test_without_asyncio_a_sentence_says_what_is_needed(layers):
    """Each time, so nothing was left behind by the time before; the function was not even called."""
    call = Pipeline("p", *layers)(answer)
    for _ in range(3):
        with pytest.raises(RuntimeError, match=SENTENCE):
            drive(call())


@pytest.mark.parametrize("outside", [(), (CircuitBreaker(failures=1),), (Bulkhead(1),)])
def test_without_asyncio_the_user_s_own_error_stays_to_be_seen(outside):
    """A retry cannot wait there: the sentence comes with what had gone wrong as its cause."""
    call = Pipeline("p", *outside, Retry(3, backoff=SOON))(fail)
    for _ in range(3):
        with pytest.raises(RuntimeError, match=SENTENCE) as caught:
            drive(call())
        assert repr(caught.value.__cause__) == "ConnectionError('no route')"


def test_without_asyncio_it_is_no_outcome_and_no_failure():
    """No breaker opens for it, no permit stays out."""
    breaker, bulkhead = CircuitBreaker(failures=1), Bulkhead(1)
    call = Pipeline("p", breaker, bulkhead, Retry(2, on=Exception), Timeout(1.0))(answer)
    with pytest.raises(RuntimeError, match=SENTENCE):
        drive(call())
    assert (breaker.state, bulkhead.in_flight) == ("closed", 0)


def test_without_asyncio_what_need_not_wait_works():
    """Nothing is refused before it would have to wait."""
    call = Pipeline("p", Bulkhead(1), CircuitBreaker(), Retry(3), RateLimiter(10))(answer)
    assert drive(call()) == "answer"


def test_without_asyncio_a_loop_over_attempts_shows_what_had_gone_wrong():
    """The pause before the second attempt is where it stops."""

    async def run():
        async for attempt in Retry(3, backoff=SOON):
            with attempt:
                await fail()

    with pytest.raises(RuntimeError, match=SENTENCE) as caught:
        drive(run())
    assert repr(caught.value.__cause__) == "ConnectionError('no route')"


def test_without_asyncio_a_block_that_must_wait_says_so():
    """And gives back what it had."""
    bulkhead = Bulkhead(2)
    pipeline = Pipeline("p", bulkhead, RateLimiter(0.1, burst=1, max_wait=60.0))

    async def twice():
        for _ in range(2):
            async with pipeline:
                pass

    with pytest.raises(RuntimeError, match=SENTENCE):
        drive(twice())
    assert bulkhead.in_flight == 0


# -- loops that move, and end ----------------------------------------------------------------------


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("where", ["another thread", "the same thread"])
def test_a_permit_reaches_a_loop_that_another_thread_has_taken_over(where, debug):
    """Whoever gives it back need not know which thread runs the loop by then, if any does."""
    bulkhead = Bulkhead(1, queue=1)
    loop = asyncio.new_event_loop()
    loop.set_debug(debug)
    try:
        permit = bulkhead.enter(0.0, (), {})
        task = loop.create_task(Pipeline("p", bulkhead)(answer)())
        loop.run_until_complete(asyncio.sleep(0))
        assert bulkhead.waiting == 1
        answers = []

        def run():
            answers.append(loop.run_until_complete(asyncio.wait_for(task, 10.0)))

        other = threading.Thread(target=run)
        if where == "another thread":
            other.start()
            while not loop.is_running():
                time.sleep(0.001)
        began = time.monotonic()
        bulkhead.succeeded(permit, 0.0, None)
        if where == "the same thread":
            other.start()
        other.join()
        assert answers == ["answer"]
        assert time.monotonic() - began < 5.0
    finally:
        loop.close()


def test_a_check_whose_loop_was_closed_over_it_is_let_go():
    """The next one that is begun forgets it: its task would be kept for ever."""

    async def check():
        await asyncio.Event().wait()

    def begin():
        loop = asyncio.new_event_loop()

        async def start():
            Asyncio().background(check, lambda _error: None)

        loop.run_until_complete(start())
        kept = [weakref.ref(task) for task in _errands if task.get_loop() is loop]
        return loop, kept

    first, kept = begin()
    assert len(kept) == 1
    first.close()
    second, _ = begin()

    gc.collect()
    assert kept[0]() is None
    for task in list(_errands):
        task.cancel()
    second.run_until_complete(asyncio.sleep(0))
    second.close()


# -- who listens -----------------------------------------------------------------------------------


def test_who_begins_to_listen_parts_no_flight_in_asyncio():
    """Calls before and after it share one attempt."""
    runs, gate = [], asyncio.Event()

    @Pipeline("p", Coalesce(key=lambda key: key))
    async def fetch(key):
        runs.append(key)
        await gate.wait()
        return len(runs)

    async def main():
        first = asyncio.create_task(fetch("a"))
        await asyncio.sleep(0.001)
        with subscribe(lambda _event: None):
            second = asyncio.create_task(fetch("a"))
            await asyncio.sleep(0.001)
        third = asyncio.create_task(fetch("a"))
        await asyncio.sleep(0.001)
        gate.set()
        return await asyncio.gather(first, second, third)

    assert asyncio.run(main()) == [1, 1, 1]


def test_who_begins_to_listen_parts_no_flight_in_threads():
    """The same in blocking code, for `call` as well."""
    runs, gate, coalesce = [], threading.Event(), Coalesce(key=lambda *_: 1)
    pipeline, answers = Pipeline("p", coalesce), []

    def fetch():
        runs.append(1)
        gate.wait(10.0)
        return len(runs)

    def start():
        thread = threading.Thread(target=lambda: answers.append(pipeline.call(fetch)))
        thread.start()
        while coalesce.snapshot()["sharing"] < len(threads):
            time.sleep(0.001)  # the leader has no seat
        return thread

    threads = []
    threads.append(start())
    while not runs:
        time.sleep(0.001)
    with subscribe(lambda _event: None):
        threads.append(start())
    gate.set()
    for thread in threads:
        thread.join()
    assert answers == [1, 1]


def test_two_functions_never_share_whoever_listens():
    """The key is that of one function."""
    pipeline = Pipeline("p", Coalesce(key=lambda: 1))

    async def main():
        one, other = pipeline(answer), pipeline(other_answer)
        return await asyncio.gather(one(), other(), pipeline.acall(answer))

    async def other_answer():
        return "another"

    with subscribe(lambda _event: None):
        assert asyncio.run(main()) == ["answer", "another", "answer"]


# -- pauses ----------------------------------------------------------------------------------------


class EnoughError(Exception):
    pass


def test_a_pause_is_whatever_time_sleep_is_by_then(monkeypatch):
    """Patched by a test, or by gevent, after the import."""
    slept = []

    def patched(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            raise EnoughError  # time stands still, so that the limiter would ask for ten seconds

    monkeypatch.setattr(time, "sleep", patched)

    def down():
        raise ConnectionError

    Pipeline("p", Retry(3, backoff=backoff.constant(5.0, jitter=None))).try_call(down)
    limited = Pipeline("q", RateLimiter(0.1, burst=1, max_wait=60.0))(int)
    limited()
    with pytest.raises(EnoughError):
        limited()

    assert slept[:2] == [5.0, 5.0]
    assert slept[2] == pytest.approx(10.0, abs=0.5)
