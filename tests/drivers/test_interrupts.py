"""KeyboardInterrupt, SystemExit and GeneratorExit are no outcome: they pass, and permits come back."""

import asyncio
import signal
import threading
import time
import types

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    CircuitBreaker,
    Fallback,
    Pipeline,
    Retry,
    RetryBudget,
    Timeout,
    backoff,
)
from holdfast.events import CallCompleted
from holdfast.extend import worker_pool
from holdfast.testing import VirtualClock, record, run

PAUSE = backoff.constant(0)
INTERRUPTS = [KeyboardInterrupt("stop"), SystemExit(3), GeneratorExit("closed")]


class Panic(BaseException):
    """Somebody's own kind of exit, outside `Exception`."""


@pytest.fixture
def pipeline():
    """Every strategy that might take an interruption for an outcome."""
    return Pipeline(
        "payments",
        Fallback("instead"),
        Bulkhead(1),
        Retry(3, backoff=PAUSE, budget=RetryBudget()),
        CircuitBreaker(failures=1),
    )


@pytest.fixture
def unharmed(pipeline, balanced):
    """Check that nothing was counted and nothing is out."""

    def check():
        balanced(pipeline)
        _, _, retry, breaker = pipeline.strategies
        assert retry.budget.tokens == retry.budget.capacity
        assert (breaker.state, breaker.snapshot()["failures_in_a_row"]) == ("closed", 0)

    return check


@pytest.mark.parametrize("interrupt", [*INTERRUPTS, Panic("!")], ids=lambda one: type(one).__name__)
def test_an_interruption_passes_untouched(colour, pipeline, unharmed, interrupt):
    """The very object arrives, without a note, after one attempt, and no fallback answers it."""
    calls = []

    def interrupted():
        calls.append(1)
        raise interrupt

    if colour.name == "asyncio" and isinstance(interrupt, KeyboardInterrupt | SystemExit):
        with pytest.raises(type(interrupt)) as caught:
            asyncio.run(pipeline(colour.function(interrupted))())
    else:
        with pytest.raises(type(interrupt)) as caught:
            colour.protected(pipeline, interrupted)()
    assert caught.value is interrupt
    assert not hasattr(interrupt, "__notes__")
    assert calls == [1]
    unharmed()


@pytest.mark.parametrize("interrupt", INTERRUPTS, ids=lambda one: type(one).__name__)
def test_an_interruption_in_a_later_attempt(pipeline, balanced, interrupt):
    """After failures that were retried, an interruption ends the call at once."""
    outcomes = iter([ConnectionError("a"), interrupt])

    def fail():
        raise next(outcomes)

    pipeline = Pipeline("p", Bulkhead(1), Retry(5, backoff=PAUSE), CircuitBreaker(failures=5))
    with pytest.raises(type(interrupt)):
        pipeline(fail)()
    assert list(outcomes) == []
    assert pipeline.strategies[2].snapshot()["failures_in_a_row"] == 1
    balanced(pipeline)


def test_interrupted_while_sleeping_before_a_retry(balanced):
    """Ctrl-C in the pause between two attempts ends the call with the permits back."""
    calls = []
    pipeline = Pipeline("p", Bulkhead(1), Retry(5, backoff=backoff.constant(10.0)))

    def fail():
        calls.append(1)
        raise ConnectionError("refused")

    def interrupt():
        raise KeyboardInterrupt

    with VirtualClock() as clock:
        clock.call_at(clock.now() + 5.0, interrupt)
        with pytest.raises(KeyboardInterrupt):
            pipeline(fail)()
    assert calls == [1]
    balanced(pipeline)


def test_interrupted_while_queueing(balanced):
    """Ctrl-C in the queue of a bulkhead leaves the queue."""
    bulkhead = Bulkhead(1, queue=1)
    permit = bulkhead.enter(0.0, (), {})

    def interrupt():
        raise KeyboardInterrupt

    with VirtualClock() as clock:
        clock.call_at(clock.now() + 5.0, interrupt)
        with pytest.raises(KeyboardInterrupt):
            Pipeline("p", bulkhead)(lambda: 1)()
        assert (bulkhead.in_flight, bulkhead.waiting) == (1, 0)
    bulkhead.succeeded(permit, 0.0, None)
    balanced(bulkhead)


@pytest.mark.parametrize("interrupt", INTERRUPTS, ids=lambda one: type(one).__name__)
def test_an_interrupted_probe_gives_its_place_back(interrupt):
    """Half-open, an interruption neither closes nor opens, and the next probe may pass."""
    breaker = CircuitBreaker(open_for=1.0, open_jitter=0, probes=1)
    outcomes = iter([interrupt, None])

    def probe():
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome
        return "ok"

    call = Pipeline("p", breaker)(probe)
    with VirtualClock() as clock:
        breaker.trip()
        clock.advance(1.0)
        with pytest.raises(type(interrupt)):
            call()
        assert (breaker.state, breaker.snapshot()["probes_in_flight"]) == ("half-open", 0)
        assert call() == "ok"
        assert breaker.state == "closed"


def test_an_interruption_is_told(pipeline):
    """Listeners hear that the call ended, and by what."""

    def interrupted():
        raise KeyboardInterrupt

    with record() as events, pytest.raises(KeyboardInterrupt):
        pipeline(interrupted)()
    (event,) = events
    assert isinstance(event, CallCompleted)
    assert isinstance(event.error, KeyboardInterrupt)


# -- worker threads --------------------------------------------------------------------------------


@pytest.mark.real_time
@pytest.mark.parametrize("interrupt", INTERRUPTS, ids=lambda one: type(one).__name__)
def test_an_exit_in_a_worker_is_raised_in_the_caller(balanced, interrupt):
    """A function that exits in a worker thread exits its caller, and the worker lives on."""

    def exits():
        raise interrupt

    pipeline = Pipeline("p", Bulkhead(1), Retry(3, backoff=PAUSE), Timeout(10.0, sync="thread"))
    for _ in range(3):
        with pytest.raises(type(interrupt)) as caught:
            pipeline(exits)()
        assert caught.value is interrupt
    assert pipeline(threading.get_ident)() != threading.get_ident()
    assert worker_pool().snapshot()["abandoned"] == 0
    balanced(pipeline)


@pytest.fixture
def interrupt_when():
    """Return a function that interrupts this thread, once a condition has come true."""

    def interrupted(signum, frame):
        raise KeyboardInterrupt

    main = threading.get_ident()

    def when(condition):
        def watch():
            until(condition)
            time.sleep(0.05)  # until the caller really waits
            signal.pthread_kill(main, signal.SIGUSR1)

        threading.Thread(target=watch, daemon=True).start()

    before = signal.signal(signal.SIGUSR1, interrupted)
    yield when
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.real_time
def test_a_caller_interrupted_while_its_worker_works(balanced, interrupt_when):
    """Ctrl-C ends the wait; the worker is counted, and holds the permit until it ends."""
    bulkhead = Bulkhead(1)
    release = threading.Event()
    begun = threading.Event()

    def works():
        begun.set()
        release.wait(10.0)

    interrupt_when(begun.is_set)
    with pytest.raises(KeyboardInterrupt):
        Pipeline("p", bulkhead, Timeout(10.0, sync="thread"))(works)()
    assert bulkhead.in_flight == 1
    assert worker_pool().snapshot()["abandoned"] == 1
    release.set()
    until(lambda: bulkhead.in_flight == 0 and worker_pool().snapshot()["abandoned"] == 0)
    balanced(bulkhead)


@pytest.mark.real_time
def test_a_thread_interrupted_while_it_queues(balanced, interrupt_when):
    """Ctrl-C in a real wait for a permit leaves the queue to those behind."""
    bulkhead = Bulkhead(1, queue=2)
    permit = bulkhead.enter(0.0, (), {})
    interrupt_when(lambda: bulkhead.waiting == 1)
    with pytest.raises(KeyboardInterrupt):
        Pipeline("p", bulkhead)(lambda: 1)()
    assert (bulkhead.in_flight, bulkhead.waiting) == (1, 0)
    bulkhead.succeeded(permit, 0.0, None)
    balanced(bulkhead)


def until(condition, seconds=5.0):
    """Wait until something in another thread has happened."""
    for _ in range(int(seconds / 0.001)):
        if condition():
            return
        time.sleep(0.001)
    raise AssertionError("it never happened")


# -- coroutines that are closed --------------------------------------------------------------------


@types.coroutine
def suspend():
    yield


def test_a_closed_coroutine_gives_everything_back(pipeline, unharmed):
    """``coroutine.close()``, as the garbage collector does it, is an abandoned call."""
    coroutine = pipeline(suspend_once)()
    coroutine.send(None)
    assert pipeline.strategies[1].in_flight == 1
    coroutine.close()
    unharmed()


async def suspend_once():
    await suspend()


def test_a_dropped_coroutine_gives_everything_back(pipeline, unharmed):
    """A coroutine that nobody finishes is closed when its last reference goes."""
    coroutine = pipeline(suspend_once)()
    coroutine.send(None)
    assert pipeline.strategies[1].in_flight == 1
    del coroutine
    unharmed()


def test_a_closed_coroutine_leaves_no_timer():
    """A call that is closed inside a Timeout does not cancel, later, the task that ran it."""
    call = Pipeline("p", Timeout(1.0))(suspend_once)

    async def main():
        coroutine = call()
        coroutine.send(None)
        coroutine.close()
        await asyncio.sleep(10.0)
        assert asyncio.current_task().cancelling() == 0

    run(main())


def test_a_deadline_does_not_outlive_a_closed_coroutine():
    """The ambient deadline of a call that was closed is gone from its context."""
    call = Pipeline("p", Timeout(1.0))(suspend_once)

    async def main():
        coroutine = call()
        coroutine.send(None)
        coroutine.close()
        await asyncio.sleep(5.0)
        with pytest.raises(AttemptTimeout):
            await Pipeline("q", Timeout(2.0)).acall(asyncio.sleep, 3.0)

    run(main())


@pytest.mark.parametrize("interrupt", INTERRUPTS, ids=lambda one: type(one).__name__)
def test_a_block_is_left_by_an_interruption(interrupt, balanced):
    """``with pipeline`` gives its permits back, and the breaker counts nothing."""
    pipeline = Pipeline("p", Bulkhead(1), CircuitBreaker(failures=1))
    with pytest.raises(type(interrupt)), pipeline:
        raise interrupt
    balanced(pipeline)
    assert pipeline.strategies[1].state == "closed"


@pytest.mark.parametrize("interrupt", INTERRUPTS, ids=lambda one: type(one).__name__)
def test_a_retry_loop_is_left_by_an_interruption(interrupt):
    """``for attempt in retry`` makes no further attempt."""
    attempts = []

    def loop():
        for attempt in Retry(3, backoff=PAUSE):
            with attempt:
                attempts.append(attempt.number)
                raise interrupt

    with pytest.raises(type(interrupt)):
        loop()
    assert attempts == [1]
