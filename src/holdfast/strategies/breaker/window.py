"""Sliding windows of outcomes: over the last N calls, or over the last T seconds.

Both count calls, failures and slow calls in constant time and constant memory; nothing here is
locked, its owner's lock guards it.  A clock that goes backwards finds itself in the newest bucket.
"""

from __future__ import annotations

from math import inf

BUCKETS = 10
FAILED, SLOW = 1, 2


class CountWindow:
    """The last ``size`` calls, one byte each."""

    __slots__ = ("_next", "_ring", "calls", "failures", "size", "slow")

    calls: int
    failures: int
    slow: int

    def __init__(self, size: int) -> None:
        self.size: int = size
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._ring = bytearray(self.size)
        self._next = self.calls = self.failures = self.slow = 0

    def add(self, _now: float, *, failed: bool = False, slow: bool = False) -> None:
        """Count one call, and forget the oldest where the window is full."""
        if self.calls == self.size:
            oldest = self._ring[self._next]
            self.failures -= oldest & FAILED
            self.slow -= (oldest & SLOW) >> 1
        else:
            self.calls += 1
        self._ring[self._next] = failed | slow << 1
        self._next = (self._next + 1) % self.size
        self.failures += failed
        self.slow += slow

    def add_good(self, instants: list[float]) -> None:
        """Count a number of quick successes at once."""
        left = min(len(instants), self.size)
        while left:
            run = min(left, self.size - self._next)
            stop = self._next + run
            forgotten = self._ring[self._next : stop]
            self.failures -= sum(map(forgotten.count, (FAILED, FAILED | SLOW)))
            self.slow -= sum(map(forgotten.count, (SLOW, FAILED | SLOW)))
            self._ring[self._next : stop] = bytes(run)
            self.calls = min(self.size, self.calls + run)
            self._next = stop % self.size
            left -= run

    def advance(self, _now: float) -> None:
        """Do nothing: time does not move this window."""

    def steady_until(self, _now: float) -> float:
        """Return until when nothing is forgotten but for something newer."""
        return inf


class TimeWindow:
    """The last ``seconds``, in ten buckets, so it is exact to a tenth of its length."""

    __slots__ = ("_buckets", "_head", "_width", "calls", "failures", "seconds", "slow")

    calls: int
    failures: int
    slow: int

    def __init__(self, seconds: float) -> None:
        self.seconds: float = seconds
        self._width = seconds / BUCKETS
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._buckets = [[0, 0, 0] for _ in range(BUCKETS)]
        self._head: int | None = None
        self.calls = self.failures = self.slow = 0

    def add(self, now: float, *, failed: bool = False, slow: bool = False) -> None:
        """Count one call that ended at ``now``."""
        self.advance(now)
        bucket = self._buckets[(self._head or 0) % BUCKETS]
        bucket[0] += 1
        bucket[1] += failed
        bucket[2] += slow
        self.calls += 1
        self.failures += failed
        self.slow += slow

    def add_good(self, instants: list[float]) -> None:
        """Count a number of quick successes at once; most of a batch falls into one bucket."""
        start = 0
        while start < len(instants):
            self.advance(instants[start])
            ends = ((self._head or 0) + 1) * self._width
            stop = start + 1
            while stop < len(instants) and instants[stop] < ends:
                stop += 1
            self._buckets[(self._head or 0) % BUCKETS][0] += stop - start
            self.calls += stop - start
            start = stop

    def advance(self, now: float) -> None:
        """Forget the buckets that ``now`` has left behind."""
        index = int(now // self._width)
        if self._head is None:
            self._head = index
            return
        for step in range(self._head + 1, min(index, self._head + BUCKETS) + 1):
            bucket = self._buckets[step % BUCKETS]
            self.calls -= bucket[0]
            self.failures -= bucket[1]
            self.slow -= bucket[2]
            bucket[:] = (0, 0, 0)
        self._head = max(self._head, index)

    def steady_until(self, now: float) -> float:
        """Return until when nothing is forgotten."""
        self.advance(now)
        return ((self._head or 0) + 1) * self._width


Window = CountWindow | TimeWindow
