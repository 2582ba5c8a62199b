"""A queue with classes: the more important are served first, the less important are put out first.

Within a class either the oldest or the newest is next; whoever would be served last is the first to be
put out.  Joining, leaving from the middle, being served and being put out are all O(1).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from math import inf

from holdfast import _validate
from holdfast.errors import ConfigurationError
from holdfast.shapes import Ticket

Newest = Callable[[int], bool]
"""Whether the newest of a class is served first, not the oldest."""


def room_to_wait(queue: int | None, max_wait: float | None) -> float:
    """Return how many may wait: who gives a longest wait alone wants all of them to."""
    if queue is None:
        return 0 if max_wait is None else inf
    if _validate.count("queue", queue, low=0) == 0 and max_wait is not None:
        raise ConfigurationError(
            f"queue=0 lets nobody wait, so max_wait={max_wait!r} would have no effect: leave out one "
            "of them"
        )
    return queue


def shown(queue: float) -> float | None:
    """Return the room as plain data: None for no bound."""
    return None if queue == inf else queue


class Place(Ticket):
    """A call's place, from its arrival to its end: first in the queue perhaps, then inside."""

    __slots__ = (
        "answered", "arrived", "began", "due", "hurried", "of", "out", "rank", "until", "weight",
    )  # fmt: skip
    of: object
    """The lock that guards it: another one in a forked child, where it does not count."""

    def __init__(self, rank: int, arrived: float, due: float) -> None:
        self.granted = False
        self.rank: int = rank
        """Its class: 0 is the most important."""
        self.due: float = due
        """The instant of its deadline, ``inf`` for none."""
        self.began: float = arrived
        """When it was let in."""
        self.answered: float = inf
        """The instant at which a stream's answer began to come: what follows is no service time."""
        self.weight: int = 1
        """For how many calls its duration stands."""

    def took(self, now: float) -> float:
        """Return how long it was served, if it ends now."""
        return max(0.0, min(now, self.answered) - self.began)

    def wait(self, now: float, until: float, *, hurried: bool) -> None:
        """Get ready to queue; few calls have to, and they can afford it."""
        super().__init__()
        self.arrived: float = now
        self.until: float = until
        """Until when it may queue ..."""
        self.hurried: bool = hurried
        """... and whether that is for the sake of its deadline."""
        self.out: str = ""
        """Why it was put out of the queue."""


class RankedQueue:
    """Places by class, each class in the order of arrival.  Not locked: the owner's lock guards it."""

    __slots__ = ("_lines",)

    def __init__(self, ranks: int) -> None:
        self._lines: tuple[OrderedDict[Place, None], ...] = tuple(
            OrderedDict() for _ in range(ranks)
        )

    def __len__(self) -> int:
        waiting = 0
        for line in self._lines:  # asked at every call: three times as quick as sum(map(len, ...))
            waiting += len(line)
        return waiting

    def is_empty(self, rank: int) -> bool:
        """Return whether nobody of that class waits."""
        return not self._lines[rank]

    def waiting(self) -> tuple[int, ...]:
        """Return how many wait, by class."""
        return tuple(map(len, self._lines))

    def join(self, place: Place) -> None:
        """Let a place queue."""
        self._lines[place.rank][place] = None

    def leave(self, place: Place) -> None:
        """Take a place out, if it still queues."""
        self._lines[place.rank].pop(place, None)

    def serve(self, ranks: int, newest: Newest) -> Place | None:
        """Take out whose turn it is, among the first ``ranks`` classes."""
        for rank, line in enumerate(self._lines[:ranks]):
            if line:
                return line.popitem(last=newest(rank))[0]
        return None

    def put_out(self, rank: int, newest: Newest) -> Place | None:
        """Take out who would be served last, for a newcomer of class ``rank``.

        Somebody less important, or, where the newest is served first, of the newcomer's own class.
        """
        for other in range(len(self._lines) - 1, rank - 1, -1):
            line = self._lines[other]
            if line and (other > rank or newest(rank)):
                return line.popitem(last=not newest(other))[0]
        return None
