"""A sweep's cells as people see them: words, and colours from pale for good to dark for bad.

Each step is darker than the one before it, so that all eyes, and a printer, can tell them apart; what is
worst has a sign besides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.simulation.report.wording import NEVER, NOTHING, duration, share
from holdfast.simulation.runs.sweep import Axis, Cell, Sweep

BAD = "✗"


@dataclass(frozen=True, slots=True)
class Level:
    """A range of values that look alike: up to ``most``."""

    most: float
    text: str
    background: str
    foreground: str = "#1b1b1b"


PALE, SAND, AMBER, RUST, WINE = "#f3f1e4", "#f6d68d", "#ee9a4d", "#b9422f", "#3d1023"
WHITE = "#ffffff"
LEVELS: dict[str, tuple[Level, ...]] = {
    "ttr": (
        Level(4.0, "up to 4 s", PALE),
        Level(12.0, "up to 12 s", SAND),
        Level(30.0, "up to 30 s", AMBER),
        Level(math.inf, "longer", RUST, WHITE),
    ),
    "success": (
        Level(0.001, "at least 99.9 %", PALE),
        Level(0.01, "at least 99 %", SAND),
        Level(0.1, "at least 90 %", AMBER),
        Level(0.5, "at least half", RUST, WHITE),
    ),
}
WORST = {
    "ttr": Level(math.inf, f"{BAD} {NEVER} within the run", WINE, WHITE),
    "success": Level(1.0, f"{BAD} less than half", WINE, WHITE),
}
TITLES = {"ttr": "Time to recover after the fault", "success": "Share of users served"}


def level(figure: str, value: float | None) -> Level:
    """Return the level of a cell's median."""
    if value is None:
        return WORST[figure]
    loss = 1 - value if figure == "success" else value
    return next((one for one in LEVELS[figure] if loss <= one.most + 1e-9), WORST[figure])


def scale(figure: str) -> tuple[Level, ...]:
    """Return all levels, the best first."""
    return (*LEVELS[figure], WORST[figure])


def word(figure: str, value: float | None) -> str:
    """Return what stands in a cell."""
    if value is None:
        return f"{BAD} {NEVER}"
    text = duration(value) if figure == "ttr" else share(value)
    return f"{BAD} {text}" if level(figure, value) is WORST[figure] else text


def rows(sweep: Sweep, policy: str) -> Iterator[tuple[float | None, list[Cell]]]:
    """Yield the value of the second axis and the cells of each row, the highest value first."""
    cells, first = sweep.of(policy), sweep.axes[0].values
    if len(sweep.axes) == 1:
        yield None, [cells[(value,)] for value in first]
        return
    for upward in sorted(sweep.axes[1].values, reverse=True):
        yield upward, [cells[value, upward] for value in first]


def title(axis: Axis) -> str:
    """Return what an axis is called."""
    known = {"load": "load (share of capacity)", "stall": "stall (seconds)"}
    return known.get(axis.name, axis.name)


def summary(sweep: Sweep, policy: str) -> str:
    """Return the whole map of a policy in one line."""
    medians = [cell.spread(sweep.figure).median for cell in sweep.of(policy).values()]
    known = [value for value in medians if value is not None]
    if sweep.figure == "success":
        return f"at least {share(min(known))} in every cell" if known else NOTHING
    lost = len(medians) - len(known)
    worst = f"{duration(max(known))} at most" if known else ""
    if not lost:
        return f"recovers in all {len(medians)} cells, after {worst}"
    never = f"{BAD} never in {lost} of {len(medians)} cells"
    return f"{never}; elsewhere after {worst}" if known else never
