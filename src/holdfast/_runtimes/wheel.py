"""Timers at constant cost: one queue for each loop and limit, instead of a heap entry for each call.

Calls with the same limit time out in the order in which they began, so their timers form a queue; one
``call_later`` for its head serves them all.  The queue is a dict from a call's task to its instant:
it keeps the order, and lets a call leave from the middle in constant time.  A call that finds itself
gone when it leaves has been cancelled by us.

Runs in the loop's own thread only.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Task, TimerHandle
from collections.abc import Callable
from typing import Any
from weakref import ref

from holdfast._runtimes.cancelling import alone, cancel

Message = Callable[[], Any]
"""Makes what a task is cancelled with."""


def no_message() -> None:
    """Cancel without a word."""


class Wheel:
    """The calls of one loop and one limit, in the order in which they run out.

    Its timer, which the loop holds, keeps it alive; a loop that is closed lets it go, and with it
    the tasks that will never run again.
    """

    __slots__ = ("__weakref__", "_fired", "_message", "_now", "due", "handle", "loop")

    def __init__(
        self, loop: AbstractEventLoop, now: Callable[[], float], message: Message = no_message
    ) -> None:
        self.loop = loop
        self._now = now
        self._message = message
        self.handle: TimerHandle | None = None
        self.due: dict[Task[Any], float] = {}
        """Whoever puts itself in looks whether `handle` is None, and if so calls `arm`."""
        self._fired: dict[Task[Any], int] = {}
        """Of those that have been cancelled and not left yet: what `cancel` returned."""

    def arm(self, at: float) -> None:
        """Look again at the instant ``at``, when the first call is due."""
        self.handle = self.loop.call_later(max(0.0, at - self._now()), self._turn)

    def _turn(self) -> None:
        """Cancel what has run out, and wait for the next."""
        self.handle = None
        now = self._now()
        due = self.due
        while due:
            task = next(iter(due))
            if due[task] > now:
                self.arm(due[task])
                return
            del due[task]
            self._fired[task] = cancel(task, self._message())

    def ended(self, task: Task[Any], before: int, error: BaseException | None) -> bool:
        """Take back that a task was cancelled; return whether that was the only cancellation."""
        return alone(task, before, self._fired.pop(task, 0), error)


Wheels = dict[int, ref[Wheel]]
"""The wheels of one limit, by the identity of their loops."""


def wheel_of(
    wheels: Wheels, loop: AbstractEventLoop, now: Callable[[], float], message: Message = no_message
) -> Wheel:
    """Return the wheel of a loop, a new one if need be, and forget those that are gone."""
    known = wheels.get(id(loop))
    there = None if known is None else known()
    if there is not None and there.loop is loop:
        return there
    for key, wheel in wheels.copy().items():  # a copy is made in one go, whatever other threads do
        if wheel() is None:
            wheels.pop(key, None)
    made = Wheel(loop, now, message)
    wheels[id(loop)] = ref(made)
    return made
