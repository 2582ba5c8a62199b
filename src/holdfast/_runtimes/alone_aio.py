"""A limit with a timer of its own, in asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast._cut import NEARLY, Cut, hurried
from holdfast._runtimes.cancelling import alone as was_alone
from holdfast._runtimes.cancelling import cancel, cut_short
from holdfast._runtimes.limits import converted, deadline_error, tell, too_short
from holdfast._runtimes.loop import running_loop
from holdfast.deadline import NOTHING, OVER, RAN_OUT, Ambient, ambient, inside, live
from holdfast.errors import AttemptTimeout, DeadlineExceeded

if TYPE_CHECKING:
    from holdfast._runtimes.port import AsyncStep as Step
    from holdfast.shapes import Arguments, Keywords, Site


ENDED = asyncio.CancelledError, StopAsyncIteration
"""What a call that we have cancelled ends with, a stream's item included."""


async def alone(  # noqa: PLR0917 - it is all that a step knows
    inner: Step,
    args: Arguments,
    kwargs: Keywords,
    site: Site,
    now: Callable[[], float],
    seconds: float,
    outer: Ambient,
    expected: float,
) -> Any:
    """Run ``inner`` for ``seconds``, or until what is around it ends, with a timer of its own.

    For the caller's deadline, which comes at any time, and for a call inside the same call.
    """
    start = now()
    if outer[0] <= start:
        raise too_short(site, outer, start)
    loop = running_loop()
    task = asyncio.current_task(loop)
    if task is None:
        raise RuntimeError("a Timeout needs a task to cancel: run the call in a task")
    own: Any = [
        start + seconds,
        seconds,
        None,
        None,
        outer,
    ]  # an `Ambient`; making one takes longer
    if outer is not NOTHING:
        own = inside(outer, start + seconds, seconds)
    timer = Timer(
        loop, task, own, now, lambda: Cut(told(site.pipeline, own, start, seconds, outer, expected))
    )
    before = task.cancelling()
    token = ambient.set(own)
    try:
        result = await inner(args, kwargs)
    except BaseException as error:
        own[3] = OVER if timer.fired is None else RAN_OUT
        try:  # in place, not in a function: there may be no stack left for a call
            ambient.reset(token)
        except ValueError:  # it is closed, or goes on, in another context
            pass
        ours = timer.stop(before, error)
        del task, timer  # it keeps its exception, whose traceback keeps this frame
        if ours:
            tell(site.pipeline, own[1], now())
            if isinstance(error, ENDED):
                raise told(site.pipeline, own, start, seconds, outer, expected) from error
            cut_short(error, told(site.pipeline, own, start, seconds, outer, expected))
        elif (
            isinstance(error, DeadlineExceeded)
            and error.at == own[0] == start + seconds != outer[0]
        ):
            raise converted(site.pipeline, seconds) from error
        hurried(error, now() - start, expected)
        raise
    own[3] = OVER
    timer.stop(before, None)
    try:
        ambient.reset(token)
    except ValueError:  # it went on in another context
        pass
    return result


def told(
    pipeline: str, limit: Ambient, start: float, seconds: float, outer: Ambient, expected: float
) -> AttemptTimeout:
    """Return the error for a limit that runs out, by whose it is, without telling it."""
    if limit[0] == start + seconds != outer[0]:
        return converted(pipeline, limit[1])
    return deadline_error(pipeline, limit, rushed=limit[0] - start < NEARLY * expected)


class Timer:
    """Cancels a task when its limit is there; later, if that was an outer one which is gone by then."""

    __slots__ = ("_handle", "_limit", "_loop", "_message", "_now", "_task", "fired")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        task: asyncio.Task[Any],
        limit: Ambient,
        now: Callable[[], float],
        message: Callable[[], object],
    ) -> None:
        self._loop = loop
        self._task: asyncio.Task[Any] | None = task
        self._limit = limit
        self._now = now
        self._message = message
        self.fired: int | None = None
        """What `cancel` returned, once the task was cancelled."""
        self._set()

    def _set(self) -> None:
        left = self._limit[0] - self._now()
        self._handle = self._loop.call_later(max(0.0, left), self._fire)

    def _fire(self) -> None:
        limit = self._limit
        if limit[3] == OVER:  # the call has left, and had no stack to stop this
            return
        if limit[3]:
            at = limit[0]
            live(limit)
            if limit[0] > at:
                self._set()
                return
        if self._task is not None:
            self.fired = cancel(self._task, self._message())

    def stop(self, before: int, error: BaseException | None) -> bool:
        """Take everything back; return whether the task was cancelled by this timer alone."""
        self._handle.cancel()
        task, self._task = self._task, None
        if self.fired is None or task is None:
            return False
        return was_alone(task, before, self.fired, error)
