"""A comparison as a table for the terminal, and a sweep as heat maps, drawn with rich."""

from __future__ import annotations

from rich.align import Align
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from holdfast.simulation.compare import Comparison, Played
from holdfast.simulation.heat import TITLES, level, rows, scale, summary, word
from holdfast.simulation.heat import title as axis_title
from holdfast.simulation.sweep import Cell, Sweep
from holdfast.simulation.wording import LATE, Column, columns, winners


def table(comparison: Comparison) -> Table:
    """Return the medians of all policies, with their ranges in brackets; the best of each are bold."""
    scenario, seeds = comparison.scenario, len(comparison.seeds)
    shown = Table(
        title=Text(scenario.title or scenario.name, style="bold"),
        caption=Text("one seed" if seeds == 1 else f"medians of {seeds} seeds, [lowest–highest]"),
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        collapse_padding=True,
        title_justify="left",
        caption_justify="left",
        title_style="",
    )
    shown.add_column("policy", max_width=18, overflow="fold")
    told = columns(scenario)
    for column in told:
        shown.add_column(column.title.replace(" ", "\n", 1), justify="right", overflow="fold")
    for played in comparison.played:
        cells = (_cell(column, played, winners(comparison, column)) for column in told)
        shown.add_row(Text(played.policy, style="bold"), *cells)
    return shown


def _cell(column: Column, played: Played, best: frozenset[str]) -> Text:
    median, between = column.median(played), column.range(played)
    style = "bold green" if played.policy in best else "red" if median in LATE else ""
    text = Text(median, style=style)
    if between:
        text.append(f"\n[{between}]", style="dim not bold")
    return text


def grid(sweep: Sweep) -> Group:
    """Return the heat map of each policy."""
    title = Text(f"{sweep.scenario.title or sweep.scenario.name}\n", style="bold")
    title.append(f"{TITLES[sweep.figure]}\n", style="not bold")
    maps = (
        part
        for policy in sweep.policies
        for part in (_about(sweep, policy), _heat_map(sweep, policy), Text())
    )
    return Group(title, *maps, _legend(sweep))


def _about(sweep: Sweep, policy: str) -> Text:
    return Text.assemble((policy, "bold"), f": {summary(sweep, policy)}")


def _heat_map(sweep: Sweep, policy: str) -> Table:
    first = sweep.axes[0]
    shown = Table(
        caption=Text(f"→ {axis_title(first)}"),
        box=None,
        padding=0,
        caption_justify="right",
    )
    shown.add_column(
        Text(f"↑ {axis_title(sweep.axes[1])}" if len(sweep.axes) > 1 else "", style="dim italic")
    )
    for value in first.values:
        shown.add_column(f"{value:g}", justify="center", min_width=9)
    for upward, cells in rows(sweep, policy):
        label = "" if upward is None else f"{upward:g} "
        shown.add_row(Text(label, justify="right"), *(_square(sweep, cell) for cell in cells))
    return shown


def _square(sweep: Sweep, cell: Cell) -> Align:
    median = cell.spread(sweep.figure).median
    look = level(sweep.figure, median)
    style = f"{look.foreground} on {look.background}"
    return Align.center(Text(word(sweep.figure, median), style=style), style=style)


def _legend(sweep: Sweep) -> Text:
    text = Text()
    for look in scale(sweep.figure):
        text.append(f" {look.text} ", style=f"{look.foreground} on {look.background}")
        text.append(" ")
    return text
