"""What happens over time: a row for each policy, the fault shaded."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from holdfast._report.figure import compact, drawn
from holdfast.simulation.report.heat_plot import heat_maps
from holdfast.simulation.report.plots import PANELS, _cell
from holdfast.simulation.runs.compare import Comparison
from holdfast.simulation.runs.sweep import Sweep

WIDTH = 8.6
"""Inches: as wide as a page of the documentation, so that words are as large as the text's."""

FONT = 'font-family="system-ui, sans-serif"'


def course(comparison: Comparison, kinds: Sequence[str] = ("goodput", "attempts")) -> Figure:
    """Return a figure of some panels of all policies, each kind on the same axes."""
    panels = [panel for kind in kinds for panel in PANELS if panel.kind == kind]
    figure = Figure(
        figsize=(WIDTH, 0.6 + 1.5 * len(comparison.played)),
        layout=ConstrainedLayoutEngine(h_pad=0.06, w_pad=0.06),
    )
    grid = figure.subplots(len(comparison.played), len(panels), sharex=True, squeeze=False)
    for row, played in zip(grid, comparison.played, strict=True):
        for axes, panel in zip(row, panels, strict=True):
            _cell(axes, comparison, panel, played.series)
        row[0].set_ylabel(played.policy.replace(" of ", "\nof "), fontweight="bold")
    for axes, panel in zip(grid[0], panels, strict=True):
        axes.set_title(panel.title, pad=6)
    for axes in grid[-1]:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)
    return figure


def some(sweep: Sweep, policies: tuple[str, ...]) -> Sweep:
    """Return the sweep of some of its policies."""
    cells = tuple(cell for cell in sweep.cells if cell.policy in policies)
    return replace(sweep, policies=policies, cells=cells)


def pictures(
    tutorial: Comparison, storm: Comparison, sweep: Sweep
) -> dict[str, Callable[[], Figure]]:
    """Return what is drawn, by the names of the files."""
    halves = sweep.policies[:2], sweep.policies[2:]
    return {
        "tutorial": lambda: course(tutorial),
        "storm": lambda: course(storm),
        "region-without": lambda: heat_maps(some(sweep, halves[0])),
        "region-with": lambda: heat_maps(some(sweep, halves[1])),
    }


def draw(pictures: dict[str, Callable[[], Figure]], folder: Path) -> None:
    """Write all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in pictures.items():
        svg = compact(drawn(figure), f"{name}-").replace("<svg", f"<svg {FONT}", 1)
        (folder / f"{name}.svg").write_text(svg.strip() + "\n", encoding="utf-8")
