"""Defects that were found by running, or reading, other resilience libraries, and that we don't share.

The tests are named after the numbers under which the defects were written down: D1 to D14 are those of
Python libraries, A1 to A9 those of libraries of other languages.  Each states the defect in general
terms, and where it was seen.  None of the code here comes from those libraries.
"""

import asyncio
import contextvars
import gc
import inspect
import sys
import threading
import time
import traceback
import weakref
from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    DeadlineExceeded,
    Fallback,
    IsolatedError,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    deadline,
    on_result,
)
from holdfast.extend import worker_pool
from holdfast.testing import Fail, Hang, Ok, VirtualClock, run, seeded

NO_WAIT = backoff.constant(0)
PATIENCE = 20.0


def down():
    return Fail(ConnectionError("down"))


def in_threads(function, count):
    """Call a function in threads, all at once; return what each returned or raised."""
    start, outcomes = threading.Barrier(count), []

    def work():
        start.wait(PATIENCE)
        try:
            outcomes.append(function())
        except Exception as error:
            outcomes.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(outcomes) == count
    return outcomes


def until(condition):
    for _ in range(5000):
        if condition():
            return
        time.sleep(0.001)
    raise AssertionError("it never happened")


# -- D1: an all-in-one decorator -------------------------------------------------------------------


@pytest.mark.real_time
def test_d1a_the_functions_own_timeout_error_kills_no_worker():
    """A function's own TimeoutError is taken for the limit, and kills the pool's workers one by one.

    Seen in pyresilience 0.4.1.
    """

    @Pipeline("p", Timeout(PATIENCE))
    def own_timeout():
        raise TimeoutError("a socket's own")

    before = worker_pool().snapshot()["abandoned"]  # by tests before this one
    for _ in range(8):
        with pytest.raises(TimeoutError, match="a socket's own"):
            own_timeout()
    assert Pipeline("p", Timeout(PATIENCE))(lambda: "healthy")() == "healthy"
    assert worker_pool().snapshot()["abandoned"] <= before


@pytest.mark.real_time
def test_d1b_waiting_for_a_worker_is_no_timeout():
    """A small pool per function lets healthy calls queue, and takes the queueing for slowness.

    Seen in pyresilience 0.4.1.
    """
    meeting = threading.Barrier(16)
    call = Pipeline("p", Timeout(PATIENCE))(lambda: meeting.wait(PATIENCE) >= 0)
    assert in_threads(call, 16) == [True] * 16


@pytest.mark.real_time
def test_d1c_context_variables_survive_a_blocking_timeout():
    """Context variables are lost in the worker thread.

    Seen in pyresilience 0.4.1, interlock-cb 2.8.2.
    """
    request = contextvars.ContextVar("request")
    request.set("request 7")
    assert Pipeline("p", Timeout(PATIENCE))(request.get)() == "request 7"


def test_d1d_a_fallback_for_one_error_answers_no_other(world):
    """A fallback for KeyError also answers for an open circuit.

    Seen in pyresilience 0.4.1.
    """
    breaker = CircuitBreaker()
    breaker.trip()
    with pytest.raises(CircuitOpenError):
        world.call(Pipeline("p", Fallback("no", on=KeyError), breaker), world.dependency(Ok(1)))


def test_d1f_windows_cost_the_same_at_any_size():
    """Each call walks the whole window under the lock.

    Seen in pyresilience 0.4.1.
    """

    def steps(size):
        breaker = CircuitBreaker(failures=None, failure_rate=1.0, window=size, min_calls=size)
        for _ in range(2 * size):
            breaker.succeeded(breaker.enter(0.0, (), {}), 0.0, None)
        counted = Counter()
        permit = breaker.enter(0.0, (), {})

        def count(frame, event, argument):
            counted[event] += 1
            return count

        tracer = sys.gettrace()
        sys.settrace(count)
        try:
            breaker.succeeded(permit, 0.0, None)
        finally:
            sys.settrace(tracer)
        return counted["line"]

    assert steps(10) == steps(10_000) > 0


def test_d1g_a_breaker_that_is_held_open_stays_open(world):
    """``force_open()`` heals itself after the recovery time.

    Seen in pyresilience 0.4.1.
    """
    breaker = CircuitBreaker(open_for=1.0)
    breaker.isolate()
    world.advance(1e6)
    with pytest.raises(IsolatedError):
        world.call(Pipeline("p", breaker), world.dependency(Ok(1)))


# -- D2: a lock around everything ------------------------------------------------------------------


def test_d2a_no_lock_is_held_while_the_function_runs():
    """The breaker's lock is held during the call, so sixteen threads run one after the other.

    Seen in pybreaker 1.4.1.
    """
    meeting = threading.Barrier(16)
    call = Pipeline("p", CircuitBreaker())(lambda: meeting.wait(PATIENCE) >= 0)
    assert in_threads(call, 16) == [True] * 16


def test_d2b_opening_by_hand_does_not_wait_for_a_hung_call():
    """``breaker.open()`` blocks behind a call that hangs.

    Seen in pybreaker 1.4.1.
    """
    breaker = CircuitBreaker()
    inside, release = threading.Event(), threading.Event()

    def hang():
        inside.set()
        release.wait(PATIENCE)

    thread = threading.Thread(target=Pipeline("p", breaker)(hang), daemon=True)
    thread.start()
    inside.wait(PATIENCE)
    breaker.isolate()
    breaker.trip()
    assert breaker.state == "open"
    release.set()
    thread.join(PATIENCE)
    assert breaker.state == "open"


def test_d2c_an_async_function_is_really_protected():
    """On ``async def`` the breaker sees a coroutine, counts a success, and never opens.

    Seen in pybreaker 1.4.1.
    """
    breaker = CircuitBreaker(failures=5, open_for=60.0)

    @Pipeline("p", breaker)
    async def fail():
        raise ConnectionError("down")

    async def main():
        outcomes = [await asyncio.gather(fail(), return_exceptions=True) for _ in range(20)]
        return Counter(type(outcome).__name__ for (outcome,) in outcomes)

    assert run(main()) == {"ConnectionError": 5, "CircuitOpenError": 15}


def test_d2d_an_interrupt_surfaces_as_itself():
    """KeyboardInterrupt is a failure, and the one that opens the breaker is replaced by its error.

    Seen in pybreaker 1.4.1.
    """
    breaker = CircuitBreaker(failures=1)

    def interrupted():
        raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            Pipeline("p", breaker)(interrupted)()
    assert breaker.state == "closed"


def test_d2e_the_failure_that_opens_it_surfaces_as_itself(world):
    """The call that trips the breaker gets the breaker's error instead of its own.

    Seen in pybreaker 1.4.1.
    """
    with pytest.raises(ConnectionError, match="down"):
        world.call(Pipeline("p", CircuitBreaker(failures=1)), world.dependency(down()))


def test_d2f_an_ignored_error_resets_nothing(world):
    """An excluded exception counts as a success, so it resets the count of failures.

    Seen in pybreaker 1.4.1.
    """
    breaker = CircuitBreaker(failures=3, ignore=LookupError)
    dependency = world.dependency(*[down(), Fail(KeyError("k"))] * 2, down())
    for error in (ConnectionError, KeyError, ConnectionError, KeyError, ConnectionError):
        assert breaker.state == "closed"
        with pytest.raises(error):
            world.call(Pipeline("p", breaker), dependency)
    assert breaker.state == "open"


def test_d2g_a_stream_fails_where_it_breaks_off_and_leaving_it_is_no_failure():
    """Leaving a decorated generator early counts as a failure, or its failures as successes.

    Seen in pybreaker 1.4.1, interlock-cb 2.8.2.
    """
    breaker = CircuitBreaker(failures=1)

    @Pipeline("p", breaker)
    def rows():
        yield 1
        raise ConnectionError("broken off")

    for _ in rows():
        break
    assert breaker.state == "closed"
    with pytest.raises(ConnectionError):
        list(rows())
    assert breaker.state == "open"


def test_d2h_a_high_rate_of_failures_opens_it(world):
    """Four failures out of five never open a breaker that counts in a row only.

    Seen in pybreaker 1.4.1.
    """
    breaker = CircuitBreaker(failures=5, failure_rate=0.5, window=60.0, min_calls=20)
    dependency = world.dependency(*[Ok(1), down(), down(), down(), down()] * 10)
    protected = world.protect(Pipeline("p", breaker), dependency)
    for _ in range(50):
        try:
            world.run(protected)
        except (ConnectionError, CircuitOpenError):
            pass
    assert breaker.state == "open"
    assert len(dependency.calls) == 20


# -- D3, D4, D7, D9, D10: circuit breakers ---------------------------------------------------------


def half_open(probes=1):
    breaker = CircuitBreaker(open_for=1e-9, open_jitter=0, probes=probes)
    breaker.trip()
    return breaker


def test_d3a_a_cancelled_probe_does_not_close_it():
    """A cancelled call counts as a success: it resets the count, or closes a half-open breaker.

    Seen in circuitbreaker 2.1.3, hyx 0.0.2.
    """

    async def main():
        breaker = CircuitBreaker(open_for=1.0, open_jitter=0, probes=1)
        breaker.trip()
        await asyncio.sleep(1.0)
        task = asyncio.create_task(Pipeline("p", breaker).acall(asyncio.sleep, 60.0))
        await asyncio.sleep(1.0)
        task.cancel()
        await asyncio.wait([task])
        assert breaker.state == "half-open"

    run(main())


def test_d3b_zero_is_refused():
    """``failure_threshold=0`` silently becomes 5, and a recovery time of 0 becomes 30.

    Seen in circuitbreaker 2.1.3.
    """
    for options in ({"failures": 0}, {"open_for": 0}, {"probes": 0}, {"open_for": -1.0}):
        with pytest.raises(ConfigurationError, match=next(iter(options))):
            CircuitBreaker(**options)


def test_d4a_rejections_keep_nothing_alive(world):
    """One exception object is raised for every rejection, and its traceback keeps each caller's frames.

    Seen in purgatory 3.0.1.
    """
    breaker = CircuitBreaker(failures=1, open_for=3600.0, open_cap=3600.0)
    protected = world.protect(Pipeline("p", breaker), world.dependency(down()))
    with pytest.raises(ConnectionError):
        world.run(protected)
    lengths, causes = set(), set()
    for _ in range(100):
        with pytest.raises(CircuitOpenError) as caught:
            world.run(protected)
        lengths.add(len(traceback.extract_tb(caught.value.__traceback__)))
        causes.add((id(caught.value.__cause__), caught.value.__cause__.__traceback__))
    assert len(lengths) == 1
    assert {traceback_ for _, traceback_ in causes} == {None}


def test_d4b_cancellations_open_nothing():
    """Six cancelled calls open the breaker.

    Seen in purgatory 3.0.1, backon 4.4.5.
    """

    async def main():
        breaker = CircuitBreaker(failures=1)
        for _ in range(6):
            task = asyncio.create_task(Pipeline("p", breaker).acall(asyncio.sleep, 60.0))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        assert breaker.state == "closed"

    run(main())


@pytest.mark.parametrize("probes", [1, 3])
def test_d7a_probes_are_limited_in_threads(probes):
    """All of twenty threads that arrive together are let through half-open.

    Seen in seven libraries of fourteen.
    """
    breaker = half_open(probes)
    release, inside = threading.Event(), threading.Semaphore(0)

    @Pipeline("p", breaker)
    def probe():
        inside.release()
        release.wait(PATIENCE)
        return "probe"

    outcomes = []

    def caller():
        try:
            outcomes.append(probe())
        except CircuitOpenError:
            outcomes.append("rejected")

    threads = [threading.Thread(target=caller, daemon=True) for _ in range(20)]
    for thread in threads:
        thread.start()
    until(lambda: len(outcomes) == 20 - probes)
    release.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert Counter(outcomes) == {"probe": probes, "rejected": 20 - probes}


@pytest.mark.parametrize("probes", [1, 3])
def test_d7b_probes_are_limited_in_tasks(probes):
    """The same for twenty tasks.

    Seen in circuitbreaker, aiobreaker, purgatory, hyx, pyresilience, limitpal, resilient-circuit.
    """

    async def main():
        breaker = CircuitBreaker(open_for=1.0, open_jitter=0, probes=probes)
        breaker.trip()
        await asyncio.sleep(1.0)
        calls = (Pipeline("p", breaker).acall(asyncio.sleep, 0.2, "probe") for _ in range(20))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert outcomes.count("probe") == probes

    run(main())


@pytest.mark.parametrize("when", ["open", "half-open"])
def test_d9_an_old_success_closes_nothing(when):
    """A call from before the breaker opened ends well, and closes it.

    Seen in circuitbreaker 2.1.3; with a half-open breaker in eight libraries of ten.
    """

    async def main():
        breaker = CircuitBreaker(failures=5, open_for=1.0, open_jitter=0, probes=1)
        pipeline = Pipeline("p", breaker)
        old = asyncio.create_task(
            pipeline.acall(asyncio.sleep, 0.15 if when == "open" else 1.4, "old")
        )
        await asyncio.sleep(0.01)
        for _ in range(5):
            with pytest.raises(ZeroDivisionError):
                await pipeline.acall(divide)
        if when == "half-open":
            await asyncio.sleep(1.0)
            probe = asyncio.create_task(pipeline.acall(asyncio.sleep, 2.0))
        await asyncio.sleep(0)
        assert await old == "old"
        assert breaker.state == when
        if when == "half-open":
            await probe
            assert breaker.state == "closed"

    run(main())


async def divide():
    return 1 // 0


def test_d10_the_time_left_is_told_on_one_clock(monkeypatch):
    """The time until the next probe mixes UTC and local time: five hours for one second, in New York.

    Seen in aiobreaker 1.2.0.
    """
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        with VirtualClock() as clock:
            breaker = CircuitBreaker(open_for=1.0, open_jitter=0)
            breaker.trip()
            clock.advance(0.25)
            with pytest.raises(CircuitOpenError) as caught:
                Pipeline("p", breaker).call(int)
            assert caught.value.retry_after == 0.75
            assert breaker.snapshot()["retry_after"] == 0.75
            clock.advance(0.75)
            assert Pipeline("p", breaker).call(int) == 0
    finally:
        monkeypatch.undo()
        time.tzset()


def test_d10b_the_wall_clock_changes_nothing(monkeypatch):
    """The breaker goes by the wall clock, so a changed system time opens it for hours.

    Seen in pybreaker, purgatory, hyx.
    """
    breaker = CircuitBreaker(open_for=60.0)
    breaker.trip()
    monkeypatch.setattr(time, "time", lambda: 4e9)
    with pytest.raises(CircuitOpenError):
        Pipeline("p", breaker).call(int)


# -- D5: retries -----------------------------------------------------------------------------------


def test_d5a_cancellation_is_never_retried():
    """A retry of "all but this exception" also retries CancelledError, so a task cannot be cancelled.

    Seen in tenacity 9.2.1.
    """
    dependency_calls = []

    async def work():
        dependency_calls.append(1)
        await asyncio.sleep(60.0)

    async def main():
        pipeline = Pipeline(
            "p", Retry(50, on=lambda error: not isinstance(error, KeyError), backoff=NO_WAIT)
        )
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await pipeline.acall(work)
        assert asyncio.current_task().cancelling() == 0

    run(main())
    assert dependency_calls == [1]


def test_d5b_calls_in_threads_share_no_statistics():
    """One dictionary of statistics for all calls raises KeyError out of the retry, in threads.

    Seen in tenacity 9.2.1.
    """
    told = []

    @Pipeline("p", Retry(3, backoff=NO_WAIT, before_sleep=told.append))
    def fail():
        raise ConnectionError(threading.get_ident())

    def thread():
        outcomes = []
        for _ in range(20):
            with pytest.raises(ConnectionError) as caught:
                fail()
            outcomes.append("after 3 attempts" in caught.value.__notes__[0])
        return all(outcomes)

    assert in_threads(thread, 8) == [True] * 8
    assert Counter(event.attempt for event in told) == {1: 160, 2: 160}


def test_d5c_tasks_that_take_turns_share_no_attempts():
    """Two hundred tasks with one retry object mix up their attempts.

    Seen in tenacity 9.2.1.
    """
    retry = Retry(3, backoff=NO_WAIT)

    async def task(number):
        seen = []
        async for attempt in retry:
            with attempt:
                seen.append(attempt.number)
                await asyncio.sleep(0)
                if attempt.number <= number % 3:
                    raise ConnectionError("down")
        return seen

    async def main():
        return await asyncio.gather(*map(task, range(200)))

    assert run(main()) == [list(range(1, number % 3 + 2)) for number in range(200)]


def test_d5d_generators_are_not_silently_left_alone():
    """A decorated generator function is not retried at all, without a word.

    Seen in tenacity 9.2.1, pyresilience 0.4.1.
    """
    failures = [ConnectionError, ConnectionError]

    @Pipeline("p", Retry(3, backoff=backoff.constant(0.0)))
    def rows():
        if failures:
            raise failures.pop()
        yield from (1, 2)

    assert list(rows()) == [1, 2]


def test_d5e_a_total_cuts_a_running_attempt(world):
    """``stop_after_delay`` never cuts the attempt that is running, so the caller waits for ever.

    Seen in tenacity 9.2.1, stamina 26.1.
    """
    with pytest.raises(AttemptTimeout):
        world.call(Pipeline("p", Timeout(2.0, sync="thread"), Retry(5)), world.dependency(Hang()))
    assert world.elapsed() == 2.0


def test_d5f_a_failed_call_is_no_reference_cycle():
    """A failed call is a reference cycle, so its arguments live until the garbage collector comes.

    Seen in tenacity 9.2.1.
    """

    class Argument:
        pass

    @Pipeline("p", Retry(3, backoff=NO_WAIT), CircuitBreaker())
    def fail(argument):
        raise ConnectionError("down")

    def call():
        argument = Argument()
        try:
            fail(argument)
        except ConnectionError:
            return weakref.ref(argument)

    gc.disable()
    try:
        assert call()() is None
    finally:
        gc.enable()


def test_d5g_retrying_is_bounded_and_spread_by_default(world):
    """By default it retries for ever, at once, without jitter, whatever was raised.

    Seen in tenacity 9.2.1.
    """
    dependency = world.dependency(down())
    with pytest.raises(ConnectionError):
        world.call(Pipeline("p", Retry()), dependency)
    gaps = [later - at for at, later in pairwise(dependency.times)]
    assert len(dependency.calls) == 5
    assert all(gap > 0 for gap in gaps)
    assert len(set(gaps)) == 4


# -- D6: an asyncio-only library -------------------------------------------------------------------


def test_d6a_everything_can_be_made_without_a_loop():
    """A decorator at module level needs a running event loop.

    Seen in hyx 0.0.2.
    """

    @Pipeline("p", Timeout(1.0), Bulkhead(1), Retry(2), CircuitBreaker())
    async def work():
        return "done"

    assert [asyncio.run(work()) for _ in range(2)] == ["done"] * 2


def test_d6b_a_shared_timeout_limits_each_task():
    """With one shared timeout, the second task takes away the timer of the first.

    Seen in hyx 0.0.2.
    """

    async def main():
        call = Pipeline("p", Timeout(0.1))(asyncio.sleep)
        start = asyncio.get_running_loop().time()
        long = asyncio.create_task(call(0.5))
        await call(0.05)
        with pytest.raises(AttemptTimeout):
            await long
        assert asyncio.get_running_loop().time() == start + 0.1

    run(main())


def test_d6c_a_timeout_leaves_no_cancellation_behind():
    """After a timeout ``task.cancelling()`` stays 1, which confuses every TaskGroup above.

    Seen in hyx 0.0.2.
    """

    async def main():
        with pytest.raises(AttemptTimeout):
            await Pipeline("p", Timeout(0.1)).acall(asyncio.sleep, 1.0)
        assert asyncio.current_task().cancelling() == 0

    run(main())


def test_d6d_attempts_are_attempts_and_the_error_is_the_functions(world):
    """``attempts=3`` calls four times and raises an error of its own that hides the cause.

    Seen in hyx 0.0.2.
    """
    dependency = world.dependency(down())
    with pytest.raises(ConnectionError, match="down"):
        world.call(Pipeline("p", Retry(3)), dependency)
    assert len(dependency.calls) == 3


def test_d6e_callers_do_not_share_a_backoff():
    """Concurrent calls draw their delays from one iterator, so each sleeps what belongs to the others.

    Seen in hyx 0.0.2.
    """
    told = []
    growing = backoff.exponential(base=0.02, factor=2.0, jitter=None)
    pipeline = Pipeline("p", Retry(4, backoff=growing, before_sleep=told.append))

    async def fail(number):
        await asyncio.sleep(0)
        raise ConnectionError(number)

    async def main():
        await asyncio.gather(*(pipeline(fail)(n) for n in range(3)), return_exceptions=True)

    run(main())
    for number in range(3):
        delays = [event.delay for event in told if event.error.args == (number,)]
        assert delays == [0.02, 0.04, 0.08]


def test_d6f_a_cancelled_waiter_costs_no_capacity():
    """Each cancelled waiter takes a place of the queue with it for good.

    Seen in hyx 0.0.2.
    """

    async def main():
        bulkhead = Bulkhead(1, queue=2)
        call = Pipeline("p", bulkhead)(asyncio.sleep)
        first = asyncio.create_task(call(60.0))
        await asyncio.sleep(0)
        for _ in range(10):
            waiters = [asyncio.create_task(call(0)) for _ in range(2)]
            await asyncio.sleep(0)
            assert bulkhead.waiting == 2
            for waiter in waiters:
                waiter.cancel()
            await asyncio.wait(waiters)
        assert bulkhead.waiting == 0
        await first

    run(main())


# -- D8: the best breaker --------------------------------------------------------------------------


def test_d8a_a_hung_probe_gives_its_place_back(world):
    """One probe that hangs keeps the breaker half-open for ever.

    Seen in interlock-cb 2.8.2, redress 1.4.2.
    """
    breaker = CircuitBreaker(open_for=1.0, open_jitter=0, probes=1, probe_timeout=5.0)
    breaker.trip()
    world.advance(1.0)

    @world.function
    async def hang():
        await world.sleep(3600.0)

    hung = world.protect(Pipeline("p", breaker), hang)
    healthy = world.protect(Pipeline("p", breaker), world.dependency(Ok("healthy")))
    _, rejected, served = world.together(hung, world.after(4.0, healthy), world.after(5.0, healthy))
    assert isinstance(rejected, CircuitOpenError)
    assert served == "healthy"


def test_d8b_a_block_may_be_left_in_another_context():
    """A block that is entered and left in different contexts, as fixtures do, loses its permit.

    Seen in interlock-cb 2.8.2.
    """
    bulkhead = Bulkhead(1)
    pipeline = Pipeline("p", bulkhead, CircuitBreaker())
    for _ in range(3):
        contextvars.copy_context().run(pipeline.__enter__)
        contextvars.copy_context().run(pipeline.__exit__, None, None, None)
    assert bulkhead.in_flight == 0


@pytest.mark.real_time
def test_d8d_the_functions_own_timeout_is_not_told_as_ours():
    """A TimeoutError of the function surfaces as "exceeded its 5.000 s timeout".

    Seen in interlock-cb 2.8.2.
    """
    own = TimeoutError("own")

    def fail():
        raise own

    async def afail():
        raise own

    with pytest.raises(TimeoutError) as caught:
        Pipeline("p", Timeout(5.0))(fail)()
    assert caught.value is own
    with pytest.raises(TimeoutError) as caught:
        asyncio.run(Pipeline("p", Timeout(5.0))(afail)())
    assert caught.value is own


@pytest.mark.real_time
def test_d8e_hung_calls_are_bounded():
    """Each call that hangs leaves one more thread behind, without bound.

    Seen in interlock-cb 2.8.2, func_timeout 4.3.5.
    """
    release = threading.Event()
    call = Pipeline("p", Bulkhead(3), Timeout(0.005, sync="thread"))(lambda: release.wait(PATIENCE))
    before = threading.active_count()
    outcomes = Counter()
    for _ in range(30):
        try:
            call()
        except (AttemptTimeout, BulkheadFullError) as error:
            outcomes[type(error).__name__] += 1
    assert outcomes == {"AttemptTimeout": 3, "BulkheadFullError": 27}
    assert threading.active_count() <= before + 3
    assert worker_pool().snapshot()["abandoned"] == 3
    release.set()
    until(lambda: worker_pool().snapshot()["abandoned"] == 0)


def test_d8f_a_bulkhead_with_waiters_serves_a_second_loop():
    """A bulkhead that has had waiters in one event loop fails in the next.

    Seen in interlock-cb 2.8.2.
    """
    call = Pipeline("p", Bulkhead(1, queue=5))(asyncio.sleep)

    async def crowd():
        return await asyncio.gather(*(call(0, number) for number in range(5)))

    assert [asyncio.run(crowd()) for _ in range(3)] == [[0, 1, 2, 3, 4]] * 3


# -- D11 to D14: composition, threads, hints -------------------------------------------------------


def test_d11_a_retry_does_not_knock_at_an_open_circuit(world):
    """The hand-made stack retries the breaker's own error: pauses, and no attempt.

    Seen in tenacity around pybreaker or circuitbreaker.
    """
    dependency = world.dependency(down())
    pipeline = Pipeline("p", Retry(6, backoff=backoff.constant(0.2)), CircuitBreaker(failures=2))
    with pytest.raises(ConnectionError):
        world.call(pipeline, dependency)
    assert len(dependency.calls) == 2
    assert world.elapsed() == pytest.approx(
        0.4
    )  # the pause that led to the rejection was the last one


@pytest.mark.real_time
def test_d12_blocking_timeouts_work_in_any_thread_and_this_process():
    """Off the main thread a blocking timeout refuses, or runs the function in another process.

    Seen in interruptingcow, wrapt_timeout_decorator.
    """
    seen = []

    @Pipeline("p", Timeout(PATIENCE))
    def work():
        seen.append(1)
        return "done"

    assert in_threads(work, 3) == ["done"] * 3
    assert seen == [1, 1, 1]


def test_d12b_a_timeout_is_an_exception():
    """The timeout derives from BaseException, so handlers of errors never see it.

    Seen in func_timeout 4.3.5.
    """
    assert issubclass(AttemptTimeout, Exception)
    assert issubclass(AttemptTimeout, TimeoutError)


class Busy(Exception):
    """A refusal that says when to come back."""

    def __init__(self, retry_after):
        super().__init__(f"busy for {retry_after} s")
        self.retry_after = retry_after


@pytest.mark.parametrize("asked", [86_400.0, 4_294_967.0])
def test_d13a_a_hint_of_days_is_not_slept(world, asked):
    """A Retry-After of 49 days is slept (anthropic 2.12), or one of six hours.

    Seen in urllib3 2.8.
    """
    dependency = world.dependency(Fail(Busy(asked)), Ok("served"))
    assert world.call(Pipeline("p", Retry(2)), dependency) == "served"
    assert world.elapsed() <= 132.0


def test_d13b_a_hint_that_does_not_fit_is_given_up_on(world):
    """A hint that lies beyond the caller's deadline is slept all the same, or cut short."""
    dependency = world.dependency(Fail(Busy(30.0)), Ok("served"))
    with pytest.raises(Busy):
        world.call(Pipeline("p", Timeout(10.0), Retry(2)), dependency)
    assert world.elapsed() == 0.0


def test_d13c_a_hint_lengthens_the_pause_and_never_shortens_it(world):
    """A hint is ignored (aiohttp-retry 2.9.1), or replaces a longer backoff."""
    patient = Pipeline("p", Retry(2, backoff=backoff.constant(5.0)))
    assert world.call(patient, world.dependency(Fail(Busy(1.0)), Ok(1))) == 1
    assert world.elapsed() == 5.0
    assert world.call(patient, world.dependency(Fail(Busy(20.0)), Ok(1))) == 1
    assert 25.0 <= world.elapsed() <= 27.0


def test_d14a_a_block_is_protected():
    """``with breaker:`` does nothing: ten failing blocks, none counted.

    Seen in backon 4.4.5.
    """
    breaker = CircuitBreaker(failures=3)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), Pipeline("p", breaker):
            1 // 0  # noqa: B018 - it is there to fail
    assert breaker.state == "open"


def test_d14b_decorating_calls_nothing():
    """``@breaker`` calls the function when it is decorated.

    Seen in backon 4.4.5.
    """
    calls = []
    Pipeline("p", Retry(3), CircuitBreaker(), Bulkhead(1), Timeout(1.0))(calls.append)
    assert calls == []


def test_d14c_sync_and_async_make_the_same_number_of_attempts():
    """``with_max_retries(3)`` makes three requests in blocking code and four in async code.

    Seen in httpx-retry 2025.4.
    """
    pipeline = Pipeline("p", Retry(3, backoff=NO_WAIT))
    calls = Counter()

    @pipeline
    def blocking():
        calls["blocking"] += 1
        raise ConnectionError("down")

    @pipeline
    async def task():
        calls["async"] += 1
        raise ConnectionError("down")

    with pytest.raises(ConnectionError):
        blocking()
    with pytest.raises(ConnectionError):
        asyncio.run(task())
    assert calls == {"blocking": 3, "async": 3}


# -- A: libraries of other languages ---------------------------------------------------------------


BACKOFFS = {
    "full": backoff.exponential(base=2.0, cap=10.0, jitter="full"),
    "equal": backoff.exponential(base=2.0, cap=10.0, jitter="equal"),
    "proportional": backoff.exponential(base=2.0, cap=10.0, jitter="proportional"),
    "decorrelated": backoff.exponential(base=2.0, cap=10.0, jitter="decorrelated"),
    "smooth": backoff.exponential(base=2.0, cap=10.0, jitter="smooth"),
}


@pytest.mark.parametrize("jitter", BACKOFFS)
def test_a1_jitter_survives_the_cap(jitter):
    """Clamped after jitter, nearly all callers sleep exactly the cap in a long outage.

    Seen in Polly, resilience4j, tower, cockatiel.
    """
    rng = Random(1)
    delays = []
    for _ in range(1000):
        previous = None
        for attempt in range(1, 13):
            previous = BACKOFFS[jitter].delay(attempt, previous, rng)
        delays.append(previous)
    assert Counter(delays).most_common(1)[0][1] == 1
    assert max(delays) <= 15.0
    assert len({round(delay, 1) for delay in delays}) > 20


def test_a2_a_caller_that_gives_up_closes_nothing():
    """A probe whose caller gives up counts as handled, closes the breaker and lets all traffic in.

    Seen in Polly 8, opossum 10.
    """

    async def main():
        breaker = CircuitBreaker(open_for=1.0, open_jitter=0, probes=1)
        breaker.trip()
        await asyncio.sleep(1.0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await Pipeline("p", breaker).acall(asyncio.sleep, 60.0)
        assert (breaker.state, breaker.snapshot()["probes_in_flight"]) == ("half-open", 0)

    run(main())


def test_a3_a_probe_that_is_refused_further_in_gives_its_place_back(world):
    """A probe that a later rule blocks is never settled, and the breaker hangs half-open.

    Seen in Sentinel, issue 1638; resilience4j.
    """
    bulkhead = Bulkhead(1)
    breaker = CircuitBreaker(open_for=1.0, open_jitter=0, probes=1)
    breaker.trip()
    world.advance(1.0)
    permit = bulkhead.enter(0.0, (), {})
    pipeline = Pipeline("p", breaker, bulkhead)
    for _ in range(3):
        with pytest.raises(BulkheadFullError):
            world.call(pipeline, world.dependency(Ok(1)))
    bulkhead.succeeded(permit, 0.0, None)
    assert world.call(pipeline, world.dependency(Ok(1))) == 1
    assert breaker.state == "closed"


def test_a4_the_last_pause_is_not_shrunk(world):
    """The last delay is cut to what is left, so the last attempt begins when its answer can't be used.

    Seen in Failsafe, failsafe-go.
    """
    dependency = world.dependency(down())
    pipeline = Pipeline("p", Timeout(10.0), Retry(9, backoff=backoff.constant(4.0)))
    with pytest.raises(ConnectionError):
        world.call(pipeline, dependency)
    assert [at - world.start for at in dependency.times] == [0.0, 4.0, 8.0]
    assert world.elapsed() == 8.0


@pytest.mark.parametrize("jitter", [None, "full", "equal", "proportional"])
def test_a6_the_factor_counts_with_any_jitter(jitter):
    """The factor is ignored, and 2 taken instead, for most kinds of jitter.

    Seen in cockatiel 4.
    """
    thrice, once = (
        backoff.exponential(base=1.0, factor=factor, cap=1e9, jitter=jitter)
        for factor in (3.0, 1.0)
    )
    growth = sum(thrice.delay(5, None, Random(n)) for n in range(200)) / sum(
        once.delay(5, None, Random(n)) for n in range(200)
    )
    assert growth == pytest.approx(81.0)


def test_a8_an_abandoned_worker_is_accounted_for():
    """A time limiter forgets the worker that still runs, until threads or memory run out.

    Seen in resilience4j, issue 2296.
    """
    bulkhead = Bulkhead(1)
    with VirtualClock() as clock:
        call = Pipeline("p", bulkhead, Timeout(1.0, sync="thread"))(clock.sleep)
        with pytest.raises(AttemptTimeout):
            call(60.0)
        with pytest.raises(BulkheadFullError):
            call(0.1)
        clock.advance(60.0)
        assert call(0.1) is None


def test_a9_a_rejection_is_cheap_to_make():
    """A rejection builds its text, and a stack trace, for nobody to read.

    Seen in Polly 8.
    """
    breaker = CircuitBreaker()
    breaker.trip()
    with pytest.raises(CircuitOpenError) as caught:
        breaker.enter(0.0, (), {})
    assert caught.value.args == ()  # the text is made when it is read
    assert "circuit breaker is open" in str(caught.value)


# -- what users ask for, and often do not get ------------------------------------------------------


def test_results_can_be_failures_for_retry_and_breaker_alike(world):
    """A bad result is a failure for one layer only, or for none."""
    busy = on_result(lambda status: status == 503)
    breaker = CircuitBreaker(failures=3, on=busy)
    dependency = world.dependency(Ok(503))
    assert world.call(Pipeline("p", Retry(3, on=busy, backoff=NO_WAIT), breaker), dependency) == 503
    assert len(dependency.calls) == 3
    assert breaker.state == "open"


def test_the_callers_deadline_is_told_from_our_limit(world):
    """The caller's impatience and the dependency's slowness are one error, so nobody knows which."""
    protected = world.protect(Pipeline("p", Timeout(5.0, sync="thread")), world.dependency(Hang()))

    @world.function
    async def caller():
        with deadline(1.0):
            await world.do(protected)

    with pytest.raises(DeadlineExceeded):
        world.run(caller)


def test_protected_functions_stay_what_they_are():
    """A decorated coroutine function is no longer seen to be one, so frameworks run it in a thread."""

    @Pipeline("p", Retry(3))
    async def handler(request: str) -> int: ...

    assert inspect.iscoroutinefunction(handler)
    assert list(inspect.signature(handler).parameters) == ["request"]


def test_randomness_can_be_seeded(world):
    """Jitter cannot be reproduced in tests, or only by replacing the module `random` for all."""

    def gaps(seed):
        dependency = world.dependency(down())
        with seeded(seed), pytest.raises(ConnectionError):
            world.call(Pipeline("p", Retry(4)), dependency)
        times = dependency.times
        return [round(b - a, 6) for a, b in pairwise(times)]

    assert gaps(1) == gaps(1) != gaps(2)
