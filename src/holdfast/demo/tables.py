"""What the terminal shows, drawn with rich: where the story is, the services, and the bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from holdfast.demo.bars import Bar
from holdfast.demo.glance import TITLES, Row
from holdfast.demo.settings import HANG, WARM_UP, Phase, Settings
from holdfast.demo.story import Progress

BREAKERS: Final = {"closed": "green", "open": "bold red", "half-open": "yellow", "none": "dim"}
COLUMNS: Final = ("done/s", "queued/s", "failed/s", "p50 ms", "p99 ms", "in use")
PHASES: Final = {"calm": "green", "payments hang": "bold red", "payments recovered": "cyan"}


def header(settings: Settings) -> Text:
    """What is played."""
    speed = "" if settings.speed == 1 else f" · {settings.speed:g} times as fast"
    return Text.assemble(
        ("Holdfast demo", "bold"),
        f"  {settings.world} shop with {settings.pool} · {settings.rate:g} requests/s{speed}",
    )


def whereabouts(progress: Progress) -> RenderableType:
    """Which run, how far, which phase."""
    settings = progress.settings
    warm_up, end = settings.real(WARM_UP), settings.phases[-1].end
    run = f"run {2 if progress.protected else 1} of 2, {TITLES[progress.protected]}"
    bar = ProgressBar(
        total=warm_up + end,
        completed=min(end, progress.at) + warm_up,
        width=30,
        complete_style="cyan",
        finished_style="cyan",
    )
    line = Table.grid(padding=(0, 2))
    line.add_row(Text(run, style="bold"), bar, f"{max(0.0, progress.at):.1f} of {end:.1f} s")
    phase = progress.phase
    return Group(line, _phase(phase, settings) if phase else _between(progress))


def services(lines: Sequence[Row], *, wide: bool, narrow: bool = False) -> Table:
    """How it goes right now; a narrow terminal has no room for two of the columns."""
    table = _table(wide=wide)
    table.add_column("", no_wrap=True)
    left_out = ("p50 ms", "in use") if narrow else ()
    titles = [title for title in COLUMNS if title not in left_out]
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("breaker", min_width=9, no_wrap=True)
    for line in lines:
        cells = _cells(line)
        breaker = Text(line.breaker, style=BREAKERS.get(line.breaker, ""))
        table.add_row(line.name, *(cells[title] for title in titles), breaker)
    return table


def _cells(line: Row) -> dict[str, Text | str]:
    return {
        "done/s": f"{line.done:.0f}",
        "queued/s": f"{line.fallback:.0f}",
        "failed/s": Text(f"{line.failed:.0f}", style="bold red" if line.failed else ""),
        "p50 ms": _milliseconds(line.p50),
        "p99 ms": _milliseconds(line.p99),
        "in use": line.in_use,
    }


def verdicts(bars: Sequence[Bar], *, wide: bool) -> Table:
    """The bars, and whether each is met."""
    table = _table(wide=wide)
    table.add_column("measured")
    for title in ("unprotected", "with Holdfast", "bar"):
        table.add_column(title, justify="right", no_wrap=title == "bar")
    table.add_column("", no_wrap=True)
    for bar in bars:
        verdict = Text("met", style="green") if bar.met else Text("not met", style="bold red")
        table.add_row(bar.figure, bar.unprotected, bar.holdfast, bar.limit, verdict)
    return table


def _table(*, wide: bool) -> Table:
    """Columns one character apart, or two where there is room."""
    gap = 1 if wide else 0  # beside the one that the box has
    return Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, gap, 0, 0))


def _phase(phase: Phase, settings: Settings) -> Text:
    hang = f", {settings.real(HANG):g} s per call" if phase.name == "payments hang" else ""
    return Text(f"● {phase.name}{hang}", style=PHASES[phase.name])


def _between(progress: Progress) -> Text:
    if not progress.start:
        return Text("starting the services", style="dim")
    return Text("warming up" if progress.at < 0 else "waiting for the last answers", style="dim")


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.0f}"
