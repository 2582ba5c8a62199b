"""The results as tables for the pages, each in a section that a page can take; and as JSON."""

from collections.abc import Sequence
from typing import Any

from holdfast import standard
from holdfast.simulation.report.wording import NEVER, NOTHING, count, duration, rate, share, times
from holdfast.simulation.runs.compare import Comparison, Played
from holdfast.simulation.runs.results import plain
from holdfast.simulation.runs.sweep import Sweep
from tools.plots.defaults import COLUMNS, VARIANTS

FORMATS = {
    "ttr": duration,
    "failed": count,
    "goodput": rate,
    "amplification": times,
    "success": share,
}
HEAD = """\
# What the documentation tells of the simulator

Written by `make plots`.
Played on virtual time with seeds {first} to {last}: medians, and ranges where the seeds differ."""


def median(played: Played, figure: str) -> str:
    """Return a figure's median as a person reads it."""
    value, form = played.spread(figure).median, FORMATS[figure.rpartition(".")[2]]
    return form(value) if value is not None else NEVER if figure == "ttr" else NOTHING


def said(played: Played, figure: str) -> str:
    """Return a figure as a person reads it: its median, and its range."""
    spread, form = played.spread(figure), FORMATS[figure.rpartition(".")[2]]
    low, high = (NEVER if v is None else form(v) for v in (spread.low, spread.high))
    return median(played, figure) + ("" if low == high else f" ({low} to {high})")


def table(comparison: Comparison, columns: Sequence[tuple[str, str]]) -> str:
    """Return a table with a row for each policy."""
    rows = [
        [played.policy, *(said(played, figure) for _, figure in columns)]
        for played in comparison.played
    ]
    return lines(["policy", *(title for title, _ in columns)], rows)


def lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def ablation(results: dict[str, Comparison]) -> str:
    """Return the table of what becomes of `standard` with one thing changed."""
    rows = [
        [name, *(median(results[c.incident].played[number], c.figure) for c in COLUMNS)]
        for number, name in enumerate(VARIANTS)
    ]
    return lines(["changed", *(column.title for column in COLUMNS)], rows)


def configuration() -> str:
    """Return the one configuration of `standard` that is played everywhere."""
    return f"```text\n{standard('service', attempt_timeout=1.0).describe()}\n```"


def written(sections: dict[str, str], seeds: range) -> str:
    """Return the file, in which each section has a name."""
    parts = (
        f"<!-- --8<-- [start:{name}] -->\n{text}\n<!-- --8<-- [end:{name}] -->"
        for name, text in sections.items()
    )
    return "\n\n".join([HEAD.format(first=seeds[0], last=seeds[-1]), *parts]) + "\n"


def figures(comparisons: dict[str, Comparison], sweep: Sweep) -> dict[str, Any]:
    """Return what pages quote, and what tests play again."""
    told = {
        name: {
            played.policy: [
                {figure: plain(getattr(one, figure)) for figure in FORMATS}
                | {"health": one.health and plain(one.health.success)}
                for one in played.figures
            ]
            for played in comparison.played
        }
        for name, comparison in comparisons.items()
    }
    region = {policy: recoveries(sweep, policy) for policy in sweep.policies}
    return {"configuration": configuration(), "comparisons": told, "region": region}


def recoveries(sweep: Sweep, policy: str) -> dict[str, float | None]:
    """Return the time to recover in each cell, by load and length of the stall."""
    cells = sweep.of(policy).items()
    return {f"{load:g}, {stall:g}": cell.spread("ttr").median for (load, stall), cell in cells}
