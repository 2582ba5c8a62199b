"""What became of the tests on each Python, as a table."""

from pathlib import Path
from xml.etree import ElementTree as ET

COLUMNS = ("passed", "failed", "skipped", "xfailed")


def counts(report: Path) -> dict[str, int]:
    """Count the outcomes in a report of pytest's (``--junit-xml``); all 0 if there is none."""
    found = dict.fromkeys(COLUMNS, 0)
    if not report.exists():
        return found
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it a moment ago
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            found["failed"] += 1
        elif skipped is None:
            found["passed"] += 1
        else:
            found["xfailed" if skipped.get("type") == "pytest.xfail" else "skipped"] += 1
    return found


def table(results: dict[str, tuple[int, dict[str, int]]]) -> str:
    """Return the table: each Python with its exit code and counts."""
    lines = [f"  {'Python':9}{'result':9}" + "".join(f"{column:>9}" for column in COLUMNS)]
    for version, (code, found) in results.items():
        numbers = "".join(f"{found[column]:9,}" for column in COLUMNS)
        lines.append(f"  {version:9}{'FAILED' if code else 'ok':9}{numbers}")
    return "\n".join(lines)
