"""Whether a bar is reached: pure functions over the rows of a run.

A bar compares one figure of ours with a limit, or its ratio to another row of the same run with
one. What was not measured is neither met nor missed, and is shown as such.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.overhead.rows import Findings, Row

Key = tuple[str, str]
Against = Callable[[Findings], Row | None]
Outcome = Literal["met", "NOT met", "not measured"]


@dataclass(frozen=True, slots=True)
class Bar:
    """``ours`` must be at most ``limit`` (at least, if ``least``), as such or per ``against``.

    A ratio has the unit "x".
    """

    what: str
    ours: Key
    limit: float
    unit: str = "ns"
    against: Against | None = None
    least: bool = False


def ratio(what: str, ours: Key, limit: float, against: Against, *, least: bool = False) -> Bar:
    """A bar for the ratio of one row to another."""
    return Bar(what, ours, limit, "x", against, least)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A bar beside what this run measured; ``reference`` is the row that it is a ratio to."""

    bar: Bar
    figure: float | None
    reference: Row | None
    outcome: Outcome


def row(section: str, name: str) -> Against:
    """The ratio is to this row."""

    def find(found: Findings) -> Row | None:
        rows = (each for each in found.rows if (each.section, each.name) == (section, name))
        return next(rows, None)

    return find


def best_peer(section: str) -> Against:
    """The ratio is to the cheapest peer of this section."""
    return lambda found: found.best_peer(section)


def judge(bar: Bar, found: Findings) -> Verdict:
    """The verdict on one bar."""
    own = row(*bar.ours)(found)
    reference = bar.against(found) if bar.against else None
    if own is None or (bar.against and (reference is None or reference.value <= 0)):
        return Verdict(bar, None, reference, "not measured")
    figure = own.value / reference.value if reference else own.value
    reached = figure >= bar.limit if bar.least else figure <= bar.limit
    return Verdict(bar, figure, reference, "met" if reached else "NOT met")


def summary(verdicts: Sequence[Verdict]) -> str:
    """One sentence that hides nothing."""
    counts = {
        outcome: sum(verdict.outcome == outcome for verdict in verdicts)
        for outcome in ("met", "NOT met", "not measured")
    }
    return (
        f"{len(verdicts)} bars: {counts['met']} met, {counts['NOT met']} NOT met, "
        f"{counts['not measured']} not measured."
    )
