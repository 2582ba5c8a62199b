"""Figures as text, and tables aligned for a terminal or as markdown."""

from collections.abc import Sequence


def amount(value: float, unit: str) -> str:
    """A figure with three digits or so, in the unit that suits it."""
    if unit == "ns":
        return f"{significant(value / 1e3)} µs"
    if unit == "B":
        return f"{value:,.0f} B"
    if unit == "x":
        return f"{significant(value)} x"
    if unit == "calls/s":
        return f"{value:.1f}/s"
    return f"{significant(value)} {unit}".rstrip()


def significant(value: float) -> str:
    """Three digits or so, without an exponent: enough to see by how much a bar is missed."""
    size = abs(value)
    if value == int(value) and size < 1000:
        return f"{value:.0f}"
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.9995 else 3
    return f"{value:,.{decimals}f}"


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> str:
    """Columns padded with spaces; ``right`` names those that are aligned to the right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]

    def padded(line: Sequence[str]) -> str:
        cells = (
            cell.rjust(width) if title in right.split(",") else cell.ljust(width)
            for cell, width, title in zip(line, widths, header, strict=True)
        )
        return "  ".join(cells).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([padded(header), rule, *(padded(line) for line in rows)])


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> str:
    """The same as a markdown table."""
    rule = ["---:" if title in right.split(",") else "---" for title in header]
    lines = [header, rule, *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
