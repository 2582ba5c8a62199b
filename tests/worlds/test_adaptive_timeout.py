"""Adaptive timeouts, in threads and in asyncio."""

import asyncio
import contextlib

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    CircuitBreaker,
    DeadlineExceeded,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    deadline,
    remaining,
)
from holdfast.events import TimedOut, TimeoutChanged
from holdfast.testing import Fail, Hang, Ok, record

asyncio_only = pytest.mark.parametrize("world", ["asyncio"], indirect=True)
threads_only = pytest.mark.parametrize("world", ["threads"], indirect=True)
FEW = 10


def taught(world, took=0.1, **options):
    """Return a timeout that has seen a few answers, each after ``took``."""
    options = {"sync": "thread", **options}
    timeout = Timeout.adaptive(min_samples=FEW, name="prices", **options)
    call = world.protect(Pipeline("lesson", timeout), world.dependency(Ok(takes=took)))
    for _ in range(FEW):
        world.run(call)
    return timeout


def attempt(world, pipeline, *script):
    """Return how long one call took, and what it raised."""
    start, error = world.now(), None
    try:
        world.call(pipeline, world.dependency(*script))
    except Exception as raised:
        error = raised
    return world.now() - start, error


def test_it_learns_from_the_calls_that_it_protects(world):
    """After a few answers it gives up on a call that hangs at twice their duration, and tells."""
    with record() as events:
        timeout = taught(world)
        took, error = attempt(world, Pipeline("p", timeout), Hang())
    assert isinstance(error, AttemptTimeout)
    assert took == pytest.approx(timeout.limit) == pytest.approx(0.2, rel=0.02)
    assert error.seconds == timeout.limit
    assert [event.seconds for event in events.of(TimedOut)] == [timeout.limit]
    assert [event.after for event in events.of(TimeoutChanged)] == [timeout.limit]
    assert (timeout.snapshot()["samples"], timeout.timeouts) == (FEW, 1)


def test_before_it_has_learnt_the_ceiling_holds(world):
    """The first calls get all the time that any call could get."""
    took, error = attempt(
        world, Pipeline("p", Timeout.adaptive(ceiling=3.0, sync="thread")), Hang()
    )
    assert isinstance(error, AttemptTimeout)
    assert took == 3.0


def test_results_and_errors_in_time_pass_as_they_are(world):
    """It changes nothing but the time."""
    pipeline = Pipeline("p", taught(world))
    assert world.call(pipeline, world.dependency(Ok("tea"))) == "tea"
    down = ConnectionError("down")
    assert attempt(world, pipeline, down) == (0.0, down)


def test_a_failure_is_no_sample(world):
    """Nothing is learnt from how long an error took."""
    timeout = taught(world)
    attempt(world, Pipeline("p", timeout), Fail(ConnectionError("down"), takes=0.01))
    assert timeout.snapshot()["samples"] == FEW


def test_the_function_sees_what_is_left(world):
    """Inside, `remaining` tells the limit, or the caller's deadline where that is sooner."""
    timeout, seen = taught(world), []

    @world.function
    async def ask():
        seen.append(remaining())

    world.call(Pipeline("p", timeout), ask)
    with deadline(0.15):
        world.call(Pipeline("p", timeout), ask)
    assert seen == pytest.approx([timeout.limit, 0.15])


def test_the_callers_deadline_is_no_timeout_of_ours(world):
    """What the caller had no time for says nothing about the dependency."""
    timeout = taught(world)
    with deadline(0.05):
        took, error = attempt(world, Pipeline("p", timeout), Hang())
    assert isinstance(error, DeadlineExceeded)
    assert (took, timeout.timeouts) == (pytest.approx(0.05), 0)


def test_inside_a_retry_it_is_per_attempt(world):
    """Each attempt is a sample, and each has the whole limit for itself."""
    timeout = taught(world)
    pipeline = Pipeline(
        "p", Timeout(5.0, sync="thread"), Retry(3, backoff=backoff.constant(0.0)), timeout
    )
    assert world.call(pipeline, world.dependency(Hang(), Ok("up", takes=0.1))) == "up"
    assert (timeout.timeouts, timeout.snapshot()["samples"]) == (1, FEW + 1)


def test_its_timeouts_count_for_a_breaker_around_it(world):
    """They are failures like those of any timeout."""
    breaker = CircuitBreaker(failures=3)
    pipeline = Pipeline("p", breaker, taught(world))
    for _ in range(3):
        attempt(world, pipeline, Hang())
    assert breaker.state == "open"


def test_a_fixed_timeout_around_it_is_the_total(world):
    """The sooner one cuts, and says so."""
    timeout = Timeout.adaptive(ceiling=3.0, sync="thread")
    took, error = attempt(world, Pipeline("p", Timeout(1.0, sync="thread"), timeout), Hang())
    assert isinstance(error, AttemptTimeout)
    assert (took, error.seconds, timeout.timeouts) == (1.0, 1.0, 0)


def test_in_a_silence_most_calls_fail_sooner(world):
    """Of calls that come together into a black hole, one waits for all of the limit."""
    timeout = taught(world, took=1.0)
    call = world.protect(Pipeline("p", timeout), world.dependency(Hang()))
    world.together(*[call] * 10)
    ended = []

    @world.function
    async def timed():
        start = world.now()
        with contextlib.suppress(AttemptTimeout):
            await world.do(call)
        ended.append(world.now() - start)

    world.together(*[timed] * 5)
    limit = timeout.limit
    assert sorted(ended) == pytest.approx([limit / 8] * 4 + [limit])
    assert world.call(Pipeline("p", timeout), world.dependency(Ok("back"))) == "back"
    assert not timeout.silent


# -- beyond the limit ----------------------------------------------------------------------------


@threads_only
def test_a_late_reply_grows_the_limit(world):
    """A worker that was given up on and ends after all tells how long it took."""
    timeout = taught(world)
    pipeline = Pipeline("p", timeout)
    assert isinstance(attempt(world, pipeline, Ok("late", takes=0.5))[1], AttemptTimeout)
    assert timeout.snapshot()["samples"] == FEW
    world.advance(1.0)
    assert timeout.snapshot()["samples"] == FEW + 1
    attempt(world, pipeline, Ok("late", takes=0.5))
    world.advance(1.0)
    assert attempt(world, pipeline, Ok("in time", takes=0.5))[1] is None
    assert timeout.limit == pytest.approx(1.0, rel=0.02)


@threads_only
def test_an_abandoned_worker_keeps_its_permit(world):
    """As with any timeout that leaves a thread behind."""
    bulkhead = Bulkhead(1)
    pipeline = Pipeline("p", bulkhead, taught(world))
    attempt(world, pipeline, Ok("late", takes=5.0))
    assert bulkhead.in_flight == 1
    world.advance(5.0)
    assert bulkhead.in_flight == 0


@threads_only
def test_a_cooperative_one_sets_the_deadline_and_trusts(world):
    """What overruns is not cut, and is a sample all the same; what obeys is a timeout of ours."""
    timeout = taught(world, sync="cooperative")
    pipeline = Pipeline("p", timeout)
    assert attempt(world, pipeline, Ok(takes=0.3)) == (pytest.approx(0.3), None)
    assert timeout.snapshot()["samples"] == FEW + 1

    def obey():
        world.clock.sleep(remaining())
        raise TimeoutError("the socket's own")

    with pytest.raises(TimeoutError, match="own"):
        world.call(pipeline, obey)
    assert timeout.timeouts == 1


@threads_only
def test_of_nested_timeouts_only_the_inner_one_leaves_a_thread(world):
    """A fixed timeout inside an adaptive one obeys its limit, and the other way round."""
    inside = Pipeline("p", taught(world), Timeout(60.0, sync="thread"))
    took, error = attempt(world, inside, Hang())
    assert isinstance(error, AttemptTimeout)
    assert took == pytest.approx(error.seconds) == pytest.approx(0.2, rel=0.02)


@asyncio_only
def test_a_trial_finds_out_what_takes_longer(world):
    """Every so often an attempt may take longer; a few answers beyond the limit raise it."""
    timeout = taught(world, window=3600.0)
    call = world.protect(Pipeline("p", timeout), world.dependency(Ok(takes=2.0)))

    async def main():
        for _ in range(1000):
            with contextlib.suppress(AttemptTimeout):
                await call()

    world.run(main)
    assert timeout.limit == pytest.approx(4.0, rel=0.021)


@asyncio_only
def test_a_cancelled_attempt_is_no_sample(world):
    """Its duration tells when its caller had enough, not when the dependency would have answered."""
    timeout = taught(world)
    call = world.protect(Pipeline("p", timeout), world.dependency(Hang()))
    before = timeout.snapshot()

    async def main():
        task = asyncio.ensure_future(call())
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert world.run(main)
    assert timeout.snapshot() == before


@asyncio_only
def test_a_coroutine_that_returns_although_it_is_cancelled_is_a_late_reply(world):
    """It took longer than the limit, and did answer."""
    timeout = taught(world)

    async def stubborn():
        try:
            await asyncio.sleep(60.0)
        except asyncio.CancelledError:
            await asyncio.sleep(0.5)
        return "done"

    assert world.call(Pipeline("p", timeout), stubborn) == "done"
    assert (timeout.snapshot()["samples"], timeout.timeouts) == (FEW + 1, 0)
