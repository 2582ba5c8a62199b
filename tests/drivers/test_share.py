"""Sharing one attempt: who leaves when, who stays, and what becomes of the attempt."""

import asyncio
import gc
import itertools
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast import AttemptTimeout, Coalesce, DeadlineExceeded, Pipeline, Timeout, deadline
from holdfast.testing import run


def one_key(*_args):
    return "key"


class Attempts:
    """An async function that takes its time; counts how its runs began and ended."""

    def __init__(self, seconds=10.0, cleanup=0.0):
        self.seconds = seconds
        self.cleanup = cleanup
        self.began = self.cancelled = 0

    async def __call__(self, *_args):
        self.began += 1
        number = self.began
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            await asyncio.sleep(self.cleanup)
            self.cancelled += 1
            raise
        return number


def protected(attempts, *inner):
    coalesce = Coalesce(one_key)
    pipeline = Pipeline("p", coalesce, *inner)

    async def call(*args):
        return await pipeline.acall(attempts, *args)

    return coalesce, call


async def seated(call, count):
    """Start so many callers, one after the other, and let them take their seats."""
    tasks = [asyncio.create_task(call()) for _ in range(count)]
    await asyncio.sleep(1.0)
    return tasks


async def ended(task):
    """Wait for a task's end without taking part in it."""
    await asyncio.wait([task])
    return task.cancelled()


# -- leaving -----------------------------------------------------------------------------------


@pytest.mark.parametrize("leaver", [0, 1, 2])
def test_one_callers_cancellation_does_not_cancel_the_others(leaver):
    """Whoever leaves, the first caller too, the attempt goes on and serves those who stay."""
    attempts = Attempts()
    coalesce, call = protected(attempts)

    async def main():
        tasks = await seated(call, 3)
        tasks[leaver].cancel()
        assert await ended(tasks.pop(leaver))
        assert coalesce.snapshot()["sharing"] == 2
        return await asyncio.gather(*tasks)

    assert run(main()) == [1, 1]
    assert (attempts.began, attempts.cancelled) == (1, 0)
    assert coalesce.snapshot()["flights"] == 0


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_last_to_leave_cancels_the_attempt(order):
    """In whatever order they leave, the attempt is cancelled once, by the last one."""
    attempts = Attempts()
    coalesce, call = protected(attempts)

    async def main():
        tasks = await seated(call, 3)
        for place in order:
            assert attempts.cancelled == 0
            tasks[place].cancel()
            assert await ended(tasks[place])

    run(main())
    assert (attempts.began, attempts.cancelled) == (1, 1)
    assert coalesce.snapshot()["flights"] == 0


def test_the_last_to_leave_waits_until_the_attempt_has_cleaned_up():
    """A cancellation returns when nothing of the call is left, as it does without sharing."""
    attempts = Attempts(cleanup=5.0)
    _, call = protected(attempts)

    async def main():
        loop = asyncio.get_running_loop()
        (task,) = await seated(call, 1)
        task.cancel()
        before = loop.time()
        assert await ended(task)
        return loop.time() - before

    assert run(main()) == 5.0
    assert attempts.cancelled == 1


def test_who_calls_while_a_left_attempt_cleans_up_gets_a_new_one():
    """Nobody boards an attempt that was cancelled."""
    attempts = Attempts(cleanup=5.0)
    _, call = protected(attempts)

    async def main():
        (task,) = await seated(call, 1)
        task.cancel()
        await asyncio.sleep(1.0)
        return await call()

    assert run(main()) == 2


def test_a_cancellation_in_the_turn_of_the_answer_harms_nobody():
    """A caller that is cancelled when its answer is there already is cancelled; others have it."""
    _, call = protected(Attempts(seconds=1.0))

    async def main():
        first, second = await seated(call, 2)
        await asyncio.sleep(0)
        second.cancel()
        return await first, await ended(second)

    assert run(main())[0] == 1


@pytest.mark.parametrize("turns", [1, 5])
def test_an_attempt_that_somebody_else_cancels_is_made_anew(turns):
    """As where a library cancels every task it finds, before it began or after: callers still wait."""
    attempts = Attempts(seconds=2.0)
    coalesce, call = protected(attempts)

    async def main():
        callers = [asyncio.create_task(call()) for _ in range(2)]
        for _ in range(turns):
            await asyncio.sleep(0)
        (flying,) = (one for one in asyncio.all_tasks() if one.get_name() == "holdfast-coalesce")
        flying.cancel()
        return await asyncio.gather(*callers)

    first, second = run(main())
    assert first == second == attempts.began
    assert coalesce.led == 2


# -- limits ------------------------------------------------------------------------------------


def test_each_caller_has_its_own_timeout():
    """A timeout outside ends one caller's wait; the attempt goes on for the others."""
    attempts = Attempts(seconds=10.0)
    coalesce = Coalesce(one_key)
    call = Pipeline("p", coalesce)(attempts)

    async def main():
        hasty = Pipeline("hasty", Timeout(2.0))(call)
        return await asyncio.gather(hasty(), call(), return_exceptions=True)

    timeout, answer = run(main())
    assert isinstance(timeout, AttemptTimeout)
    assert answer == 1
    assert attempts.cancelled == 0


@pytest.mark.parametrize("hasty_first", [True, False])
def test_nobody_waits_past_its_own_deadline(hasty_first):
    """The caller with the shorter deadline goes; the other one is served, whoever came first."""
    attempts = Attempts(seconds=3.0)
    _, call = protected(attempts, Timeout(60.0))

    async def main():
        async def within(seconds):
            with deadline(seconds):
                return await call()

        times = (2.0, 20.0) if hasty_first else (20.0, 2.0)
        return await asyncio.gather(*map(within, times), return_exceptions=True)

    outcomes = run(main())
    hasty, patient = outcomes if hasty_first else reversed(outcomes)
    assert isinstance(hasty, DeadlineExceeded)
    assert patient == (2 if hasty_first else 1)


def test_a_deadline_of_the_first_caller_costs_the_others_a_new_attempt():
    """What the first caller's deadline has cut is begun anew by one of those with more time."""
    attempts = Attempts(seconds=3.0)
    coalesce, call = protected(attempts, Timeout(60.0))

    async def main():
        async def hasty():
            with deadline(2.0):
                await call()

        tasks = [asyncio.create_task(hasty()), *(asyncio.create_task(call()) for _ in range(3))]
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, *others = run(main())
    assert isinstance(first, DeadlineExceeded)
    assert others == [2, 2, 2]
    assert (attempts.began, coalesce.led) == (2, 2)


def test_an_error_of_the_attempt_itself_is_everybodys():
    """A timeout inside is an outcome like any other: nobody tries again because of it."""
    attempts = Attempts(seconds=9.0)
    _, call = protected(attempts, Timeout(2.0))

    async def main():
        tasks = await seated(call, 3)
        return await asyncio.gather(*tasks, return_exceptions=True)

    outcomes = run(main())
    assert isinstance(outcomes[0], AttemptTimeout)
    assert all(one is outcomes[0] for one in outcomes)
    assert attempts.began == 1


def test_an_error_that_is_no_exception_is_everybodys():
    """What a framework raises past all handlers, such as a failed test, ends the calls."""

    class Outcome(BaseException):
        pass

    async def fail(calls=[]):  # noqa: B006 - kept on purpose
        calls.append(1)
        assert len(calls) == 1
        raise Outcome

    async def main():
        call = Pipeline("p", Coalesce(lambda: 1))(fail)
        ends = await asyncio.gather(call(), call(), return_exceptions=True)
        assert [type(one) for one in ends] == [Outcome, Outcome]

    run(main())


def test_what_cannot_be_awaited_is_told_once():
    """A plain function in ``acall`` is a mistake, and not tried again and again."""
    calls = []

    async def main():
        with pytest.raises(TypeError, match="cannot be awaited"):
            await Pipeline("p", Coalesce(lambda: 1)).acall(lambda: calls.append(1))

    run(main())
    assert calls == [1]


def test_a_function_that_cancels_itself_does_so_to_all_its_callers():
    """A CancelledError of the function's own making is its outcome, not a reason to begin anew."""
    began = []

    async def odd():
        began.append(1)
        await asyncio.sleep(2.0)
        raise asyncio.CancelledError

    _, call = protected(odd)

    async def main():
        tasks = await seated(call, 2)
        return [await ended(task) for task in tasks]

    assert run(main()) == [True, True]
    assert began == [1]


# -- inside itself -----------------------------------------------------------------------------


def test_a_call_inside_its_own_attempt_does_not_wait_for_itself():
    """A recursion with the same key runs, unshared."""

    async def nested(depth):
        return depth if depth == 0 else await call(depth - 1)

    call = Pipeline("p", Coalesce(one_key))(nested)

    assert run(call(3)) == 0


def test_a_blocking_call_inside_its_own_attempt_does_not_wait_for_itself():
    """The same in a thread, and in the worker of a timeout."""

    def nested(depth):
        return depth if depth == 0 else call(depth - 1)

    call = Pipeline("p", Coalesce(one_key), Timeout(5.0))(nested)

    assert call(3) == 0


# -- threads -----------------------------------------------------------------------------------


class Held:
    """A blocking function that runs until it is let go; it raises what it is told to."""

    def __init__(self, error=None):
        self.error = error
        self.began = 0
        self.inside = threading.Event()
        self.go = threading.Event()

    def __call__(self):
        self.began += 1
        number = self.began
        self.inside.set()
        assert self.go.wait(10.0)
        if number == 1 and self.error is not None:
            raise self.error
        return number


def share_in_threads(function, followers=2, *, first=None, patience=None):
    """Let several threads share; return the outcomes, that of the first caller first."""
    coalesce = Coalesce(one_key)

    @Pipeline("p", coalesce)
    def call():
        return function()

    def follow():
        if patience is None:
            return call()
        with deadline(patience):
            return call()

    with ThreadPoolExecutor(followers + 1) as threads:
        futures = [threads.submit(first or call, *([call] if first else []))]
        assert function.inside.wait(10.0)
        futures += [threads.submit(follow) for _ in range(followers)]
        if patience is None:
            while coalesce.snapshot()["sharing"] < followers + 1:
                time.sleep(0.0005)
        else:
            for future in futures[1:]:
                future.exception(10.0)
        function.go.set()
        return [future.exception(10.0) or future.result() for future in futures]


@pytest.mark.real_time
def test_threads_share_the_attempt_of_the_first():
    """The first caller runs it in its own thread, and the others get its result."""
    held = Held()

    assert share_in_threads(held) == [1, 1, 1]


@pytest.mark.real_time
def test_threads_share_an_error():
    """Each of them raises the same object."""
    error = ConnectionError("refused")

    outcomes = share_in_threads(Held(error))

    assert all(one is error for one in outcomes)


@pytest.mark.real_time
def test_a_thread_waits_no_longer_than_its_deadline():
    """It leaves, and the attempt goes on for its first caller."""
    first, *others = share_in_threads(Held(), patience=0.02)

    assert first == 1
    assert [type(one) for one in others] == [DeadlineExceeded] * 2


@pytest.mark.real_time
def test_an_interrupted_thread_hands_over():
    """Those who wait make an attempt of their own, which they share."""

    def interrupted(call):
        with pytest.raises(KeyboardInterrupt):
            call()
        return "interrupted"

    held = Held(KeyboardInterrupt())

    assert share_in_threads(held, first=interrupted) in (
        ["interrupted", 2, 2],
        ["interrupted", 2, 3],  # the second one came when the first one had its answer
        ["interrupted", 3, 2],
    )


@pytest.mark.real_time
def test_an_abandoned_worker_still_serves_those_who_wait():
    """A timeout outside ends the first caller's wait; its worker goes on for the others."""
    held = Held()
    coalesce = Coalesce(one_key)
    call = Pipeline("p", coalesce)(held)
    hasty = Pipeline("hasty", Timeout(0.05, sync="thread"))(call)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(hasty)
        assert held.inside.wait(10.0)
        second = threads.submit(call)
        assert isinstance(first.exception(10.0), AttemptTimeout)
        while coalesce.snapshot()["sharing"] < 2:
            time.sleep(0.0005)
        held.go.set()
        assert second.result(10.0) == 1


# -- errors that are shared --------------------------------------------------------------------


class Failure(Exception):
    """An error whose end can be seen."""


def test_a_shared_traceback_does_not_grow_with_the_callers():
    """Each caller raises it with the traceback that it had; their own frames are not piled up."""

    async def fail():
        await asyncio.sleep(1.0)
        raise Failure

    coalesce = Coalesce(one_key)
    call = Pipeline("p", coalesce)(fail)

    async def length():
        try:
            await call()
        except Failure as error:
            trace, frames = error.__traceback__, 0
            while trace is not None:
                trace, frames = trace.tb_next, frames + 1
            return frames, error.__context__

    async def main():
        return await asyncio.gather(*(length() for _ in range(20)))

    lengths = run(main())
    assert len(lengths) == 20
    assert {context for _, context in lengths} == {None}
    assert len({frames for frames, _ in lengths}) == 1


@pytest.mark.parametrize("callers", [1, 3])
@pytest.mark.parametrize("leaves", [0, 1])
def test_a_shared_failure_leaves_nothing(callers, leaves):
    """Error and argument are gone with the last caller that knows them: no reference cycles."""

    class Request:
        """An argument whose end can be seen."""

    kept = []

    async def fail(request):
        kept.append(weakref.ref(request))
        await asyncio.sleep(1.0)
        raise Failure(request)

    call = Pipeline("p", Coalesce(one_key))(fail)

    async def one():
        try:
            await call(Request())
        except Failure as error:
            kept.append(weakref.ref(error))

    async def main():
        tasks = [asyncio.create_task(one()) for _ in range(callers)]
        await asyncio.sleep(0.5)
        for task in tasks[1 : 1 + leaves]:
            task.cancel()
        await asyncio.wait(tasks)
        task = None
        del tasks
        await asyncio.sleep(1.0)
        return [reference() for reference in kept]

    gc.collect()
    gc.disable()
    try:
        found = run(main())
    finally:
        gc.enable()
    assert found
    assert set(found) == {None}


@pytest.mark.real_time
def test_a_failure_shared_by_threads_leaves_nothing():
    """The same for threads, where the first caller raises it, too."""
    held = Held(Failure())
    reference = weakref.ref(held.error)
    gc.collect()
    gc.disable()
    try:
        assert len(share_in_threads(held)) == 3
        held.error = None
        assert reference() is None
    finally:
        gc.enable()
