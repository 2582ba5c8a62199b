"""A bulkhead outside a retry counts calls; inside, it counts attempts, and pauses take no permit."""

import pytest

from holdfast import (
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    Fallback,
    Pipeline,
    Retry,
    Timeout,
    backoff,
)
from holdfast.testing import Fail, Ok

PAUSE = backoff.constant(10.0)


def flaky(world):
    """Return a dependency that fails once and then answers, a second each."""
    return world.dependency(Fail(ConnectionError("down"), takes=1.0), Ok("paid", takes=1.0))


@pytest.mark.parametrize("inside", [False, True])
def test_a_pause_holds_a_permit_outside_only(world, inside):
    """While one call pauses between attempts, another one may pass if the bulkhead is inside."""
    bulkhead = Bulkhead(1)
    retry = Retry(2, backoff=PAUSE)
    layers = (retry, bulkhead) if inside else (bulkhead, retry)
    first = world.protect(Pipeline("p", *layers), flaky(world))
    second = world.protect(Pipeline("p", bulkhead), world.dependency(Ok("meanwhile")))
    outcomes = world.together(first, world.after(5.0, second))
    assert outcomes[0] == "paid"
    if inside:
        assert outcomes[1] == "meanwhile"
    else:
        assert isinstance(outcomes[1], BulkheadFullError)
    assert bulkhead.in_flight == 0


def test_inside_a_retry_each_attempt_asks_anew(world):
    """An attempt that finds the bulkhead full ends the call with the error of the one before."""
    bulkhead = Bulkhead(1)
    dependency = flaky(world)
    first = world.protect(Pipeline("p", Retry(2, backoff=PAUSE), bulkhead), dependency)

    @world.function
    async def work():
        await world.sleep(60.0)

    busy = world.protect(Pipeline("p", bulkhead), work)
    outcome, _ = world.together(first, world.after(5.0, busy))
    assert isinstance(outcome, ConnectionError)
    assert "the next attempt was rejected" in outcome.__notes__[0]
    assert len(dependency.calls) == 1


def test_a_full_bulkhead_is_not_retried(world):
    """A rejection at the first attempt is raised at once, without a pause."""
    bulkhead = Bulkhead(1)
    bulkhead.enter(0.0, (), {})
    with pytest.raises(BulkheadFullError) as caught:
        world.call(Pipeline("p", Retry(5, backoff=PAUSE), bulkhead), world.dependency(Ok(1)))
    assert world.elapsed() == 0.0
    assert not hasattr(caught.value, "__notes__")


def test_a_retry_that_asks_for_it_waits_for_a_permit(world):
    """``on=BulkheadFullError`` makes a queue of a retry, if somebody wants that."""
    bulkhead = Bulkhead(1)

    @world.function
    async def work():
        await world.sleep(15.0)
        return "done"

    busy = world.protect(Pipeline("p", bulkhead), work)
    patient = Pipeline("p", Retry(5, on=BulkheadFullError, backoff=PAUSE), bulkhead)
    assert world.together(busy, world.protect(patient, work)) == ["done", "done"]
    assert world.elapsed() == 35.0


def test_a_bulkhead_outside_the_breaker_rejects_before_it(world):
    """A caller that is turned away by the bulkhead takes no probe of a half-open breaker."""
    bulkhead, breaker = Bulkhead(1), CircuitBreaker(open_for=1.0, open_jitter=0, probes=1)
    breaker.trip()
    world.advance(1.0)
    permit = bulkhead.enter(0.0, (), {})
    pipeline = Pipeline("p", bulkhead, breaker)
    with pytest.raises(BulkheadFullError):
        world.call(pipeline, world.dependency(Ok(1)))
    assert breaker.snapshot()["probes_in_flight"] == 0
    bulkhead.succeeded(permit, 0.0, None)
    assert world.call(pipeline, world.dependency(Ok(1))) == 1


def test_a_rejection_by_the_breaker_gives_the_permit_back(world):
    """Outside an open breaker, the bulkhead is as free after each rejection as before."""
    bulkhead, breaker = Bulkhead(1), CircuitBreaker()
    breaker.trip()
    pipeline = Pipeline("p", Fallback("instead"), bulkhead, breaker)
    assert [world.call(pipeline, world.dependency(Ok(1))) for _ in range(5)] == ["instead"] * 5
    assert bulkhead.in_flight == 0


def test_two_bulkheads_the_inner_one_full(world):
    """A rejection by the inner one gives the permit of the outer one back."""
    outer, inner = Bulkhead(5, name="outer"), Bulkhead(1, name="inner")
    inner.enter(0.0, (), {})
    with pytest.raises(BulkheadFullError, match="bulkhead 'inner' is full"):
        world.call(Pipeline("p", outer, inner), world.dependency(Ok(1)))
    assert outer.in_flight == 0


def test_a_timeout_frees_the_permit_of_an_inner_bulkhead_in_asyncio_at_once(world):
    """Inside the limit, the bulkhead hears of the end: at once in asyncio, of threads when they end."""
    bulkhead = Bulkhead(1)

    @world.function
    async def work():
        await world.sleep(5.0)

    outcome = world.together(
        world.protect(Pipeline("p", Timeout(1.0, sync="thread"), bulkhead), work)
    )[0]
    assert isinstance(outcome, TimeoutError)
    world.advance(10.0)
    assert bulkhead.in_flight == 0


def test_an_abandoned_call_keeps_the_permit_of_an_outer_bulkhead(world):
    """With threads, the permit is out until the abandoned worker ends; in asyncio it is back at once."""
    bulkhead = Bulkhead(1)

    @world.function
    async def work():
        await world.sleep(5.0)

    with pytest.raises(TimeoutError):
        world.call(Pipeline("p", bulkhead, Timeout(1.0, sync="thread")), work)
    assert bulkhead.in_flight == (1 if world.name == "threads" else 0)
    world.advance(4.0)
    assert bulkhead.in_flight == 0
