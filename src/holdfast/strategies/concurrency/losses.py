"""Whether calls are lost more often than is usual: one now and then is chance, several together are not.

The recent share of losses is averaged over about twenty calls, with weights that fade.  How many losses
close to each other are needed follows from the usual share p: by chance k of twenty calls are lost with
about (20 p)^k, and that is to be rarer than one in ten thousand.  Where nothing is usually lost, one
loss is enough.
"""

from __future__ import annotations

from math import log

FADES = 0.05
"""The weight of the latest call in the recent share."""

CHANCE = log(1e-4)
"""How rare it must be that chance alone loses as many, as a logarithm."""

MOST = 7
"""So many losses close to each other are never chance."""

CLOSE = 0.75
"""What part of those losses' weights must be left: they need not follow one another at once."""

MEMORY = 20_000
"""Calls, after which what is usual counts half."""


class Losses:
    """The recent and the usual share of lost calls of one search; its owner's lock guards it."""

    __slots__ = ("_lost", "_seen", "recent")

    def __init__(self) -> None:
        self.recent: float = 0.0
        """The share of the last twenty calls or so that was lost."""
        self._seen = self._lost = 0.0

    def answered(self) -> None:
        """Count a call that was not lost."""
        self.recent *= 1.0 - FADES
        self._seen += 1.0
        if self._seen > MEMORY:
            self._seen *= 0.5
            self._lost *= 0.5

    def lost(self, *, usual: bool) -> bool:
        """Count a call that was; return whether that makes more of them than chance explains.

        ``usual`` says whether all is well otherwise: what is lost under overload is not taken for
        usual, however long that lasts.
        """
        self.recent += FADES * (1.0 - self.recent)
        unusual = self.recent >= CLOSE * FADES * self._needed()
        if usual:
            self._seen += 1.0
            self._lost += 1.0
        return unusual

    def _needed(self) -> float:
        if not self._lost:
            return 1.0
        expected = min(0.5, self._lost / self._seen / FADES)
        return min(MOST, max(1.0, CHANCE / log(expected)))
