"""Races in asyncio and in threads: cancelled at every await, losers awaited, nothing left behind."""

import asyncio
import gc
import threading
import time
import weakref
from contextlib import suppress

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    BulkheadFullError,
    CompositionWarning,
    Pipeline,
    Timeout,
    deadline,
)
from holdfast._runtimes.pool import Worker, WorkerPool
from holdfast._runtimes.race_threads import raced
from holdfast._runtimes.threads import Threads
from holdfast.events import AbandonedFinished
from holdfast.extend import worker_pool
from holdfast.shapes import Site
from holdfast.strategies.hedge.hedge import Hedge
from holdfast.testing import DeadlockError, Fail, Hang, Ok, Scripted, VirtualClock, record, run
from tests.drivers.conftest import is_gone
from tests.drivers.test_cancellation import CancelAt

PATIENCE = 5.0


def until(condition):
    """Wait until something in another thread has happened."""
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, "it never happened"
        time.sleep(0.0005)


class Scene:
    """Three attempts that all take long and clean up after themselves; the last one answers."""

    def __init__(self, *, failing: bool) -> None:
        self.bulkhead = Bulkhead(1)
        self.pipeline = Pipeline("p", self.bulkhead, Timeout(50.0), Hedge(0.2, max_hedges=2))
        self.failing = failing
        self.begun = self.inside = 0

    async def function(self) -> int:
        self.begun += 1
        number = self.begun
        self.inside += 1
        try:
            await asyncio.sleep(1.0)
            if number == 1 and self.failing:
                raise ConnectionError("down")
            await asyncio.sleep(0.0 if number == 3 else 5.0)
            return number
        finally:
            try:
                await asyncio.sleep(0.05)
            finally:
                self.inside -= 1

    async def play(self, cancel_at: int, *, later: bool) -> CancelAt:
        driven = CancelAt(self.pipeline(self.function)(), cancel_at, later=later)
        task = asyncio.current_task()
        if cancel_at:
            with pytest.raises(asyncio.CancelledError):
                await driven
            assert task.uncancel() == 0  # one cancellation, that of this test
        else:
            assert await driven == 3
        assert self.inside == 0  # whatever was begun has ended
        assert asyncio.all_tasks() == {task}
        await asyncio.sleep(200.0)  # no timer is left that could start or cancel anything
        assert self.begun <= 3
        return driven


@pytest.mark.parametrize("later", [False, True], ids=["at once", "a turn later"])
@pytest.mark.parametrize("failing", [False, True], ids=["slow", "failing"])
def test_a_race_can_be_cancelled_at_every_await(failing, later, balanced):
    """Wherever the caller is cancelled, every attempt is cancelled and has ended before it hears."""
    count = run(Scene(failing=failing).play(0, later=False)).suspensions
    assert count >= 3
    for number in range(1, count + 1):
        scene = Scene(failing=failing)
        assert run(scene.play(number, later=later)).suspensions >= number
        balanced(scene.bulkhead)


def test_a_hedge_that_wins_leaves_no_cancellation_behind():
    """The caller's task, which runs the first attempt, is cancelled for that, and uncancelled."""

    async def main():
        call = Pipeline("p", Hedge(0.2))(Scripted([Hang(), "second"]).aio)
        assert await call() == "second"
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(1.0)

    run(main())


def test_a_first_attempt_that_swallows_its_cancellation():
    """The winner's answer stands, late; the caller's task is as it was."""

    async def stubborn(calls=[]):  # noqa: B006 - kept on purpose
        calls.append(1)
        if len(calls) > 1:
            return "hedge"
        try:
            await asyncio.sleep(9.0)
        except asyncio.CancelledError:
            await asyncio.sleep(1.0)
        return "first, late"

    async def main():
        began = asyncio.get_running_loop().time()
        assert await Pipeline("p", Hedge(0.2))(stubborn)() == "hedge"
        assert asyncio.get_running_loop().time() - began == pytest.approx(1.2)
        assert asyncio.current_task().cancelling() == 0

    run(main())


def test_a_first_attempt_that_turns_its_cancellation_into_an_error():
    """Some clients raise an error of their own when they are cancelled; it loses all the same."""

    async def converting(calls=[]):  # noqa: B006 - kept on purpose
        calls.append(1)
        if len(calls) > 1:
            return "hedge"
        try:
            await asyncio.sleep(9.0)
        except asyncio.CancelledError:
            raise ConnectionError("closed") from None

    assert run(Pipeline("p", Hedge(0.2))(converting)()) == "hedge"


def test_a_loser_that_is_cancelled_again_with_its_caller():
    """While a slow loser cleans up, a timeout around the call reaches it too."""
    log = []

    async def function():
        number = len(log)
        log.append(f"begun {number}")
        if number == 1:
            return "hedge"
        try:
            await asyncio.sleep(9.0)
        finally:
            try:
                await asyncio.sleep(60.0)
            except asyncio.CancelledError:
                log.append("told again")
                raise

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3.0):
                await Pipeline("p", Hedge(0.2))(function)()
        assert asyncio.get_running_loop().time() - 1000.0 == pytest.approx(3.0)

    run(main())
    assert log == ["begun 0", "begun 1", "told again"]


def test_a_hedge_in_a_task_group():
    """The group sees its own tasks only, and a sibling's failure ends the race."""
    begun, ended = [], []

    async def attempt():
        begun.append(1)
        try:
            await asyncio.sleep(60.0)
        finally:
            ended.append(1)

    async def fails():
        await asyncio.sleep(1.0)
        raise KeyError("sibling")

    async def both():
        async with asyncio.TaskGroup() as group:
            group.create_task(Pipeline("p", Hedge(0.2, max_hedges=3))(attempt)())
            group.create_task(fails())

    async def main():
        with pytest.raises(ExceptionGroup) as caught:
            await both()
        assert [type(error) for error in caught.value.exceptions] == [KeyError]
        assert len(begun) == len(ended) == 4

    run(main())


def test_our_timeout_cuts_a_race_that_is_being_decided():
    """A timeout that fires in the very turn in which a hedge wins does not end the caller's task."""

    async def main():
        for limit in (1.0, 0.9999999, 1.0000001):
            call = Pipeline("p", Timeout(limit), Hedge(0.2))(Scripted([Hang(), Ok(1, 0.8)]).aio)
            try:
                assert await call() == 1
            except AttemptTimeout:
                pass
            assert asyncio.current_task().cancelling() == 0
            await asyncio.sleep(5.0)

    run(main())


def test_a_cancelled_hedge_task_is_no_outcome():
    """Somebody who cancels the hedge's own task takes it out of the race, no more."""

    async def attempt(calls=[]):  # noqa: B006 - kept on purpose
        calls.append(1)
        await asyncio.sleep(2.0)
        return len(calls)

    async def main():
        loop, own = asyncio.get_running_loop(), asyncio.current_task()
        loop.call_later(
            0.5, lambda: [task.cancel() for task in asyncio.all_tasks() if task is not own]
        )
        assert await Pipeline("p", Hedge(0.2))(attempt)() == 2

    run(main())


def test_a_hedge_of_what_is_no_coroutine():
    """``acall`` takes whatever can be awaited, such as a future of an executor; so do its hedges."""

    async def main():
        loop, futures = asyncio.get_running_loop(), []

        def begin():
            futures.append(loop.create_future())
            loop.call_later(1.0, futures[-1].set_result, len(futures))
            return futures[-1]

        assert await Pipeline("p", Hedge(0.2)).acall(begin) == 1
        assert [one.cancelled() for one in futures] == [False, True]

    run(main())


@pytest.mark.parametrize("delay", [0.2, 9.0], ids=["slow", "failed"])
def test_a_hedge_that_raises_before_it_can_be_awaited(delay, caplog):
    """It is an attempt that failed, like any other; the first error stands."""
    failing = Scripted([Fail(ConnectionError, takes=1.0)]).aio

    def begin(calls=[]):  # noqa: B006 - kept on purpose
        calls.append(1)
        if len(calls) > 1:
            raise ValueError("at once")
        return failing()

    with pytest.raises(ConnectionError) as caught:
        run(Pipeline("p", Hedge(delay)).acall(begin))

    assert "attempt 2 raised ValueError('at once')" in caught.value.__notes__[0]
    assert caplog.records == []


class Unprintable(Exception):
    """An error like one of a lazy record whose database is gone."""

    def __repr__(self):
        raise OSError("no connection")


def test_an_error_that_cannot_be_printed():
    """The note of the other attempts names its class, and the call ends."""
    call = Pipeline("p", Hedge(0.2))(Scripted([Fail(Unprintable, takes=1.0)]).aio)

    async def main():
        with pytest.raises(Unprintable) as caught:
            await call()
        return caught.value.__notes__[0]

    assert run(main()).endswith("hedged this call: attempt 2 raised Unprintable")


def test_nobody_complains_of_errors_that_were_never_retrieved(caplog):
    """A loser that fails while it is cancelled, or after, is silent."""

    async def attempt(calls=[]):  # noqa: B006 - kept on purpose
        calls.append(1)
        if len(calls) == 3:
            await asyncio.sleep(0.1)
            return "third"
        try:
            await asyncio.sleep(9.0)
        finally:
            raise OSError("while cleaning up")

    assert run(Pipeline("p", Hedge(0.2, max_hedges=2))(attempt)()) == "third"
    gc.collect()
    assert caplog.records == []


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_the_first_attempt_ends_the_others(interrupt):
    """Ctrl-C is no outcome: it passes, and the hedges are cancelled."""
    ended = []

    async def attempt(calls=[]):  # noqa: B006 - kept on purpose
        calls.append(1)
        if len(calls) == 1:
            await asyncio.sleep(1.0)
            raise interrupt
        try:
            await asyncio.sleep(9.0)
        finally:
            ended.append(1)

    with pytest.raises(interrupt):
        run(Pipeline("p", Hedge(0.2))(attempt)())
    assert ended == [1]


@pytest.mark.parametrize("first", [Hang(), Fail(OSError)], ids=["hangs", "fails"])
def test_a_coroutine_that_is_closed_awaits_nothing(first):
    """``close()`` on a call that never runs on cancels its hedges without awaiting them."""

    async def main():
        scripted = Scripted([first, Hang()])
        coroutine = Pipeline("p", Hedge(0.2))(scripted.aio)()
        driver = asyncio.create_task(asyncio.sleep(0.5))
        coroutine.send(None)
        await driver
        assert len(scripted.calls) == 2
        coroutine.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


SLOW = Ok("slow", takes=0.02)


@pytest.mark.real_time
@pytest.mark.parametrize("script", [[SLOW, "won"], [Fail(OSError), "won"], [Fail(OSError)]])
@pytest.mark.parametrize("colour", ["blocking", "asyncio"])
def test_a_race_leaves_no_cycle(colour, script):
    """What a call has used is gone when it has ended, without the garbage collector."""

    class Argument:
        pass

    scripted, pipeline, gone = Scripted(script), Pipeline("p", Hedge(0.002)), []

    def blocking():
        argument = Argument()
        gone.append(weakref.ref(argument))
        with suppress(OSError):
            pipeline(scripted)(argument)

    async def awaited():
        argument = Argument()
        gone.append(weakref.ref(argument))
        with suppress(OSError):
            await pipeline(scripted.aio)(argument)

    gc.collect()
    gc.disable()
    try:
        blocking() if colour == "blocking" else run(awaited())
        scripted.calls.clear()
        until(lambda: is_gone(gone[0]))
    finally:
        gc.enable()


# -- real threads ----------------------------------------------------------------------------------


@pytest.mark.real_time
def test_the_answer_does_not_wait_for_a_loser():
    """In real threads a hung first attempt is left behind, and counted until it ends."""
    release, calls = threading.Event(), []
    bulkhead = Bulkhead(1)

    @Pipeline("p", bulkhead, Hedge(0.001))
    def function():
        calls.append(1)
        if len(calls) == 1:
            release.wait(PATIENCE)
            return "first"
        return "hedge"

    before = worker_pool().snapshot()["abandoned"]
    with record() as events:
        assert function() == "hedge"
        assert worker_pool().snapshot()["abandoned"] == before + 1
        assert bulkhead.in_flight == 1
        release.set()
        until(lambda: bulkhead.in_flight == 0)
    until(lambda: worker_pool().snapshot()["abandoned"] == before)
    assert [event.strategy for event in events.of(AbandonedFinished)] == ["hedge 'p'"]


@pytest.mark.real_time
def test_abandoned_losers_keep_others_out(balanced):
    """While losers overdraw the bulkhead no call enters, and no hedge starts."""
    release, calls = threading.Event(), []
    bulkhead = Bulkhead(1)
    hedge = Hedge(0.001)

    def function():
        calls.append(1)
        if len(calls) == 1:
            release.wait(PATIENCE)
        return "answer"

    call = Pipeline("p", bulkhead, hedge)(function)
    assert call() == "answer"
    assert bulkhead.in_flight == 1
    with pytest.raises(Exception, match="1 of 1 are in flight"):
        call()
    release.set()
    until(lambda: bulkhead.in_flight == 0)
    assert call() == "answer"
    until(lambda: bulkhead.in_flight == 0)  # a hedge may have been started here, too
    balanced(bulkhead)


@pytest.mark.real_time
def test_a_full_pool_refuses_the_call_and_never_a_hedge(monkeypatch):
    """Without a worker the call is rejected; a hedge without one is simply not there."""
    pool = WorkerPool(limit=1)
    gate = threading.Event()
    hedge = Hedge(0.001)
    step = raced(
        Threads(workers=pool), hedge, lambda args, _: gate.wait(0.05) or "first", Site("p")
    )
    assert step((), {}) == "first"
    assert hedge.started == 1  # tried, and refused

    blocked = threading.Thread(target=step, args=((), {}))
    hold, gate.wait = gate.wait, lambda _: hold(PATIENCE)
    blocked.start()
    until(lambda: pool.snapshot()["busy"] == 1)
    with pytest.raises(BulkheadFullError):
        step((), {})
    gate.set()
    blocked.join(PATIENCE)


@pytest.mark.real_time
def test_a_hedge_without_a_worker_can_be_a_failure():
    """Where ``on`` names the rejection the next attempt follows; none is waited for that isn't there."""

    class Full(WorkerPool):
        def start(self, job):
            if self.threads:
                self.resize(1)
            super().start(job)

    def fail(_args, _kwargs):
        time.sleep(0.02)
        raise ConnectionError("down")

    hedge = Hedge(0.001, 3, on=(ConnectionError, BulkheadFullError))
    step = raced(Threads(workers=Full()), hedge, fail, Site("p"))

    with deadline(PATIENCE), pytest.raises(ConnectionError):
        step((), {})
    assert hedge.started == 3


@pytest.mark.real_time
def test_a_hedge_for_which_the_system_has_no_thread(monkeypatch):
    """The first attempt goes on as if nothing had been tried."""
    gate, begun = threading.Event(), []

    def start(worker, start=Worker.start):
        if begun:
            gate.set()
            raise RuntimeError("can't start new thread")
        begun.append(worker)
        start(worker)

    monkeypatch.setattr(Worker, "start", start)
    step = raced(
        Threads(workers=WorkerPool()), Hedge(0.001), lambda *_: gate.wait(PATIENCE), Site("p")
    )

    assert step((), {}) is True


@pytest.mark.real_time
def test_an_interrupt_of_a_waiting_thread_abandons_its_attempts(monkeypatch):
    """Ctrl-C while the caller waits passes at once; the attempt is left alone and counted."""
    from holdfast._runtimes import race_threads

    release = threading.Event()
    bulkhead = Bulkhead(1)

    class Interrupted(race_threads.Workers):
        def next(self, until):
            super().next(self._now())
            raise KeyboardInterrupt

    monkeypatch.setattr(race_threads, "Workers", Interrupted)
    call = Pipeline("p", bulkhead, Hedge(5.0))(lambda: release.wait(PATIENCE))
    with pytest.raises(KeyboardInterrupt):
        call()
    assert bulkhead.in_flight == 1
    release.set()
    until(lambda: bulkhead.in_flight == 0)


def test_an_interrupt_raised_by_an_attempt_reaches_the_caller():
    """A worker does not swallow what belongs to the caller."""

    def function():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Pipeline("p", Hedge(5.0))(function)()


# -- virtual threads -------------------------------------------------------------------------------


def test_a_race_of_blocking_functions_is_the_same_in_each_run():
    """On virtual time attempts take turns in one order, whatever the machine does."""

    def story():
        with VirtualClock() as clock:
            log = []

            def function(name):
                number = sum(one[0] == name for one in log)
                for step in range(5):
                    log.append((name, number, step, round(clock.now(), 6)))
                    clock.sleep(0.13 if number else 0.31)
                return number

            call = Pipeline("p", Hedge(0.2, max_hedges=2))(function)
            answers = clock.together(*[lambda name=name: call(name) for name in "abc"])
            return answers, log

    first = story()
    assert first[0] == [1, 1, 1]
    assert all(story() == first for _ in range(5))


def test_a_race_in_which_nothing_can_ever_happen():
    """An endless sleep in every attempt, and no timeout around them, is an error and no hang."""
    with VirtualClock() as clock:
        call = Pipeline("p", Hedge(0.2))(Scripted([Hang()]))
        with pytest.raises(DeadlockError, match="nothing will ever happen"):
            call()
        with pytest.raises(DeadlockError, match="nothing will ever happen"):
            clock.together(call)


def test_a_hedge_outside_a_bulkhead_takes_a_permit_for_each_attempt():
    """Each attempt queues for itself; a loser leaves the queue, or its permit, behind."""
    bulkhead = Bulkhead(1, queue=3)
    with pytest.warns(CompositionWarning):
        pipeline = Pipeline("p", Hedge(0.2, max_hedges=2), bulkhead)
    with VirtualClock():
        assert pipeline(Scripted([Ok("first", takes=1.0)]))() == "first"
        assert (bulkhead.in_flight, bulkhead.waiting) == (0, 0)


def story(sleep, unit):
    """Make calls whose attempts take their time, fail and win in turn, and tell how they ended."""
    told = []
    for name, takes in {
        "quick": [1],
        "slow": [9, 1],
        "both slow": [6, 6],
        "failing": [1, 2],
    }.items():
        calls, bulkhead = iter(takes), Bulkhead(1)

        def attempt(name=name, calls=calls):
            mine = next(calls)
            sleep(mine * unit)
            if name == "failing" and mine == 1:
                raise ConnectionError("down")
            return f"{name}: {mine}"

        pipeline = Pipeline("p", bulkhead, Timeout(20 * unit), Hedge(3 * unit))
        told.append((pipeline.call(attempt), bulkhead.in_flight))
    return told


@pytest.mark.real_time
def test_virtual_time_shows_what_real_threads_do():
    """The same calls end alike in both, and leave as many workers behind."""
    with VirtualClock() as clock:
        virtual = story(clock.sleep, 1.0)
    assert virtual == [("quick: 1", 0), ("slow: 1", 1), ("both slow: 6", 1), ("failing: 2", 0)]
    assert story(time.sleep, 0.02) == virtual
