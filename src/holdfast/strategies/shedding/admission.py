"""Who comes in, who waits, who is refused: the decisions of a `LoadShedder`, without its lock.

Invariants: nobody waits while there is room for its class; each place is let in at most once, and
counted in `Room.in_flight` from then until its call ends.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from holdfast import _validate
from holdfast.criticality import CLASSES
from holdfast.strategies.queues import Newest, Place, RankedQueue
from holdfast.strategies.shedding.codel import Codel
from holdfast.strategies.shedding.room import Room
from holdfast.strategies.shedding.service_time import ServiceTime

if TYPE_CHECKING:
    from datetime import timedelta

IN, QUEUED, FULL, LATE = "in", "queued", "full", "late"
"""What becomes of an arrival; `LATE` is one whose deadline is too near."""

CLOSE = 1e-6
"""Timers may fire this much early, in seconds."""
CRITICAL = 8.0
"""How much more patient the most important class is: by how it is served, its queue is a short one.

With less, calls are refused in it by chance, when it comes near to the capacity by itself
(``benchmarks/scenarios/e09_criticality.py``)."""
LONGEST = 30.0
"""The longest `retry_after`, in seconds."""


class Admission:
    """A queue before a room.  The owner's lock guards it.

    Args:
        room: how many are served at once.
        times: what is known of the service times.
        interval: how long a class must have waited without a break to be a standing queue.
        queue: how many may wait.
        lifo: whether the newest is served first while the queue stands.
    """

    __slots__ = ("codels", "lifo", "limit", "queue", "room", "times")

    def __init__(
        self, room: Room, times: ServiceTime, *, interval: float | timedelta, queue: int, lifo: bool
    ) -> None:
        self.room: Room = room
        self.times: ServiceTime = times
        interval = _validate.seconds("interval", interval)
        self.codels: tuple[Codel, ...] = tuple(
            Codel(interval, 1.0 if rank else CRITICAL) for rank in range(len(CLASSES))
        )
        """One for each class: the critical do not stand in the queue of the sheddable."""
        self.limit: int = _validate.count("queue", queue, low=0)
        self.lifo: bool = lifo
        self.clear()

    def clear(self) -> None:
        """Start afresh: nobody is inside, nobody waits, nothing is known."""
        self.queue: RankedQueue = RankedQueue(len(CLASSES))
        self.room.clear()
        self.times.clear()

    def follow(self, other: Admission) -> None:
        """Go by the options of another one; who waits already stays."""
        self.limit, self.lifo = other.limit, other.lifo
        for codel, one in zip(self.codels, other.codels, strict=True):
            codel.interval = one.interval
        self.room.follow(other.room)
        self.times.follow(other.times)

    def arrive(self, place: Place, now: float, *, waits: bool) -> tuple[str, Place | None]:
        """Return what becomes of a new call, and who is put out of the queue for it."""
        room = self.room.has(place.rank)
        late = place.due < inf and self.times.late(place.due, now)
        if late and not (room and self.times.tries(place, now)):
            return LATE, None
        if room:
            self.let_in(place, now)
            return IN, None
        return self._join(place, now) if waits else (FULL, None)

    def let_in(self, place: Place, now: float) -> None:
        """Count a call as inside, whether there is room or not."""
        place.began = now
        place.granted = True
        self.room.in_flight += 1

    def next(self, now: float) -> Place | None:
        """Let in whose turn it is, and return it; or one whose turn has come too late."""
        ranks = self.room.ranks(len(CLASSES))
        if not ranks:
            return None
        place = self.queue.serve(ranks, self._newest_first(now))
        if place is not None and not (now > place.until + CLOSE or self.times.late(place.due, now)):
            place.granted = True
            self.room.in_flight += 1
            place.began = now
        return place

    def standing(self, rank: int, now: float) -> bool:
        """Return whether the queue of a class stands."""
        codel = self.codels[rank]
        return not self.queue.is_empty(rank) and codel.standing(now, self.times.target(now))

    def retry_after(self, rank: int, now: float) -> float:
        """Return when to try again: an overload that has lasted a while will last as long again."""
        codel = self.codels[rank]
        lasted = 0.0 if self.queue.is_empty(rank) else now - codel.since
        return min(max(codel.interval, lasted), LONGEST)

    def _newest_first(self, now: float) -> Newest:
        target = self.times.target(now)
        return lambda rank: self.lifo and self.codels[rank].standing(now, target)

    def _join(self, place: Place, now: float) -> tuple[str, Place | None]:
        victim, codel = None, self.codels[place.rank]
        if len(self.queue) >= self.limit:
            victim = self.queue.put_out(place.rank, self._newest_first(now))
            if victim is None:
                return FULL, None
            victim.out = "its place in the queue went to another call"
        if self.queue.is_empty(place.rank) and (victim is None or victim.rank != place.rank):
            codel.began(now)
        patience = codel.patience(now, self.times.target(now))
        until, hurried = now + patience, False
        if place.due < inf:
            latest = max(now, place.due - self.times.expected(now))
            if latest < until:
                until, hurried = latest, True
        place.wait(now, until, hurried=hurried)
        self.queue.join(place)
        return QUEUED, victim
