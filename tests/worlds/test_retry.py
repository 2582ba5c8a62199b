"""Retry, in threads and in asyncio."""

import asyncio
import random

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    deadline,
    on_result,
    transient,
)
from holdfast.events import RetriesExhausted, RetryScheduled
from holdfast.testing import Fail, Hang, Ok, record

SECOND = backoff.constant(1.0)
asyncio_only = pytest.mark.parametrize("world", ["asyncio"], indirect=True)


class Busy(Exception):
    """An error with a hint."""

    def __init__(self, retry_after):
        super().__init__("busy")
        self.retry_after = retry_after


def instants(world, *seconds):
    return pytest.approx([world.start + one for one in seconds])


# -- attempts and delays -------------------------------------------------------------------------


def test_each_attempt_starts_one_delay_after_the_last_has_failed(world):
    """The delay begins when an attempt has ended, and the first good result is returned."""
    dependency = world.dependency(
        Fail(ConnectionError("down"), takes=0.5), ConnectionError, Ok("paid", takes=0.2)
    )
    assert world.call(Pipeline("payments", Retry(5, backoff=SECOND)), dependency) == "paid"
    assert dependency.times == instants(world, 0.0, 1.5, 2.5)
    assert world.elapsed() == pytest.approx(2.7)


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_it_makes_so_many_attempts_in_all(world, attempts):
    """The number of attempts counts the first one; then the last error is raised, at once."""
    dependency = world.dependency(ConnectionError("down"))
    with pytest.raises(ConnectionError, match="down"):
        world.call(Pipeline("payments", Retry(attempts, backoff=SECOND)), dependency)
    assert len(dependency.calls) == attempts
    assert world.elapsed() == attempts - 1


def test_the_last_error_is_the_functions_own(world):
    """The last exception passes as the very object, with a note that tells the history."""
    last = ConnectionResetError("reset")
    dependency = world.dependency(TimeoutError(), Fail(TimeoutError(), takes=0.5), last)
    with pytest.raises(ConnectionResetError) as caught:
        world.call(Pipeline("payments", Retry(3, backoff=SECOND)), dependency)
    assert caught.value is last
    (note,) = caught.value.__notes__
    assert note.startswith("holdfast: pipeline 'payments' gave up after 3 attempts in 2.5 s")
    assert "(TimeoutError ×2, ConnectionResetError ×1)" in note


def test_delays_grow_and_are_jittered_below_the_cap(world):
    """The default backoff draws each delay from zero to min(30, 2 ** (attempt - 1)) seconds."""
    rng = random.Random(0)
    drawn = [rng.uniform(0.0, ceiling) for ceiling in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0)]
    dependency = world.dependency(ConnectionError("down"))
    with record() as events, pytest.raises(ConnectionError):
        world.call(Pipeline("payments", Retry(8)), dependency)
    assert [event.delay for event in events.of(RetryScheduled)] == drawn
    assert world.elapsed() == pytest.approx(sum(drawn))


def test_a_function_may_be_the_backoff(world):
    """Any function of the failed attempt's number says how long to wait."""
    dependency = world.dependency(ConnectionError, ConnectionError, Ok())
    world.call(Pipeline("p", Retry(3, backoff=lambda attempt: 10.0 * attempt)), dependency)
    assert dependency.times == instants(world, 0.0, 10.0, 30.0)


def test_arguments_are_passed_to_every_attempt(world):
    """Each attempt gets the call's arguments anew."""
    dependency = world.dependency(ConnectionError, Ok())
    world.call(Pipeline("p", Retry(2, backoff=SECOND)), dependency, "order", total=5)
    assert [(call.args, call.kwargs) for call in dependency.calls] == [
        (("order",), {"total": 5})
    ] * 2


def test_before_sleep_is_told(world):
    """`before_sleep` gets the event before each delay."""
    told = []

    def note(event):
        told.append((world.now(), event.attempt, event.delay, type(event.error)))

    retry = Retry(3, backoff=SECOND, before_sleep=note)
    world.call(Pipeline("p", retry), world.dependency(ConnectionError, TimeoutError, Ok()))
    assert told == [
        (world.start, 1, 1.0, ConnectionError),
        (world.start + 1.0, 2, 1.0, TimeoutError),
    ]


# -- what is retried -----------------------------------------------------------------------------


def test_only_what_is_meant_is_retried(world):
    """An exception that `on` does not match passes at once, without a note."""
    dependency = world.dependency(ValueError("wrong"))
    with pytest.raises(ValueError, match="wrong") as caught:
        world.call(Pipeline("p", Retry(5, on=ConnectionError)), dependency)
    assert len(dependency.calls) == 1
    assert not hasattr(caught.value, "__notes__")


def test_transient_failures_are_retried(world):
    """`transient` means connection errors and timeouts, not programming errors."""
    dependency = world.dependency(ConnectionRefusedError, TimeoutError, KeyError("bug"))
    with pytest.raises(KeyError, match="bug"):
        world.call(Pipeline("p", Retry(5, on=transient, backoff=SECOND)), dependency)
    assert len(dependency.calls) == 3


def test_bad_results_are_retried(world):
    """With `on_result` a result may be a reason to try again; the last one is returned as it is."""
    retry = Retry(3, on=on_result(lambda status: status >= 500), backoff=SECOND)
    assert world.call(Pipeline("p", retry), world.dependency(503, 502, 200)) == 200
    assert world.call(Pipeline("p", retry), world.dependency(503)) == 503
    assert world.elapsed() == 4.0


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_interruptions_pass(world, interruption):
    """What is no `Exception` is never an outcome: it passes at once, and nothing is retried."""
    calls = []

    @world.function
    async def interrupted():
        calls.append(1)
        raise interruption

    protected = world.protect(Pipeline("p", Retry(5)), interrupted)

    @world.function
    async def main():
        try:
            await world.do(protected)
        except interruption:  # inside the loop: asyncio itself lets these two end the run
            return "passed"

    assert world.run(main) == "passed"
    assert calls == [1]


def test_rejections_are_not_retried(world):
    """A rejection by one of our own strategies passes at once, for the call was never made."""
    bulkhead = Bulkhead(1)
    blocked = Pipeline("p", Retry(5, backoff=SECOND), bulkhead)
    dependency = world.dependency(Ok())

    async def main():
        async with world.block(Pipeline("other", bulkhead)):
            await world.do(world.protect(blocked, dependency))

    with pytest.raises(BulkheadFullError):
        world.run(main)
    assert world.elapsed() == 0.0


def test_rejections_are_retried_when_asked(world):
    """With its class in `on` a rejection is retried, at the time that it tells."""
    breaker = CircuitBreaker(failures=1, open_for=20.0, open_jitter=0.0, probes=1)
    retry = Retry(3, on=(ConnectionError, CircuitOpenError), backoff=SECOND)
    dependency = world.dependency(ConnectionError, Ok("up"))
    assert world.call(Pipeline("p", retry, breaker), dependency) == "up"
    assert 20.0 <= world.elapsed() <= 1.0 + 19.0 * 1.1


def test_after_a_rejected_attempt_the_functions_own_error_is_raised(world):
    """When the breaker opens between two attempts, the caller sees what failed, not the rejection."""
    pipeline = Pipeline("p", Retry(5, backoff=SECOND), CircuitBreaker(failures=2))
    dependency = world.dependency(ConnectionError("down"))
    with pytest.raises(ConnectionError, match="down") as caught:
        world.call(pipeline, dependency)
    assert len(dependency.calls) == 2
    assert "rejected" in caught.value.__notes__[0]


# -- Retry-After ---------------------------------------------------------------------------------


def test_a_retry_after_lengthens_the_delay(world):
    """A hint in seconds overrides a shorter backoff, with jitter added, never subtracted."""
    dependency = world.dependency(Busy(10.0), Ok())
    with record() as events:
        world.call(Pipeline("p", Retry(2, backoff=SECOND)), dependency)
    (event,) = events.of(RetryScheduled)
    assert 10.0 < event.delay <= 11.0


def test_a_retry_after_does_not_shorten_the_delay(world):
    """A hint that is shorter than the backoff changes nothing."""
    dependency = world.dependency(Busy(0.1), Ok())
    world.call(Pipeline("p", Retry(2, backoff=SECOND)), dependency)
    assert world.elapsed() == 1.0


def test_a_retry_after_is_capped(world):
    """A hint of an hour is honoured for two minutes, and its jitter."""
    dependency = world.dependency(Busy(3600.0), Ok())
    world.call(Pipeline("p", Retry(2, backoff=SECOND)), dependency)
    assert 120.0 <= world.elapsed() <= 132.0


def test_a_retry_after_of_a_result_counts(world):
    """A bad result may carry the hint as well."""
    retry = Retry(2, on=on_result(lambda answer: isinstance(answer, Busy)), backoff=SECOND)
    world.call(Pipeline("p", retry), world.dependency(Ok(Busy(10.0)), Ok("fine")))
    assert 10.0 <= world.elapsed() <= 11.0


def test_a_retry_after_can_be_ignored(world):
    """With `respect_retry_after=False` only the backoff counts."""
    retry = Retry(2, backoff=SECOND, respect_retry_after=False)
    world.call(Pipeline("p", retry), world.dependency(Busy(10.0), Ok()))
    assert world.elapsed() == 1.0


def test_a_retry_after_beyond_the_deadline_ends_it_now(world):
    """Where the hint lies beyond the deadline, nobody waits for it."""
    dependency = world.dependency(Busy(10.0))
    with deadline(5.0), pytest.raises(Busy):
        world.call(Pipeline("p", Retry(3, backoff=SECOND)), dependency)
    assert world.elapsed() == 0.0


# -- limits of time ------------------------------------------------------------------------------


def test_max_elapsed_ends_it_in_time(world):
    """No attempt starts later than `max_elapsed` after the call did."""
    dependency = world.dependency(Fail(ConnectionError("down"), takes=0.5))
    with record() as events, pytest.raises(ConnectionError):
        world.call(Pipeline("p", Retry(None, backoff=SECOND, max_elapsed=5.0)), dependency)
    assert dependency.times == instants(world, 0.0, 1.5, 3.0, 4.5)
    assert world.elapsed() == 5.0
    assert "max_elapsed" in events.of(RetriesExhausted)[0].reason


def test_it_does_not_sleep_past_the_deadline(world):
    """If the delay would end after the deadline, the last error is raised now, and nothing slept."""
    dependency = world.dependency(ConnectionError("down"))
    with deadline(2.5), pytest.raises(ConnectionError) as caught:
        world.call(Pipeline("p", Retry(None, backoff=SECOND)), dependency)
    assert dependency.times == instants(world, 0.0, 1.0, 2.0)
    assert world.elapsed() == 2.0
    assert "deadline" in caught.value.__notes__[0]


def test_the_last_delay_is_not_shortened(world):
    """It does not squeeze in an attempt by waiting less than the backoff says."""
    dependency = world.dependency(ConnectionError, Ok("never reached"))
    with deadline(5.0), pytest.raises(ConnectionError):
        world.call(Pipeline("p", Retry(2, backoff=backoff.constant(5.0))), dependency)
    assert world.elapsed() == 0.0


def test_it_starts_nothing_that_cannot_finish(world):
    """If what would be left is shorter than an attempt takes, there is no other attempt."""
    dependency = world.dependency(Fail(ConnectionError("down"), takes=2.0))
    retry = Retry(None, backoff=SECOND, max_elapsed=60.0)  # knows how long attempts take
    with deadline(7.5), pytest.raises(ConnectionError):
        world.call(Pipeline("p", retry), dependency)
    assert dependency.times == instants(world, 0.0, 3.0)
    assert world.elapsed() == 5.0


def test_a_total_timeout_is_a_deadline_for_the_retry(world):
    """Inside a total timeout the retry gives up with its own error before the time is up."""
    pipeline = Pipeline("p", Timeout(2.5), Retry(None, backoff=SECOND))
    dependency = world.dependency(ConnectionError("down"))
    with pytest.raises(ConnectionError, match="down"):
        world.call(pipeline, dependency)
    assert world.elapsed() == 2.0


def test_a_timeout_per_attempt_is_retried(world):
    """An attempt that is given up on is a failure like any other."""
    pipeline = Pipeline("p", Retry(3, backoff=SECOND), Timeout(2.0, sync="thread"))
    assert world.call(pipeline, world.dependency(Hang(), Hang(), Ok("up"))) == "up"
    assert world.elapsed() == 6.0


def test_when_every_attempt_times_out_the_timeout_is_raised(world):
    """The last error is then `AttemptTimeout`, with the history as its note."""
    pipeline = Pipeline("p", Retry(3, backoff=SECOND), Timeout(2.0, sync="thread"))
    with pytest.raises(AttemptTimeout) as caught:
        world.call(pipeline, world.dependency(Hang()))
    assert world.elapsed() == 8.0
    assert "AttemptTimeout ×3" in caught.value.__notes__[0]


# -- cancellation, asyncio's alone ---------------------------------------------------------------


@asyncio_only
def test_a_cancelled_call_is_not_retried(world):
    """A cancellation in the middle of a delay ends the call, and no attempt follows."""
    dependency = world.dependency(ConnectionError("down"))
    call = world.protect(Pipeline("p", Retry(5, backoff=backoff.constant(10.0))), dependency)

    async def main():
        task = asyncio.ensure_future(call())
        await asyncio.sleep(15.0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert world.run(main)
    assert dependency.times == instants(world, 0.0, 10.0)


def test_a_loop_without_with_is_told_so(world):
    """Else it would run once, silently, and retry nothing."""

    @world.function
    async def loop():
        async for _ in world.attempts(Retry(3)):
            pass

    with pytest.raises(TypeError, match="write 'with attempt:'"):
        world.run(loop)


def test_a_loop_may_be_left_at_any_time(world):
    """With break, before the attempt was used or after."""
    numbers = []

    @world.function
    async def loop():
        async for attempt in world.attempts(Retry(3, backoff=SECOND)):
            if attempt.number == 2:
                break
            with attempt:
                numbers.append(attempt.number)
                raise ConnectionError

    world.run(loop)
    assert numbers == [1]
