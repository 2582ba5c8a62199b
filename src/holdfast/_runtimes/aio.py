"""The runtime for asyncio: any number of event loops, in any threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any
from weakref import ref

from holdfast import _validate
from holdfast._cut import NEARLY, Cut, hurried
from holdfast._runtimes.limits import (
    check_turn,
    converted,
    deadline_error,
    exceeded,
    in_context,
    next_turn,
    patience,
    timed_out,
    too_short,
    usual,
    waited_too_long,
)
from holdfast._runtimes.pool import in_worker
from holdfast._runtimes.wheel import Wheel, Wheels, wheel_of
from holdfast.deadline import Ambient, ambient, restore
from holdfast.errors import DeadlineExceeded
from holdfast.shapes import Arguments, Gate, Instead, Keywords, Site, Ticket, Wait
from holdfast.strategies.timeout import Timeout

if TYPE_CHECKING:
    from holdfast._runtimes.port import AsyncStep as Step
    from holdfast.attempts import Attempt
    from holdfast.strategies.coalesce import Coalesce
    from holdfast.strategies.hedge import Hedge
    from holdfast.strategies.retry import Retry
    from holdfast.strategies.timeout import AdaptiveTimeout

_errands: set[asyncio.Task[None]] = set()
"""What runs in the background: a loop keeps its tasks by weak references only."""


def _forget(task: asyncio.Task[None]) -> None:
    _errands.discard(task)
    if not task.cancelled():
        task.exception()  # `done` was told; nobody else will ask


class Asyncio:
    """Waiting is awaited.  One for the process; safe in any loop."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now

    def overseen(self, gate: Gate, _site: Site) -> Gate:
        """Return a gate as a driver shall see it: a cancelled call tells it by itself."""
        return gate

    async def sleep(self, delay: float) -> None:
        """Wait for ``delay`` seconds."""
        await asyncio.sleep(delay)

    async def wait(self, gate: Gate, wait: Wait, site: Site) -> Any:
        """Wait as the gate asked, and return the permit; leave the queue however it ends."""
        try:
            if wait.ticket is None:
                delay = wait.delay
                while True:
                    await asyncio.sleep(check_turn(gate, delay, site, self.now()))
                    delay = next_turn(gate, wait, site, self.now())
                    if delay is None:
                        return wait.permit
            await self._granted(wait.ticket, patience(wait, self.now()))
        except BaseException:
            gate.abandoned(wait.permit, self.now())
            raise
        if not wait.ticket.granted:
            error = gate.expired(wait.permit, self.now())
            if error is not None:
                raise waited_too_long(error, site, self.now())
        return wait.permit

    async def _granted(self, ticket: Ticket, limit: float | None) -> None:
        """Return when the ticket is granted, or after ``limit`` seconds."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        thread = threading.get_ident()

        def done() -> None:
            if not future.done():
                future.set_result(None)

        def wake() -> bool:
            try:
                if threading.get_ident() == thread:
                    loop.call_soon(done)
                else:
                    loop.call_soon_threadsafe(done)
            except RuntimeError:  # the loop is closed: nobody will come for this permit
                return False
            return True

        ticket.wake = wake
        if ticket.granted or ticket.over:
            return
        timer = None if limit is None else loop.call_later(limit, done)
        try:
            await future
        finally:
            if timer is not None:
                timer.cancel()

    def within(self, timeout: Timeout, inner: Step, site: Site) -> Step:
        """Return a step that gives up on ``inner`` in time, and cancels it exactly once."""
        now, seconds, pipeline = self.now, timeout.seconds, site.pipeline
        expected = usual(site, seconds)
        wheels: Wheels = {}

        def cut() -> Cut:
            return Cut(converted(pipeline, seconds))

        get_loop, current_task = asyncio.get_running_loop, asyncio.current_task

        latest: Callable[[], Wheel | None] = lambda: None  # noqa: E731 - a reference to none yet

        async def step(args: Arguments, kwargs: Keywords) -> Any:
            nonlocal latest
            loop = get_loop()
            outer, start = ambient.get(), now()
            at = start + seconds
            task = current_task(loop)
            wheel = latest()
            if wheel is None or wheel.loop is not loop:
                wheel = wheel_of(wheels, loop, now, cut)
                latest = ref(wheel)
            due = wheel.due
            if outer[0] <= at or task is None or task in due:
                task = None  # it keeps its exception, whose traceback keeps this frame
                limit = outer if outer[0] <= at else Ambient(at, seconds, outer[2])
                ours = limit is not outer
                return await alone(inner, args, kwargs, site, now, limit, expected, ours=ours)
            before = task.cancelling()
            due[task] = at
            if wheel.handle is None:
                wheel.arm(at)
            token = ambient.set((at, seconds, outer[2]))  # type: ignore[arg-type] # see Ambient
            try:
                result = await inner(args, kwargs)
            except BaseException as error:
                restore(token)
                fired = due.pop(task, None) is None and task.uncancel() <= before
                task = None  # as above
                if fired and isinstance(error, asyncio.CancelledError):
                    raise timed_out(pipeline, seconds, now()) from error
                if isinstance(error, DeadlineExceeded) and error.at == at:
                    raise converted(pipeline, seconds) from error
                hurried(error, now() - start, expected)
                raise
            ambient.reset(token)
            if due.pop(task, None) is None:
                task.uncancel()  # we did cancel it, but the function returned all the same
            return result

        return step

    def adaptive(self, timeout: AdaptiveTimeout, inner: Step, site: Site) -> Step:
        """Return a step that gives up on ``inner`` in a time that is learnt from its durations."""
        from holdfast._runtimes.adaptive_aio import adapted

        return adapted(self, timeout, inner, site)

    def race(self, hedge: Hedge, inner: Step, site: Site) -> Step:
        """Return a step that runs ``inner`` more than once where it is slow; the first success wins."""
        from holdfast._runtimes.race_aio import raced

        return raced(self, hedge, inner, site)

    def share(self, coalesce: Coalesce, inner: Step, site: Site) -> Step:
        """Return a step in which concurrent calls of one key share one run of ``inner``."""
        from holdfast._runtimes.share_aio import shared

        return shared(self, coalesce, inner, site)

    def background(
        self, fn: Callable[[], Any], done: Callable[[BaseException | None], None]
    ) -> None:
        """Run ``fn()`` in a task where it is async, in a worker where it may block; tell its end."""
        if not _validate.is_async(fn):
            in_worker(fn, done)
            return

        async def run() -> None:
            try:
                await fn()
            except BaseException as error:
                done(error)
                raise
            done(None)

        task = asyncio.get_running_loop().create_task(run(), name="holdfast-background")
        _errands.add(task)
        task.add_done_callback(_forget)

    async def answer(self, verdict: Instead) -> Any:
        """Return what the verdict makes, awaited where that is needed."""
        try:
            made = verdict.make(verdict.subject)
            return await made if hasattr(type(made), "__await__") else made
        except Exception as fault:
            in_context(fault, verdict.subject)
            raise

    def attempts(self, retry: Retry) -> AsyncIterator[Attempt]:
        """Return the loop over a retry's attempts."""
        from holdfast.attempts import AsyncAttempts

        return AsyncAttempts(retry, self)


def run_alone(made: Awaitable[Any]) -> Any:
    """Run something to await in a loop of its own, for a thread that has none."""

    async def run() -> Any:
        return await made

    return asyncio.run(run())


async def alone(
    inner: Step,
    args: Arguments,
    kwargs: Keywords,
    site: Site,
    now: Callable[[], float],
    limit: Ambient,
    expected: float,
    *,
    ours: bool,
) -> Any:
    """Run ``inner`` until ``limit`` with a timer of its own.

    For the caller's deadline, which comes at any time, and for a call inside the same call.
    """
    start = now()
    if limit[0] <= start:
        raise too_short(site, limit, start)
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a Timeout needs a task to cancel: run the call in a task")
    before, fired = task.cancelling(), []
    rushed = not ours and limit[0] - start < NEARLY * expected

    def fire(task: asyncio.Task[Any] = task) -> None:
        fired.append(True)
        told = deadline_error(site.pipeline, limit, rushed=rushed)
        task.cancel(Cut(converted(site.pipeline, limit[1]) if ours else told))

    timer = asyncio.get_running_loop().call_later(limit[0] - start, fire)
    token = ambient.set(limit)
    try:
        result = await inner(args, kwargs)
    except BaseException as error:
        restore(token)
        timer.cancel()
        alone = bool(fired) and task.uncancel() <= before
        del task, fire, timer  # a task keeps its exception, whose traceback keeps this frame
        if alone and isinstance(error, asyncio.CancelledError):
            if ours:
                raise timed_out(site.pipeline, limit[1], now()) from error
            raise exceeded(site.pipeline, limit, now(), rushed=rushed) from error
        if ours and isinstance(error, DeadlineExceeded) and error.at == limit[0]:
            raise converted(site.pipeline, limit[1]) from error
        hurried(error, now() - start, expected)
        raise
    restore(token)
    timer.cancel()
    if fired:
        task.uncancel()
    return result
