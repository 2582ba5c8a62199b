"""The order in which a server takes up what waits, and what it refuses instead."""

from __future__ import annotations

from asyncio import Future
from collections import deque
from collections.abc import Callable

from holdfast.simulation.world.request import ServerError
from holdfast.strategies.shedding import Codel

Reply = Callable[["Future[None]", "Exception | None"], object]
"""Tells who waits what became of a request: done, or an error."""

Job = tuple["Future[None]", float, float, bool, Reply, int]
"""Who waits, the work, since when it is here, whether a cache missed it, the way back, and the key."""


class Queue:
    """Requests that wait for a worker, served from one end.

    Args:
        order: ``"fifo"``: the oldest is served first; ``"lifo"``: the newest.
        drop_abandoned: whether those are dropped for which nobody waits any more.
    """

    def __init__(self, order: str, *, drop_abandoned: bool = False) -> None:
        self.waiting: deque[Job] = deque()
        self.refused: int = 0
        """How many have waited for too long."""
        self._next = self.waiting.pop if order == "lifo" else self.waiting.popleft
        self._drops = drop_abandoned

    def put(self, job: Job) -> None:
        """Let a request wait."""
        self.waiting.append(job)

    def take(self, now: float) -> Job | None:  # noqa: ARG002 - a queue among others
        """Return who is served next, if anybody is."""
        while self.waiting:
            job = self._next()
            if not (self._drops and job[0].done()):
                return job
        return None


class CodelQueue(Queue):
    """Serves the oldest; the newest while the queue stands, and refuses those who wait too long.

    Source: Maurer, "Fail at Scale", ACM Queue 13(8), 2015.

    Args:
        target: how long a request may wait in a queue that stands, in seconds.
        interval: how long otherwise, and how long a queue may exist before it stands.
        drop_abandoned: whether those are dropped for which nobody waits any more.
    """

    refused: int

    def __init__(self, target: float, interval: float, *, drop_abandoned: bool = False) -> None:
        super().__init__("fifo", drop_abandoned=drop_abandoned)
        self._target = target
        self._codel = Codel(interval)

    def put(self, job: Job) -> None:
        """Let a request wait."""
        if not self.waiting:
            self._codel.began(job[2])
        self.waiting.append(job)

    def take(self, now: float) -> Job | None:
        """Return who is served next; refuse all who have waited for too long."""
        patience = self._codel.patience(now, self._target)
        while self.waiting and now - self.waiting[0][2] > patience:
            answer, _, _, _, reply, _ = self.waiting.popleft()
            self.refused += 1
            reply(answer, ServerError("it waited for too long in the queue"))
        standing = self._codel.standing(now, self._target)
        self._next = self.waiting.pop if standing else self.waiting.popleft
        return super().take(now)
