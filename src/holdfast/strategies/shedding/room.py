"""How many calls a server takes at once, and how many of those places all classes may have."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast._rounding import SHARE
from holdfast.strategies.concurrency import Lasting, lasting_for

if TYPE_CHECKING:
    from holdfast.strategies.concurrency import Algorithm


class Room:
    """Places of a fixed number, or of one that an algorithm finds.  The owner's lock guards it.

    Args:
        size: the number, or the algorithm.
        reserve: the share of it that only the most important class may have; the others keep one.
    """

    __slots__ = (
        "_algorithm",
        "_search",
        "held",
        "in_flight",
        "lasting",
        "learns",
        "limit",
        "open",
        "reserve",
    )

    def __init__(self, size: int | Algorithm, reserve: float) -> None:
        self._algorithm: Any = size if hasattr(size, "search") else None
        self.learns: bool = self._algorithm is not None
        """Whether an algorithm finds the number."""
        self.limit: int = 1 if self._algorithm else _validate.count("size", size)
        """How many places there are."""
        self.open: int = 1
        """How many of them are open to every class."""
        self.reserve: float = _validate.number("reserve", reserve, low=0, high=0.99)
        self.clear()

    def clear(self) -> None:
        """Start afresh: nobody is inside."""
        self.in_flight: int = 0
        self.held: int = 0
        """How many of those inside are worker threads that nobody waits for any more."""
        self._search: Any = self._algorithm.search() if self._algorithm else None
        self.lasting: Lasting | None = lasting_for(self._search)
        """Who ends a call tells it, too."""
        self._measure()

    def has(self, rank: int) -> bool:
        """Return whether one more of that class may come in."""
        return self.in_flight < (self.open if rank else self.limit)

    def ranks(self, of: int) -> int:
        """Return how many of ``of`` classes, the most important first, may come in."""
        if self.in_flight < self.open:
            return of
        return 1 if self.in_flight < self.limit else 0

    def hold(self, more: int) -> None:
        """Count abandoned workers, whether there is room for them or not; those held here only."""
        more = max(more, -self.held)
        self.held += more
        self.in_flight += more

    def follow(self, other: Room) -> None:
        """Go by the options of another one; nobody is put out."""
        self.reserve = other.reserve
        if not self.learns:
            self.limit = other.limit
        self._measure()

    def learn(self, now: float, seconds: float, *, dropped: bool) -> None:
        """Tell the algorithm how long a call took that is about to leave."""
        search = self._search
        if search is None:
            return
        lasting, others = self.lasting, 0
        if lasting is not None:
            if now >= lasting.due:
                lasting.look(now, self.in_flight, search.usual)
            others = lasting.room
        search.sample(now, seconds, max(1, self.in_flight - others), dropped)
        self._measure()

    def _measure(self) -> None:
        if self._search is not None:
            room = 0 if self.lasting is None else self.lasting.room
            self.limit = int(self._search.limit) + room
        self.open = max(1, self.limit - ceil(self.limit * self.reserve - SHARE))
