"""``python -m tests.experiments [NN ...]``: run the experiments at full length, and print a table.

Each module has ``report()``, which returns rows: what, figure, bar, whether the bar is met.  A row
without a bar stands for comparison.  A run of all of them is saved for the documentation.
"""

import sys
import time
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).parent
RESULTS = FOLDER.parents[1] / "benchmarks" / "results" / "experiments.md"

Row = tuple[str, str, str, bool]


def modules(wanted: list[str]) -> list[str]:
    """Return the names of the experiments, all of them or those of the numbers."""
    names = sorted(path.stem for path in FOLDER.glob("e[0-9][0-9]*_*.py"))
    return [
        name
        for name in names
        if not wanted or any(name.startswith(f"e{number}") for number in wanted)
    ]


def verdict(row: Row) -> str:
    """Return whether a row meets its bar; nothing for one that has none."""
    _, _, bar, met = row
    return ("yes" if met else "NO") if bar else ""


def text(rows: list[Row]) -> str:
    """Return the rows for a terminal."""
    width = max((len(row[0]) for row in rows), default=0)
    return "\n".join(
        f"  {verdict(row):3}  {row[0]:{width}}  {row[1]}" + (f"  (bar: {row[2]})" if row[2] else "")
        for row in rows
    )


def table(title: str, rows: list[Row]) -> str:
    """Return the rows for the documentation."""
    lines = [f"### {title}", "", "| | figure | bar | met |", "|---|---|---|---|"]
    lines += [f"| {row[0]} | {row[1]} | {row[2]} | {verdict(row)} |" for row in rows]
    return "\n".join([*lines, ""])


def main(wanted: list[str]) -> int:
    """Print a line for each figure; return how many bars are missed."""
    missed, tables = 0, []
    for name in modules([number.zfill(2) for number in wanted]):
        module = import_module(f"tests.experiments.{name}")
        title = (module.__doc__ or name).strip().splitlines()[0].rstrip(".")
        began = time.perf_counter()
        rows = module.report()
        tell(f"\n{name}: {title}  [{time.perf_counter() - began:.0f} s]\n{text(rows)}")
        missed += sum(verdict(row) == "NO" for row in rows)
        tables.append(table(title, rows))
    tell(f"\n{missed} bars are missed.")
    if not wanted:
        RESULTS.write_text("\n".join(tables), encoding="utf-8")
        tell(f"Saved as {RESULTS.parent.name}/{RESULTS.name}.")
    return missed


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
