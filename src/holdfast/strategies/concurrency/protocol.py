"""What an algorithm is that finds how many calls may be in flight.

An `Algorithm` is a value: options, no state, safe to share.  Each limiter starts a `Search` of its own
with it, and tells the search how every call ended; the search holds the limit.  A search is plain
arithmetic without a lock: the limiter that owns it calls `sample` under its own.

    search = vegas().search(low=1, high=200)
    ...
    limit = search.sample(now, seconds, in_flight, dropped)
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Search(Protocol):
    """The search of one limiter; ``limit`` is what it has found so far, within [low, high]."""

    limit: float

    def sample(self, now: float, rtt: float, in_flight: int, dropped: bool, /) -> float:  # noqa: FBT001 - one call for every sample: positions are quicker
        """Learn from a call that has just ended; return the limit.

        Args:
            now: the instant of its end, in seconds.
            rtt: how long it took, in seconds.
            in_flight: how many were in flight just before its end, itself included.
            dropped: whether it was lost: timed out, or rejected by an overloaded dependency.
        """


@runtime_checkable
class Algorithm(Protocol):
    """The options of a search."""

    def search(self, low: float = 1, high: int = 200, initial: int | None = None) -> Search:
        """Start a search within [low, high], at ``initial``; None leaves that to the algorithm."""


def start(low: float, high: float, initial: int | None) -> float:
    """Return where to begin: at ``initial``, or as near to 20 as [low, high] allows."""
    return float(min(max(20 if initial is None else initial, low), high))
