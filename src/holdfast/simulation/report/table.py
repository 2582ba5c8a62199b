"""A comparison as a table for the terminal, and a sweep as heat maps, drawn with rich."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from rich.align import Align
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from holdfast.simulation.report.heat import TITLES, level, rows, scale, summary, word
from holdfast.simulation.report.heat import title as axis_title
from holdfast.simulation.report.wording import LATE, Column, columns, winners
from holdfast.simulation.runs.compare import Comparison, Played, Spread
from holdfast.simulation.runs.sweep import Cell, Sweep

UNBOUNDED = 10_000
"""Columns of a terminal in which all fits."""


class Ranges(Enum):
    """Which ranges stand below their medians; the value is what the caption says of them."""

    ALL = ", [lowest–highest]"
    FAR = ", [lowest–highest] where that is more than a tenth away"
    NONE = "; there is no room for their ranges"


FAR = 0.1
"""A range that goes no further from its median, as a share of it, may be left out."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A comparison as a table that is made when the width of the terminal is known.

    All ranges if there is room, or only those that are far from their medians, or none; and where the
    medians alone need more than one line, several tables one below the other, with what fits.
    """

    comparison: Comparison

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it; called by rich."""
        scenario, seeds = self.comparison.scenario, len(self.comparison.seeds)
        parts, ranges = self._laid_out(console, options)
        yield Text(scenario.title or scenario.name, style="bold")
        for number, part in enumerate(parts):
            yield from (Text(), part) if number else (part,)
        kind = "one seed" if seeds == 1 else f"medians of {seeds} seeds{ranges.value}"
        yield Text(kind, style="dim italic")

    def _laid_out(self, console: Console, options: ConsoleOptions) -> tuple[list[Table], Ranges]:
        unbounded = options.update_width(UNBOUNDED)

        def fits(part: Table) -> bool:
            return Measurement.get(console, unbounded, part).maximum <= options.max_width

        told = columns(self.comparison.scenario)
        for ranges in Ranges:
            whole = _table(self.comparison, told, ranges)
            if fits(whole):
                return [whole], ranges
        parts = [_table(self.comparison, told[:1], Ranges.FAR)]
        first = 0
        for end in range(2, len(told) + 1):
            longer = _table(self.comparison, told[first:end], Ranges.FAR)
            if fits(longer):
                parts[-1] = longer
            else:
                first = end - 1
                parts.append(_table(self.comparison, told[first:end], Ranges.FAR))
        return parts, Ranges.FAR


def table(comparison: Comparison) -> Fitted:
    """Return the medians of all policies, with their ranges in brackets; the best of each are bold."""
    return Fitted(comparison)


def _table(comparison: Comparison, told: list[Column], ranges: Ranges) -> Table:
    shown = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    shown.add_column("policy", max_width=18, overflow="fold")
    for column in told:
        shown.add_column(_heading(column.title), justify="right", overflow="fold")
    for played in comparison.played:
        cells = (_cell(column, played, winners(comparison, column), ranges) for column in told)
        shown.add_row(Text(played.policy, style="bold"), *cells)
    return shown


def _heading(title: str) -> str:
    """Return a title in two lines, as narrow as can be."""
    words = title.split()
    halves = [(" ".join(words[:n]), " ".join(words[n:])) for n in range(1, len(words))]
    return "\n".join(min(halves, key=lambda lines: max(map(len, lines)), default=(title,)))


def _cell(column: Column, played: Played, best: frozenset[str], ranges: Ranges) -> Text:
    median, between = column.median(played), column.range(played)
    style = "bold green" if played.policy in best else "red" if median in LATE else ""
    text = Text(median, style=style)
    near = ranges is Ranges.FAR and not _is_far(played.spread(column.figure))
    if between and ranges is not Ranges.NONE and not near:
        text.append(f"\n[{between}]", style="dim not bold")
    return text


def _is_far(spread: Spread) -> bool:
    """Return whether the lowest or the highest value is another story than the median."""
    ends = (spread.low, spread.high)
    if spread.median is None or None in ends:
        return spread.low != spread.high
    return any(abs(end - spread.median) > FAR * spread.median for end in ends if end is not None)


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
