"""A failing call leaves no reference cycle: its error and its arguments are freed with the last name.

The garbage collector is off in these tests, so what a weak reference no longer finds was freed by
reference counts alone.
"""

import asyncio
import gc
import threading
import time
import weakref
from random import Random

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    Chaos,
    CircuitBreaker,
    CircuitOpenError,
    Coalesce,
    ConcurrencyLimiter,
    Fallback,
    Hedge,
    Keyed,
    LoadShedder,
    Pipeline,
    Rate,
    RateLimiter,
    RejectedError,
    Retry,
    RetryBudget,
    Throttle,
    Timeout,
    backoff,
    deadline,
    on_result,
)
from holdfast.events import subscribe
from holdfast.extend import worker_pool
from holdfast.testing import VirtualLoop
from tests.drivers.conftest import is_gone

NO_WAIT = backoff.constant(0)


class Request:
    """An argument whose end can be seen."""


class Failure(Exception):
    """An error whose end can be seen."""


@pytest.fixture(autouse=True)
def _no_garbage_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def is_freed(reference):
    """Tell whether the object is gone; worker threads get a moment to let go of it."""
    for _ in range(5000):
        if is_gone(reference):
            return True
        time.sleep(0.001)
    return False


def fail(request):
    raise Failure(str(type(request)))


def ends(call, error=Failure):
    """Make a failing call; return what is left of its argument and of its error."""
    request = Request()
    try:
        call(request)
    except error as caught:
        return weakref.ref(request), weakref.ref(caught)
    raise AssertionError("it did not fail")


async def aends(call, error=Failure):
    """Await a failing call; return what is left of its argument and of its error."""
    request = Request()
    try:
        await call(request)
    except error as caught:
        return weakref.ref(request), weakref.ref(caught)
    raise AssertionError("it did not fail")


def remains(colour, pipeline, function, error=Failure):
    """Make a failing call in one colour; return what is left of its argument and of its error.

    The error of the async call is caught in the coroutine: `asyncio.Runner` has a cycle of its own.
    """
    call = pipeline(colour.function(function))
    if colour.name == "blocking":
        return ends(call, error)
    return colour.run(aends(call, error))


def tripped():
    breaker = CircuitBreaker()
    breaker.trip()
    return breaker


STACKS = {
    "nothing": lambda: (),
    "retry": lambda: (Retry(3, backoff=NO_WAIT),),
    "retry with a budget": lambda: (Retry(3, backoff=NO_WAIT, budget=RetryBudget()),),
    "retry of something else": lambda: (Retry(3, on=KeyError, backoff=NO_WAIT),),
    "retry whose second attempt is rejected": lambda: (
        Retry(3, backoff=NO_WAIT),
        CircuitBreaker(failures=1),
    ),
    "breaker": lambda: (CircuitBreaker(failures=3),),
    "bulkhead": lambda: (Bulkhead(1),),
    "fallback of something else": lambda: (Fallback(None, on=KeyError),),
    "outer retry": lambda: (Retry(2, backoff=NO_WAIT, nested="outer"),),
    "cooperative timeout": lambda: (Timeout(9.0, sync="cooperative"),),
    "rate limit": lambda: (RateLimiter(Rate(100), Rate(900, per=60, cost=lambda _request: 1)),),
    "adaptive limit": lambda: (ConcurrencyLimiter(),),
    "throttle": lambda: (Throttle(),),
    "load shedder": lambda: (LoadShedder(3),),
    "breaker for each key": lambda: (Keyed(type, CircuitBreaker),),
    "hedge": lambda: (Hedge(after=9.0),),
    "hedge that starts at once": lambda: (Hedge(after=9.0, budget=RetryBudget()),),
    "one flight": lambda: (Coalesce(type),),
    "chaos that is off": lambda: (Chaos(error=OSError),),
    "timeout that learns": lambda: (Timeout.adaptive(sync="cooperative"),),
    "everything but threads": lambda: (
        Fallback(None, on=KeyError),
        Timeout(9.0, sync="cooperative"),
        Bulkhead(3),
        Retry(3, backoff=NO_WAIT),
        CircuitBreaker(failures=50),
    ),
}


@pytest.mark.parametrize("stack", STACKS)
def test_a_failing_call_leaves_nothing(colour, stack):
    """Error and argument are gone as soon as the caller lets go of them."""
    request, error = remains(colour, Pipeline("p", *STACKS[stack]()), fail)
    assert is_gone(request, cycles=colour.cycles)
    assert is_gone(error, cycles=colour.cycles)


@pytest.mark.parametrize("stack", STACKS)
def test_a_failing_call_leaves_nothing_while_somebody_listens(colour, stack):
    """The slow way round, with a listener, keeps nothing either."""
    with subscribe(lambda event: None):
        request, error = remains(colour, Pipeline("p", *STACKS[stack]()), fail)
    assert is_gone(request, cycles=colour.cycles)
    assert is_gone(error, cycles=colour.cycles)


def test_a_rejected_call_leaves_nothing(colour):
    """A rejection keeps neither the arguments nor the frames of its caller."""
    request, error = remains(colour, Pipeline("p", Retry(3), tripped()), fail, CircuitOpenError)
    assert request() is None
    assert error() is None


def full(gate):
    """Use up a gate that has one place, or one token."""
    gate.enter(gate_clock(), (), {})
    return gate


def gate_clock():
    return time.monotonic()


def refused_for_long():
    throttle = Throttle(max_rejection=0.999, window=999.0, rng=Random(0), shadow=True)
    for _ in range(999):
        throttle.failed(throttle.enter(gate_clock(), (), {}), gate_clock(), OSError())
    throttle.shadow = False
    return throttle


GATES = {
    "bulkhead": lambda: full(Bulkhead(1)),
    "rate limit": lambda: full(RateLimiter(0.001, burst=1)),
    "rate limit of tokens": lambda: full(RateLimiter(0.001, burst=1, cost=lambda *_: 1)),
    "adaptive limit": lambda: full(ConcurrencyLimiter(min=1, max=1)),
    "throttle": refused_for_long,
    "load shedder": lambda: full(LoadShedder(1, queue=0)),
    "breaker of a key": lambda: Keyed(type, lambda _key: tripped()),
}


@pytest.mark.parametrize("gate", GATES)
def test_a_call_that_a_gate_rejects_leaves_nothing(colour, gate):
    """Whichever gate refuses, the error is in no cycle with the frames that raised it."""
    request, error = remains(colour, Pipeline("p", GATES[gate]()), fail, RejectedError)
    assert request() is None
    assert error() is None


def test_the_wrong_colour_leaves_nothing():
    """A TypeError for an async function in ``call`` keeps nothing."""

    async def wrong(request):
        raise AssertionError("never run")

    pipeline = Pipeline("p", Retry(3), Bulkhead(1))
    request = Request()
    with pytest.raises(TypeError):
        pipeline.call(wrong, request)
    reference = weakref.ref(request)
    del request
    assert reference() is None


def recovers(colour, *strategies):
    """Make a call that fails once and then succeeds; return what is left of argument and error."""
    errors = []

    def flaky(request):
        if not errors:
            try:
                fail(request)
            except Failure as error:
                errors.append(weakref.ref(error))
                raise

    request = Request()
    colour.protected(Pipeline("p", *strategies), flaky)(request)
    return weakref.ref(request), errors[0]


@pytest.mark.parametrize("strategy", [Retry(2, backoff=NO_WAIT), Fallback("instead")])
def test_a_call_that_recovers_leaves_nothing(colour, strategy):
    """The error of an attempt that was made good is gone when the call returns."""
    request, error = recovers(colour, strategy)
    assert request() is None
    assert error() is None


def test_a_bad_result_is_let_go(colour):
    """A result that was retried is gone when the call returns."""
    results = []

    def result():
        one = Request()
        results.append(weakref.ref(one))
        return one

    pipeline = Pipeline(
        "p", Fallback(None, on=on_result(bool)), Retry(2, on=on_result(bool), backoff=NO_WAIT)
    )
    assert colour.protected(pipeline, result)() is None
    assert [one() for one in results] == [None, None]


class Exit(BaseException):
    """An interruption whose end can be seen."""


def test_an_interrupted_call_leaves_nothing(colour):
    """After a failed attempt, an interruption leaves nothing of either."""
    calls = []

    def interrupted(request):
        calls.append(1)
        if len(calls) == 2:
            raise Exit
        fail(request)

    pipeline = Pipeline("p", Retry(5, backoff=NO_WAIT), Bulkhead(1))
    request, error = remains(colour, pipeline, interrupted, Exit)
    assert request() is None
    assert error() is None


def test_a_fallback_that_raises_leaves_nothing(colour):
    """Neither the error nor that of the fallback is kept, though one is the context of the other."""

    def worse(error):
        raise Failure("worse")

    request, error = remains(colour, Pipeline("p", Fallback(worse)), fail)
    assert request() is None
    assert error() is None


# -- what a breaker remembers ----------------------------------------------------------------------


class Wrapping(Exception):
    """An error that carries another one, as those of many client libraries do."""


class SeveralFailures(ExceptionGroup):
    """A group whose end can be seen."""


def grouped(request):
    try:
        fail(request)
    except Failure as error:
        raise SeveralFailures("several", [error]) from None


def wrapped(request):
    try:
        fail(request)
    except Failure as error:
        raise Wrapping(error, request) from error


@pytest.mark.parametrize("function", [fail, grouped, wrapped])
def test_an_open_breaker_keeps_no_request_alive(colour, function):
    """The breaker shows its last failure as a cause, without the request that it came from."""
    breaker = CircuitBreaker(failures=1)
    kind = {fail: Failure, grouped: SeveralFailures, wrapped: Wrapping}[function]
    request, error = remains(colour, Pipeline("p", breaker), function, kind)
    assert breaker.state == "open"
    assert request() is None
    assert error() is None


def test_rejections_do_not_pile_up_on_one_cause(colour):
    """Thousands of rejections share a cause, and none of them is kept by it."""
    pipeline = Pipeline("p", CircuitBreaker(failures=1))
    remains(colour, pipeline, fail)
    references = [remains(colour, pipeline, fail, CircuitOpenError) for _ in range(200)]
    assert all(request() is None and error() is None for request, error in references)


# -- tasks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", [
    (Timeout(9.0),),
    (Retry(2, backoff=NO_WAIT), Timeout(9.0)),
    (Timeout(9.0), Bulkhead(1), Retry(2, backoff=NO_WAIT), CircuitBreaker(), Timeout(5.0)),
])  # fmt: skip
def test_a_failed_task_leaves_nothing(stack):
    """A task keeps its exception, so no frame of the exception may keep the task."""

    async def afail(request):
        await asyncio.sleep(0)
        fail(request)

    async def main():
        request = Request()
        task = asyncio.create_task(Pipeline("p", *stack)(afail)(request))
        await asyncio.wait([task])
        assert isinstance(task.exception(), Failure)
        return weakref.ref(request), weakref.ref(task)

    with asyncio.Runner() as runner:
        request, task = runner.run(main())
        runner.run(asyncio.sleep(0))
        assert request() is None
        assert task() is None


@pytest.mark.parametrize("limited_by", ["limit", "learnt", "shared", "deadline", "outer"])
def test_a_task_that_timed_out_leaves_nothing(limited_by):
    """The same for a task that ended by a timeout, whoever set it."""

    async def hangs(request):
        await asyncio.get_running_loop().create_future()

    async def call(request):
        match limited_by:
            case "limit":
                await Pipeline("p", Timeout(2.0)).acall(hangs, request)
            case "learnt":
                await Pipeline("p", Timeout.adaptive(ceiling=2.0)).acall(hangs, request)
            case "shared":
                flight = Coalesce(lambda request: 1)
                await Pipeline("p", Timeout(2.0), flight).acall(hangs, request)
            case "deadline":
                with deadline(2.0):
                    await Pipeline("p", Timeout(9.0)).acall(hangs, request)
            case "outer":
                async with asyncio.timeout(2.0):
                    await Pipeline("p", Timeout(9.0)).acall(hangs, request)

    async def main():
        request = Request()
        task = asyncio.create_task(Pipeline("outer", Retry(1), Bulkhead(1))(call)(request))
        await asyncio.wait([task])
        assert isinstance(task.exception(), TimeoutError)
        return weakref.ref(request), weakref.ref(task)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        request, task = runner.run(main())
        runner.run(asyncio.sleep(0))
        if limited_by != "outer":  # asyncio's own Timeout keeps its task
            assert task() is None
            assert request() is None


def test_a_cancelled_task_leaves_nothing():
    """A cancelled call that waited in a bulkhead, or ran, is gone with its task."""
    bulkhead = Bulkhead(1, queue=1)

    async def hangs(request):
        await asyncio.get_running_loop().create_future()

    async def main():
        requests = [Request(), Request()]
        call = Pipeline("p", Timeout(9.0), bulkhead, Timeout(8.0))(hangs)
        tasks = [asyncio.create_task(call(request)) for request in requests]
        await asyncio.sleep(0)
        assert (bulkhead.in_flight, bulkhead.waiting) == (1, 1)
        for task in reversed(tasks):
            task.cancel()
        await asyncio.wait(tasks)
        return [weakref.ref(one) for one in (*requests, *tasks)]

    with asyncio.Runner() as runner:
        references = runner.run(main())
        runner.run(asyncio.sleep(0))
        assert [one() for one in references] == [None] * 4


# -- worker threads --------------------------------------------------------------------------------


@pytest.mark.real_time
@pytest.mark.parametrize("stack", [
    (Timeout(9.0),),
    (Bulkhead(1), Retry(3, backoff=NO_WAIT), CircuitBreaker(failures=50), Timeout(9.0)),
    (Retry(3, backoff=NO_WAIT), CircuitBreaker(failures=1), Timeout(9.0)),
])  # fmt: skip
def test_a_call_that_fails_in_a_worker_leaves_nothing(stack):
    """The worker forgets its job, and the error has no way back to it."""
    request, error = ends(Pipeline("p", *stack)(fail))
    assert is_freed(request)
    assert is_freed(error)


@pytest.mark.real_time
def test_a_result_from_a_worker_is_let_go():
    """An idle worker holds on to no result and no argument."""

    def result(request):
        return Request()

    request = Request()
    references = [weakref.ref(request), weakref.ref(Pipeline("p", Timeout(9.0))(result)(request))]
    del request
    assert all(map(is_freed, references))


@pytest.mark.real_time
@pytest.mark.parametrize("late", ["result", "error"])
def test_an_abandoned_call_leaves_nothing_when_it_ends(late):
    """What comes too late is dropped, an error included, which keeps the arguments as well."""
    release = threading.Event()

    def slow(request):
        release.wait(10.0)
        if late == "error":
            fail(request)
        return request

    request, error = ends(
        Pipeline("p", Bulkhead(1), Timeout(0.01, sync="thread"))(slow), AttemptTimeout
    )
    assert is_freed(error)
    assert request() is not None  # the function still runs
    assert worker_pool().snapshot()["abandoned"] == 1
    release.set()
    assert is_freed(request)


# -- loops and blocks ------------------------------------------------------------------------------


def block_that_recovers(request):
    for attempt in Retry(3, backoff=NO_WAIT):
        with attempt:
            if attempt.number == 1:
                fail(request)


def block_that_fails(request):
    for attempt in Retry(3, backoff=NO_WAIT):
        with attempt:
            fail(request)


def block_that_is_interrupted(request):
    for attempt in Retry(3, backoff=NO_WAIT):
        with attempt:
            if attempt.number == 2:
                raise KeyboardInterrupt
            fail(request)


def block_in_a_pipeline(request):
    with Pipeline("p", Bulkhead(1), CircuitBreaker()):
        fail(request)


@pytest.mark.parametrize("block", [
    block_that_recovers, block_that_fails, block_that_is_interrupted, block_in_a_pipeline
])  # fmt: skip
def test_a_block_leaves_nothing(block):
    """Retry loops and pipelines as blocks keep nothing of what happened inside."""
    request = Request()
    reference = weakref.ref(request)
    try:
        block(request)
    except (Failure, KeyboardInterrupt):
        pass
    del request
    assert reference() is None


def test_an_async_retry_loop_leaves_nothing():
    """``async for attempt in retry`` keeps nothing either."""

    async def block(request):
        async for attempt in Retry(3, backoff=NO_WAIT):
            with attempt:
                if attempt.number == 1:
                    fail(request)

    request = Request()
    reference = weakref.ref(request)
    with asyncio.Runner() as runner:
        runner.run(block(request))
        runner.run(asyncio.sleep(0))
        del request
        assert reference() is None
