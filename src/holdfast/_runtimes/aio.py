"""The runtime for asyncio: any number of event loops, in any threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

from holdfast import _validate
from holdfast._cut import Cut, hurried
from holdfast._runtimes.alone_aio import alone
from holdfast._runtimes.cancelling import cut_short
from holdfast._runtimes.errands import in_worker
from holdfast._runtimes.limits import (
    check_stopping,
    check_turn,
    converted,
    in_context,
    next_turn,
    patience,
    timed_out,
    usual,
    waited_too_long,
)
from holdfast._runtimes.loop import running_loop
from holdfast._runtimes.own_permits import endless_wait
from holdfast._runtimes.wheel import Wheel, Wheels, wheel_of
from holdfast._stopping import bed, sleepers, waking
from holdfast._world import world
from holdfast.deadline import NOTHING, OVER, RAN_OUT, ambient, inside, live
from holdfast.errors import DeadlineExceeded
from holdfast.shapes import Arguments, Attempt, Gate, Instead, Keywords, Site, Ticket, Wait
from holdfast.strategies.timeout import Timeout

if TYPE_CHECKING:
    from holdfast._runtimes.port import AsyncStep as Step
    from holdfast._runtimes.port import Items
    from holdfast.strategies.coalesce import Coalesce
    from holdfast.strategies.hedge import Hedge
    from holdfast.strategies.retry import Retry
    from holdfast.strategies.timeout import AdaptiveTimeout

USUAL = asyncio.tasks.sleep  # not as `asyncio.sleep` is just now, which may be patched already
_errands: set[asyncio.Task[None]] = set()
"""What runs in the background: a loop keeps its tasks by weak references only."""


def _keep(task: asyncio.Task[None]) -> None:
    """Keep a task to its end, and no longer those whose loops have been closed over them."""
    for one in _errands.copy():  # a copy is made in one go, whatever other threads do
        if one.get_loop().is_closed():
            _errands.discard(one)
    _errands.add(task)
    task.add_done_callback(_forget)


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
        """Wait for ``delay`` seconds, or until `holdfast.stop`; as patched, where `asyncio.sleep` is."""
        running_loop()
        if delay <= 0 or asyncio.sleep is not USUAL:
            await asyncio.sleep(delay)
        elif world.stopping is None:
            await self._granted(Ticket(), delay)

    async def wait(self, gate: Gate, wait: Wait, site: Site) -> Any:
        """Wait as the gate asked, and return the permit; leave the queue however it ends."""
        try:
            if wait.ticket is None:
                return await self._turn(gate, wait, site)
            limit = patience(wait, self.now())
            if limit is not None or wait.ticket.granted or not wait.ticket.lends:
                await self._granted(wait.ticket, limit)
            else:
                with endless_wait(gate, wait.permit, site.pipeline, blocks=False):
                    await self._granted(wait.ticket, None)
        except BaseException:
            gate.abandoned(wait.permit, self.now())
            raise
        if not wait.ticket.granted:
            error = gate.expired(wait.permit, self.now())
            if error is not None:
                raise waited_too_long(error, site, self.now())
        return wait.permit

    async def _turn(self, gate: Gate, wait: Wait, site: Site) -> Any:
        """Sleep until a turn that is known, or what it becomes for who wakes late; return the permit."""
        delay = wait.delay
        while True:
            await self.sleep(check_turn(gate, delay, site, self.now()))
            check_stopping(site, self.now())
            delay = next_turn(gate, wait, site, self.now())
            if delay is None:
                return wait.permit

    async def _granted(self, ticket: Ticket, limit: float | None) -> None:
        """Return when the ticket is granted, or after ``limit`` seconds."""
        loop = running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def done() -> None:
            if not future.done():
                future.set_result(None)

        def wake() -> bool:
            try:
                if asyncio._get_running_loop() is loop:  # noqa: SLF001 - public in all but its name
                    loop.call_soon(done)
                else:  # not here, or not now: another thread may run it by and by
                    loop.call_soon_threadsafe(done)
            except RuntimeError:  # the loop is closed: nobody will come for this permit
                return False
            return True

        def rouse() -> None:  # also from a signal handler, while this very loop sleeps
            loop.call_soon_threadsafe(done)

        ticket.wake = wake
        if ticket.granted or ticket.over or world.stopping:
            return
        timer = None if limit is None else loop.call_later(limit, done)
        own = bed(ticket)
        sleepers[own] = waking(rouse)
        try:
            if world.stopping is None:
                await future
        finally:
            sleepers.pop(own, None)
            if timer is not None:
                timer.cancel()

    def within(self, timeout: Timeout, inner: Step, site: Site) -> Step:
        """Return a step that gives up on ``inner`` in time, and cancels it exactly once."""
        now, seconds, expected = self.now, timeout.seconds, usual(site, timeout.seconds)
        get_loop, current_task = asyncio.get_running_loop, asyncio.current_task
        pipeline, wheels = site.pipeline, Wheels()
        latest: Callable[[], Wheel | None] = lambda: None  # noqa: E731 - a reference to none yet

        async def step(args: Arguments, kwargs: Keywords) -> Any:
            nonlocal latest
            try:
                loop = get_loop()
            except RuntimeError:
                loop = running_loop()  # says why there is none
            outer, start = ambient.get(), now()
            if outer is not NOTHING and outer[3]:
                outer = live(outer)
            at, task = start + seconds, current_task(loop)
            wheel = latest()
            if wheel is None or wheel.loop is not loop:
                wheel = wheel_of(wheels, loop, now, lambda: Cut(converted(pipeline, seconds)))
                latest = ref(wheel)
            due = wheel.due
            if outer[0] <= at or task is None or task in due:
                task = None  # it keeps its exception, whose traceback keeps this frame
                return await alone(inner, args, kwargs, site, now, seconds, outer, expected)
            own: Any = [at, seconds, None, None, outer]  # an `Ambient`; making one takes longer
            if outer is not NOTHING and outer[2] is not None:
                own = inside(outer, at, seconds)
            fired, before, token = False, task.cancelling(), ambient.set(own)
            due[task] = at
            try:
                try:
                    if wheel.handle is None:
                        wheel.arm(at)
                    result = await inner(args, kwargs)
                finally:  # in place, not in a function: there may be no stack left for a call
                    own[3] = OVER
                    fired = due.pop(task, None) is None
                    try:
                        ambient.reset(token)
                    except ValueError:  # it is closed, or went on, in another context
                        pass
            except BaseException as error:
                ours, task = fired and wheel.ended(task, before, error), None  # as above
                if ours:
                    own[3] = RAN_OUT
                    if isinstance(error, asyncio.CancelledError):
                        raise timed_out(pipeline, seconds, now()) from error
                    cut_short(error, timed_out(pipeline, seconds, now()))
                elif isinstance(error, DeadlineExceeded) and error.at == at:
                    raise converted(pipeline, seconds) from error
                hurried(error, now() - start, expected)
                raise
            finally:
                if outer is not NOTHING and outer[3]:
                    own[4] = live(outer)  # no chain of calls that are over
            if fired:
                wheel.ended(task, before, None)  # cancelled, but it returned all the same
            return result

        return step

    def adaptive(self, timeout: AdaptiveTimeout, inner: Step, site: Site) -> Step:
        """Return a step that gives up on ``inner`` in a time that is learnt from its durations."""
        from holdfast._runtimes.adaptive_aio import adapted

        return adapted(self, timeout, inner, site)

    def items(self, _timeout: Timeout, site: Site) -> Items | None:
        """Return what makes what draws the items of a stream under limits, if there is a quick way."""
        from holdfast._runtimes.items_aio import drawing

        return partial(drawing, self.now, site.pipeline)

    def race(self, hedge: Hedge, inner: Step, site: Site) -> Step:
        """Return a step that runs ``inner`` more than once where it is slow; the first success wins."""
        from holdfast._runtimes.race_aio import raced

        return raced(self, hedge, inner, site)

    def share(self, coalesce: Coalesce, inner: Step, site: Site) -> Step:
        """Return a step in which concurrent calls of one key share one run of ``inner``."""
        from holdfast._runtimes.share_aio import shared

        return shared(self, coalesce, inner, site)

    def background(
        self,
        fn: Callable[[], Any],
        done: Callable[[BaseException | None], None],
        pipeline: str = "",
    ) -> None:
        """Run ``fn()`` in a task where it is async, in a worker where it may block; tell its end."""
        if not _validate.is_async(fn):
            in_worker(fn, done, pipeline=pipeline)
            return

        async def run() -> None:
            try:
                await fn()
            except BaseException as error:
                done(error)
                raise
            done(None)

        task = running_loop().create_task(run(), name="holdfast-background")
        _keep(task)

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
