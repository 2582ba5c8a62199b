"""What a server learns of its own service times: how long the next call will likely take.

From a sketch of the last ten seconds' durations.  Calls that were cut short count at the time they
had, where that is more than expected (right-censored samples), so that a slow-down that lets nobody
finish is seen.

An estimate that refuses everybody would never see another sample.  So one call at a time may be let
in against it, and counts for all those that were refused since the one before: the sketch then holds
what all the calls would have taken, not only the admitted ones.
"""

from __future__ import annotations

from math import inf
from typing import Literal

from holdfast import _validate
from holdfast.strategies.quantile import Quantiles
from holdfast.strategies.queues import Place

Seconds = float | Literal["learn"] | None

WINDOW = 10.0
FEW = 10
"""Nothing is known of fewer samples."""
FRESH = 0.05
"""How long an estimate is used before it is made anew, in seconds."""
LIKELY = 0.9
"""A call is expected to take as long as the quickest nine of ten."""
SHARE = 0.2
"""How long a call may wait, as a share of the 99th percentile of the service time.

Those who are served have waited less than half of that, since the newest is served first: the 99th
percentile of the answers then grows by less than a tenth (``benchmarks/scenarios/e03_overload.py``)."""
LEAST_TARGET = 0.005
"""Facebook's target, in seconds: below it a queue is hardly worth a thought."""


class ServiceTime:
    """The durations of calls of late, and what follows from them.  The owner's lock guards it.

    Args:
        expected: how long a call takes, in seconds; ``"learn"``; or None: no time at all.
        target: how long one may wait in a standing queue, in seconds; ``"learn"``; or None: for ever.
    """

    __slots__ = (
        "_expected", "_fresh_until", "_given", "_probe", "_refused", "_seconds", "_target", "learns",
    )  # fmt: skip

    def __init__(self, expected: Seconds, target: Seconds) -> None:
        self._given: tuple[float | None, float | None] = (
            _given("expected", expected, 0.0),
            _given("target", target, inf),
        )
        self.learns: bool = None in self._given
        self.clear()

    def follow(self, other: ServiceTime) -> None:
        """Go by the options of another one, and by what is known here."""
        self._given, self.learns = other._given, other.learns
        self._fresh_until = -inf

    def clear(self) -> None:
        """Forget everything."""
        self._seconds = Quantiles(WINDOW)
        self._probe: Place | None = None
        self._refused = 0
        self._expected = self._target = 0.0  # until somebody asks
        self._fresh_until = -inf

    def expected(self, now: float) -> float:
        """Return how long a call will likely take; 0 while little is known."""
        if now >= self._fresh_until:
            self._reckon(now)
        return self._expected

    def target(self, now: float) -> float:
        """Return how long a call may wait while the queue stands."""
        if now >= self._fresh_until:
            self._reckon(now)
        return self._target

    def late(self, due: float, now: float) -> bool:
        """Return whether a call that must end by ``due`` likely won't."""
        if due == inf:
            return False
        left = due - now
        return left <= 0 or left < self.expected(now)

    def tries(self, place: Place, now: float) -> bool:
        """Return whether a call that is late may go in all the same, to see whether that is true."""
        if self._given[0] is not None or self._probe is not None or place.due <= now:
            self._refused += 1
            return False
        place.weight += self._refused
        self._refused = 0
        self._probe = place
        return True

    def ended(self, place: Place, now: float, *, whole: bool) -> None:
        """Learn from a call, which was cut short unless it is a ``whole`` one."""
        if place is self._probe:
            self._probe = None
        if self.learns:
            seconds = place.took(now)
            if whole or (self._expected and seconds > self._expected):
                self._seconds.add(seconds, now, place.weight)

    def _reckon(self, now: float) -> None:
        expected, target = self._given
        likely = rare = 0.0
        if self.learns and self._seconds.count(now) >= FEW:
            likely = self._seconds.quantile(LIKELY, now) or 0.0
            rare = self._seconds.quantile(0.99, now) or 0.0
        self._expected = likely if expected is None else expected
        self._target = max(LEAST_TARGET, SHARE * rare) if target is None else target
        self._fresh_until = now + FRESH if self.learns else inf


def _given(option: str, value: Seconds, nothing: float) -> float | None:
    """Return seconds; None for what is to be learnt."""
    if value is None:
        return nothing
    return None if value == "learn" else _validate.seconds(option, value)
