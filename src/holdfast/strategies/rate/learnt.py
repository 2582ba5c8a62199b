"""The search for a rate that nobody tells: instants and outcomes in, a rate out.  No clock, no lock.

A quota shows itself only where it is exceeded.  So the rate is held just below what was accepted (the
*plateau*), and rises beyond it every few seconds, along a cubic curve as that of CUBIC (RFC 9438): flat
about the plateau, then ever steeper, so that a quota that has grown is found soon.

A refusal is a signal once: those of calls that were sent before the rate was last cut say nothing new.
What is cut to is what was *accepted*, never what was configured:

* since the last cut, on average: both times the quota was just used up, so this is exact, whatever a
  server with a token bucket had saved up in between, and however long a fixed window is;
* but over the last second only, where that is far more (the quota has grown), or less (it has shrunk).

While nothing at all is accepted (the rest of a fixed window) only single calls go out, at distances that
grow; the first that is accepted ends it.  Time in which the rate is not used up teaches nothing, so
the curve stands still.
"""

from __future__ import annotations

from collections import deque
from math import inf

BELOW = 0.97
"""What a cut goes to, as a part of what was accepted."""

LEAST = 0.4
"""The part of the rate that a cut leaves at least: what was accepted may be little for want of calls."""

HOLD = 2.0
"""Seconds after a cut until the plateau is reached again."""

STEEP = 0.012
"""How steep the curve is beyond: so much of the plateau after a second, 8 times that after two, ..."""

GROWTH = 1.0
"""How much of itself the rate gains in a second as long as nothing was ever refused."""

SPAN = 1.0
"""Seconds that the latest measure reaches back."""

CALLS = 10.0
"""Calls that it reaches back at least: with few of them a second is chance."""

GROWN = 1.35
"""How far above the average the latest measure must be to say that the quota has grown."""

SOON = 0.2
"""Seconds after a cut in which its effect is awaited; or `FEW` calls."""

FEW = 6

REST, LONGEST_REST = 0.05, 5.0
"""Seconds between single calls while nothing is accepted: the first, and the most."""

LONGER = 0.15
"""A rest, as a part of the time in which nothing was accepted: so much of a window is lost at most."""

AT_ONCE = 0.7
"""Seconds after a cut within which the next says that it was not low enough."""

CHANCE = 0.2
"""By what part of the longer one two averages of the same quota differ at most."""

RETRIED = 8
"""After so many cuts it is found out again whether the server saves up what is not used."""

LONG = 1.5
"""Seconds without anything accepted that are more than the rest of a window of a second."""

USUAL, STRETCH = 6.0, 20.0
"""Seconds between two cuts; where a window makes them longer, the curve is stretched, at most so far."""

LONGEST_HINT = 300.0
"""Seconds of a ``Retry-After`` that are believed: one bad answer must not stop everything for a day."""

STEP = 0.25
"""The most seconds between two outcomes that count as time in which the rate was used."""

USED = 0.7
"""The part of the rate that must be used for it to rise."""


class RateSearch:
    """Finds the rate, in calls a second, within ``floor`` and ``ceiling``.

    Attributes:
        rate: what may be sent a second now.
        resume: no call should start before this instant.
        plateau: the rate that was last found; None before the first refusal.
        cuts: how often it was cut.
        blocked: how many refusals in a row came without anything accepted.
    """

    __slots__ = (
        "_accepted", "_age", "_at", "_cut_at", "_cycle", "_hasty", "_saves", "_since", "_starts",
        "_stretch", "blocked", "ceiling", "cuts", "floor", "plateau", "rate", "resume",
    )  # fmt: skip

    def __init__(self, initial: float, floor: float, ceiling: float) -> None:
        self.floor: float = floor
        self.ceiling: float = ceiling
        self.rate: float = min(ceiling, max(floor, initial))
        self.resume: float = -inf
        self.plateau: float | None = None
        self.cuts: int = 0
        self.blocked: int = 0
        self._starts: deque[float] = deque()
        """When the accepted calls of the latest span were sent, about in order."""
        self._accepted = 0
        """Of calls sent since the last cut."""
        self._cycle: tuple[int, float] = (0, -inf)
        """How many were accepted before it, and since when."""
        self._hasty = False
        """Whether it went to what was accepted of late, not on average."""
        self._saves = 0
        """More than 0: the server saves up what is not used, so the average is right."""
        self._stretch = 1.0
        self._since = self._cut_at = -inf
        self._age = 0.0
        """Seconds of use since the last cut."""
        self._at = -inf

    def accepted(self, now: float, sent: float) -> None:
        """Learn that a call that was sent at ``sent`` was not refused."""
        self._starts.append(sent)
        self._forget(now)
        if self._since == -inf:
            self._since = sent
        if self.blocked and sent >= self._cut_at:
            self._unblock(sent)
        self._accepted += sent >= self._since
        self._grow(now)

    def throttled(self, now: float, sent: float, hint: float | None = None) -> bool:
        """Learn that it was refused; return whether that cut the rate.

        ``hint`` is after how many seconds to come back, if that was said.
        """
        if self._since == -inf:
            self._since = sent
        if hint is not None and hint > 0.0:
            self.resume = max(self.resume, now + min(hint, LONGEST_HINT))
        if sent < self._cut_at:
            return False
        if not self._accepted and self.cuts:
            self.blocked += 1
            self._at = max(self._at, now)
            self.resume = max(self.resume, now + self._resting())
            return False
        if self.cuts and now - self._cut_at < max(SOON, FEW / self.rate):
            return False
        self._cut(now, sent)
        return True

    def _cut(self, now: float, sent: float) -> None:
        found = self._found(sent)
        self._cycle = self._accepted, self._since
        self.plateau = self._within(min(self.rate, max(found, LEAST * self.rate)))
        self.rate = self._within(self.plateau * BELOW)
        self.cuts += 1
        self._since, self._cut_at, self._at = sent, now, now
        self._age = 0.0
        self._accepted = self.blocked = 0
        self.resume = max(self.resume, now + REST)

    def _found(self, sent: float) -> float:
        """Return how many calls a second were accepted until one was sent that was not."""
        self._forget(sent)
        passed = sent - self._since
        if passed <= 0.0:
            return self.rate
        average, latest = self._accepted / passed, len(self._starts) / self._span()
        if not self.cuts:
            return max(average, latest)
        if passed < AT_ONCE and self._hasty:  # it was not low enough
            calls, since = self._cycle
            whole = (calls + self._accepted) / (sent - since)
            if abs(average - whole) > CHANCE * whole:
                return average
            self._saves = RETRIED
            return whole
        if passed < self._span():
            return average
        self._hasty = not self._saves or not average <= latest <= GROWN * average
        self._saves = max(0, self._saves - 1)
        return latest if self._hasty else average

    def _unblock(self, sent: float) -> None:
        """Learn from the end of a time in which nothing was accepted."""
        self.blocked, self.resume = 0, -inf
        calls, since = self._cycle
        whole = sent - since
        if sent - self._cut_at < LONG or whole <= 0.0:
            self._stretch = max(1.0, self._stretch / 2.0)
            return
        self._stretch = min(STRETCH, max(1.0, whole / USUAL))
        if self.plateau is not None:
            self.plateau = self._within(min(self.plateau, calls / whole))
            self.rate = self._within(self.plateau * BELOW)
        self._since = sent

    def _resting(self) -> float:
        """Return the seconds between two calls while nothing is accepted."""
        rest = min(LONGEST_REST, max(REST, LONGER * (self._at - self._cut_at)))
        return max(1.0 / self.rate, rest)

    @property
    def pace(self) -> float:
        """What may be sent a second now: the rate, or less while nothing is accepted."""
        return min(self.rate, 1.0 / self._resting()) if self.blocked else self.rate

    def settle(self, now: float, rate: float) -> None:
        """Go on from a rate that somebody knows, as if it had just been found."""
        self.plateau = self.rate = self._within(rate)
        self._age, self._at = 0.0, now

    def bound(self, floor: float, ceiling: float) -> None:
        """Search within other bounds from now on."""
        self.floor, self.ceiling = floor, ceiling
        self.rate = self._within(self.rate)
        if self.plateau is not None:
            self.plateau = self._within(self.plateau)

    def _grow(self, now: float) -> None:
        passed = min(STEP, now - self._at) if self._at > -inf else 0.0
        self._at = max(self._at, now)
        if passed <= 0.0 or len(self._starts) < USED * self.rate * min(
            self._span(), now - self._since
        ):
            return
        self._age += passed
        if self.plateau is None:
            self.rate = self._within(self.rate * (1.0 + GROWTH * passed))
        else:
            off = self._age / self._stretch - HOLD
            curve = STEEP * off**3 if off > 0.0 else -(1.0 - BELOW) * (-off / HOLD) ** 3
            self.rate = self._within(self.plateau * (1.0 + curve))

    def _span(self) -> float:
        return max(SPAN, CALLS / self.rate)

    def _forget(self, now: float) -> None:
        oldest, starts = now - self._span(), self._starts
        while starts and starts[0] < oldest:
            starts.popleft()

    def _within(self, rate: float) -> float:
        return min(self.ceiling, max(self.floor, rate))
