"""What is counted during a run: per bucket of time, in bounded memory."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from holdfast.errors import RejectedError
from holdfast.simulation.runs.histogram import Histogram
from holdfast.simulation.scenario.scenario import Scenario

MOST_BUCKETS = 300
"""However long the run: an hour has buckets of 15 s, a day of 5 minutes; no plot shows more."""

WIDTHS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0)
"""Widths that people read easily, in seconds; after them, whole minutes."""

MOST_SECONDS = 100_000
"""For so many seconds users are also counted second by second; longer runs by more seconds."""

AFTERMATH = 60.0
"""Seconds after the last fault in which the amplification of its aftermath is counted."""


def trouble(scenario: Scenario) -> tuple[float, float] | None:
    """Return from when to when something is wrong, from the first fault to the end of the last one."""
    if not scenario.faults:
        return None
    return min(f.at for f in scenario.faults), max(f.until for f in scenario.faults)


def edges(scenario: Scenario) -> list[float]:
    """Return the instants at which counting begins anew: where faults begin, end, and are over."""
    instants = [instant for fault in scenario.faults for instant in (fault.at, fault.until)]
    return [*instants, max(instants) + AFTERMATH] if instants else []


@dataclass(slots=True)
class Bucket:
    """One stretch of time, from ``start`` to ``end``.  Users count in the one in which they came."""

    start: float = 0.0
    end: float = math.inf
    offered: int = 0
    good: int = 0
    rejected: int = 0
    failed: int = 0
    critical: int = 0
    """Those of its users who were critical ..."""
    critical_good: int = 0
    """... and were served."""
    wasted: float = 0.0
    """Seconds that passed until those who were not served were told so."""
    attempts: int = 0
    """Those that began in it."""
    answered: int = 0
    """Users served in it, whenever they came: the goodput."""
    open: int = 0
    """The most clients whose breakers were not closed, of all instants at which somebody looked."""
    queued: int = 0
    """The most requests that waited at the servers, likewise."""
    limit: float | None = None
    """The mean of the clients' adaptive limits, when somebody looked last; None without any."""
    tokens: float | None = None
    """The mean of what was left of the clients' retry budgets, likewise."""
    latencies: Histogram = field(default_factory=Histogram)


class Tally:
    """Counts for one run.

    Buckets are as wide as they have to be for a run of that length, and none of them lies across one
    of the ``edges``, so that what is counted before, during and after a fault is exact.

    Args:
        seconds: how long users come; what happens later counts in `rest`.
        edges: instants at which a new bucket begins: where faults begin and end.
    """

    def __init__(self, seconds: float, edges: Iterable[float] = ()) -> None:
        self.seconds: float = seconds
        self.width: float = _width(seconds)
        self.buckets: list[Bucket] = _buckets(seconds, edges, self.width)
        self.rest: Bucket = Bucket(seconds)
        self.errors: dict[str, int] = {}
        self.step: int = math.ceil(seconds / MOST_SECONDS)
        steps = math.ceil(seconds / self.step)
        self.offered: array[int] = array("L", [0]) * steps
        """Users who came in each ``step`` of seconds ..."""
        self.good: array[int] = array("L", [0]) * steps
        """... and those of them who were served."""
        self._starts = [bucket.start for bucket in self.buckets]
        self._last = self.rest

    def at(self, instant: float) -> Bucket:
        """Return the bucket of an instant."""
        last = self._last
        if last.start <= instant < last.end:  # as it mostly is: all that happens happens in turn
            return last
        if instant >= self.seconds:
            self._last = self.rest
        else:
            self._last = self.buckets[bisect_right(self._starts, instant) - 1]
        return self._last

    def came(self, instant: float, *, critical: bool = False) -> None:
        """Count a user who came at ``instant``."""
        bucket = self.at(instant)
        bucket.offered += 1
        bucket.critical += critical
        if instant < self.seconds:
            self.offered[int(instant / self.step)] += 1

    def served(self, arrived: float, now: float, *, critical: bool = False) -> None:
        """Count a user who was served."""
        bucket = self.at(arrived)
        bucket.good += 1
        bucket.critical_good += critical
        bucket.latencies.add(now - arrived)
        if arrived < self.seconds:
            self.good[int(arrived / self.step)] += 1
        self.at(now).answered += 1

    def saw(
        self,
        instant: float,
        *,
        queued: int,
        open: int = 0,
        limit: float | None = None,
        tokens: float | None = None,
    ) -> None:
        """Note what can only be looked at, shortly before ``instant``."""
        bucket = self.at(math.nextafter(instant, 0.0))
        bucket.queued = max(bucket.queued, queued)
        bucket.open = max(bucket.open, open)
        bucket.limit, bucket.tokens = limit, tokens

    def lost(self, arrived: float, error: Exception, *, after: float = 0.0) -> None:
        """Count a user who was not served, and was told so ``after`` some seconds."""
        bucket = self.at(arrived)
        bucket.wasted += after
        if isinstance(error, RejectedError):
            bucket.rejected += 1
        else:
            bucket.failed += 1
        name = type(error).__name__
        self.errors[name] = self.errors.get(name, 0) + 1


def _width(seconds: float) -> float:
    least = seconds / MOST_BUCKETS
    return next((width for width in WIDTHS if width >= least), 60.0 * math.ceil(least / 60))


def _buckets(seconds: float, edges: Iterable[float], width: float) -> list[Bucket]:
    inner = sorted(edge for edge in edges if 0 < edge < seconds)
    grid = [width * number for number in range(math.ceil(seconds / width))]
    starts = list(dict.fromkeys(sorted(grid + inner)))
    return [Bucket(*span) for span in zip(starts, [*starts[1:], seconds], strict=True)]
