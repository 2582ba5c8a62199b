"""Hedges in asyncio.

The first attempt runs in the caller's own task, so a call that is answered before the delay costs one
timer and no task.  The others are tasks, in a copy of the caller's context.  If one of them wins, the
caller's task is cancelled as a timeout cancels it: once, and told apart from a cancellation from outside
by the count that `asyncio.timeout` goes by.

The call returns when the losers have ended.  One that swallows its cancellation holds the answer back
for as long as it likes, as in a `TaskGroup`; each cancellation of the caller is passed on to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any
from weakref import ref

from holdfast._runtimes.cancelling import alone, cancel
from holdfast._runtimes.limits import too_short
from holdfast._runtimes.loop import running_loop
from holdfast.deadline import current
from holdfast.strategies.hedge import NEXT, OVER, Race

if TYPE_CHECKING:
    from holdfast._runtimes.port import AsyncRuntime as Runtime
    from holdfast._runtimes.port import AsyncStep as Step
    from holdfast.shapes import Arguments, Keywords, Site
    from holdfast.strategies.hedge import Hedge

Caller = Callable[[], "asyncio.Task[Any] | None"]


def raced(runtime: Runtime, hedge: Hedge, inner: Step, site: Site) -> Step:
    """Return a step that runs ``inner`` more than once where it is slow; the first success wins."""
    now, judges, answered = runtime.now, hedge.judges, hedge.answered
    earns = hedge.earns(site)
    get_loop, current_task = asyncio.get_running_loop, asyncio.current_task

    async def step(args: Arguments, kwargs: Keywords) -> Any:
        try:
            loop = get_loop()
        except RuntimeError:
            loop = running_loop()  # says why there is none
        outer, began = current(), now()
        if outer[0] <= began:
            raise too_short(site, outer, began)
        race = Contest(hedge, site, began, outer[0])
        race.call, race.now, race.loop = (inner, args, kwargs), now, loop
        race.earns, race.task = earns, current_task(loop)
        before = 0 if race.task is None else race.task.cancelling()
        delay = hedge._learning.delay  # noqa: SLF001 - as quick as it gets
        if delay is not None:
            race.timer = loop.call_later(delay, race.rings)
        try:
            result = await inner(args, kwargs)
        except BaseException as error:  # noqa: BLE001 - judged below, and raised again
            first: Any = error
        else:
            if race.timer is not None:
                race.timer.cancel()
            if not (race.late or judges):
                at = now()
                answered(at - began, at, earns=earns)
                return result
            first = None
        try:
            if first is None:
                return await race.first_returned(result)
            return await race.first_raised(first, before)
        finally:
            first = None
            race.forget()

    return step


async def attempt(inner: Step, args: Arguments, kwargs: Keywords, caller: Caller) -> Any:  # noqa: ARG001
    """Make an attempt: what ``inner`` returns may be a future, and what it raises may come at once.

    Whose it is, ``caller`` says to who looks at its frame, see `own_permits`.
    """
    return await inner(args, kwargs)


class Contest(Race):
    """A race whose first attempt runs in the caller's task, and the others in their own."""

    call: tuple[Step, Arguments, Keywords]
    now: Callable[[], float]
    loop: asyncio.AbstractEventLoop
    task: asyncio.Task[Any] | None
    timer: asyncio.TimerHandle | None = None
    tasks: dict[asyncio.Task[Any], int] | None = None
    """The further attempts that run."""
    fired: bool = False
    """Whether the first attempt has been cancelled, because another one has won."""
    over_before: int = 0
    """What `cancel` returned then."""
    waiter: asyncio.Future[None] | None = None
    """What the caller waits for, once its own attempt has failed."""
    over: bool = False

    # -- in callbacks --------------------------------------------------------------------------

    def rings(self) -> None:
        """Start another attempt, now that one is due."""
        self.timer = None
        if self.tick(self.now()):
            self._start()

    def _start(self) -> None:
        name = f"holdfast-attempt-{self.attempts}"
        caller: Caller = (lambda: None) if self.task is None else ref(self.task)
        task = self.loop.create_task(attempt(*self.call, caller), name=name)
        if self.tasks is None:
            self.tasks = {}
        self.tasks[task] = self.attempts
        task.add_done_callback(self._ended)
        self._set_timer()

    def _set_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.due < inf and not self.over:
            self.timer = self.loop.call_later(max(0.0, self.due - self.now()), self.rings)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        number = self.tasks.pop(task) if self.tasks is not None else 0
        error = None if task.cancelled() else task.exception()  # or asyncio says that nobody asked
        if self.over or self.verdict is not None:
            if not task.cancelled() and error is None:
                self.drop(task.result())
            return
        if task.cancelled():
            self._do(self.cancelled(number, asyncio.CancelledError()))
        elif error is not None:
            self._do(self.raised(number, error, self.now()))
        else:
            self._do(self.returned(number, task.result(), self.now()))

    def _do(self, what: str) -> None:
        if what == NEXT:
            self._start()
        elif what == OVER and 1 in self.running:
            if self.task is not None:
                self.fired, self.over_before = True, cancel(self.task)
        elif what == OVER and self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    # -- in the caller's task ------------------------------------------------------------------

    async def first_returned(self, result: Any) -> Any:
        """Go on after the first attempt has returned: it wins, unless it is too late for that."""
        if self.fired and self.task is not None:
            # it was cancelled, but returned all the same
            alone(self.task, 0, self.over_before, None)
        if self.verdict is not None:
            self.drop(result)
        elif self.returned(1, result, self.now()) == NEXT:
            self._start()
        return await self._outcome()

    async def first_raised(self, error: BaseException, before: int) -> Any:
        """Go on after the first attempt has raised, perhaps because we have cancelled it."""
        ours = (
            self.fired
            and self.task is not None
            and alone(self.task, before, self.over_before, error)
        )
        try:
            if isinstance(error, GeneratorExit):
                self._cancel()  # closed from outside: nothing can be awaited any more
                raise error
            if isinstance(error, Exception):
                if self.verdict is None and self.raised(1, error, self.now()) == NEXT:
                    self._start()
            elif not (ours and isinstance(error, asyncio.CancelledError)):
                await self._settle(*error.args[:1])
                raise error
        finally:
            del error
        return await self._outcome()

    async def _outcome(self) -> Any:
        """Wait for the verdict, then for the losers."""
        while self.verdict is None:
            self.waiter = self.loop.create_future()
            try:
                await self.waiter
            except GeneratorExit:
                self._cancel()
                raise
            except BaseException as interruption:
                await self._settle(*interruption.args[:1])
                raise
        await self._settle()
        result, error = self.verdict
        try:
            if error is not None:
                raise error
            self.handed = True
            return result
        finally:
            del error

    def _cancel(self, *message: Any) -> None:
        """Cancel whatever runs; with the message of our own cancellation, if it was that."""
        self.over = True
        self._set_timer()
        for loser in self.tasks or ():
            with suppress(RuntimeError):  # its loop is closed
                loser.cancel(*message)

    async def _settle(self, *message: Any) -> None:
        """Cancel whatever runs, and return when it has ended; pass further cancellations on."""
        self._cancel(*message)
        self.task = self.waiter = None
        interruption = None
        while self.tasks:
            try:
                await asyncio.wait(self.tasks)
            except asyncio.CancelledError as error:
                interruption = error
                self._cancel()
        if interruption is not None:
            try:
                raise interruption
            finally:
                del interruption
