"""``python -m tests.experiments [NN ...]``: run the experiments at full length, and print a table.

Each module has ``report()``, which returns rows: what, figure, bar, whether the bar is met.  A row
without a bar stands for comparison.
"""

import sys
import time
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).parent


def modules(wanted: list[str]) -> list[str]:
    names = sorted(path.stem for path in FOLDER.glob("e[0-9][0-9]*_*.py"))
    return [
        name
        for name in names
        if not wanted or any(name.startswith(f"e{number}") for number in wanted)
    ]


def main(wanted: list[str]) -> int:
    """Print a line for each figure; return how many bars are missed."""
    missed = 0
    for name in modules([number.zfill(2) for number in wanted]):
        module = import_module(f"tests.experiments.{name}")
        began = time.perf_counter()
        rows = module.report()
        took = time.perf_counter() - began
        head = (module.__doc__ or "").strip().splitlines()[0]
        tell(f"\n{name}: {head}  [{took:.0f} s]")
        width = max((len(row[0]) for row in rows), default=0)
        for what, figure, bar, met in rows:
            mark = ("yes" if met else "NO") if bar else ""
            missed += mark == "NO"
            tell(f"  {mark:3}  {what:{width}}  {figure}" + (f"  (bar: {bar})" if bar else ""))
    return missed


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
