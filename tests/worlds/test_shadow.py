"""Shadow mode in threads and in asyncio: what would be refused is told, and nobody is held up."""

from holdfast import Bulkhead, CircuitBreaker, CircuitOpenError, Pipeline
from holdfast.events import CallRejected
from holdfast.testing import Fail, Ok, record

DOWN = ConnectionError("down")


def outcomes(world, call, times):
    found = []
    for _ in range(times):
        try:
            found.append(world.run(call))
        except Exception as error:
            found.append(type(error))
    return found


def test_a_breaker_in_shadow_lets_every_call_through(world):
    """The dependency is called as if there were no breaker, and the events say what would have been."""
    breaker = CircuitBreaker(failures=2, shadow=True)
    dependency = world.dependency(Fail(DOWN), Fail(DOWN), Fail(DOWN), Ok("served"))
    call = world.protect(Pipeline("p", breaker), dependency)
    with record() as events:
        found = outcomes(world, call, 5)

    assert found == [ConnectionError] * 3 + ["served"] * 2
    assert breaker.state == "open"
    assert [(event.enforced, event.error.state) for event in events.of(CallRejected)] == [
        (False, "open")
    ] * 3


def test_a_breaker_in_shadow_recovers_by_its_probes(world):
    """After its open time so many of the calls are probes, and they close it."""
    breaker = CircuitBreaker(failures=1, open_for=5.0, probes=2, shadow=True)
    call = world.protect(Pipeline("p", breaker), world.dependency(Fail(DOWN), Ok("served")))
    outcomes(world, call, 1)
    world.advance(6.0)

    assert outcomes(world, call, 2) == ["served"] * 2
    assert breaker.state == "closed"
    assert breaker.detected == 0


def test_a_breaker_bites_when_shadow_is_switched_off(world):
    """Without being made or opened anew."""
    breaker = CircuitBreaker(failures=1, shadow=True)
    call = world.protect(Pipeline("p", breaker), world.dependency(Fail(DOWN), Ok("served")))
    assert outcomes(world, call, 2) == [ConnectionError, "served"]

    breaker.shadow = False

    assert outcomes(world, call, 1) == [CircuitOpenError]
    assert (breaker.detected, breaker.enforced) == (2, 1)


def timed(world, call):
    @world.function
    async def function():
        return await world.do(call), world.elapsed()

    return function


def test_a_bulkhead_in_shadow_holds_nobody_up(world):
    """All pass at once, the queue is not used, and the permits balance."""
    bulkhead = Bulkhead(1, queue=1, shadow=True)
    dependency = world.dependency(Ok("served", takes=1.0))
    call = timed(world, world.protect(Pipeline("p", bulkhead), dependency))
    with record() as events:
        found = world.together(*[call] * 4)

    assert found == [("served", 1.0)] * 4
    assert [event.enforced for event in events.of(CallRejected)] == [False] * 3
    assert (bulkhead.in_flight, bulkhead.detected, bulkhead.enforced) == (0, 3, 0)


def test_a_waiter_passes_when_its_time_is_up_in_shadow(world):
    """Shadow was switched on while it waited: it is not refused after `max_wait`."""
    bulkhead = Bulkhead(1, queue=1, max_wait=2.0)
    dependency = world.dependency(Ok("served", takes=5.0))
    call = timed(world, world.protect(Pipeline("p", bulkhead), dependency))

    async def operator():
        await world.sleep(1.0)
        bulkhead.shadow = True

    first, second, _ = world.together(call, call, operator)

    assert first == ("served", 5.0)
    assert second == ("served", 7.0)
    assert (bulkhead.in_flight, bulkhead.waiting) == (0, 0)
    assert (bulkhead.detected, bulkhead.enforced) == (1, 0)
