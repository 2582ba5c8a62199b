"""The course of runs as plots: one column for each policy, one row for each thing to look at.

Drawn by matplotlib without pyplot, so nothing global is touched; imported only when something is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, MultipleLocator

from holdfast import _validate
from holdfast._report.figure import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SHADE,
    STYLE,
    UNDATED,
    VERMILION,
)
from holdfast.simulation.report.wording import count as whole
from holdfast.simulation.report.wording import duration, quantity
from holdfast.simulation.runs.compare import Comparison, Played
from holdfast.simulation.runs.series import Series
from holdfast.simulation.runs.sweep import Sweep

DASHED: Final = (0, (4, 2))
DOTTED: Final = (0, (1, 1.5))
UNITS: Final = (("s", 1, 600), ("min", 60, 10_800), ("h", 3600, 259_200), ("d", 86_400, math.inf))
"""Units of time, how long they are, and up to which length of a run they are used."""
STEPS: Final = (1, 2, 3, 5, 6, 10, 20, 30, 50)
"""How many units lie between two marks; or any number of fifties."""
TICKS: Final = 6
"""The most stretches between marks."""
SPAN = 30
"""A logarithmic axis that spans less has marks between the powers of ten, of which it may have none."""
WIDE, NARROW, HEIGHT = 5.4, 4.2, 1.9
WIDE_FOR = 2
"""So many policies get wide plots."""
LEFT, RIGHT, TOP, BOTTOM = 0.66, 0.2, 0.08, 0.28
"""Inches around a plot."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a panel."""

    column: str
    label: str
    colour: str
    style: Any = "solid"
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One thing to look at, as it is drawn for each policy.

    Args:
        kind: what it is called in code.
        title: of the plots.
        about: how to read them.
        lines: what is drawn.
        logarithmic: whether the heights are.
        format: how heights are written.
        idle: whether there is something to see only where the lines move: it is a level that stands
            still as long as nothing happens.
    """

    kind: str
    title: str
    about: str
    lines: tuple[Line, ...]
    logarithmic: bool = False
    format: Callable[[float], str] = whole
    idle: bool = False


OFFERED: Final = Line("offered", "users who came", GREY, DASHED)
PANELS: Final = (
    Panel(
        "goodput",
        "Users served per second",
        "Between both lines are the users who failed, or who still wait.",
        (Line("goodput", "served", BLUE, filled=True), OFFERED),
    ),
    Panel(
        "latency",
        "Time to the answer",
        "Of the users who came then and were served; a gap where nobody was. Logarithmic.",
        (Line("p50", "half of them (p50)", GREEN), Line("p99", "99 of 100 (p99)", INK, DOTTED)),
        logarithmic=True,
        format=duration,
    ),
    Panel(
        "attempts",
        "Attempts per second",
        "Above the dashed line they are retries; below it, calls were turned away by the client.",
        (Line("attempts", "attempts", VERMILION, filled=True), OFFERED),
    ),
    Panel(
        "breakers",
        "Clients with an open breaker",
        "Open or half-open, of all client processes.",
        (Line("open", "clients", PURPLE, filled=True),),
    ),
    Panel(
        "limits",
        "Adaptive limit of a client",
        "How many calls at once it allows, in the mean of all clients; not the limits of single keys."
        " Logarithmic.",
        (Line("limit", "calls at once", GREEN),),
        logarithmic=True,
        format=quantity,
        idle=True,
    ),
    Panel(
        "budgets",
        "Retry budget of a client",
        "Tokens that are left, in the mean of all clients: each retry takes one.",
        (Line("tokens", "tokens", ORANGE, filled=True),),
        idle=True,
    ),
    Panel(
        "queue",
        "Requests that wait at the servers",
        "Work that piles up there is late before it begins.",
        (Line("queued", "requests", INK, filled=True),),
    ),
)


def shown(comparison: Comparison) -> list[Panel]:
    """Return the panels in which there is something to see."""
    return [panel for panel in PANELS if _tells(panel, _values(panel, *comparison.played))]


def _tells(panel: Panel, values: list[float]) -> bool:
    return len(set(values)) > 1 if panel.idle else any(values)


def has(panel: Panel, played: Played) -> bool:
    """Return whether a policy has what a panel shows: not all have limits and budgets."""
    return not panel.idle or bool(_values(panel, played))


def save(result: Comparison | Sweep, path: str | Path, *, kind: str = "all") -> None:
    """Draw a comparison, or the heat maps of a sweep, into a file: SVG or PNG, by its name.

    Args:
        result: what to draw.
        path: of the file.
        kind: of a comparison: ``"all"``, or one of ``"goodput"``, ``"latency"``, ``"attempts"``,
            ``"breakers"``, ``"limits"``, ``"budgets"``, ``"queue"``.

    Raises:
        ConfigurationError: for an unknown kind.
    """
    _validate.one_of("kind", kind, ("all", *(panel.kind for panel in PANELS)))
    with mpl.rc_context(dict(STYLE)):
        if isinstance(result, Sweep):
            from holdfast.simulation.report.heat_plot import heat_maps

            figure = heat_maps(result)
        else:
            panels = [panel for panel in PANELS if kind == panel.kind]
            figure = matrix(result, panels or shown(result))
        undated = {".svg": UNDATED, ".png": {"Software": None}}
        figure.savefig(path, dpi=144, metadata=undated.get(Path(path).suffix))


def matrix(comparison: Comparison, panels: Sequence[Panel]) -> Figure:
    """Return panels and policies as rows and columns of one figure."""
    played = comparison.played
    size = (1.2 + 3.6 * len(played), 0.6 + 1.7 * len(panels))
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.06, w_pad=0.06))
    grid = figure.subplots(len(panels), len(played), sharex=True, sharey="row", squeeze=False)
    for row, panel in zip(grid, panels, strict=True):
        for axes, one in zip(row, played, strict=True):
            _cell(axes, comparison, panel, one.series)
        row[0].set_title(panel.title, pad=6)
        row[-1].legend(loc="upper left", bbox_to_anchor=(1.02, 1.0))
    for axes, one in zip(grid[0], played, strict=True):
        axes.annotate(
            one.policy, (0, 1), (0, 22), "axes fraction", "offset points",
            fontsize=12, fontweight="bold",
        )  # fmt: skip
    return figure


def cell(comparison: Comparison, panel: Panel, number: int) -> Figure:
    """Return one panel of policy ``number``, on the same axes as those of all others.

    Its frame lies where those of all other panels lie, so that one under the other show the same time.
    """
    width = WIDE if len(comparison.played) <= WIDE_FOR else NARROW
    figure = Figure(figsize=(width, HEIGHT), facecolor="none")  # the page's own shall be seen
    figure.subplots_adjust(LEFT / width, BOTTOM / HEIGHT, 1 - RIGHT / width, 1 - TOP / HEIGHT)
    axes = figure.subplots(subplot_kw={"facecolor": "none"})
    _cell(axes, comparison, panel, comparison.played[number].series)
    return figure


def _cell(axes: Axes, comparison: Comparison, panel: Panel, series: Series) -> None:
    for fault in comparison.scenario.faults:
        axes.axvspan(fault.at, fault.until, color=SHADE, zorder=-1, linewidth=0)
        for instant in (fault.at, fault.until):
            axes.axvline(instant, color=GREY, linewidth=0.7, linestyle=DOTTED, zorder=0.5)
    for line in panel.lines:
        values = getattr(series, line.column)
        heights = [math.nan if value is None else value for value in values]
        look = {"color": line.colour, "linestyle": line.style, "linewidth": 1.3}
        above = 2 if line.filled else 1
        axes.stairs(heights, series.starts, baseline=None, label=line.label, zorder=above, **look)
        if line.filled:
            axes.stairs(
                heights, series.starts, fill=True, color=line.colour, alpha=0.18, linewidth=0
            )
    _horizontal(axes, comparison.scenario.seconds)
    _vertical(axes, comparison, panel)


def _horizontal(axes: Axes, seconds: float) -> None:
    unit, size = next((unit, size) for unit, size, most in UNITS if seconds <= most)
    whole = (size * number for number in count(1) if number in STEPS or number % STEPS[-1] == 0)
    axes.set_xlim(0, seconds)
    axes.xaxis.set_major_locator(MultipleLocator(next(w for w in whole if seconds <= TICKS * w)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at / size:g} {unit}"))


def _vertical(axes: Axes, comparison: Comparison, panel: Panel) -> None:
    values = _values(panel, *comparison.played) or [1.0]
    if panel.logarithmic:
        axes.set_yscale("log")
        low, high = min(values), max(values)
        axes.set_ylim(low / 1.5, high * 1.5)
        subs = (1, 2, 5) if high < SPAN * low else (1,)
        axes.yaxis.set_major_locator(LogLocator(10, subs=subs, numticks=6))
        axes.yaxis.set_minor_locator(LogLocator(10, subs=()))
    else:
        axes.set_ylim(0, 1.08 * max(values) or 1)
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda height, _: panel.format(height)))


def _values(panel: Panel, *played: Played) -> list[float]:
    """Return all values of a panel, of all policies: they share their axes."""
    return [
        value
        for one in played
        for line in panel.lines
        for value in getattr(one.series, line.column)
        if value is not None
    ]
