"""Async pipelines on an event loop that lives in real time, while a `VirtualClock` holds the time."""

import asyncio
import threading
import time
from concurrent.futures import CancelledError

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from holdfast import (
    Bulkhead,
    CircuitBreaker,
    CircuitOpenError,
    Fallback,
    Hedge,
    Pipeline,
    RateLimitedError,
    RateLimiter,
    Retry,
    Timeout,
    backoff,
)
from holdfast.testing import (
    DeadlockError,
    Fail,
    Hang,
    Ok,
    Scripted,
    VirtualClock,
    VirtualLoop,
    instant,
    run,
)

MINUTE = backoff.constant(60.0)
REMEDIES = ("holdfast.testing.run", "loop_factory=VirtualLoop", "backend_options")


@pytest.fixture
def clock():
    """The clock that is in force."""
    with VirtualClock() as clock:
        yield clock


async def fail():
    raise ConnectionError("refused")


async def twice(pipeline, function=fail):
    """Call ``function`` until the pipeline raises something else than the function does."""
    for _ in range(2):
        try:
            await pipeline.acall(function)
        except ConnectionError:
            pass


# -- what decides is on the clock ----------------------------------------------------------------


@pytest.mark.parametrize("start", [0.0, 1000.0, 1e9])
def test_a_breaker_comes_back_when_the_clock_says_so(start):
    """Whatever the real clock shows: it was read before, and right after boot it is behind."""
    breaker = CircuitBreaker(failures=1, probes=1, open_for=30.0, open_jitter=0.0)
    pipeline = Pipeline("payments", breaker)
    with VirtualClock(start) as clock:
        with pytest.raises(ConnectionError):
            asyncio.run(pipeline.acall(fail))
        clock.advance(29.0)
        with pytest.raises(CircuitOpenError):
            asyncio.run(pipeline.acall(fail))
        clock.advance(1.0)
        assert asyncio.run(pipeline.acall(asyncio.sleep, 0, "paid")) == "paid"
        assert breaker.state == "closed"


def test_a_limiter_counts_on_the_clock(clock):
    """Tokens come back with the clock's time only."""
    pipeline = Pipeline("p", RateLimiter(1, per=60.0, burst=1))
    asyncio.run(pipeline.acall(asyncio.sleep, 0))
    with pytest.raises(RateLimitedError):
        asyncio.run(pipeline.acall(asyncio.sleep, 0))
    clock.advance(60.0)
    asyncio.run(pipeline.acall(asyncio.sleep, 0))


def test_a_wait_that_no_clock_ends_is_fine(clock):
    """A place in a queue without a limit comes from another task, and takes no time of the clock."""
    pipeline = Pipeline("p", Bulkhead(1, queue=5))

    async def main():
        return await asyncio.gather(*(pipeline.acall(asyncio.sleep, 0, n) for n in range(5)))

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]


def test_without_delays_retries_need_no_clock(clock):
    """`instant` takes away what could not be waited for."""
    service = Scripted([Fail(OSError("down"), times=2), Ok("tea")])
    with instant():
        call = Pipeline("p", Retry(3, backoff=MINUTE)).acall(service.aio)
        assert asyncio.run(call) == "tea"
    assert clock.now() == 1000.0


# -- what would have to wait says so -------------------------------------------------------------


@pytest.mark.parametrize("waits", [
    lambda: Retry(3, backoff=MINUTE),
    lambda: Timeout(60.0),
    lambda: Timeout.adaptive(ceiling=60.0),
    lambda: Hedge(after=60.0),
    lambda: RateLimiter(1, per=60.0, burst=1, max_wait=90.0),
])  # fmt: skip
def test_what_would_have_to_wait_names_the_remedy(clock, waits):
    """It is refused at once, and no fallback answers in its place."""
    began = time.monotonic()
    pipeline = Pipeline("payments", Fallback(0, on=RuntimeError), waits())
    with pytest.raises(RuntimeError, match="pipeline 'payments'") as caught:
        asyncio.run(twice(pipeline))
    assert all(remedy in str(caught.value) for remedy in REMEDIES)
    assert time.monotonic() - began < 30.0
    assert clock.now() == 1000.0


def test_a_wait_in_a_queue_with_a_limit_is_refused(clock):
    """No permit is lost by it."""
    narrow = Bulkhead(1, queue=3, max_wait=60.0)
    pipeline = Pipeline("narrow", narrow)

    async def main():
        async with pipeline:
            await pipeline.acall(fail)

    with pytest.raises(RuntimeError, match="pipeline 'narrow': a turn in a queue within 60 s"):
        asyncio.run(main())
    assert (narrow.in_flight, narrow.waiting) == (0, 0)


def test_loops_and_blocks_are_refused_too(clock):
    """The forms for code that is no function raise the same."""
    limited = Pipeline("limited", RateLimiter(1, per=60.0, burst=1, max_wait=90.0))

    async def block():
        for _ in range(2):
            async with limited:
                pass

    async def attempts():
        async for attempt in Retry(2, backoff=MINUTE):
            with attempt:
                await fail()

    for form in (block, attempts):
        with pytest.raises(RuntimeError, match="lives in real time"):
            asyncio.run(form())


def test_it_is_an_outcome_of_no_layer(clock):
    """A breaker outside counts nothing, and `outcome` raises it: it is a mistake of the test."""
    breaker = CircuitBreaker(failures=1)
    pipeline = Pipeline("p", breaker, Bulkhead(1), Timeout(60.0))
    with pytest.raises(RuntimeError, match="lives in real time"):
        asyncio.run(pipeline.outcome(fail))
    assert breaker.state == "closed"


@pytest.mark.parametrize("step", [Hang(), Ok(takes=60.0)])
def test_a_scripted_dependency_is_refused_too(clock, step):
    """What it takes is virtual time, or none."""
    service = Scripted([step])
    with pytest.raises(RuntimeError, match=r"pipeline 'p': .* of a Scripted would have to wait"):
        asyncio.run(Pipeline("p", Bulkhead(1)).acall(service.aio))


def test_where_no_clock_is_held_nothing_is_refused():
    """The next test, or the program itself, is in real time again."""
    pipeline = Pipeline("p", Timeout(60.0), Retry(2, backoff=backoff.constant(0.001)))
    with VirtualClock(), pytest.raises(RuntimeError):
        asyncio.run(twice(pipeline))
    service = Scripted([OSError("down"), Ok("tea", takes=0.001)])
    assert asyncio.run(pipeline.acall(service.aio)) == "tea"


# -- several loops and clocks --------------------------------------------------------------------


def test_each_loop_gets_what_it_can_do():
    """While a virtual loop runs in one thread, an ordinary one in another thread isn't on its time."""
    pipeline = Pipeline("p", Timeout(60.0))
    refused = []

    def ordinary():
        try:
            asyncio.run(pipeline.acall(asyncio.sleep, 0))
        except RuntimeError as error:
            refused.append(str(error))

    async def main():
        thread = threading.Thread(target=ordinary)
        thread.start()
        await asyncio.to_thread(thread.join)
        return await pipeline.acall(asyncio.sleep, 30.0, "in time")

    assert run(main()) == "in time"
    assert "lives in real time" in refused[0]


def test_a_virtual_loop_keeps_its_own_time():
    """A clock that is entered later doesn't take the loop's pipelines away from the loop's time."""

    async def main():
        loop = asyncio.get_running_loop()
        with VirtualClock(5000.0):
            service = Scripted([OSError("down"), "tea"])
            await Pipeline("p", Retry(2, backoff=MINUTE)).acall(service.aio)
        return loop.time()

    assert run(main()) == 1060.0


def test_an_async_health_check_of_blocking_code_is_on_the_clock(clock):
    """It runs on a loop that the breaker makes, and that one shares the clock."""

    async def healthy():
        await asyncio.sleep(60.0)

    breaker = CircuitBreaker(probes=1, open_for=30.0, open_jitter=0.0, probe=healthy)
    call = Pipeline("p", breaker)(lambda: "paid")
    breaker.trip()
    clock.advance(30.0)
    with pytest.raises(CircuitOpenError):
        call()
    assert (call(), clock.now()) == ("paid", 1090.0)


# -- web frameworks ------------------------------------------------------------------------------


def app_for(service, *strategies):
    pipeline = Pipeline("teas", *strategies)

    @pipeline
    async def ask():
        return await service.aio()

    async def tea(request):
        return PlainTextResponse(await ask())

    return Starlette(routes=[Route("/tea", tea)])


def test_a_test_client_has_a_loop_of_its_own(clock):
    """Starlette's client, which is FastAPI's, starts an ordinary loop: the error says how not to."""
    service = Scripted([Fail(OSError("down"), times=2), Ok("tea")])
    client = TestClient(app_for(service, Retry(3, backoff=MINUTE)))
    with pytest.raises(RuntimeError, match=r'TestClient\(app, backend_options={"loop_factory"'):
        client.get("/tea")


@pytest.mark.parametrize("stays", [False, True], ids=["per request", "with the app"])
def test_a_test_client_on_virtual_time(clock, stays):
    """With the loop in its options, the client's requests take virtual time; so does a hang."""
    service = Scripted([Fail(OSError("down"), times=2), Ok("tea"), Hang()])
    app = app_for(service, Fallback("late"), Retry(3, backoff=MINUTE), Timeout(60.0))
    client = TestClient(app, backend_options={"loop_factory": VirtualLoop})
    if stays:
        client.__enter__()
    try:
        assert client.get("/tea").text == "tea"
        assert [at - 1000.0 for at in service.times] == [0.0, 60.0, 120.0]
        assert client.get("/tea").text == "late"
        assert clock.now() >= 1000.0 + 120.0 + 3 * 60.0
    finally:
        if stays:
            client.__exit__(None, None, None)


def test_a_deadlock_in_a_test_client_is_in_the_log(clock, caplog):
    """The client itself only says that the request was cancelled."""
    service = Scripted([Hang()])
    client = TestClient(app_for(service), backend_options={"loop_factory": VirtualLoop})
    with pytest.raises((CancelledError, DeadlockError)):
        client.get("/tea")
    assert "Hang() of a Scripted" in caplog.text


def test_an_app_can_be_asked_on_the_tests_own_loop():
    """With httpx there is one loop for the test and the app, and its time is exact."""
    service = Scripted([Fail(OSError("down"), times=2), Ok("tea", takes=1.0)])
    transport = httpx.ASGITransport(app=app_for(service, Retry(3, backoff=MINUTE)))

    async def main():
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            answer = await client.get("/tea")
        return answer.text, asyncio.get_running_loop().time()

    assert run(main()) == ("tea", 1000.0 + 60.0 + 60.0 + 1.0)
