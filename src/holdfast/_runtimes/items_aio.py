"""The items of a stream, each drawn under a limit, in asyncio: one timer for all, and no task.

The timer is that of the stream.  It rings when the item that is being drawn could be late, and if that
one has come meanwhile, it is set anew: so an item that is in time costs no timer of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

from holdfast._cut import Cut
from holdfast._runtimes.cancelling import alone, cancel, cut_short
from holdfast._runtimes.limits import converted, timed_out
from holdfast._runtimes.loop import running_loop
from holdfast.deadline import NOTHING, OVER, RAN_OUT, ambient

How = Callable[[Any], Awaitable[Any]]
Draw = Callable[[How, Any], Awaitable[Any]]


class Bell:
    """The timer of one stream, in its loop."""

    __slots__ = ("_handle", "_now", "_pipeline", "at", "fired", "loop", "rings", "seconds", "task")

    def __init__(self, now: Callable[[], float], pipeline: str) -> None:
        self.loop = running_loop()
        self._pipeline = pipeline
        self._now = now
        self._handle: asyncio.TimerHandle | None = None
        self.rings: float = inf
        """When it rings; ``inf`` if it is not set."""
        self.task: asyncio.Task[Any] | None = None
        """Who draws an item now."""
        self.at: float = inf
        """Until when."""
        self.seconds: float = inf
        """What it was given."""
        self.fired: int | None = None
        """What `cancel` returned, once the task was cancelled."""

    def set(self, at: float) -> None:
        """Ring at the instant ``at``."""
        self.stop()
        self.rings = at
        self._handle = self.loop.call_later(max(0.0, at - self._now()), self._ring)

    def _ring(self) -> None:
        self._handle, self.rings = None, inf
        if self.task is None:  # the consumer has its item; with the next one it is set anew
            return
        if self.at > self._now():
            self.set(self.at)
        else:
            self.fired = cancel(self.task, Cut(converted(self._pipeline, self.seconds)))

    def stop(self) -> None:
        """Don't ring."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle, self.rings = None, inf


def drawing(
    now: Callable[[], float],
    pipeline: str,
    between: float,
    until: float,
    whole: float,
    slowly: Draw,
) -> tuple[Draw, Callable[[], None]]:
    """Return what draws an item within ``between`` seconds, and what ends that.

    Not after ``until``, which is the end of ``whole`` seconds.  Where more is around it, or nothing is
    left, it is drawn ``slowly``.
    """
    bell = Bell(now, pipeline)
    get_loop, current_task = asyncio.get_running_loop, asyncio.current_task

    async def draw(how: How, what: Any) -> Any:
        start = now()
        at, seconds = start + between, between
        if at > until:
            at, seconds = until, whole
        loop = get_loop()
        task = current_task(loop) if loop is bell.loop else None
        if ambient.get() is not NOTHING or start >= until or task is None or bell.task is not None:
            task = None  # it keeps its exception, whose traceback keeps this frame
            return await slowly(how, what)
        own: Any = [at, seconds, None, None, NOTHING]  # an `Ambient`; making one takes longer
        before, token, fired = task.cancelling(), ambient.set(own), None
        try:
            try:
                bell.task, bell.at, bell.seconds = task, at, seconds
                if at < bell.rings:
                    bell.set(at)
                drawn = await how(what)
            finally:  # in place, not in a function: there may be no stack left for a call
                own[3] = OVER
                bell.task, fired, bell.fired = None, bell.fired, None
                try:
                    ambient.reset(token)
                except ValueError:  # it is closed, or went on, in another context
                    pass
        except BaseException as error:
            ours, task = fired is not None and alone(task, before, fired, error), None  # as above
            if ours:
                own[3] = RAN_OUT
                if isinstance(error, asyncio.CancelledError | StopAsyncIteration):  # even the end
                    raise timed_out(pipeline, seconds, now()) from error
                cut_short(error, timed_out(pipeline, seconds, now()))
            raise
        if fired is not None:
            alone(task, before, fired, None)  # cancelled, but an item came all the same
        return drawn

    return draw, bell.stop
