"""A sweep as a picture: one heat map for each policy."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch, Rectangle

from holdfast.simulation.report.heat import TITLES, level, rows, scale, title, word
from holdfast.simulation.runs.sweep import Sweep


def heat_maps(sweep: Sweep) -> Figure:
    """Return the heat maps of all policies, side by side."""
    high = len(sweep.axes[1].values) if len(sweep.axes) > 1 else 1
    wide = len(sweep.axes[0].values)
    size = (1.0 + len(sweep.policies) * (0.5 + 0.62 * wide), 1.5 + 0.5 * high)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06))
    grid = figure.subplots(1, len(sweep.policies), sharey=True, squeeze=False)
    for axes, policy in zip(grid[0], sweep.policies, strict=True):
        _heat_map(axes, sweep, policy)
    if len(sweep.axes) > 1:
        grid[0][0].set_ylabel(title(sweep.axes[1]))
    figure.legend(
        handles=[
            Patch(facecolor=one.background, edgecolor="#8a8a8a", label=one.text)
            for one in scale(sweep.figure)
        ],
        loc="outside lower center",
        ncols=len(scale(sweep.figure)),
        title=TITLES[sweep.figure],
        handlelength=1.2,
        columnspacing=1.2,
    )
    return figure


def _heat_map(axes: Axes, sweep: Sweep, policy: str) -> None:
    upward = list(rows(sweep, policy))[::-1]
    for high, (_, cells) in enumerate(upward):
        for far, cell in enumerate(cells):
            median = cell.spread(sweep.figure).median
            look = level(sweep.figure, median)
            axes.add_patch(
                Rectangle((far, high), 1, 1, facecolor=look.background, edgecolor="#ffffff")
            )
            text = word(sweep.figure, median)
            axes.text(
                far + 0.5, high + 0.5, text.replace(" ", "\n", 1) if len(text) > 6 else text,  # noqa: PLR2004 - fits
                ha="center", va="center", color=look.foreground, fontsize=8.5, linespacing=1.0,
            )  # fmt: skip
    first = sweep.axes[0]
    axes.set_title(policy, fontweight="bold")
    axes.set(xlim=(0, len(first.values)), ylim=(0, len(upward)), xlabel=title(first))
    axes.set_xticks([at + 0.5 for at in range(len(first.values))], [f"{v:g}" for v in first.values])
    axes.set_yticks(
        [at + 0.5 for at in range(len(upward))],
        ["" if value is None else f"{value:g}" for value, _ in upward],
    )
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
