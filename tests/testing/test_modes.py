"""`seeded`, `record`, `instant` and `off`."""

import asyncio
import random
import time

import pytest

from holdfast import (
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    Pipeline,
    Retry,
    RetryBudget,
    Timeout,
    backoff,
)
from holdfast._world import world as process
from holdfast.events import CallCompleted, RetryScheduled
from holdfast.testing import Ok, Scripted, VirtualClock, instant, off, record, run, seeded

LONG = Retry(3, backoff=backoff.constant(3600.0))


def delays(seed):
    with VirtualClock(), seeded(seed), record() as events:
        Pipeline("p", Retry(4)).call(
            Scripted([ConnectionError, ConnectionError, ConnectionError, Ok()])
        )
    return [event.delay for event in events.of(RetryScheduled)]


# -- seeded --------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_jitter():
    """Two runs with one seed sleep alike, and with another seed they don't."""
    assert delays(1) == delays(1)
    assert delays(1) != delays(2)


def test_seeds_nest_and_end():
    """The inner seed is in force inside, the outer one goes on after it, then the process's own."""
    own = process.rng
    with seeded(1) as outer:
        with seeded(2) as inner:
            assert process.rng is inner
        assert process.rng is outer
    assert process.rng is own


def test_the_module_random_is_left_alone():
    """Only Holdfast's randomness is seeded."""
    state = random.getstate()
    with seeded(1):
        assert random.getstate() == state


# -- record --------------------------------------------------------------------------------------


def test_events_are_recorded_in_order():
    """A recording is a list of events, with their names and with those of one class."""
    with VirtualClock(), record() as events:
        Pipeline("p", LONG).call(Scripted([ConnectionError, Ok()]))
    assert events.names() == ["RetryScheduled", "RetrySucceeded", "CallCompleted"]
    assert [event.delay for event in events.of(RetryScheduled)] == [3600.0]
    assert events.of(CallCompleted) == [events[2]]


def test_a_recording_ends_with_its_block():
    """Calls after the block leave no trace, and take the fast way again."""
    call = Pipeline("p", Retry(2))(Scripted([Ok()]))
    with record() as events:
        call()
    call()
    assert len(events) == 1
    assert not process.detour


def test_a_recording_may_be_of_one_pipeline():
    """Events of other pipelines are left out."""
    with record(pipeline="a") as events:
        Pipeline("a", Retry(2)).call(Scripted([Ok()]))
        Pipeline("b", Retry(2)).call(Scripted([Ok()]))
    assert [event.pipeline for event in events] == ["a"]


# -- instant -------------------------------------------------------------------------------------


def test_instant_takes_the_delays_away():
    """A retry's hours take no time; its attempts are all made, and told."""
    dependency = Scripted([ConnectionError])
    start = time.perf_counter()
    with instant(), record() as events, pytest.raises(ConnectionError):
        Pipeline("p", LONG).call(dependency)
    assert time.perf_counter() - start < 5.0
    assert len(dependency.calls) == 3
    assert [event.delay for event in events.of(RetryScheduled)] == [3600.0, 3600.0]


def test_instant_works_in_asyncio():
    """Async code retries without delay, on a common loop."""
    dependency = Scripted([ConnectionError, ConnectionError, Ok("up")])
    with instant():
        assert asyncio.run(Pipeline("p", LONG).acall(dependency.aio)) == "up"


def test_instant_works_in_loops():
    """Retry loops, blocking and async, don't wait either."""
    numbers = []

    async def main():
        async for attempt in LONG:
            with attempt:
                numbers.append(attempt.number)
                if attempt.number < 3:
                    raise ConnectionError

    with instant():
        asyncio.run(main())
        for attempt in LONG:
            with attempt:
                numbers.append(attempt.number)
                if attempt.number < 3:
                    raise ConnectionError
    assert numbers == [1, 2, 3, 1, 2, 3]


def test_instant_leaves_the_virtual_time_alone():
    """On a virtual clock, delays take no virtual time, and what a function takes still counts."""
    with VirtualClock(start=0.0) as clock, instant():
        pipeline = Pipeline("p", LONG, Timeout(5.0))
        assert pipeline.call(Scripted([ConnectionError, Ok("up", takes=1.0)])) == "up"
        assert clock.now() == 1.0


def test_instant_still_waits_for_permits():
    """A full bulkhead's queue is waited in, as long as ever."""
    pipeline = Pipeline("p", Bulkhead(1, queue=1, max_wait=3.0))
    with VirtualClock(start=0.0) as clock, instant(), pipeline:
        with pytest.raises(BulkheadFullError):
            pipeline.call(lambda: None)
        assert clock.now() == 3.0


def test_instant_async_still_waits_for_permits():
    """In asyncio too, a permit is waited for and then had."""
    pipeline = Pipeline("p", Bulkhead(1, queue=1))
    dependency = Scripted([Ok("served", takes=1.0)])

    async def main():
        with instant():
            call = pipeline(dependency.aio)
            return await asyncio.gather(call(), call())

    assert run(main()) == ["served", "served"]


# -- off -----------------------------------------------------------------------------------------


def test_off_bypasses_every_strategy():
    """A protected function fails as if it were unprotected: one attempt, and no error of ours."""
    dependency = Scripted([ConnectionError])
    breaker = CircuitBreaker(failures=1)
    call = Pipeline("p", LONG, breaker, Bulkhead(1))(dependency)
    with off():
        for _ in range(3):
            with pytest.raises(ConnectionError) as caught:
                call()
            assert not hasattr(caught.value, "__notes__")
    assert len(dependency.calls) == 3
    assert breaker.state == "closed"


def test_off_works_in_asyncio():
    """Async functions are bypassed as well."""
    dependency = Scripted([ConnectionError])
    with off(), pytest.raises(ConnectionError):
        asyncio.run(Pipeline("p", LONG).acall(dependency.aio))
    assert len(dependency.calls) == 1


def test_off_makes_loops_try_once():
    """A retry loop, blocking or async, makes one attempt, whose exception passes without a note."""
    numbers = []

    async def main():
        async for attempt in LONG:
            with attempt:
                numbers.append(attempt.number)
                raise ConnectionError("async")

    def blocking():
        for attempt in Retry(5, budget=RetryBudget()):
            with attempt:
                numbers.append(attempt.number)
                raise ConnectionError("blocking")

    with off():
        with pytest.raises(ConnectionError, match="async") as caught:
            asyncio.run(main())
        assert not hasattr(caught.value, "__notes__")
        with pytest.raises(ConnectionError, match="blocking"):
            blocking()
    assert numbers == [1, 1]


def test_modes_end_in_any_order():
    """Whatever is left first, the other stays in force, and at the end nothing is."""
    before = (process.clock, process.rng, dict(process.overrides), process.bypass, process.detour)
    clock, bypass = VirtualClock(), off()
    clock.__enter__()
    bypass.__enter__()
    clock.__exit__(None, None, None)
    assert process.bypass
    assert process.clock is before[0]
    bypass.__exit__(None, None, None)
    assert (
        process.clock, process.rng, dict(process.overrides), process.bypass, process.detour
    ) == before  # fmt: skip


def test_after_off_strategies_work_again():
    """What was bypassed counts again after the block."""
    call = Pipeline("p", CircuitBreaker(failures=1))(Scripted([ConnectionError]))
    with off(), pytest.raises(ConnectionError):
        call()
    with pytest.raises(ConnectionError):
        call()
    with pytest.raises(CircuitOpenError):
        call()
