"""``python -m benchmarks overhead``: measure, print the tables, save a full run's results."""

import argparse
import logging
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from benchmarks.overhead import (
    calls,
    imports,
    keyed,
    machine,
    memory,
    node,
    streams,
    threads,
    timers,
)
from benchmarks.overhead.bars import bars
from benchmarks.overhead.report import Report
from benchmarks.overhead.rows import Findings
from benchmarks.overhead.settings import Options
from benchmarks.overhead.verdicts import judge

RESULTS = Path(__file__).parent.parent / "results"

# Calls come first, on a small heap; imports have processes of their own.
_MEASUREMENTS: tuple[tuple[str, Callable[[Options], Findings]], ...] = (
    ("sync calls", lambda options: calls.measure("sync", options)),
    ("async calls", lambda options: calls.measure("async", options)),
    ("calls with a listener", calls.measure_listened),
    ("streams", streams.measure),
    ("thread timeouts", calls.measure_threads),
    ("Node", node.measure),
    ("timers", timers.measure),
    ("threads", threads.measure),
    ("keyed breakers", keyed.measure),
    ("memory", memory.measure),
    ("imports", imports.measure),
)


def main(arguments: list[str]) -> int:
    """Run what the arguments ask for."""
    parsed = _parser().parse_args(arguments)
    options = _options(parsed)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    report = run(options)
    print(report.text())
    if parsed.json:
        Path(parsed.json).write_text(report.json(), encoding="utf-8")
    if options.quick or options.only:
        print("Not saved: only a full run is.")
    else:
        save(report)
    return 0


def run(options: Options) -> Report:
    """All measurements, one after the other, with progress on standard error."""
    found = Findings()
    if missing := _missing():
        print(missing, file=sys.stderr)
    start = time.perf_counter()
    for name, measure in _MEASUREMENTS:
        print(f"[{time.perf_counter() - start:5.1f} s] {name}", file=sys.stderr)
        found.add(measure(options))
    print(f"[{time.perf_counter() - start:5.1f} s] done", file=sys.stderr)
    found.versions = machine.versions() | found.versions
    verdicts = [judge(bar, found) for bar in bars()]
    return Report(machine.facts(), found, verdicts, partial=bool(options.only))


def save(report: Report) -> None:
    """Keep a full run for the documentation."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "overhead.md").write_text(report.markdown(), encoding="utf-8")
    (RESULTS / "overhead.json").write_text(report.json(), encoding="utf-8")
    print(f"Saved as {RESULTS.name}/overhead.md and .json.")


def _missing() -> str:
    """Why Holdfast's own rows will be skipped, if they will."""
    try:
        from holdfast import Pipeline  # noqa: F401 - only whether it can be imported
    except ImportError as error:
        return f"Holdfast can't be imported ({error}): its rows are skipped, peers are measured."
    return ""


def _options(parsed: argparse.Namespace) -> Options:
    if parsed.quick:
        return Options(parsed.rounds or 5, 0.005, quick=True, only=parsed.only)
    return Options(parsed.rounds or 25, only=parsed.only)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks overhead",
        description="What a protected call costs: Holdfast, its peers, hand-written floors.",
    )
    parser.add_argument("--rounds", type=_positive, help="samples of each candidate (25; quick: 5)")
    parser.add_argument("--quick", action="store_true", help="a rough look in half a minute")
    parser.add_argument("--only", default="", help="only rows whose section or name contains this")
    parser.add_argument("--json", metavar="FILE", help="write the results here, too")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
