"""Timers at constant cost for blocking calls: one queue for each place and limit.

As the wheel of asyncio's (`holdfast._runtimes.wheel`): calls with one limit run out in the order in
which they began, and a dict keeps it.  A call that finds itself gone when it leaves was taken by the
watcher.

The key is the identity of what the call has set as its deadline (an `Ambient`), which has in it what the
watcher needs: the instant, whether the call is over, the identity of its thread, and room for what
the watcher has to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from typing import Any

from holdfast.deadline import OVER, RAN_OUT, live

THREAD, OVERDUE = 5, 6
"""Where the identity of a call's thread stands in what it has set, and what the watcher says of it."""


Arm = Callable[["Wheel", float], None]
"""Has somebody look at a wheel at an instant."""


class Wheel:
    """The calls of one place in a pipeline; with ``mixed`` limits the first may not be the first due.

    Whoever puts a call in `due` looks whether it is `armed`, and if not calls `arm`.
    """

    __slots__ = ("__weakref__", "_arm", "_mixed", "armed", "due", "pipeline", "until", "warned")

    def __init__(self, arm: Arm, pipeline: str, *, mixed: bool = False) -> None:
        self._arm = arm
        self._mixed = mixed
        self.pipeline: str = pipeline
        self.armed: bool = False
        self.until: float = inf
        """When the watcher looks at it, while it is armed."""
        self.due: dict[int, Any] = {}
        self.warned: bool = False
        """Whether somebody has been warned of a call that can't be ended here."""

    def arm(self, at: float) -> None:
        """Have the watcher look at the instant ``at``."""
        self.armed, self.until = True, at
        self._arm(self, at)

    def run_out(self, now: float) -> Iterator[Any]:
        """Show what has run out; who is shown one takes it out, if it is still there."""
        for own in self._in_order():
            if own[3] not in {None, OVER, RAN_OUT}:
                live(own)  # its limit may have been that of an outer call, which is over
            if own[0] <= now:
                yield own
            elif not self._mixed:
                return

    def next_due(self) -> float:
        """Return when the next one is due, ``inf`` if there is none."""
        if self._mixed:
            return min((own[0] for own in self._in_order()), default=inf)
        first = self._first()
        return inf if first is None else float(first[0])

    def _in_order(self) -> Iterator[Any]:
        if self._mixed:
            yield from self.due.copy().values()  # a copy is made in one go
            return
        while (first := self._first()) is not None:
            yield first

    def _first(self) -> Any:
        while self.due:
            try:
                return next(iter(self.due.values()))
            except (RuntimeError, StopIteration):  # calls come and go
                continue
        return None

    def forked(self, here: int) -> None:
        """Forget the calls of the threads that a child has not; go on watching its own."""
        self.armed = False
        for key, own in list(self.due.items()):
            if own[THREAD] != here:
                del self.due[key]
        if self.due:
            self.arm(min(own[0] for own in self.due.values()))
