"""How sure a circuit breaker is: background noise is no outage, and a few calls are no rate.

Two questions, for the two kinds of condition.

*Is this run of failures more than chance?*  `Noise` learns how often a failure follows a failure.  If
calls fail independently with probability e, that share is e, and a run that has begun reaches k
failures with probability e^(k-1) (a geometric distribution).  Nothing needs to be known of the calls
that succeed, so a breaker goes on resting between failures.  The run that is needed is the shortest
that chance alone brings about less than ``1 - confidence`` times an hour, with the runs an hour as
they have come so far.

*Is this share more than the threshold?*  `lower_bound` is the Wilson score bound: E. B. Wilson,
"Probable inference, the law of succession, and statistical inference", JASA 22 (1927), 209-212.

Not locked: the breaker's lock guards it.
"""

from __future__ import annotations

from math import ceil, erfc, exp, log, sqrt

HOUR = 3600.0
MEMORY, RUNS = 600.0, 100.0
"""What is older than so many seconds, or than so many runs where they are rarer, counts for little."""

FIRST = 8
"""Only the first failures of a run are evidence of noise: longer runs are rather outages."""

LEAST, MOST = 0.01, 0.5
"""The noise that is believed: where most calls fail that is no background."""

PRIOR = (1.0, 4.0)
"""Failures and successes after a failure that are taken as seen before anything is known: 20 %."""


class Noise:
    """How long runs of failures are that mean nothing.

    Args:
        doubt: how many openings an hour may be due to chance, 1 - ``confidence``.
    """

    __slots__ = ("_fails", "_last", "_runs", "_span", "_stops", "doubt")

    def __init__(self, doubt: float) -> None:
        self.doubt: float = doubt
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._fails = self._stops = self._runs = self._span = 0.0
        self._last: float | None = None

    def ended(self, run: int, now: float) -> None:
        """Learn from a run of failures that a success has ended."""
        passed = 0.0 if self._last is None else max(0.0, now - self._last)
        kept = self._kept(passed)
        self._last = now
        self._fails = self._fails * kept + min(run - 1, FIRST)
        self._stops = self._stops * kept + (run <= FIRST)
        self._runs = self._runs * kept + 1.0
        self._span = self._span * kept + passed

    def needed(self, now: float) -> int:
        """Return how many failures in a row are more than chance."""
        passed = 0.0 if self._last is None else max(0.0, now - self._last)
        kept = self._kept(passed)
        seen = sum(PRIOR) + kept * (self._fails + self._stops)
        share = min(MOST, max(LEAST, (PRIOR[0] + kept * self._fails) / seen))
        hourly = 1.0 + kept * self._runs * HOUR / max(1.0, kept * self._span + passed)
        return 1 + max(0, ceil(log(self.doubt / hourly) / log(share)))

    def _kept(self, passed: float) -> float:
        """Return for how much the past still counts."""
        memory = max(MEMORY, RUNS * self._span / self._runs) if self._runs else MEMORY
        return exp(-passed / memory)


def deviations(confidence: float) -> float:
    """Return how many standard deviations a one-sided ``confidence`` is: 0.99 gives 2.326."""
    low, high = -40.0, 40.0
    while high - low > 1e-9:  # noqa: PLR2004 - exact enough, and bisection cannot go wrong
        middle = (low + high) / 2
        if erfc(middle / sqrt(2)) / 2 > 1 - confidence:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def lower_bound(hits: int, calls: int, z: float) -> float:
    """Return the share that ``hits`` of ``calls`` show at the least, ``z`` deviations sure (Wilson)."""
    share, spread = hits / calls, z * z / calls
    return (share + spread / 2 - z * sqrt((share * (1 - share) + spread / 4) / calls)) / (
        1 + spread
    )
