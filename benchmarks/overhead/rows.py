"""What a measurement leaves behind: rows, and reasons for the rows that are missing."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["bare", "floor", "peer", "holdfast"]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one candidate; ``note`` says what a reader must know about it."""

    section: str
    name: str
    role: Role
    value: float
    unit: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Skip:
    """A row that could not be measured, and why."""

    section: str
    name: str
    reason: str


@dataclass(slots=True)
class Findings:
    """All rows of a run, in the order they were measured."""

    rows: list[Row] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    def add(self, found: "Findings") -> None:
        """Take over what another measurement found."""
        self.rows += found.rows
        self.skips += found.skips
        self.versions |= found.versions

    def skip(self, section: str, name: str, error: object) -> None:
        """Note why a row is missing, in one line."""
        self.skips.append(Skip(section, name, in_one_line(error)))

    def value(self, section: str, name: str) -> float | None:
        """The figure of one row, if it was measured."""
        rows = (row for row in self.rows if (row.section, row.name) == (section, name))
        return next((row.value for row in rows), None)

    def best_peer(self, section: str) -> Row | None:
        """The peer with the smallest figure in a section."""
        peers = [row for row in self.rows if row.section == section and row.role == "peer"]
        return min(peers, key=lambda row: row.value, default=None)

    def sections(self) -> list[str]:
        """The names of the sections, in order of appearance."""
        return unique(row.section for row in self.rows)


def in_one_line(error: object) -> str:
    """The error without line breaks and without the folders of the machine it happened on."""
    reason = f"{type(error).__name__}: {error}" if isinstance(error, Exception) else str(error)
    return re.sub(r" \((/|[A-Z]:)[^)]*\)", "", " ".join(reason.split()))[:200]


def unique(names: Iterable[str]) -> list[str]:
    """The names without repetitions, in order."""
    return list(dict.fromkeys(names))
