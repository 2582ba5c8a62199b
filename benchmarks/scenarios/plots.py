"""What is drawn, as values; matplotlib is imported when something is drawn, and its bytes are exact."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any


@dataclass(frozen=True, slots=True)
class Lines:
    """Curves over time or over a parameter."""

    title: str
    x: str
    y: str
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    shaded: tuple[float, float] | None = None
    """When the fault was there."""
    limit: float | None = None
    log: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """A group of bars for each setting, a bar for each policy; a bar of infinite height is "never"."""

    title: str
    y: str
    groups: Sequence[str]
    series: Mapping[str, Sequence[float]]
    limits: Sequence[float | None] = ()
    """The bar to reach, for each group."""
    log: bool = False


@dataclass(frozen=True, slots=True)
class Heat:
    """A table of colours; green is 0, red is ``worst`` and more."""

    title: str
    x: str
    y: str
    columns: Sequence[str]
    rows: Sequence[str]
    cells: Sequence[Sequence[float]]
    worst: float


Plot = Lines | Bars | Heat

COLOURS = {
    "holdfast": "#0b6e4f",
    "none": "#9a9a9a",
    "tenacity": "#c1292e",
    "tenacity + pybreaker": "#e07a1f",
    "tenacity + pybreaker, 5 s": "#f2b134",
    "hyx": "#3d5a99",
    "hyx, 5 s": "#84a9e0",
    "stamina": "#7b3f8c",
    "nopanic": "#8c564b",
    "nopanic, 5 s": "#c49c94",
}
GREENS = ("#0b6e4f", "#4fb286", "#9bd8bb")
OTHERS = ("#17a2b8", "#d16ba5", "#556b2f", "#444444", "#b0a000", "#5f0f40", "#00798c")
STYLE: Any = {
    "svg.hashsalt": "holdfast",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def svg(plots: Sequence[Plot]) -> str:
    """Return the plots as one SVG, the same bytes for the same plots: tables of colours in pairs."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        columns, height = (2, 2.1) if isinstance(plots[0], Heat) else (1, 3.4)
        rows = math.ceil(len(plots) / columns)
        figure = Figure(figsize=(9.0, height * rows), layout="constrained")
        FigureCanvasSVG(figure)
        for number, plot in enumerate(plots, 1):
            draw(figure.add_subplot(rows, columns, number), plot)
        into = io.BytesIO()
        figure.savefig(into, format="svg", metadata={"Date": None, "Creator": None})
    lines = into.getvalue().decode().splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


def draw(axes: Any, plot: Plot) -> None:
    """Draw one plot."""
    axes.set_title(plot.title, loc="left", fontsize=10)
    if isinstance(plot, Lines):
        _lines(axes, plot)
    elif isinstance(plot, Bars):
        _bars(axes, plot)
    else:
        _heat(axes, plot)


def colours(names: Sequence[str]) -> dict[str, str]:
    """Return a colour for each name: the same one everywhere for a policy, greens for what is ours."""
    greens = cycle(GREENS[1:] if "holdfast" in names else GREENS)
    others = cycle(OTHERS)
    return {
        name: COLOURS.get(name) or next(greens if name.startswith("holdfast") else others)
        for name in names
    }


def _lines(axes: Any, plot: Lines) -> None:
    for name, colour in colours(list(plot.series)).items():
        xs, ys = plot.series[name]
        ours = name.startswith("holdfast")
        axes.plot(xs, ys, label=name, color=colour, linewidth=2.2 if ours else 1.2, zorder=2 + ours)
    if plot.shaded is not None:
        axes.axvspan(*plot.shaded, color="#000000", alpha=0.08, linewidth=0)
    if plot.limit is not None:
        axes.axhline(plot.limit, color="#000000", linewidth=0.8, linestyle="--")
    _finish(axes, plot.x, plot.y, log=plot.log)


def _bars(axes: Any, plot: Bars) -> None:
    finite = [one for row in plot.series.values() for one in row if math.isfinite(one)]
    top = 1.15 * max([*finite, *(limit or 0.0 for limit in plot.limits), 1e-9])
    width = 0.84 / len(plot.series)
    for place, (name, colour) in enumerate(colours(list(plot.series)).items()):
        for group, value in enumerate(plot.series[name]):
            x = group - 0.42 + (place + 0.5) * width
            label = name if group == 0 else None
            height = value if math.isfinite(value) else top
            axes.bar(x, height, width * 0.92, color=colour, label=label)
            if math.isinf(value):
                axes.text(x, top * 0.98, "never", rotation=90, ha="center", va="top", color="white")
    for group, limit in enumerate(plot.limits):
        if limit is not None:
            axes.hlines(
                limit, group - 0.46, group + 0.46, color="#000000", linestyle="--", linewidth=1
            )
    axes.set_xticks(range(len(plot.groups)), plot.groups, fontsize=8)
    _finish(axes, "", plot.y, log=plot.log)


def _heat(axes: Any, plot: Heat) -> None:
    capped = [[min(cell, plot.worst) for cell in row] for row in plot.cells]
    axes.pcolormesh(capped, cmap="RdYlGn_r", vmin=0, vmax=plot.worst, edgecolors="white")
    for y, row in enumerate(plot.cells):
        for x, cell in enumerate(row):
            text = "never" if math.isinf(cell) else f"{cell:.0f}"
            dark = cell < 0.15 * plot.worst or cell > 0.85 * plot.worst
            place = {"ha": "center", "va": "center", "fontsize": 8}
            axes.text(x + 0.5, y + 0.5, text, color="white" if dark else "black", **place)
    axes.set_xticks([x + 0.5 for x in range(len(plot.columns))], plot.columns)
    axes.set_yticks([y + 0.5 for y in range(len(plot.rows))], plot.rows)
    axes.set_xlabel(plot.x)
    axes.set_ylabel(plot.y)


def _finish(axes: Any, x: str, y: str, *, log: bool) -> None:
    if log:
        axes.set_yscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(axis="y", alpha=0.25)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=8)
