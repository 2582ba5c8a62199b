"""Requests and accepts over a short window, in constant time and memory; its owner's lock guards it.

A request counts in the bucket in which it started, an accept in the one in which it ended.  What is in
flight is not known yet: young requests, those of the newer half of the window, are given the benefit of
the doubt, or a sudden rise of healthy traffic would look like a dependency that accepts nothing; older
ones count as not accepted, so that one which hangs is seen even before its calls time out.
"""

from __future__ import annotations

from collections import deque

BUCKETS = 10


class Bucket:
    """What started, was accepted, and is still under way, of a tenth of the window."""

    __slots__ = ("accepts", "number", "of", "pending", "requests")

    def __init__(self, number: int, of: object) -> None:
        self.of: object = of
        """Which window it is of: one receipt may come from before a fork."""
        self.number: int = number
        self.requests: int = 0
        self.accepts: int = 0
        self.pending: int = 0


class Accepts:
    """The last ``seconds``, in ten buckets.  A clock that goes backwards finds the newest one."""

    __slots__ = ("_buckets", "_ends", "_newest", "_width", "accepts", "mark", "requests")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / BUCKETS
        self.mark: object = object()
        self._newest = Bucket(0, self.mark)
        self._ends = self._width
        self._buckets: deque[Bucket] = deque([self._newest])
        self.requests: int = 0
        self.accepts: int = 0

    def at(self, now: float) -> Bucket:
        """Return the bucket of ``now``, and forget those that it has left behind."""
        if now < self._ends:
            return self._newest
        number = max(int(now // self._width), self._newest.number + 1)
        newest = self._newest = Bucket(number, self.mark)
        self._ends = (number + 1) * self._width
        self._buckets.append(newest)
        while self._buckets[0].number <= number - BUCKETS:
            old = self._buckets.popleft()
            self.requests -= old.requests
            self.accepts -= old.accepts
        return newest

    def begin(self, now: float) -> Bucket:
        """Count a request that is sent; the bucket is its receipt."""
        bucket = self._newest if now < self._ends else self.at(now)
        bucket.requests += 1
        bucket.pending += 1
        self.requests += 1
        return bucket

    def reject(self, now: float) -> None:
        """Count a request that is not even sent."""
        self.at(now).requests += 1
        self.requests += 1

    def accept(self, receipt: Bucket, now: float) -> None:
        """Count an answer."""
        if receipt.of is not self.mark:
            return
        receipt.pending -= 1
        bucket = self._newest if now < self._ends else self.at(now)
        bucket.accepts += 1
        self.accepts += 1

    def refuse(self, receipt: Bucket, _now: float) -> None:
        """Let a request have come to nothing."""
        receipt.pending -= 1

    def forget(self, receipt: Bucket, now: float) -> None:
        """Let a request never have been: it says nothing about the dependency."""
        if receipt.of is not self.mark:
            return
        receipt.pending -= 1
        receipt.requests -= 1
        if receipt.number > self.at(now).number - BUCKETS:
            self.requests -= 1

    def in_doubt(self, now: float) -> int:
        """Return how many requests of the newer half of the window are still under way."""
        since = self.at(now).number - BUCKETS // 2
        return sum(bucket.pending for bucket in self._buckets if bucket.number > since)
