"""Durations in bounded memory, to be added up over seconds and runs."""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, floor, log

ERROR = 0.01
"""The relative error of what is read from a histogram."""

SCALE = 1 / log((1 + ERROR) / (1 - ERROR))


class Histogram:
    """A logarithmic histogram: every value is known within 1 %, and two of them can be merged.

    The buckets are those of DDSketch (Masson, Rim, Lee, VLDB 2019).
    """

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}

    def add(self, value: float) -> None:
        """Count one value, in seconds."""
        index = floor(log(max(value, 1e-6)) * SCALE)
        self.counts[index] = self.counts.get(index, 0) + 1

    @classmethod
    def merged(cls, histograms: Iterable[Histogram]) -> Histogram:
        """Return one histogram with all the values of several."""
        whole = cls()
        for histogram in histograms:
            for index, count in histogram.counts.items():
                whole.counts[index] = whole.counts.get(index, 0) + count
        return whole

    def quantile(self, share: float) -> float | None:
        """Return the value that ``share`` of the values do not exceed; None of no values."""
        total = sum(self.counts.values())
        rank, passed = share * (total - 1), 0
        for index in sorted(self.counts):
            passed += self.counts[index]
            if passed > rank:
                return exp((index + 0.5) / SCALE)
        return None
