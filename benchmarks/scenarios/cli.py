"""``python -m benchmarks scenarios [NN ...]``: play, print the tables, save a full run's results."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.overhead.text import aligned
from benchmarks.scenarios import report
from benchmarks.scenarios.experiment import found, load
from benchmarks.scenarios.plots import svg
from benchmarks.scenarios.report import Played
from benchmarks.scenarios.runner import Runner, quieten, tasks

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
ASSETS = ROOT / "docs" / "assets" / "scenarios"


def main(arguments: list[str]) -> int:
    """Play what the arguments ask for; the exit status tells only whether it could be played."""
    parsed = _parser().parse_args(arguments)
    modules = found()
    wanted = [number.zfill(2) for number in parsed.numbers] or list(modules)
    if unknown := [number for number in wanted if number not in modules]:
        there = ", ".join(modules)
        print(f"There is no experiment {', '.join(unknown)}; there are {there}.", file=sys.stderr)
        return 2
    quieten()
    seeds = 1 if parsed.quick else parsed.seeds
    all_played = _play([modules[number] for number in wanted], seeds, parsed.workers)
    print(report.summary(all_played, aligned))
    print(f"\n{report.count(all_played)}")
    if parsed.into:
        save(all_played, seeds, Path(parsed.into), Path(parsed.into))
    elif parsed.numbers or parsed.quick:
        print("Not saved: only a full run is.")
    else:
        save(all_played, seeds)
    return 0


def _play(modules: Sequence[str], seeds: int, workers: int) -> list[Played]:
    runner, all_played = Runner(workers), []
    for module in modules:
        experiment = load(module)
        name = f"{experiment.number}. {experiment.title}"
        played = Played(experiment, runner.run(name, tasks(module, experiment, seeds)))
        print(report.text(played), flush=True)
        all_played.append(played)
    return all_played


def save(
    all_played: Sequence[Played], seeds: int, results: Path = RESULTS, assets: Path = ASSETS
) -> None:
    """Keep a full run for the documentation, or any in other folders."""
    for folder in (results, assets):
        folder.mkdir(parents=True, exist_ok=True)
    for played in all_played:
        if played.experiment.plots is not None:
            image = svg(played.experiment.plots(played.results))
            (assets / played.image).write_text(image, encoding="utf-8")
    (results / "scenarios.md").write_text(report.page(all_played, seeds), encoding="utf-8")
    (results / "scenarios.json").write_text(report.document(all_played, seeds), encoding="utf-8")
    print(f"Saved as {results.name}/scenarios.md and .json; the plots in {assets.name}/.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks scenarios",
        description="What the protection achieves, on virtual time: Holdfast and its peers.",
    )
    parser.add_argument("numbers", nargs="*", metavar="NN", help="only these experiments")
    parser.add_argument("--seeds", type=_positive, default=5, help="runs of each case (5)")
    parser.add_argument("--into", metavar="FOLDER", help="save the results here, of a part, too")
    parser.add_argument("--quick", action="store_true", help="one seed each")
    parser.add_argument("--workers", type=_positive, default=2, help="processes (2)")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number
