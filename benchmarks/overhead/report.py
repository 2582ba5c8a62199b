"""The findings of a run as text for the terminal, as markdown and as JSON."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from benchmarks.overhead.rows import Findings, Row
from benchmarks.overhead.text import aligned, amount, markdown
from benchmarks.overhead.verdicts import Verdict, summary

Table = Callable[[Sequence[str], Sequence[Sequence[str]], str], str]
_METHOD = (
    "Overhead over the bare call: interleaved samples, the minimum over the rounds (the median "
    "where noted), minus the bare function; rejections count raising and catching in full. "
    "Machines are noisy: the ratio of two rows of one run is the signal."
)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a run is remembered by."""

    facts: dict[str, str]
    found: Findings
    verdicts: list[Verdict]
    partial: bool = False

    def text(self) -> str:
        """For a terminal."""
        return self._render(aligned, "{}\n" + "=" * 60, "")

    def markdown(self) -> str:
        """For the documentation."""
        return self._render(markdown, "## {}", "# What a protected call costs\n\n")

    def json(self) -> str:
        """For machines; times in nanoseconds."""
        document = {
            "facts": self.facts,
            "versions": self.found.versions,
            "rows": [asdict(row) for row in self.found.rows],
            "bars": [_as_json(verdict) for verdict in self.verdicts],
            "skipped": [asdict(skip) for skip in self.found.skips],
        }
        return json.dumps(document, indent=1) + "\n"

    def _render(self, table: Table, heading: str, top: str) -> str:
        parts = [
            top + heading.format("Bars"),
            summary(self.verdicts),
            table(_BAR_HEADER, [_bar_cells(each) for each in self._shown()], "limit,ours"),
            heading.format("All figures"),
            _METHOD,
            table(_ROW_HEADER, _all_rows(self.found), "figure,to ours"),
            *self._skipped(table, heading),
            heading.format("Made with"),
            table(("what", "version"), [*self.facts.items(), *self.found.versions.items()], ""),
        ]
        return "\n\n".join(parts) + "\n"

    def _shown(self) -> list[Verdict]:
        """All bars; of a run that was asked for a part, those that the part can tell about."""
        return [each for each in self.verdicts if not self.partial or each.figure is not None]

    def _skipped(self, table: Table, heading: str) -> list[str]:
        if not self.found.skips:
            return []
        rows = [(skip.section, skip.name, skip.reason) for skip in self.found.skips]
        return [heading.format("Skipped"), table(("section", "candidate", "reason"), rows, "")]


_BAR_HEADER = ("bar", "limit", "ours", "measured against", "verdict")
_ROW_HEADER = ("section", "candidate", "figure", "to ours", "note")


def _bar_cells(verdict: Verdict) -> tuple[str, ...]:
    bar, reference = verdict.bar, verdict.reference
    sign = "≥" if bar.least else "≤"
    against = f"{reference.name}: {amount(reference.value, reference.unit)}" if reference else ""
    figure = "-" if verdict.figure is None else amount(verdict.figure, bar.unit)
    return (bar.what, f"{sign} {amount(bar.limit, bar.unit)}", figure, against, verdict.outcome)


def _all_rows(found: Findings) -> list[tuple[str, ...]]:
    lines = []
    for section in found.sections():
        rows = [row for row in found.rows if row.section == section]
        own = next((row for row in rows if row.role == "holdfast" and row.name == "holdfast"), None)
        for number, row in enumerate(rows):
            title = section if number == 0 else ""
            lines.append((title, row.name, amount(row.value, row.unit), _to(own, row), row.note))
    return lines


def _to(own: Row | None, row: Row) -> str:
    """How many times ours this row is."""
    if own is None or own is row or own.value <= 0 or row.role == "bare":
        return ""
    return amount(row.value / own.value, "x")


def _as_json(verdict: Verdict) -> dict[str, object]:
    reference = verdict.reference
    return {
        "bar": verdict.bar.what,
        "limit": verdict.bar.limit,
        "at_least": verdict.bar.least,
        "ours": verdict.figure,
        "unit": verdict.bar.unit,
        "against": f"{reference.section}: {reference.name}" if reference else None,
        "outcome": verdict.outcome,
    }
