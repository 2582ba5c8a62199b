"""`VirtualClock`: blocking code on virtual time."""

import asyncio
import contextvars
import signal
import threading
import time
from collections import deque
from types import SimpleNamespace

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    DeadlineExceeded,
    DeadlineTooShortError,
    Fallback,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    deadline,
    remaining,
)
from holdfast._world import world as process
from holdfast.events import AbandonedFinished, TimedOut
from holdfast.testing import DeadlockError, Fail, Hang, Ok, Scripted, VirtualClock, record, run
from holdfast.testing._agenda import PATIENCE
from holdfast.testing._members import Member


@pytest.fixture
def clock():
    with VirtualClock(start=0.0) as clock:
        yield clock


def sleeper(clock, seconds, answer="done"):
    def sleep_and_answer():
        clock.sleep(seconds)
        return answer

    return sleep_and_answer


# -- time ----------------------------------------------------------------------------------------


def test_time_stands_still_until_somebody_sleeps(clock):
    """Neither real time nor running code moves the clock; a sleep moves it by exactly its length."""
    assert (clock.now(), sum(range(1000)), clock.now()) == (0.0, 499_500, 0.0)
    clock.sleep(3600.0)
    assert clock.now() == 3600.0


def test_advance_moves_the_time(clock):
    """`advance` moves the time from outside."""
    clock.advance(2.5)
    clock.advance(0)
    assert clock.now() == 2.5


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_durations_are_checked(clock, seconds):
    """A negative duration, or none at all, is refused as `time.sleep` refuses it."""
    with pytest.raises(ValueError, match=r"negative|at least 0|no nan"):
        clock.sleep(seconds)
    with pytest.raises(ValueError, match="at least 0"):
        clock.advance(seconds)


@pytest.mark.parametrize("start", [0.0, 1000.0, 400 * 86_400.0])
def test_the_shortest_sleep_takes_time(start):
    """Code that sleeps for what rounding has left would else do so for ever; no sleep takes none."""
    with VirtualClock(start) as clock:
        clock.sleep(0.0)
        assert clock.now() == start
        clock.sleep(1e-30)
        assert start < clock.now() < start + 1e-6


@pytest.mark.parametrize("start", [-1.0, float("nan"), float("inf"), "now"])
def test_the_first_instant_is_checked(start):
    """A clock before 0 would be one on which no machine has ever booted."""
    with pytest.raises(ConfigurationError, match="start"):
        VirtualClock(start)


def test_an_endless_sleep_is_reported(clock):
    """A sleep for ever that no timeout ends raises instead of hanging."""
    with pytest.raises(DeadlockError, match="nothing will ever happen"):
        clock.sleep(float("inf"))


def test_it_leaves_the_process_as_it_was():
    """After the block the process's own clock and runtimes are in force, and calls are fast again."""
    before = (process.clock, dict(process.overrides), process.detour)
    with VirtualClock() as clock:
        assert process.clock() == clock.now()
        assert process.detour
    assert (process.clock, dict(process.overrides), process.detour) == before


def test_clocks_nest(clock):
    """The clock that was entered last is in force, and the outer one is again after it."""
    with VirtualClock(start=50.0), deadline(1.0):
        assert remaining() == 1.0
        assert process.clock() == 50.0
    assert process.clock() == 0.0


def test_a_clock_may_be_entered_twice(clock):
    """Leaving the inner block leaves the clock in force."""
    with clock:
        clock.sleep(1.0)
    assert process.clock() == 1.0


def test_clocks_nest_in_any_order(clock):
    """A clock that is entered once more inside another one leaves that one in force afterwards."""
    with VirtualClock(start=500.0) as inner:
        with clock:
            pass
        Scripted([Ok(takes=3.0)])()
        assert (clock.now(), inner.now()) == (0.0, 503.0)


def test_it_serves_functions_that_were_decorated_before():
    """A function that was protected outside of the block is on virtual time inside of it."""
    flaky = Scripted([ConnectionError("down"), Ok("up")])
    protected = Pipeline("p", Retry(2, backoff=backoff.constant(3600.0)))(flaky)
    with VirtualClock() as clock:
        assert protected() == "up"
        assert clock.now() == 4600.0


# -- timeouts ------------------------------------------------------------------------------------


def test_a_function_is_cut_exactly_at_its_limit(clock):
    """A sleep past the timeout ends at the limit, with `AttemptTimeout`."""
    with pytest.raises(AttemptTimeout) as caught:
        Pipeline("p", Timeout(2.0, sync="thread")).call(sleeper(clock, 60.0))
    assert caught.value.seconds == 2.0
    assert caught.value.pipeline == "p"
    assert clock.now() == 2.0


def test_a_function_that_is_in_time_is_not_cut(clock):
    """A sleep that ends before the limit ends as it would without one."""
    assert Pipeline("p", Timeout(2.0)).call(sleeper(clock, 1.99)) == "done"
    assert clock.now() == 1.99


def test_many_short_sleeps_are_cut_too(clock):
    """It is the instant that counts, not the length of one sleep."""
    slept = []

    def naps():
        for _ in range(10):
            clock.sleep(0.5)
            slept.append(clock.now())

    with pytest.raises(AttemptTimeout):
        Pipeline("p", Timeout(2.25, sync="thread")).call(naps)
    assert slept == [0.5, 1.0, 1.5, 2.0]
    assert clock.now() == 2.25


def test_an_except_exception_does_not_stop_the_cut(clock):
    """A function that catches every `Exception` times out all the same."""

    def stubborn():
        try:
            clock.sleep(60.0)
        except Exception:
            return "caught"
        return "slept"

    with pytest.raises(AttemptTimeout):
        Pipeline("p", Timeout(2.0, sync="thread")).call(stubborn)


def test_swallowing_the_cut_does_not_help(clock):
    """A function that swallows everything has timed out nevertheless: its answer is too late."""

    def swallower():
        try:
            clock.sleep(60.0)
        except BaseException:
            pass
        return "too late"

    with pytest.raises(AttemptTimeout):
        Pipeline("p", Timeout(2.0, sync="thread")).call(swallower)
    assert clock.now() == 2.0


def test_an_error_after_the_limit_is_too_late(clock):
    """What a function raises after its limit is only the cause of the timeout."""

    def late():
        clock.advance(5.0)
        raise ConnectionError("late")

    with pytest.raises(AttemptTimeout) as caught:
        Pipeline("p", Timeout(2.0, sync="thread")).call(late)
    assert isinstance(caught.value.__cause__, ConnectionError)


@pytest.mark.parametrize("outer, inner, at", [(5.0, 2.0, 2.0), (2.0, 5.0, 2.0)])
def test_of_nested_timeouts_the_sooner_one_cuts(clock, outer, inner, at):
    """In nested pipelines the sooner limit cuts, and its pipeline is named."""
    inside = Pipeline("inside", Timeout(inner, sync="thread"))(sleeper(clock, 60.0))
    with pytest.raises(AttemptTimeout) as caught:
        Pipeline("outside", Timeout(outer, sync="thread"))(inside)()
    assert caught.value.pipeline == ("inside" if inner < outer else "outside")
    assert clock.now() == at


def test_the_callers_deadline_cuts_as_deadline_exceeded(clock):
    """Where the ambient deadline comes first, it is the deadline's error that the caller sees."""
    with deadline(1.0), pytest.raises(DeadlineExceeded) as caught:
        Pipeline("p", Timeout(2.0, sync="thread")).call(sleeper(clock, 60.0))
    assert clock.now() == 1.0
    assert (caught.value.at, caught.value.seconds) == (1.0, 1.0)


def test_a_deadline_alone_cuts_nothing(clock):
    """A deadline is passive: without a timeout a function sleeps past it, as in real time."""
    with deadline(1.0):
        assert Pipeline("p", Retry(2)).call(sleeper(clock, 60.0)) == "done"
    assert clock.now() == 60.0


def test_a_cooperative_timeout_cuts_nothing(clock):
    """A cooperative timeout tells the function what is left, and does not interrupt it."""
    seen = []

    def patient():
        seen.append(remaining())
        clock.sleep(5.0)
        return "done"

    assert Pipeline("p", Timeout(2.0, sync="cooperative")).call(patient) == "done"
    assert seen == [2.0]


def test_nothing_starts_after_the_deadline(clock):
    """A call whose deadline has passed is refused before its function runs."""
    dependency = Scripted([Ok()])
    with deadline(1.0):
        clock.advance(1.0)
        with pytest.raises(DeadlineTooShortError):
            Pipeline("p", Timeout(2.0)).call(dependency)
    assert dependency.calls == []


@pytest.mark.filterwarnings("ignore::holdfast.CompositionWarning")
def test_layers_inside_a_cut_see_a_timeout(clock):
    """What is inside the timeout is told that the call took too long, as in asyncio."""
    breaker = CircuitBreaker(failures=1)
    with pytest.raises(AttemptTimeout):
        Pipeline("p", Timeout(2.0, sync="thread"), breaker, Bulkhead(1)).call(sleeper(clock, 60.0))
    assert breaker.state == "open"


def test_layers_outside_a_cut_see_a_timeout(clock):
    """What is outside the timeout sees `AttemptTimeout`, an outcome like any other."""
    breaker = CircuitBreaker(failures=1)
    pipeline = Pipeline("p", Fallback("instead"), breaker, Timeout(2.0, sync="thread"))
    assert pipeline.call(sleeper(clock, 60.0)) == "instead"
    assert breaker.state == "open"


def test_the_abandoned_worker_keeps_a_permit_until_its_sleep_would_have_ended(clock):
    """As with real threads, a bulkhead outside the timeout is occupied while the worker is busy."""
    bulkhead = Bulkhead(1)
    call = Pipeline("p", bulkhead, Timeout(2.0, sync="thread"))(sleeper(clock, 10.0))
    with record() as events:
        with pytest.raises(AttemptTimeout):
            call()
        assert bulkhead.in_flight == 1
        with pytest.raises(BulkheadFullError):
            call()
        clock.advance(8.0)
        assert bulkhead.in_flight == 0
    assert [(event.at, event.abandoned) for event in events.of(TimedOut)] == [(2.0, True)]
    assert [(event.at, event.late) for event in events.of(AbandonedFinished)] == [(10.0, 8.0)]


def test_a_hung_worker_keeps_its_permit_for_ever(clock):
    """A call that never ends never gives its place in the bulkhead back."""
    bulkhead = Bulkhead(1)
    with pytest.raises(AttemptTimeout):
        Pipeline("p", bulkhead, Timeout(2.0, sync="thread")).call(Scripted([Hang()]))
    clock.advance(1e6)
    assert bulkhead.in_flight == 1


# -- queues --------------------------------------------------------------------------------------


def test_nobody_else_can_grant_a_permit_to_a_single_thread(clock):
    """A wait in a queue lasts as long as patience does, in virtual time."""
    bulkhead = Bulkhead(1, queue=1, max_wait=3.0)
    pipeline = Pipeline("p", bulkhead)
    with pipeline, pytest.raises(BulkheadFullError):
        pipeline.call(sleeper(clock, 1.0))
    assert clock.now() == 3.0
    assert (bulkhead.in_flight, bulkhead.waiting) == (0, 0)


def test_a_wait_that_nothing_can_end_is_reported(clock):
    """A wait without limit in a single thread raises instead of hanging, and leaves the queue."""
    bulkhead = Bulkhead(1, queue=1)
    pipeline = Pipeline("p", bulkhead)
    with pipeline, pytest.raises(DeadlockError, match="nothing will ever happen"):
        pipeline.call(sleeper(clock, 1.0))
    assert (bulkhead.in_flight, bulkhead.waiting) == (0, 0)


def test_a_queue_gets_the_permit_of_an_abandoned_worker(clock):
    """A waiter is served at the very instant at which the abandoned sleep would have ended."""
    bulkhead = Bulkhead(1, queue=1, max_wait=30.0)
    pipeline = Pipeline("p", bulkhead, Timeout(2.0, sync="thread"))
    with pytest.raises(AttemptTimeout):
        pipeline.call(sleeper(clock, 10.0))
    assert pipeline.call(sleeper(clock, 1.0)) == "done"
    assert clock.now() == 11.0


# -- several functions at once -------------------------------------------------------------------


def test_together_functions_sleep_at_the_same_time(clock):
    """Three sleeps of different lengths take as long as the longest; the results keep their order."""
    results = clock.together(*(sleeper(clock, seconds, seconds) for seconds in (3.0, 1.0, 2.0)))
    assert results == [3.0, 1.0, 2.0]
    assert clock.now() == 3.0


def test_together_one_moves_at_a_time_in_the_order_of_the_agenda(clock):
    """Functions change places only where they sleep, and always in the same order."""
    steps = []

    def worker(name, nap):
        def work():
            for _ in range(3):
                steps.append((clock.now(), name))
                clock.sleep(nap)

        return work

    clock.together(worker("a", 1.0), worker("b", 1.5), worker("c", 1.0))
    assert steps == [
        (0.0, "a"), (0.0, "b"), (0.0, "c"), (1.0, "a"), (1.0, "c"), (1.5, "b"),
        (2.0, "a"), (2.0, "c"), (3.0, "b"),
    ]  # fmt: skip


def test_together_an_exception_takes_the_place_of_the_result(clock):
    """One function's exception is returned, and the others go on."""
    dependency = Scripted([Fail(ConnectionError("down"), takes=1.0), Ok("up", takes=2.0)])
    error, result = clock.together(dependency, dependency)
    assert isinstance(error, ConnectionError)
    assert result == "up"


def test_together_hands_permits_on(clock):
    """A permit that one function gives back goes to the one that has waited longest."""
    bulkhead = Bulkhead(1, queue=2)
    call = Pipeline("p", bulkhead)(sleeper(clock, 1.0))

    def timed():
        call()
        return clock.now()

    assert clock.together(timed, timed, timed) == [1.0, 2.0, 3.0]


def test_together_each_is_cut_by_its_own_timeout(clock):
    """Timeouts of different functions don't touch each other."""
    short, long = (
        Pipeline("s", Timeout(1.0, sync="thread")),
        Pipeline("l", Timeout(5.0, sync="thread")),
    )
    first, second = clock.together(short(sleeper(clock, 3.0)), long(sleeper(clock, 3.0)))
    assert isinstance(first, AttemptTimeout)
    assert second == "done"
    assert clock.now() == 3.0


def test_together_inherits_the_deadline(clock):
    """Each function runs in a copy of the caller's context."""
    with deadline(4.0):
        assert clock.together(remaining, remaining) == [4.0, 4.0]


def test_together_a_wait_for_each_other_is_reported(clock):
    """Functions that all wait for ever are unwound, and named in the error that is raised then."""
    bulkhead = Bulkhead(1, queue=5)

    def nested():
        with Pipeline("outer", bulkhead):
            return Pipeline("inner", bulkhead).call(lambda: "never")

    with pytest.raises(DeadlockError) as caught:
        clock.together(nested, nested)
    message = str(caught.value)
    assert (
        "together-1 (nested): waits for its turn at bulkhead 'outer' of pipeline 'inner'" in message
    )
    assert (
        "together-2 (nested): waits for its turn at bulkhead 'outer' of pipeline 'outer'" in message
    )
    assert (bulkhead.in_flight, bulkhead.waiting) == (0, 0)


def test_together_only_a_true_deadlock_is_one(clock):
    """A function that waits while another one sleeps gets its permit when that one wakes."""
    bulkhead = Bulkhead(1, queue=5)
    waits = Pipeline("p", bulkhead)(clock.now)

    def sleeps():
        with Pipeline("p", bulkhead):
            clock.sleep(3600.0)

    assert clock.together(sleeps, waits) == [None, 3600.0]


def test_together_an_early_wake_up_wakes_nobody_early(clock):
    """Who is woken for a wait that is long over goes on sleeping until its time has come."""

    def sleeper():
        clock.sleep(10.0)
        return clock.now()

    def disturber():
        clock.sleep(1.0)
        late()

    def late():
        (member,) = (one for one in threading.enumerate() if "(sleeper)" in one.name)
        member.wake()

    sleeper.__qualname__ = "sleeper"
    assert clock.together(sleeper, disturber)[0] == 10.0


def test_together_a_failure_of_the_test_is_no_outcome(clock):
    """What is no `Exception`, such as ``pytest.fail`` in a function, is raised when all have ended."""
    ended = []
    with pytest.raises(pytest.fail.Exception, match="not like this"):
        clock.together(lambda: pytest.fail("not like this"), lambda: ended.append(clock.sleep(1.0)))
    assert ended == [None]


@pytest.mark.real_time
def test_together_a_function_that_blocks_elsewhere_is_named(clock, monkeypatch):
    """One that waits for another one's lock is named after a while, with its line."""
    monkeypatch.setattr("holdfast.testing._agenda.PATIENCE", 0.02)
    lock = threading.Lock()

    def locks():
        with lock:
            clock.sleep(1.0)

    with pytest.raises(DeadlockError, match=r"together-2 \(locks\): waits, at .* in locks"):
        clock.together(locks, locks)
    until(lambda: not any("(locks)" in thread.name for thread in threading.enumerate()))


def test_together_patience_is_as_long_as_it_says(monkeypatch):
    """Who works first and blocks then is found out after the patience, not after twice as long."""
    worked = iter([1.0, *[2.0] * 30])
    monkeypatch.setattr("holdfast.testing._members._cpu_time", lambda _: next(worked))
    member = Member(print, deque(), contextvars.Context(), threading.local())
    waited = []
    member._back = SimpleNamespace(acquire=lambda *, timeout: waited.append(timeout))

    with pytest.raises(DeadlockError, match="blocks outside"):
        member.move()
    assert PATIENCE < sum(waited) < 1.3 * PATIENCE


@pytest.mark.real_time
def test_together_can_be_interrupted(clock, ctrl_c):
    """Ctrl-C ends it, and the functions that wait are unwound."""

    def endless():
        clock.sleep(1.0)
        signal.raise_signal(signal.SIGINT)
        clock.sleep(1.0)

    with pytest.raises(KeyboardInterrupt):
        clock.together(endless, lambda: clock.sleep(9.0))
    until(lambda: not any("(endless)" in thread.name for thread in threading.enumerate()))


def test_together_loops_take_turns_with_threads(clock):
    """Virtual loops and plain functions share one time, and a permit goes from one to the other."""
    pipeline = Pipeline("p", Bulkhead(1, queue=9))

    async def tasks():
        await asyncio.gather(*(pipeline.acall(asyncio.sleep, 2.0) for _ in range(2)))
        return clock.now()

    def thread():
        pipeline.call(clock.sleep, 1.0)
        return clock.now()

    functions = [lambda: run(tasks()), thread] * 2
    assert clock.together(*functions) == [4.0, 5.0, 9.0, 10.0]


def test_together_a_loop_that_is_stuck_names_its_tasks(clock):
    """Of a function that runs a virtual loop, the tasks are told as well."""

    async def stuck():
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError, match=r"\(stuck\): waits for Event\.wait\(\) \[unset"):
        clock.together(lambda: run(stuck()), lambda: clock.sleep(3.0))


def test_a_fallback_does_not_hide_a_deadlock(clock):
    """No strategy and no ``except Exception`` answers for a call that would never return."""
    pipeline = Pipeline("p", Fallback("instead"), Retry(3))
    with pytest.raises(DeadlockError, match=r"Hang\(\) of a Scripted, its call number 1"):
        pipeline.call(Scripted([Hang()]))


def test_together_does_not_nest(clock):
    """A function of `together` cannot start others."""
    (error,) = clock.together(lambda: clock.together(lambda: 1))
    assert "cannot be nested" in str(error)


# -- other threads -------------------------------------------------------------------------------


def until(condition):
    limit = time.monotonic() + 5.0
    while not condition() and time.monotonic() < limit:
        time.sleep(0.001)
    assert condition()


@pytest.mark.real_time
def test_sleepers_in_other_threads_wake_when_the_time_passes_them(clock):
    """A thread that has not entered the clock sleeps until `advance` moves the time past its end."""
    awake = threading.Event()

    def other():
        clock.sleep(10.0)
        awake.set()

    thread = threading.Thread(target=other)
    thread.start()
    until(lambda: clock.next_event() == 10.0)
    clock.advance(9.0)
    assert not awake.wait(0.02)
    clock.advance(1.0)
    assert awake.wait(5.0)
    thread.join()


@pytest.mark.real_time
def test_a_thread_that_nobody_wakes_moves_the_time_itself():
    """Where the thread that entered the clock only waits for the other, that one goes on alone."""
    with VirtualClock(start=0.0, grace=0.01) as clock:
        thread = threading.Thread(target=clock.sleep, args=(10.0,))
        thread.start()
        thread.join(5.0)
        assert not thread.is_alive()
        assert clock.now() == 10.0


@pytest.mark.real_time
def test_a_waiter_gives_other_threads_a_chance():
    """A thread that queues for a permit gets the one that another real thread gives back."""
    bulkhead = Bulkhead(1, queue=1, max_wait=60.0)
    with VirtualClock(start=0.0, grace=5.0) as clock:

        def holder():
            with Pipeline("holder", bulkhead):
                clock.sleep(10.0)

        thread = threading.Thread(target=holder)
        thread.start()
        until(lambda: clock.next_event() == 10.0)
        assert Pipeline("waiter", bulkhead).call(lambda: "served") == "served"
        thread.join()
        assert clock.now() == 10.0


def test_breakers_open_and_recover_on_virtual_time(clock):
    """An open breaker lets a probe through when its open time has passed on the clock."""
    breaker = CircuitBreaker(failures=1, open_for=30.0, open_jitter=0.0, probes=1)
    call = Pipeline("p", breaker)(Scripted([ConnectionError("down"), Ok("up")]))
    with pytest.raises(ConnectionError, match="down"):
        call()
    clock.advance(29.0)
    with pytest.raises(CircuitOpenError):
        call()
    clock.advance(1.0)
    assert call() == "up"
    assert breaker.state == "closed"
