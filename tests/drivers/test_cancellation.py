"""Cancellation is no outcome: at whatever await it arrives, it passes, and everything is given back."""

import asyncio
from collections.abc import Awaitable, Generator
from contextlib import nullcontext
from typing import Any

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    Fallback,
    Pipeline,
    Retry,
    RetryBudget,
    Timeout,
    backoff,
    deadline,
)
from holdfast.testing import Hang, Scripted, VirtualLoop, record, run
from tests.races.loops import EAGER

PAUSE = backoff.constant(2.0)


@pytest.fixture(autouse=True, params=["tasks", *EAGER])
def eager(request, monkeypatch):
    """Run each test also with tasks that begin within the call that makes them."""
    if request.param in EAGER:
        run_forever = VirtualLoop.run_forever

        def eagerly(loop):
            loop.set_task_factory(asyncio.eager_task_factory)
            run_forever(loop)

        monkeypatch.setattr(VirtualLoop, "run_forever", eagerly)
    return request.param in EAGER


class CancelAt:
    """Await something in the current task, and cancel the task at the n-th suspension."""

    def __init__(self, awaitable: Awaitable[Any], number: int, *, later: bool = False) -> None:
        self.awaitable = awaitable
        self.number = number
        self.later = later
        self.suspensions = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        task = asyncio.current_task()
        inner = self.awaitable.__await__()
        resume, value = inner.send, None
        while True:
            try:
                future = resume(value)
            except StopIteration as stop:
                return stop.value
            self.suspensions += 1
            if self.suspensions == self.number:
                if self.later:
                    asyncio.get_running_loop().call_soon(task.cancel)
                else:
                    task.cancel()
            try:
                resume, value = inner.send, (yield future)
            except BaseException as error:
                resume, value = inner.throw, error


class Scene:
    """A full pipeline that a call has to queue for, and in which it needs three attempts."""

    def __init__(self, *, half_open: bool = False) -> None:
        self.bulkhead = Bulkhead(1, queue=1)
        self.breaker = CircuitBreaker(failures=3, open_for=1.0, open_jitter=0, probes=3)
        self.budget = RetryBudget()
        self.pipeline = Pipeline(
            "payments",
            Fallback("instead", on=KeyError),
            Timeout(100.0),
            self.bulkhead,
            Retry(3, backoff=PAUSE, budget=self.budget),
            self.breaker,
            Timeout(50.0),
        )
        self.half_open = half_open
        self.attempts = 0
        self.inside = 0

    async def flaky(self) -> str:
        self.attempts += 1
        self.inside += 1
        try:
            await asyncio.sleep(0.1)
            if self.attempts < 3 and not self.half_open:
                raise ConnectionError("refused")
            return "paid"
        finally:
            self.inside -= 1
            await asyncio.sleep(0.1)

    async def play(self, cancel_at: int, *, later: bool = False) -> CancelAt:
        """Let a call run while another one holds the permit, cancelling it at a suspension."""
        if self.half_open:
            self.breaker.trip()
            await asyncio.sleep(1.0)
        other = asyncio.create_task(Pipeline("other", self.bulkhead)(asyncio.sleep)(1.0))
        await asyncio.sleep(0)
        driven = CancelAt(self.pipeline(self.flaky)(), cancel_at, later=later)
        task = asyncio.current_task()
        if cancel_at:
            with pytest.raises(asyncio.CancelledError):
                await driven
            assert task.uncancel() == 0  # one cancellation, that of this test
        else:
            assert await driven == "paid"
        await other
        await asyncio.sleep(200.0)  # no timer of the call is left that could cancel us now
        return driven


def suspensions(*, half_open: bool) -> int:
    return run(Scene(half_open=half_open).play(0)).suspensions


@pytest.mark.parametrize("later", [False, True], ids=["at once", "a turn later"])
@pytest.mark.parametrize("half_open", [False, True], ids=["closed", "half-open"])
def test_a_call_can_be_cancelled_at_every_await(half_open, later, balanced):
    """Whichever suspension is cancelled, nothing is lost and the next call succeeds."""
    count = suspensions(half_open=half_open)
    assert count >= 3 if half_open else count >= 9
    for number in range(1, count + 1):
        scene = Scene(half_open=half_open)

        async def cancelled_then_again(scene=scene, number=number):
            driven = await scene.play(number, later=later)
            assert driven.suspensions >= number
            assert scene.inside == 0
            balanced(scene.pipeline)
            scene.attempts = 2
            assert await scene.pipeline(scene.flaky)() == "paid"

        run(cancelled_then_again())
        balanced(scene.pipeline)
        failed = scene.breaker.snapshot()["failures_in_a_row"]
        assert (scene.breaker.state in ("closed", "half-open"), failed) == (True, 0)


async def cancelled(coroutine: Any, after: float) -> asyncio.Task[Any]:
    """Run a coroutine as a task, cancel it after some seconds and wait for its end."""
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(after)
    assert task.cancel()
    await asyncio.wait([task])
    return task


def test_cancelled_while_sleeping_before_a_retry():
    """The sleep ends at once, no further attempt is made, and the failures so far stay counted."""
    dependency = Scripted([ConnectionError("refused")])
    breaker = CircuitBreaker(failures=5)
    pipeline = Pipeline("p", Retry(5, backoff=PAUSE), breaker)

    async def main():
        task = await cancelled(pipeline(dependency.aio)(), after=1.0)
        assert task.cancelled()
        await asyncio.sleep(60.0)

    run(main())
    assert len(dependency.calls) == 1
    assert breaker.snapshot()["failures_in_a_row"] == 1


def test_cancelled_while_queueing(balanced):
    """A waiter that leaves the queue takes no permit with it, and those behind it move up."""
    bulkhead = Bulkhead(1, queue=3)
    order = []

    @Pipeline("p", bulkhead)
    async def work(number):
        order.append(number)
        await asyncio.sleep(1.0)

    async def main():
        tasks = [asyncio.create_task(work(number)) for number in range(4)]
        await asyncio.sleep(0.5)
        assert bulkhead.waiting == 3
        tasks[1].cancel()
        await asyncio.sleep(0)
        assert bulkhead.waiting == 2
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main())
    assert order == [0, 2, 3]
    balanced(bulkhead)


def test_cancelled_in_the_turn_in_which_its_permit_came(balanced):
    """A permit that was granted to a waiter that is cancelled meanwhile goes to the next in line."""
    bulkhead = Bulkhead(1, queue=2)
    order = []

    @Pipeline("p", bulkhead)
    async def work(number):
        order.append(number)
        await asyncio.sleep(1.0)

    async def main():
        first = asyncio.create_task(work(0))
        await asyncio.sleep(0)
        waiters = [asyncio.create_task(work(number)) for number in (1, 2)]
        await asyncio.sleep(0)
        first.add_done_callback(lambda _: waiters[0].cancel())
        await asyncio.wait(waiters)
        assert waiters[0].cancelled()

    run(main())
    assert order == [0, 2]
    balanced(bulkhead)


def test_cancelled_as_a_half_open_probe():
    """The probe's place comes back at once; the breaker neither closes nor opens."""
    breaker = CircuitBreaker(open_for=1.0, open_jitter=0, probes=1)
    hanging = Scripted([Hang(), "ok"])
    call = Pipeline("p", breaker)(hanging.aio)

    async def main():
        breaker.trip()
        await asyncio.sleep(1.0)
        task = await cancelled(call(), after=0.5)
        assert task.cancelled()
        assert (breaker.state, breaker.snapshot()["probes_in_flight"]) == ("half-open", 0)
        assert await call() == "ok"
        assert breaker.state == "closed"

    run(main())


def test_a_cancelled_call_counts_neither_way():
    """Between four failures and a fifth, a cancelled call is as if it had never been."""
    breaker = CircuitBreaker(failures=5)
    dependency = Scripted([*[ConnectionError("refused")] * 4, Hang(), ConnectionError("refused")])
    call = Pipeline("p", breaker)(dependency.aio)

    async def main():
        for _ in range(4):
            with pytest.raises(ConnectionError):
                await call()
        await cancelled(call(), after=1.0)
        assert breaker.state == "closed"
        with pytest.raises(ConnectionError):
            await call()
        assert breaker.state == "open"

    run(main())


def test_a_cancelled_call_earns_the_budget_nothing():
    """A budget is credited on success, and a cancelled call is none."""
    budget = RetryBudget()
    assert budget.withdraw()
    call = Pipeline("p", Retry(3, budget=budget))(Scripted([Hang()]).aio)
    run(cancelled(call(), after=1.0))
    assert budget.tokens == 9.0


def test_a_cancelled_call_gets_no_fallback():
    """A fallback answers errors; whoever cancels wants no answer."""
    call = Pipeline("p", Fallback("instead"))(Scripted([Hang()]).aio)
    assert run(cancelled(call(), after=1.0)).cancelled()


def test_a_cancelled_call_is_told_as_cancelled():
    """Listeners hear of one call that ended by CancelledError, and of nothing else."""
    call = Pipeline("p", Timeout(9.0), Retry(3), CircuitBreaker())(Scripted([Hang()]).aio)
    with record() as events:
        run(cancelled(call(), after=1.0))
    (event,) = events
    assert events.names() == ["CallCompleted"]
    assert isinstance(event.error, asyncio.CancelledError)
    assert event.duration == 1.0


def test_the_message_of_a_cancellation_arrives():
    """``task.cancel(msg)`` reaches whoever awaits the task, through every layer."""
    scene = Scene()

    async def main():
        task = asyncio.create_task(scene.pipeline(scene.flaky)())
        await asyncio.sleep(0.05)
        task.cancel("shutting down")
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.args == ("shutting down",)

    run(main())


def test_a_function_that_raises_cancelled_error_by_itself(balanced):
    """A CancelledError that nobody asked for passes too, once, and is no outcome."""
    calls = []

    async def raises():
        calls.append(1)
        raise asyncio.CancelledError("on my own")

    pipeline = Pipeline("p", Timeout(9.0), Bulkhead(1), Retry(3), CircuitBreaker(failures=1))

    async def main():
        with pytest.raises(asyncio.CancelledError, match="on my own"):
            await pipeline(raises)()
        assert asyncio.current_task().cancelling() == 0

    run(main())
    assert len(calls) == 1
    assert pipeline.strategies[3].state == "closed"
    balanced(pipeline)


def test_a_task_that_is_cancelled_before_its_first_step(eager):
    """Nothing runs but what an eager task has done already, and nothing stays taken."""
    scene = Scene()

    async def main():
        task = asyncio.create_task(scene.pipeline(scene.flaky)())
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(main())
    assert scene.attempts == int(eager)


# -- cancelled twice, and cancellation that is not obeyed ------------------------------------------


def test_cancelled_twice(balanced):
    """A second cancellation, while the function cleans up after the first, changes no account."""
    pipeline = Pipeline("p", Timeout(9.0), Bulkhead(1), CircuitBreaker(failures=1))
    cleaned = []

    @pipeline
    async def careful():
        try:
            await asyncio.sleep(5.0)
        finally:
            try:
                await asyncio.sleep(5.0)
            finally:
                cleaned.append(1)

    async def main():
        task = asyncio.create_task(careful())
        for _ in range(2):
            await asyncio.sleep(1.0)
            task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert task.cancelling() == 2

    run(main())
    assert cleaned == [1]
    balanced(pipeline)


def test_cancelled_while_cleaning_up_after_a_timeout(balanced):
    """A cancellation from outside that meets our own is the one that counts."""
    pipeline = Pipeline("p", Bulkhead(1), Retry(3, backoff=PAUSE), Timeout(1.0))

    @pipeline
    async def careful():
        try:
            await asyncio.sleep(5.0)
        finally:
            await asyncio.sleep(5.0)

    async def main():
        task = await cancelled(careful(), after=2.0)
        assert task.cancelled()
        assert task.cancelling() == 1

    run(main())
    balanced(pipeline)


def test_a_timeout_while_cleaning_up_after_a_cancellation(balanced):
    """Our own limit, met while the function cleans up after a cancellation, does not hide it."""
    pipeline = Pipeline("p", Bulkhead(1), Retry(3, backoff=PAUSE), Timeout(2.0))

    @pipeline
    async def careful():
        try:
            await asyncio.sleep(5.0)
        finally:
            await asyncio.sleep(5.0)

    async def main():
        start = asyncio.get_running_loop().time()
        task = await cancelled(careful(), after=1.0)
        assert asyncio.get_running_loop().time() == start + 2.0
        assert task.cancelled()
        assert task.cancelling() == 1

    run(main())
    balanced(pipeline)


def test_a_function_that_swallows_the_cancellation_of_its_caller(balanced):
    """It returns, so the call returns; the task still knows that it was asked to end."""
    pipeline = Pipeline("p", Timeout(9.0), Bulkhead(1), Retry(3), CircuitBreaker(failures=1))

    @pipeline
    async def stubborn():
        try:
            await asyncio.sleep(5.0)
        except asyncio.CancelledError:
            return "all the same"

    async def main():
        task = await cancelled(stubborn(), after=1.0)
        assert task.result() == "all the same"
        assert task.cancelling() == 1

    run(main())
    balanced(pipeline)


@pytest.mark.parametrize("seconds", [1.0, 60.0], ids=["limit", "deadline"])
def test_a_function_that_swallows_the_timeout(balanced, seconds):
    """It returns late, so the call returns late, and no cancellation is left behind in the task."""
    pipeline = Pipeline("p", Bulkhead(1), Timeout(seconds))

    @pipeline
    async def stubborn():
        try:
            await asyncio.sleep(5.0)
        except asyncio.CancelledError:
            await asyncio.sleep(5.0)
            return "late"

    async def main():
        with deadline(1.0) if seconds > 1.0 else nullcontext():
            assert await stubborn() == "late"
        assert asyncio.current_task().cancelling() == 0
        assert asyncio.get_running_loop().time() == 1006.0
        await asyncio.sleep(100.0)

    run(main())
    balanced(pipeline)


def test_a_function_that_answers_the_timeout_with_an_error():
    """The function's own error counts, and no cancellation is left behind in the task."""

    @Pipeline("p", Timeout(1.0))
    async def translates():
        try:
            await asyncio.sleep(5.0)
        except asyncio.CancelledError:
            raise ConnectionError("gave up") from None

    async def main():
        with pytest.raises(ConnectionError):
            await translates()
        assert asyncio.current_task().cancelling() == 0

    run(main())


# -- whose timeout was it? -------------------------------------------------------------------------


@pytest.mark.parametrize("seconds, early", [(0.9999, True), (1.0, False), (5.0, False)])
def test_a_function_that_ends_near_its_limit(seconds, early):
    """What ends before the limit counts; what would end in the very turn of the limit is too late."""

    @Pipeline("p", Timeout(1.0))
    async def work():
        await asyncio.sleep(seconds)
        return "done"

    async def main():
        if early:
            assert await work() == "done"
        else:
            with pytest.raises(AttemptTimeout):
                await work()
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(10.0)

    run(main())


@pytest.mark.parametrize("first", ["result", "limit"])
def test_a_result_and_the_limit_in_one_turn_of_the_loop(first):
    """Whichever of the two comes first in that turn, the call has timed out, and the task goes on."""

    async def main():
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        at = loop.time() + 1.0

        async def call():
            with pytest.raises(AttemptTimeout):
                await Pipeline("p", Timeout(1.0)).acall(lambda: answer)
            assert answer.done()
            assert asyncio.current_task().cancelling() == 0
            await asyncio.sleep(10.0)

        if first == "result":
            loop.call_at(at, answer.set_result, "done")
        task = asyncio.create_task(call())
        await asyncio.sleep(0)
        if first == "limit":
            loop.call_at(at, lambda: answer.done() or answer.set_result("done"))
        await task

    run(main())


def test_an_outer_timeout_that_is_sooner_stays_a_timeout_error(balanced):
    """``asyncio.timeout`` around a call gets its own TimeoutError, not ours."""
    pipeline = Pipeline("p", Bulkhead(1), Retry(3, backoff=PAUSE), Timeout(5.0))
    dependency = Scripted([Hang()])

    async def main():
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(1.0):
                await pipeline(dependency.aio)()
        assert not isinstance(caught.value, AttemptTimeout)
        assert asyncio.current_task().cancelling() == 0

    run(main())
    assert len(dependency.calls) == 1
    balanced(pipeline)


def test_an_outer_timeout_that_is_later_leaves_ours_alone():
    """Our own limit is sooner: the caller sees `AttemptTimeout`, and the outer block goes on."""
    call = Pipeline("p", Timeout(1.0))(Scripted([Hang()]).aio)

    async def main():
        async with asyncio.timeout(5.0):
            with pytest.raises(AttemptTimeout, match="no answer within 1 s"):
                await call()
            await asyncio.sleep(1.0)
        assert asyncio.current_task().cancelling() == 0

    run(main())


def test_two_timeouts_in_the_same_instant():
    """Where both run out together, the outer one wins and nothing is left behind."""
    call = Pipeline("p", Retry(3, backoff=PAUSE), Timeout(1.0))(Scripted([Hang()]).aio)

    async def main():
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(1.0):
                await call()
        assert not isinstance(caught.value, AttemptTimeout)
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(10.0)

    run(main())


def test_an_inner_timeout_of_the_functions_own():
    """The function's own ``asyncio.timeout`` is an error like any other: it is retried."""
    calls = []

    async def impatient():
        calls.append(1)
        async with asyncio.timeout(0.5):
            await asyncio.sleep(5.0)

    pipeline = Pipeline("p", Retry(3, backoff=PAUSE), Timeout(1.0))

    async def main():
        with pytest.raises(TimeoutError) as caught:
            await pipeline(impatient)()
        assert not isinstance(caught.value, AttemptTimeout)
        assert asyncio.current_task().cancelling() == 0

    run(main())
    assert len(calls) == 3


def test_wait_for_around_a_call(balanced):
    """``asyncio.wait_for`` cancels the call and raises its own TimeoutError."""
    pipeline = Pipeline("p", Bulkhead(1), Timeout(5.0))

    async def main():
        with pytest.raises(TimeoutError) as caught:
            await asyncio.wait_for(pipeline(Scripted([Hang()]).aio)(), 1.0)
        assert not isinstance(caught.value, AttemptTimeout)

    run(main())
    balanced(pipeline)


async def in_a_group(*coroutines: Any) -> None:
    """Run coroutines as the tasks of one group."""
    async with asyncio.TaskGroup() as group:
        for coroutine in coroutines:
            group.create_task(coroutine)


def test_a_task_group_cancels_a_call_when_a_sibling_fails(balanced):
    """The group reports the sibling's error alone, and the cancelled call gave everything back."""
    pipeline = Pipeline("p", Bulkhead(1), Retry(3, backoff=PAUSE), Timeout(5.0))

    async def fails():
        await asyncio.sleep(1.0)
        raise ValueError("sibling")

    async def main():
        with pytest.raises(ExceptionGroup) as caught:
            await in_a_group(fails(), pipeline(Scripted([Hang()]).aio)())
        assert [type(one) for one in caught.value.exceptions] == [ValueError]

    run(main())
    balanced(pipeline)


def test_a_timeout_in_a_task_group_is_an_error_of_the_group():
    """Our timeout in a child task is its failure: siblings are cancelled, the parent is not."""
    call = Pipeline("p", Timeout(1.0))(Scripted([Hang()]).aio)
    ended = []

    async def sibling():
        try:
            await asyncio.sleep(60.0)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def main():
        with pytest.raises(ExceptionGroup) as caught:
            await in_a_group(call(), sibling())
        assert [type(one) for one in caught.value.exceptions] == [AttemptTimeout]

    run(main())
    assert ended == ["cancelled"]


def test_a_task_group_inside_a_call_that_times_out():
    """Our one cancellation ends a whole group inside the function, and arrives as our timeout."""
    ended = []

    async def child():
        try:
            await asyncio.sleep(60.0)
        finally:
            ended.append(1)

    @Pipeline("p", Timeout(1.0))
    async def work():
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(child())

    async def main():
        with pytest.raises(AttemptTimeout):
            await work()
        assert asyncio.current_task().cancelling() == 0

    run(main())
    assert ended == [1, 1, 1]


def test_a_call_in_the_cleanup_of_a_cancelled_task_still_times_out():
    """In a ``finally`` after a cancellation, the limit of a call holds as usual."""
    call = Pipeline("p", Timeout(1.0))(Scripted([Hang()]).aio)
    seen = []

    async def cleaning_up():
        try:
            await asyncio.sleep(60.0)
        finally:
            try:
                await call()
            except AttemptTimeout as error:
                seen.append((type(error), asyncio.current_task().cancelling()))

    async def main():
        task = await cancelled(cleaning_up(), after=1.0)
        assert task.cancelled()

    run(main())
    assert seen == [(AttemptTimeout, 1)]


@pytest.mark.parametrize("own_limit", [1.0, 2.0, 3.0])
def test_a_deadline_and_a_limit_cancel_once_each(own_limit):
    """Total and attempt limits, and a deadline, in one instant or not, leave no cancellation."""

    async def main():
        with deadline(2.0), pytest.raises(TimeoutError):
            await pipeline.acall(asyncio.sleep, 60.0)
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(100.0)

    with pytest.warns(match="never fires") if own_limit >= 2.0 else nullcontext():
        pipeline = Pipeline("p", Timeout(2.0), Retry(1), Timeout(own_limit))
    run(main())


# -- blocks and loops ------------------------------------------------------------------------------


def test_a_block_is_left_by_cancellation(balanced):
    """``async with pipeline`` gives its permits back when its body is cancelled."""
    pipeline = Pipeline("p", Bulkhead(1), CircuitBreaker(failures=1))

    async def body():
        async with pipeline:
            await asyncio.sleep(60.0)

    run(cancelled(body(), after=1.0))
    balanced(pipeline)
    assert pipeline.strategies[1].state == "closed"


def test_entering_a_block_is_cancelled(balanced):
    """A block that still queues when it is cancelled holds nothing, of any gate."""
    outer, inner = Bulkhead(2), Bulkhead(1, queue=1)
    pipeline = Pipeline("p", outer, inner)

    async def body():
        async with pipeline:
            await asyncio.sleep(5.0)

    async def main():
        first = asyncio.create_task(body())
        await asyncio.sleep(0)
        await cancelled(body(), after=1.0)
        assert (outer.in_flight, inner.in_flight, inner.waiting) == (1, 1, 0)
        await first

    run(main())
    balanced(outer, inner)


def test_a_retry_loop_is_left_by_cancellation():
    """``async for attempt in retry`` makes no further attempt for a cancelled body."""
    attempts = []

    async def body():
        async for attempt in Retry(3, backoff=PAUSE):
            with attempt:
                attempts.append(attempt.number)
                await asyncio.sleep(60.0)

    assert run(cancelled(body(), after=1.0)).cancelled()
    assert attempts == [1]


def test_a_queue_is_full_again_after_a_cancellation(balanced):
    """A cancelled waiter frees its place in the queue, and no more than that."""
    bulkhead = Bulkhead(1, queue=1)
    call = Pipeline("p", bulkhead)(asyncio.sleep)

    async def main():
        first = asyncio.create_task(call(10.0))
        await asyncio.sleep(0)
        await cancelled(call(1.0), after=1.0)
        second = asyncio.create_task(call(1.0))
        await asyncio.sleep(0)
        with pytest.raises(BulkheadFullError):
            await call(1.0)
        await asyncio.gather(first, second)

    run(main())
    balanced(bulkhead)
