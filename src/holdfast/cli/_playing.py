"""Plays what ``holdfast simulate`` was asked for: progress, table, report."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from holdfast.cli._wish import Wish
from holdfast.errors import ConfigurationError
from holdfast.simulation import files
from holdfast.simulation.policies.imports import policy
from holdfast.simulation.policies.matching import unheard
from holdfast.simulation.policies.policies import READY, Policy
from holdfast.simulation.policies.rehearsal import rehearse
from holdfast.simulation.scenario.scenario import Scenario

if TYPE_CHECKING:
    from holdfast.simulation.runs.results import Figures

WIDE = 120
"""Columns where there is no terminal to ask."""

Tell = Callable[[float, int, str], None]


def play(wish: Wish) -> None:
    """Play it, and print and write what became of it.

    Raises:
        ConfigurationError: for a scenario, policy or setting that can't be used.
        SimulationError: for a simulation that was ended.
    """
    # With JSON on standard output, all that is for people goes to standard error.
    out = sys.stderr if wish.json_file == "-" else sys.stdout
    console = _console(out)
    scenario = files.scenario(wish.scenario)
    named = wish.compared
    if named is None:
        named = scenario.compare or wish.usual
    policies = _policies((*named, *wish.own))
    for one in policies:
        rehearse(one, scenario)
    remarks = [remark for one in policies if (remark := unheard(one, scenario))]
    table, figures, html, cost = (_sweep if wish.axes else _compare)(wish, scenario, policies)
    console.print(table)
    console.print()
    if scenario.story and not wish.axes:
        console.print(Text(" ".join(scenario.story.split()) + "\n", style="dim"))
    console.print(cost, style="dim")
    for remark in remarks:
        console.print(Text(remark, style="yellow"))
    if wish.report is not None:
        wish.report.write_text(html(), encoding="utf-8")
        console.print(
            f"Report: {escape(str(wish.report.resolve()))}", soft_wrap=True, highlight=False
        )
    if wish.json_file is not None:
        _write(wish.json_file, json.dumps(figures, indent=1) + "\n")


Played = tuple[Any, dict[str, Any], Callable[[], str], str]
"""The table, the figures for JSON, what makes the report, and what it cost to play."""


def _compare(wish: Wish, scenario: Scenario, policies: list[Policy]) -> Played:
    from holdfast.simulation.report.table import table
    from holdfast.simulation.runs.compare import compare

    with _progress() as tell:
        comparison = compare(
            scenario,
            policies,
            wish.seeds,
            workers=wish.workers,
            most_steps=wish.most_steps,
            progress=tell,
        )

    def html() -> str:
        from holdfast.simulation.report.report import html

        return html(comparison, command=wish.command)

    runs = [figures for played in comparison.played for figures in played.figures]
    return table(comparison), comparison.as_dict(), html, _cost(runs, comparison.took)


def _sweep(wish: Wish, scenario: Scenario, policies: list[Policy]) -> Played:
    from holdfast.simulation.report.table import grid
    from holdfast.simulation.runs.sweep import sweep

    with _progress() as tell:
        swept = sweep(
            scenario,
            wish.axes,
            policies,
            wish.seeds,
            workers=wish.workers,
            most_steps=wish.most_steps,
            progress=tell,
        )

    def html() -> str:
        from holdfast.simulation.report.report import html_of_sweep

        return html_of_sweep(swept, command=wish.command)

    runs = [figures for cell in swept.cells for figures in cell.figures]
    return grid(swept), swept.as_dict(), html, _cost(runs, swept.took)


def _cost(runs: Sequence[Figures], took: float) -> str:
    """Return what the model itself cost, in real time; no part of the results."""
    users = sum(run.whole.users for run in runs)
    return f"{len(runs)} runs, {users:,} users, {took:.1f} s of work: {users / took:,.0f} users a second"


def _policies(names: tuple[str, ...]) -> list[Policy]:
    wanted = [one for name in names for one in (READY if name == "all" else (name,))]
    policies = [policy(name) for name in dict.fromkeys(wanted)]
    called = [one.name for one in policies]
    for name in called:
        if called.count(name) > 1:
            raise ConfigurationError(
                f"several policies are called {name!r}; give each its own name"
            )
    return policies


def _console(out: TextIO) -> Console:
    return Console(file=out, highlight=False, width=None if out.isatty() else WIDE)


@contextmanager
def _progress() -> Iterator[Tell | None]:
    """Show a bar on standard error while it plays, if that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        running = bar.add_task("", total=None)

        def tell(done: float, total: int, label: str) -> None:
            bar.update(running, completed=done, total=total, description=escape(label))

        yield tell


def _write(file: str, text: str) -> None:
    import click

    with click.open_file(file, "w", encoding="utf-8") as stream:
        stream.write(text)
