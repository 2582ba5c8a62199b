"""Calls in flight for far longer than is usual: they are no queue, and are set aside.

What an algorithm takes for a queue is the calls in flight beyond those that are being served, by
how long the calls take that have ended.  A few that last for minutes (an export, a watch, a stream)
never show in that, for they don't end; but they are in flight, so the limit would sink with each of
them, and they would fill it.  So those that last longer than some five usual calls are counted apart:
the algorithm does not see them, and its limit comes on top of them.

They are found without knowing the age of each: of those in flight at an instant, the *mark*, so
many have not ended a while later.  One look is not believed: when everything
stands still all calls are old for once.

Not locked: the owner's lock guards it.
"""

from __future__ import annotations

from math import ceil, sqrt

LONG = 5.0
"""How many times as long as is usual a call must have been in flight."""

SHORTEST = 0.1
"""The shortest time between two looks, in seconds."""

ROW = 3
"""The median of so many looks counts."""


class Lasting:
    """How many calls in flight are set aside."""

    __slots__ = ("_seen", "due", "mark", "old", "room")

    def __init__(self) -> None:
        self.due: float = 0.0
        """When to look again."""
        self.mark: float = 0.0
        self.old: int = 0
        """How many of those in flight at the mark have not ended; who ends such a call counts it."""
        self.room: int = 0
        """How many are set aside: those, and some that are on the way to be that old."""
        self._seen: tuple[int, ...] = (0,) * ROW

    def ended(self, began: float) -> None:
        """Count the end of a call that began so, with or without an outcome."""
        self.old -= began <= self.mark

    def look(self, now: float, inside: int, usual: float) -> None:
        """Count those who are in flight since the mark, and set the next one; ``inside`` are in all."""
        self._seen = (*self._seen[1:], max(0, min(self.old, inside)) if usual else 0)
        stuck = sorted(self._seen)[ROW // 2]
        self.room = stuck + ceil(2 * sqrt(stuck))
        self.mark, self.old = now, inside
        self.due = now + max(SHORTEST, LONG * usual)


def lasting_for(search: object) -> Lasting | None:
    """Return what counts for a search; None for one that does not say what is `usual`."""
    return Lasting() if hasattr(search, "usual") else None
