"""Figures as people read them, in the terminal and in reports."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

from holdfast.errors import ConfigurationError
from holdfast.simulation.policies.imports import meant
from holdfast.simulation.runs.compare import Comparison, Played, Spread
from holdfast.simulation.runs.tally import trouble
from holdfast.simulation.scenario.scenario import Scenario

NOTHING = "–"
NEVER = "never"
UNSEEN = "not seen"
LONG = 44.0
"""Seconds after the last fault; who has not recovered by the end of a shorter run may do so yet."""

LATE = (NEVER, UNSEEN)

WHEN: Final = {"health": "before", "fault": "in fault", "after": "after"}
"""What the titles of columns call the phases of a run."""


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


def quantity(value: float) -> str:
    """Return how much there is of something that need not be whole."""
    return f"{value:.3g}" if value < 999.5 else count(value)  # noqa: PLR2004 - three digits


def times(value: float) -> str:
    """Return how many it is for each."""
    return f"{value:.2f}"


def duration(seconds: float) -> str:
    """Return a duration in its unit; three digits of it mean something."""
    if 0 < seconds < 0.9995:  # noqa: PLR2004 - what three digits don't round up to a second
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:,.0f} s"  # noqa: PLR2004 - three digits


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
    if scenario.columns:
        return [column(name, scenario) for name in scenario.columns]
    return _usual(scenario)


def column(name: str, scenario: Scenario) -> Column:
    """Return the column of a figure: ``"critical"``; dots lead into phases: ``"fault.p99"``.

    Raises:
        ConfigurationError: for an unknown figure, or one of a phase that the scenario doesn't have.
    """
    known = {one.figure: one for one in (*_usual(scenario), _CRITICAL, _WASTED)}
    for phase, when in WHEN.items() if scenario.faults else ():
        for one in MEASURES:
            figure = f"{phase}.{one.figure}"
            known[figure] = replace(one, title=f"{one.title} {when}", figure=figure)
    if name not in known:
        raise ConfigurationError(
            f"there is no figure {name!r} here{meant(name, known)}: there are {', '.join(known)}"
        )
    return known[name]


def measures(scenario: Scenario) -> list[Column]:
    """Return what is told about each phase of a run."""
    return [one for one in MEASURES if one is not _CRITICAL or scenario.clients.critical]


def _usual(scenario: Scenario) -> list[Column]:
    served = [_SERVED, _CRITICAL] if scenario.clients.critical else [_SERVED]
    if scenario.faults:
        goodput = [
            Column("goodput in fault", "goodput", rate, best="most"),
            Column("recovers after", "ttr", duration, none=_unrecovered(scenario), best="least"),
        ]
    else:
        goodput = [Column("served per second", "goodput", rate, best="most")]
    return [*served, *goodput, _FAILED, _ATTEMPTS, _P99]


def _unrecovered(scenario: Scenario) -> str:
    span = trouble(scenario)
    return NEVER if span is None or scenario.seconds - span[1] >= LONG else UNSEEN


def winners(comparison: Comparison, column: Column) -> frozenset[str]:
    """Return the policies that nobody beats in a column; none of them where all are alike."""
    keys = {p.policy: column.key(p.spread(column.figure)) for p in comparison.played}
    least = min(keys.values())
    best = frozenset(policy for policy, key in keys.items() if key == least)
    return best if len(best) < len(keys) else frozenset()


_SERVED = Column("served", "success", share, best="most")
_FAILED = Column("failed users", "failed", count, best="least")
_ATTEMPTS = Column("attempts per user", "amplification", times)
_P99 = Column("p99", "p99", duration)
_CRITICAL = Column("critical served", "critical", share, best="most")
_WASTED = Column("failed after", "wasted", duration)

MEASURES: Final = (
    _SERVED,
    _CRITICAL,
    Column("goodput", "goodput", rate, best="most"),
    Column("turned away", "rejected", share),
    _ATTEMPTS,
    Column("p50", "p50", duration),
    _P99,
    Column("p99.9", "p999", duration),
    _WASTED,
)
"""Figures of a `Phase`: what they are called, and how they are written."""


def _unit(word: str) -> str:
    """Return what comes after the number."""
    return word[len(word.rstrip("/% abcdefghijklmnopqrstuvwxyz")) :]
