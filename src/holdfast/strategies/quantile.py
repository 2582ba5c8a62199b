"""`Quantiles`: what share of the recent durations was how long, within 2 %, in bounded memory.

A logarithmic histogram as in DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable
quantile sketch with relative-error guarantees", VLDB 2019): a value x falls into bucket
i = ceil(log_gamma x) with gamma = (1 + a) / (1 - a), so that 2 gamma^i / (gamma + 1) is within the
relative error a of everything in the bucket.  The window rotates: it is kept in parts, and the
oldest part is dropped as a whole.
"""

from __future__ import annotations

from math import inf, log, log1p
from typing import TYPE_CHECKING

from holdfast import _validate

if TYPE_CHECKING:
    from datetime import timedelta

LOW, HIGH = 1e-6, 1e5
"""The range told apart, in seconds: from a microsecond to a day; beyond it the edge counts."""

PARTS = 6
"""Of the window: it rotates in these."""

BIAS = 1 << 20  # makes every index positive, where int() is floor()

FRESH = 32
"""A quantile is reckoned anew after an eighth more values, later after this many, or 3 %."""


class Quantiles:
    """Quantiles of the values of the last ``window`` seconds (the last five sixths at least).

    At most 640 counts per part, whatever is added.  Not locked: the owner's lock guards it.

    Args:
        window: how long a value counts, in seconds; greater than 0.
        error: the relative error, from 0.001 to 0.5.
        least: stretch the window where it would hold fewer values than this, however old they are:
            what is known does not vanish while nothing comes in.

    Raises:
        ConfigurationError: for a ``window`` or an ``error`` outside these ranges.
    """

    __slots__ = (
        "_added",
        "_counts",
        "_known",
        "_known_at",
        "_length",
        "_past",
        "_scale",
        "_turn",
        "_value",
        "error",
        "least",
        "window",
    )

    def __init__(
        self, window: float | timedelta = 60.0, error: float = 0.02, *, least: int = 0
    ) -> None:
        self.window: float = _validate.seconds("window", window)
        self.error: float = _validate.number("error", error, low=0.001, high=0.5)
        self.least: int = _validate.count("least", least, low=0)
        gamma = (1 + self.error) / (1 - self.error)
        self._scale: float = 1 / (log1p(self.error) - log1p(-self.error))
        self._value: tuple[float, float] = (gamma, 2 / (gamma + 1))
        self._length: float = self.window / PARTS
        self.clear()

    def stretch(self, window: float, least: int) -> None:
        """Hold another window from the next turn on; what is held stays until then."""
        self.window, self.least = window, least
        self._length = window / PARTS

    def clear(self) -> None:
        """Forget everything."""
        self._counts: dict[int, int] = {}
        self._added: int = 0
        self._past: list[tuple[dict[int, int], int]] = []
        self._turn: float = -inf
        self._known: dict[float, float] = {}
        self._known_at: int = 0

    def add(self, value: float, now: float, weight: int = 1) -> None:
        """Count ``value`` at the instant ``now``, ``weight`` times."""
        if now >= self._turn:
            self._rotate(now)
        if not LOW < value < HIGH:
            value = HIGH if value >= HIGH else LOW
        index = int(log(value) * self._scale + BIAS)
        counts = self._counts
        try:
            counts[index] += weight
        except KeyError:
            counts[index] = weight
        self._added += weight

    def quantile(self, q: float, now: float) -> float | None:
        """Return the value that a share ``q`` of the values does not exceed; None of no values.

        Remembered until the window moves on, or enough has been added to change it.
        """
        if now >= self._turn:
            self._rotate(now)
        if self._added > self._known_at:
            self._known.clear()
        known = self._known.get(q)
        if known is not None:
            return known
        total = self.count(now)
        if not total:
            return None
        if not self._known:
            self._known_at = self._added + max(min(total >> 3, FRESH), total >> 5)
        self._known[q] = known = _at_rank(self.buckets(now), q * (total - 1))
        return known

    def count(self, now: float) -> int:
        """Return how many values the window holds."""
        if now >= self._turn:
            self._rotate(now)
        return self.held

    @property
    def held(self) -> int:
        """How many values the window held when it was last used."""
        return self._added + sum(added for _, added in self._past)

    def buckets(self, now: float) -> list[tuple[float, int]]:
        """Return the values and how often each came, ascending."""
        if now >= self._turn:
            self._rotate(now)
        merged = dict(self._counts)
        for counts, _ in self._past:
            for index, count in counts.items():
                merged[index] = merged.get(index, 0) + count
        gamma, middle = self._value
        return [(middle * gamma ** (index + 1 - BIAS), merged[index]) for index in sorted(merged)]

    def _rotate(self, now: float) -> None:
        """Begin a new part, and drop the parts that are too old."""
        late = (now - self._turn) / self._length  # in parts; infinite at first
        if self.least and late != inf:
            if self._added * (PARTS - 1) < self.least:
                return  # this part goes on until it has its share
            late = 0.0
            self._turn = now
        if late >= PARTS - 1:
            self.clear()
            self._turn = now + self._length
            return
        skipped = int(late)
        self._past.append((self._counts, self._added))
        nothing: dict[int, int] = {}
        self._past.extend([(nothing, 0)] * skipped)
        del self._past[: 1 - PARTS]
        self._counts, self._added = {}, 0
        self._known.clear()
        self._known_at = 0
        self._turn += (skipped + 1) * self._length


def _at_rank(buckets: list[tuple[float, int]], rank: float) -> float:
    """Return the value with ``rank`` smaller ones before it."""
    value, ascending = 0.0, iter(buckets)
    while rank >= 0:
        value, count = next(ascending)
        rank -= count
    return value
