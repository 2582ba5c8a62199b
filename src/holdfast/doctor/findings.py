"""What is found, and how it is told: to people in lines, to machines as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check has found."""

    name: str
    """What was looked at; it stays the same, for machines."""
    ok: bool
    says: str
    """What is so, in a few words, whether good or bad."""
    because: str = ""
    """Why it is not well."""
    do: str = ""
    """What helps, if anything does."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """What was measured; durations are in seconds."""

    def line(self) -> str:
        """Return it as one line: ``ok  ...`` or ``no  ..., because ...: ...``."""
        because = f", because {self.because}" if self.because else ""
        remedy = f": {self.do}" if self.do else ""
        return f"{'ok' if self.ok else 'no'}  {self.says}{because}{remedy}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all findings about a subject come to."""

    ok: bool
    by: str | None
    """By what it works; None if it doesn't."""
    says: str
    """The same in one sentence."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A subject, with its findings and the verdict."""

    name: str
    findings: tuple[Finding, ...]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Subject(Generic[P]):
    """Something that works or doesn't, the checks that tell, and what is made of their findings."""

    name: str
    checks: tuple[Callable[[P], Finding], ...]
    judge: Callable[[Mapping[str, Finding]], Verdict]

    def examined(self, patient: P) -> Examined:
        """Run all checks in their order, and judge."""
        findings = tuple(_checked(check, patient) for check in self.checks)
        return Examined(self.name, findings, self.judge({one.name: one for one in findings}))


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found."""

    subjects: tuple[Examined, ...]

    @property
    def ok(self) -> bool:
        """Whether everything works, in one way or another."""
        return all(one.verdict.ok for one in self.subjects)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings about all subjects."""
        return tuple(finding for one in self.subjects for finding in one.findings)

    def lines(self) -> list[str]:
        """Return it for people."""
        told = []
        for one in self.subjects:
            told += [finding.line() for finding in one.findings]
            told += ["", one.verdict.says]
        return told

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON."""
        from holdfast import __version__

        return {"holdfast": __version__, "ok": self.ok, **asdict(self)}


def printed(report: Report, *, as_json: bool) -> int:
    """Print a report; return the exit code: 0 if all is well, 1 if not."""
    print(json.dumps(report.as_dict(), indent=1) if as_json else "\n".join(report.lines()))
    return 0 if report.ok else 1


def _checked(check: Callable[[P], Finding], patient: P) -> Finding:
    """Run a check; what goes wrong in it is a finding, too."""
    try:
        return check(patient)
    except Exception as error:  # noqa: BLE001 - a doctor has seen everything
        name = check.__name__
        return Finding(name, ok=False, says=f"{name}: the check has failed", because=repr(error))
