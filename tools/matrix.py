"""What became of the tests on each Python, as a table."""

from tools.suite import Outcomes

COLUMNS = ("passed", "failed", "skipped", "xfailed")


def table(results: dict[str, tuple[int, Outcomes]]) -> str:
    """Return the table: each Python with its exit code and counts."""
    lines = [f"  {'Python':9}{'result':9}" + "".join(f"{column:>9}" for column in COLUMNS)]
    for version, (code, found) in results.items():
        numbers = "".join(f"{found[column]:9,}" for column in COLUMNS)
        lines.append(f"  {version:9}{'FAILED' if code else 'ok':9}{numbers}")
    return "\n".join(lines)
