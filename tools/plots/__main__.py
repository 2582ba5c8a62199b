"""Plays all of it, and writes the plots and the results."""

import json
import os
import time
from pathlib import Path

from holdfast.simulation import files
from holdfast.simulation.report.heat import summary
from holdfast.simulation.runs.compare import compare
from tools.plots import course, storms, tables, tutorial
from tools.plots.defaults import defaults

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "docs" / "assets" / "simulator"
RESULTS = ROOT / "benchmarks" / "results"
SEEDS = range(1, 4)
STORM = (
    ("recovered", "ttr"),
    ("attempts per user in the fault", "amplification"),
    ("failed users", "failed"),
)
LAYERS = (("attempts per user in the fault", "amplification"), ("failed users", "failed"))


def main() -> None:
    """Play, draw, write."""
    began, workers = time.monotonic(), os.cpu_count() or 1
    pages = tutorial.printed()
    first = compare(files.scenario("retry-storm"), ("none", "retry", "standard"), [1])
    storm = storms.storm(SEEDS, workers)
    layers = storms.layers(SEEDS, workers)
    region = storms.region(workers)
    changed = defaults(SEEDS, workers)
    pictures = course.pictures(first, storms.only(storm, storms.SHOWN), region)
    course.draw(pictures, ASSETS)
    sections = {
        "configuration": tables.configuration(),
        "storm": tables.table(storm, STORM),
        "layers": tables.table(layers, LAYERS),
        "region": "\n".join(f"- `{name}`: {summary(region, name)}." for name in region.policies),
        "defaults": tables.ablation(changed),
        **{name: f"```text\n{text}\n```" for name, text in pages.items()},
    }
    told = tables.figures({"storm": storm, "nested": layers, **changed}, region)
    text = tables.written(sections, SEEDS)
    (RESULTS / "simulated.md").write_text(text, encoding="utf-8")
    (RESULTS / "simulated.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(f"{len(pictures)} plots in {ASSETS.relative_to(ROOT)}, results in benchmarks/results")
    print(f"{time.monotonic() - began:.0f} s with {workers} processes")


if __name__ == "__main__":
    main()
