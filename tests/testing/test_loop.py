"""`VirtualLoop`: asyncio on virtual time."""

import asyncio
import os
import signal
import socket
import threading
import time

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    CircuitBreaker,
    ConfigurationError,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    deadline,
    remaining,
)
from holdfast._world import world as process
from holdfast.testing import DeadlockError, Fail, Hang, Ok, Scripted, VirtualClock, VirtualLoop, run


async def elapsed(awaitable):
    loop = asyncio.get_running_loop()
    start = loop.time()
    await awaitable
    return loop.time() - start


# -- time ----------------------------------------------------------------------------------------


def test_the_time_starts_near_a_thousand():
    """A fresh loop's time is the clock's first instant, far from zero and from the real clock."""

    async def main():
        return asyncio.get_running_loop().time()

    assert run(main()) == 1000.0


def test_a_sleep_takes_exactly_its_length():
    """The time jumps from timer to timer, to the exact instant of each."""

    async def main():
        loop = asyncio.get_running_loop()
        seen = []
        for delay in (0.1, 0.2, 0.3):
            due = loop.time() + delay
            await asyncio.sleep(delay)
            seen.append(loop.time() == due)
        return seen

    assert run(main()) == [True, True, True]


def test_ten_thousand_sleeps_take_no_time():
    """An hour in 10,000 steps takes less than a second of work."""

    async def main():
        for _ in range(10_000):
            await asyncio.sleep(0.36)

    start = time.process_time()
    assert run(elapsed(main())) == pytest.approx(3600.0)
    assert time.process_time() - start < 1.0


def test_concurrent_tasks_sleep_at_the_same_time():
    """The longest of several sleeps decides, and the tasks wake in the order of their instants."""
    order = []

    async def sleeper(delay):
        await asyncio.sleep(delay)
        order.append(delay)

    async def main():
        await asyncio.gather(*map(sleeper, (3.0, 1.0, 2.0)))

    assert run(elapsed(main())) == 3.0
    assert order == [1.0, 2.0, 3.0]


def test_timeouts_of_asyncio_are_virtual():
    """`asyncio.timeout`, nested ones too, `wait_for` and `call_later` run on the loop's time."""

    async def twice_too_long():
        async with asyncio.timeout(100.0):
            try:
                async with asyncio.timeout(30.0):
                    await asyncio.Event().wait()
            except TimeoutError:
                await asyncio.Event().wait()

    async def main():
        with pytest.raises(TimeoutError):
            await twice_too_long()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 20.0)
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(5.0, event.set)
        await event.wait()

    assert run(elapsed(main())) == 125.0


def test_a_timer_of_days_is_reached():
    """Delays beyond the longest single wait of asyncio end exactly, too."""
    assert run(elapsed(asyncio.sleep(10 * 86_400.0))) == 864_000.0


@pytest.mark.timeout(5)
def test_timers_are_due_at_any_time():
    """A clock may begin with today's date, where floats are too coarse for nanoseconds."""
    with VirtualClock(start=1.8e9) as clock:
        assert run(elapsed(asyncio.sleep(0.5))) == 0.5
        run(asyncio.sleep(1e15))
    assert clock.now() == 1e15 + 1.8e9 + 0.5


async def leaking_bucket(rate):
    """Wait for a place in a full bucket of five, as aiolimiter 1.3 does, and count the waits."""
    loop = asyncio.get_running_loop()
    level, at, rounds = 5.0, loop.time(), 0
    while True:
        now = loop.time()
        level, at = max(0.0, level - (now - at) * rate), now
        lacking = level + 1.0 - 5.0
        if lacking <= 0:
            return rounds
        rounds += 1
        future = loop.create_future()
        loop.call_at(at + 1 / rate * lacking, future.set_result, None)
        await future


@pytest.mark.parametrize("start", [0.0, 1000.0, 400 * 86_400.0])
@pytest.mark.parametrize("rate", [7.0, 5.0, 10.0, 1.5, 25 / 7, 0.001])
def test_a_timer_that_rounding_made_due_ends(start, rate):
    """Time passes in the end, as on a real loop, where less is left to wait for than a float shows."""

    async def main():
        began = asyncio.get_running_loop().time()
        await leaking_bucket(rate)
        return asyncio.get_running_loop().time() - began

    with VirtualClock(start):
        assert run(main(), limit=2000.0) == pytest.approx(1 / rate, abs=1e-5)


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a busy task"])
def test_timers_that_are_always_due_come_to_the_limit(beside):
    """What waits for no time at all, for ever, ends as what ticks for ever does."""

    async def busy():
        while True:
            await asyncio.sleep(0)

    async def main():
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(busy())] if beside else []
        while not any(task.done() for task in tasks):
            future = loop.create_future()
            loop.call_later(0.0, future.set_result, None)
            await future

    with pytest.raises(TimeoutError, match="after 86,400 virtual seconds"):
        run(main(), limit=86_400.0)


def test_hundreds_of_rounds_are_one_instant():
    """A chain of timers that are due at once doesn't move the time, as long as it comes to an end."""

    async def main():
        loop = asyncio.get_running_loop()
        for _ in range(500):
            future = loop.create_future()
            loop.call_later(0.0, future.set_result, None)
            await future
        return loop.time()

    assert run(main()) == 1000.0


def test_a_loop_inside_a_loop_is_refused():
    """The message tells what to do instead, and nothing is left that was never awaited."""

    async def main():
        run(asyncio.sleep(1.0))

    with pytest.raises(RuntimeError, match="inside, await the coroutine"):
        run(main())


def test_one_runner_keeps_its_time():
    """The time goes on from one run of a loop to the next, and stands still in between."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.sleep(5.0))
        runner.run(asyncio.sleep(5.0))
        assert runner.get_loop().time() == 1010.0


def test_debug_mode_works():
    """The loop can be debugged like any other."""
    with asyncio.Runner(loop_factory=VirtualLoop, debug=True) as runner:
        runner.run(asyncio.sleep(5.0))


# -- deadlocks -----------------------------------------------------------------------------------


def test_a_loop_with_nothing_to_do_says_so():
    """Waiting for what nobody will ever do raises at once instead of hanging."""

    async def main():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(DeadlockError, match="nothing will ever happen"):
        run(main())


def test_after_a_deadlock_the_tasks_are_cancelled():
    """The runner cleans up after the error as after any other."""
    seen = []

    async def main():
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cleaned up")

    with pytest.raises(DeadlockError, match="nothing will ever happen"):
        run(main())
    assert seen == ["cleaned up"]


def test_a_loop_with_a_limit_ends_what_never_rests():
    """Past the limit the error names the tasks; up to it nothing happens."""

    async def heartbeat():
        while True:
            await asyncio.sleep(60.0)

    assert run(asyncio.sleep(60.0, "in time"), limit=60.0) == "in time"
    with pytest.raises(
        TimeoutError, match=r"(?s)after 3,600 virtual .*heartbeat\): .* sleep of 60\.0 s"
    ):
        run(heartbeat(), limit=3600.0)


@pytest.mark.parametrize("limit", [0, -1.0, float("nan")])
def test_a_limit_is_checked(limit):
    """A limit that cannot be is refused."""
    with pytest.raises(ConfigurationError, match="limit="):
        VirtualLoop(limit=limit)


def test_an_interruption_ends_the_loop(ctrl_c):
    """Ctrl-C stops a loop that is busy with nothing but time."""

    async def main():
        asyncio.get_running_loop().call_later(5.0, os.kill, os.getpid(), signal.SIGINT)
        while True:
            await asyncio.sleep(1.0)

    with pytest.raises(KeyboardInterrupt):
        run(main())


def test_task_groups_are_virtual():
    """A failing child cancels its siblings at that very instant."""

    async def fails():
        await asyncio.sleep(6.0)
        raise ValueError("child")

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(60.0))
            group.create_task(fails())

    with VirtualClock(start=0.0) as clock, pytest.raises(ExceptionGroup):
        run(main())
    assert clock.now() == 6.0


# -- Holdfast ------------------------------------------------------------------------------------


def test_everything_of_holdfast_is_on_the_loops_time():
    """Retry, timeout, breaker and bulkhead measure and wait on the loop's time."""
    pipeline = Pipeline(
        "p",
        Retry(4, backoff=backoff.constant(60.0)),
        CircuitBreaker(),
        Bulkhead(1),
        Timeout(10.0),
    )
    dependency = Scripted([Fail(ConnectionError("down"), takes=1.0), Hang(), Ok("up", takes=2.0)])

    async def main():
        result = await pipeline(dependency.aio)()
        return result, asyncio.get_running_loop().time()

    assert run(main()) == ("up", 1133.0)
    assert dependency.times == [1000.0, 1061.0, 1131.0]


def test_deadlines_are_on_the_loops_time():
    """`deadline` and `remaining` use the loop's time while it runs."""

    async def main():
        with deadline(10.0):
            await asyncio.sleep(4.0)
            return remaining()

    assert run(main()) == 6.0


def test_blocking_code_in_a_coroutine_is_on_the_loops_time():
    """A blocking pipeline called from the loop sleeps on the same clock."""
    pipeline = Pipeline("p", Retry(2, backoff=backoff.constant(5.0)))

    async def main():
        return pipeline.call(
            Scripted([ConnectionError, Ok("up")])
        ), asyncio.get_running_loop().time()

    assert run(main()) == ("up", 1005.0)


def test_it_leaves_the_process_as_it_was():
    """After the run the process's own clock and runtimes are in force again."""
    before = (process.clock, dict(process.overrides), process.detour)
    run(asyncio.sleep(1.0))
    assert (process.clock, dict(process.overrides), process.detour) == before


def test_a_loop_shares_the_clock_that_is_entered():
    """Blocking and async code of one test share one time."""
    breaker = CircuitBreaker(failures=1, open_for=30.0, open_jitter=0.0, probes=1)
    pipeline = Pipeline("p", breaker)
    with VirtualClock(start=0.0) as clock:
        with pytest.raises(ConnectionError, match="down"):
            pipeline.call(Scripted([ConnectionError("down")]))
        run(asyncio.sleep(30.0))
        assert clock.now() == 30.0
        assert breaker.state == "half-open"
        assert run(pipeline.acall(Scripted([Ok("up")]).aio)) == "up"


def test_a_loop_goes_over_to_a_younger_clock():
    """As where a plugin's loop is older than the fixture; what is under way keeps its distance."""
    rung = []

    async def elsewhere():
        await asyncio.sleep(500.0)
        asyncio.get_running_loop().call_later(30.0, rung.append, "in 30 s")

    async def main():
        loop = asyncio.get_running_loop()
        service = Scripted([OSError("down"), "tea"])
        began = loop.time()
        await Pipeline("p", Retry(2, backoff=backoff.constant(29.0))).acall(service.aio)
        assert not rung
        await asyncio.sleep(1.0)
        return began, loop.time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(elsewhere())
        with VirtualClock(20.0) as clock:
            assert runner.run(main()) == (20.0, 50.0)
            assert (clock.now(), rung) == (50.0, ["in 30 s"])
        assert runner.run(asyncio.sleep(1.0, "and on")) == "and on"


def test_a_limit_moves_with_the_clock():
    """It is so many seconds from the beginning, on whatever clock."""
    loop = VirtualLoop(limit=60.0)
    with asyncio.Runner(loop_factory=lambda: loop) as runner, VirtualClock(5000.0):
        runner.run(asyncio.sleep(59.0))
        with pytest.raises(TimeoutError, match="after 60 virtual seconds"):
            runner.run(asyncio.sleep(2.0))


def test_a_loop_that_was_given_a_clock_keeps_it():
    """Whoever names one means it."""
    own = VirtualClock(3000.0)
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(own)) as runner, VirtualClock() as clock:
        runner.run(asyncio.sleep(1.0))
        assert (own.now(), clock.now()) == (3001.0, 1000.0)


def test_a_loop_may_be_given_a_clock():
    """The clock is an argument where none is entered."""
    clock = VirtualClock(start=5.0)
    loop = VirtualLoop(clock)
    loop.run_until_complete(asyncio.sleep(1.0))
    loop.close()
    assert clock.now() == 6.0


def test_what_is_on_the_clocks_agenda_happens_on_the_way():
    """A permit that an abandoned thread gives back wakes a task that queues for it."""
    bulkhead = Bulkhead(1, queue=1)
    blocking = Pipeline("blocking", bulkhead, Timeout(2.0, sync="thread"))

    async def main():
        with pytest.raises(AttemptTimeout):
            blocking.call(lambda: clock.sleep(10.0))
        return await Pipeline("aio", bulkhead).acall(Scripted([Ok("served")]).aio)

    with VirtualClock(start=0.0) as clock:
        assert run(main()) == "served"
        assert clock.now() == 10.0


# -- the real world ------------------------------------------------------------------------------


@pytest.mark.real_time
def test_time_stands_still_while_a_thread_works():
    """A call of `asyncio.to_thread` takes no virtual time, and no timer overtakes it."""

    async def main():
        async with asyncio.timeout(0.001):
            await asyncio.to_thread(time.sleep, 0.02)

    assert run(elapsed(main())) == 0.0


@pytest.mark.real_time
def test_blocking_code_in_threads_sleeps_on_the_loops_time():
    """Protected functions in `asyncio.to_thread` retry and time out in virtual time."""
    pipeline = Pipeline("p", Retry(3, backoff=backoff.constant(60.0)), Timeout(10.0, sync="thread"))
    dependency = Scripted([ConnectionError, Hang(), Ok("up", takes=1.0)])

    async def main():
        answers = await asyncio.gather(
            asyncio.to_thread(pipeline.call, dependency), asyncio.sleep(30.0, "slept")
        )
        return answers, asyncio.get_running_loop().time()

    start = time.perf_counter()
    assert run(main()) == (["up", "slept"], 1131.0)
    assert time.perf_counter() - start < 0.8


@pytest.mark.real_time
def test_a_thread_may_call_back():
    """A task that waits for another thread's call is no deadlock."""

    async def main():
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        timer = threading.Timer(0.02, loop.call_soon_threadsafe, [event.set])
        timer.start()
        await event.wait()
        timer.join()

    assert run(elapsed(main())) == 0.0


@pytest.mark.real_time
def test_real_sockets_work():
    """A real conversation on the loopback goes on while the time stands still."""

    async def main():
        here, there = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=here)
        there.sendall(b"hello\n")
        try:
            async with asyncio.timeout(0.001):
                return await reader.readline()
        finally:
            writer.close()
            await writer.wait_closed()
            there.close()

    assert run(main()) == b"hello\n"


@pytest.mark.real_time
def test_a_thread_gets_the_permit_of_a_task():
    """A call in a thread that queues for a permit waits for the time of the task that holds it."""
    pipeline = Pipeline("p", Bulkhead(1, queue=1))

    async def main():
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(pipeline.acall(asyncio.sleep, 60.0))
        await asyncio.sleep(0.0)
        granted = await asyncio.to_thread(pipeline.call, loop.time)
        await task
        return granted

    assert run(main()) == 1060.0


@pytest.mark.real_time
def test_a_thread_and_a_task_that_wait_for_each_other_are_reported(monkeypatch):
    """Where the task awaits the thread that waits for the task's permit, that is a deadlock."""
    monkeypatch.setattr("holdfast.testing.clock.PATIENCE", 0.01)
    pipeline = Pipeline("p", Bulkhead(1, queue=1))

    async def main():
        async with pipeline:
            await asyncio.to_thread(pipeline.call, time.time)

    named = r"\(main\): waits for Pipeline\.call in a thread"
    with VirtualClock(grace=0.01), pytest.raises(DeadlockError, match=named):
        run(main())


@pytest.mark.real_time
def test_open_sockets_do_not_hide_a_deadlock(monkeypatch):
    """With a socket open, no timer, and silence for a while, the loop is stuck."""
    monkeypatch.setattr("holdfast.testing.loop.PATIENCE_WITH_SILENCE", 0.0)

    async def main():
        async with await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0):
            await asyncio.Event().wait()

    with pytest.raises(DeadlockError, match="nothing has come on a socket"):
        run(main())


@pytest.mark.real_time
def test_a_silent_socket_does_not_stop_the_time():
    """With a socket on which nothing comes the time goes on after a short real wait."""

    async def main():
        server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
        async with server:
            await asyncio.sleep(60.0)

    assert run(elapsed(main())) == 60.0
