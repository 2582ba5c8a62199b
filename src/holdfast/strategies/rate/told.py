"""What a server says of its quota, as a rate.  Pure; its owner's lock guards it."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from holdfast.strategies.rate.learnt import RateSearch
from holdfast.verdict.quotas import Quota

COARSE = 1.0
"""Seconds: resets are mostly told in whole ones, so what is nearer is as far as that."""

SILENT = 10
"""So many answers that say nothing in a row mean that the server says no more."""

GRACE = 10.0
"""Seconds after a reset for which the pace before it is kept, with nothing new said."""

DOUBT = 60.0
"""Seconds for which a word is no more than a ceiling, after a refusal while calls were left."""


class Told:
    """The rate that follows from the last answer which said anything."""

    __slots__ = ("_doubted", "_left", "_silent", "_until", "even", "rate", "resume")

    def __init__(self) -> None:
        self.rate: float = inf
        """What is left, spread over the time until it is whole again."""
        self.even: float = inf
        """The rate of the whole quota, as far as is known."""
        self.resume: float = -inf
        """When there is something left again."""
        self._until = self._doubted = -inf
        self._left = 0.0
        self._silent = 0

    def hear(self, now: float, said: Sequence[Quota]) -> None:
        """Learn what an answer said, or that it said nothing."""
        if not said:
            self._silent += 1
            return
        self._silent = 0
        self._until = now + max(one.reset for one in said) + GRACE
        self._left = min(one.remaining for one in said)
        self.resume = -inf
        rates = [rate for one in said if (rate := self._rate(one, now)) > 0.0]
        if rates:
            self.rate = min(rates)
        even = [one.limit / one.window for one in said if one.limit and one.window]
        self.even = min(even, default=self.rate)

    def _rate(self, one: Quota, now: float) -> float:
        """Return the calls a second that leave something until the reset; 0 where nothing is left."""
        soon = max(one.reset, COARSE)
        if one.refills:
            back = max(0.0, (one.limit or one.remaining) - one.remaining)
            return (back / one.reset if one.reset > 0.0 else 0.0) + one.remaining / soon
        if one.remaining < 1.0:
            self.resume = max(self.resume, now + one.reset)
            return 0.0
        rate = one.remaining / soon
        if one.reset <= COARSE and one.limit and one.window:
            rate = max(rate, one.limit / one.window)
        return rate

    def doubt(self, now: float) -> None:
        """Learn that a call was refused though calls were left: there is another limit, too."""
        if self._left >= 1.0:
            self._doubted = now + DOUBT

    def speaks(self, now: float) -> bool:
        """Return whether what was said still holds."""
        return now < self._until and self._silent < SILENT

    def doubted(self, now: float) -> bool:
        """Return whether it is a ceiling only."""
        return now < self._doubted


def hear(search: RateSearch, told: Told, now: float, said: Sequence[Quota]) -> None:
    """Learn what an answer said; the search goes on from there when the server says no more."""
    told.hear(now, said)
    if said and told.even < inf and not told.doubted(now):
        search.settle(now, told.even)


def in_force(search: RateSearch, told: Told, now: float) -> tuple[float, float]:
    """Return the calls a second that may start, and before when none should."""
    rate, resume = search.pace, search.resume
    if told.speaks(now):
        within = min(search.ceiling, max(search.floor, told.rate))
        searches = told.rate == inf or told.doubted(now) or search.blocked
        rate = min(rate, within) if searches else within
        resume = max(resume, told.resume)
    return rate, resume
