"""Figures as people read them, in the terminal and in reports."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from holdfast.simulation.compare import Comparison, Played, Spread
from holdfast.simulation.scenario import Scenario
from holdfast.simulation.tally import trouble

NOTHING = "–"
NEVER = "never"
UNSEEN = "not seen"
LONG = 40.0
"""Seconds after the last fault; who has not recovered by the end of a shorter run may do so yet."""

LATE = (NEVER, UNSEEN)


def share(value: float) -> str:
    """Return a share as a percentage; what is not all of it is never rounded up to 100."""
    shown = f"{100 * value:.1f}"
    if shown == "100.0" and value < 1:
        shown = f"{min(100 * value, 99.999):.3f}"
    return f"{shown.removesuffix('.0')} %"


def rate(value: float) -> str:
    """Return how many it is a second."""
    return f"{value:,.0f}/s" if value >= 10 or value == 0 else f"{value:.1f}/s"  # noqa: PLR2004 - digits that matter


def count(value: float) -> str:
    """Return a number of things."""
    return f"{value:,.0f}"


def times(value: float) -> str:
    """Return how many it is for each."""
    return f"{value:.2f}"


def duration(seconds: float) -> str:
    """Return a duration in its unit; three digits of it mean something."""
    if 0 < seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:,.0f} s"  # noqa: PLR2004 - three digits


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of a table.

    Args:
        title: of the column.
        figure: its name in `Figures`.
        format: how it is written.
        none: what is written where there is none.
        best: which policy is the best by it: the one with the ``"most"`` or the ``"least"``; None
            where that can't be told, as a policy that serves few may serve them fast.
    """

    title: str
    figure: str
    format: Callable[[float], str]
    none: str = NOTHING
    best: Literal["most", "least"] | None = None

    def median(self, played: Played) -> str:
        """Return the median over the seeds."""
        return self.word(played.spread(self.figure).median)

    def range(self, played: Played) -> str:
        """Return the range over the seeds, in the median's unit; nothing where they all are alike."""
        spread = played.spread(self.figure)
        words = [self.word(value) for value in (spread.median, spread.low, spread.high)]
        if words[1] == words[2]:
            return ""
        units = {_unit(word) for word in words}
        low, high = (w.removesuffix(_unit(w)) if len(units) == 1 else w for w in words[1:])
        return f"{low}–{high}"

    def word(self, value: float | None) -> str:
        """Return one value."""
        return self.none if value is None else self.format(value)

    def key(self, spread: Spread) -> float:
        """Return what is the less the better."""
        if self.best is None:
            return 0.0
        if spread.median is None:
            return math.inf
        return spread.median if self.best == "least" else -spread.median


def columns(scenario: Scenario) -> list[Column]:
    """Return what is told about each policy, the most important first."""
    if not scenario.faults:
        return [
            *_ALWAYS[:1],
            Column("served per second", "goodput", rate, best="most"),
            *_ALWAYS[1:],
        ]
    served, failed, attempts, p99 = _ALWAYS
    return [
        served,
        Column("goodput in fault", "goodput", rate, best="most"),
        Column("recovers after", "ttr", duration, none=_unrecovered(scenario), best="least"),
        failed,
        attempts,
        p99,
    ]


def _unrecovered(scenario: Scenario) -> str:
    span = trouble(scenario)
    return NEVER if span is None or scenario.seconds - span[1] >= LONG else UNSEEN


def winners(comparison: Comparison, column: Column) -> frozenset[str]:
    """Return the policies that nobody beats in a column; none of them where all are alike."""
    keys = {p.policy: column.key(p.spread(column.figure)) for p in comparison.played}
    least = min(keys.values())
    best = frozenset(policy for policy, key in keys.items() if key == least)
    return best if len(best) < len(keys) else frozenset()


_ALWAYS = (
    Column("served", "success", share, best="most"),
    Column("failed users", "failed", count, best="least"),
    Column("attempts per user", "amplification", times),
    Column("p99", "p99", duration),
)


def _unit(word: str) -> str:
    """Return what comes after the number."""
    return word[len(word.rstrip("/% abcdefghijklmnopqrstuvwxyz")) :]
