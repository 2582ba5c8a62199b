"""How fast the simulator is, and what it needs: ``make bench ARGS=simulator``.

Simulated calls a second, through nothing and through pipelines; what of that is the model's own; and the
memory of a million calls.  The bar goes by the time of one core, which is the real time where nothing
else runs on it.  Each row runs in a process of its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.overhead import machine
from holdfast import Bulkhead, CircuitBreaker, Pipeline, Retry, Timeout
from holdfast.simulation import (
    READY,
    Clients,
    Constant,
    Exponential,
    Poisson,
    Policy,
    Scenario,
    Servers,
    play,
)

REPORT = Path(__file__).parents[1] / "results" / "simulator.md"
BAR = 25_000
RATE = 280.0
FREE = Servers(workers=1000, service=Constant(value=0.0))
BUSY = Servers(workers=27, service=Exponential(mean=0.09))

PAGE = """\
# What the simulator costs

{python} on {system}, one core of {processor}, {date}; Holdfast {holdfast}. The best of {times} runs of
{calls:,} calls each; `make bench ARGS=simulator` measures it again.

| 20 clients, 280 users a second | calls a second of one core | each | calls a real second | bar |
|---|--:|--:|--:|---|
{rows}

Memory that a run through the four layers adds to its process at the peak:

{memory}

It is bounded by what is counted: at most 600 stretches of time with a histogram each, however many calls
there are.
"""


def four(scenario: Scenario) -> Pipeline:
    """Return the pipeline of four layers that the bar is about."""
    return Pipeline(scenario.name, Retry(), CircuitBreaker(), Bulkhead(100), Timeout(1.0))


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    title: str
    servers: Servers
    policy: Policy


SETTINGS = {
    "model": Setting(
        "the model's own cost: no policy, a server that takes no time", FREE, READY["none"]
    ),
    "none": Setting("no policy, 27 workers at 93 % load", BUSY, READY["none"]),
    "four": Setting("retry, breaker, bulkhead, timeout", BUSY, Policy("four", four)),
    "standard": Setting("`standard()`", BUSY, READY["standard"]),
}


@dataclass(frozen=True)
class Figures:
    """What one row was measured to be."""

    calls: int
    real: float
    processor: float
    before: int
    peak: int


def measured(name: str, calls: int) -> Figures:
    """Play so many calls in this process."""
    setting = SETTINGS[name]
    scenario = Scenario(
        name=name,
        seconds=calls / RATE,
        load=Poisson(rate=RATE),
        servers=setting.servers,
        clients=Clients(count=20),
    )
    before, began, real = memory(), time.process_time(), time.perf_counter()
    run = play(scenario, setting.policy, seed=1)
    took, processor = time.perf_counter() - real, time.process_time() - began
    return Figures(run.calls, took, processor, before, memory())


def memory() -> int:
    """Return the most memory that this process ever had, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def apart(name: str, calls: int) -> Figures:
    """Measure in a new process."""
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "simulator",
        "--row",
        name,
        "--calls",
        str(calls),
    ]
    done = subprocess.run(  # noqa: S603 - ourselves
        command, check=True, capture_output=True, text=True
    )
    return Figures(**json.loads(done.stdout))


def best(calls: int, times: int) -> dict[str, Figures]:
    """Return the quickest measurements, made in turns: what disturbs only slows down."""
    rounds = [{name: apart(name, calls) for name in SETTINGS} for _ in range(times)]
    return {
        name: min(
            (one[name] for one in rounds), key=lambda figures: figures.processor / figures.calls
        )
        for name in SETTINGS
    }


def report(calls: int, many: int, times: int, say: Callable[[str], object]) -> str:
    """Measure everything, and return the page."""
    rows = []
    for name, figures in best(calls, times).items():
        each = figures.processor / figures.calls
        bar = ""
        if name == "four":
            bar = f">= {BAR:,}: {'met' if 1 / each >= BAR else 'NOT met'}"
        rows.append(
            f"| {SETTINGS[name].title} | {1 / each:,.0f} | {1e6 * each:.1f} µs "
            f"| {figures.calls / figures.real:,.0f} | {bar} |"
        )
        say(rows[-1])
    return PAGE.format(
        **machine.facts(),
        holdfast=machine.holdfast(),
        times=times,
        calls=calls,
        rows="\n".join(rows),
        memory=needed(apart("four", calls), apart("four", many)),
    )


def needed(*runs: Figures) -> str:
    """Say how much memory runs of several lengths have added to their processes."""
    return "\n".join(
        f"* {(one.peak - one.before) / 2**20:.1f} MiB for {one.calls:,} calls in {one.real:.0f} s"
        for one in runs
    )


def main(arguments: list[str]) -> int:
    """Measure one row, or write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks simulator", description=__doc__)
    parser.add_argument("--row", choices=SETTINGS, help="measure this one only, in this process")
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--many", type=int, default=1_000_000, help="calls of the run for memory")
    parser.add_argument("--times", type=int, default=5, help="how often each row is measured")
    options = parser.parse_args(arguments)
    if options.row:
        sys.stdout.write(json.dumps(asdict(measured(options.row, options.calls))))
        return 0
    page = report(options.calls, options.many, options.times, print)
    REPORT.write_text(page, encoding="utf-8")
    print(f"\n{page}\nwritten to {REPORT}")
    return 0
