"""Experiment 3: a server that is asked for too much, and whose capacity halves and returns."""

from functools import partial
from statistics import median

from benchmarks.scenarios.candidates import Calls
from benchmarks.scenarios.experiment import Bar, Experiment, Figure, Outcome, Results, grid
from benchmarks.scenarios.gates import LIMITER, SHEDDER
from benchmarks.scenarios.overload import Phase, played
from benchmarks.scenarios.plots import Bars, Plot
from benchmarks.scenarios.policies import decorator

LOADS = {"1.5 times": 1.5, "3 times": 3.0}
PHASES = ("calm", "overload", "half speed", "restored")
POLICIES = (LIMITER, SHEDDER, "no gate", "static limit", "AIMD", "Vegas", "Gradient2")
UNLOADED = 0.239
"""The p99 of a server with nothing in its queue, in seconds."""


def phases(load: float, seconds: float) -> tuple[Phase, ...]:
    """Return the four phases."""
    loads, speeds = (0.8, load, load, load), (1.0, 1.0, 0.5, 1.0)
    return tuple(
        Phase(name, seconds, *both) for name, *both in zip(PHASES, loads, speeds, strict=True)
    )


def play(setting: str, policy: str, seed: int, *, seconds: float = 30.0) -> Outcome:
    """Play the four phases."""
    story = phases(LOADS[setting], seconds)
    told = played(partial(decorator, policy, Calls("server")), story, seed)
    ratios = [one.p99 * phase.speed / UNLOADED for one, phase in zip(told, story, strict=True)]
    figures = {"goodput": min(one.goodput for one in told), "ratio": max(ratios)}
    for phase, one in zip(PHASES, told, strict=True):
        figures[f"{phase} goodput"] = one.goodput
        figures[f"{phase} p99"] = 1000 * one.p99
    return Outcome(figures)


def plots(results: Results) -> list[Plot]:
    """Draw goodput and p99 by phase, at one and a half times the capacity."""
    setting = next(iter(LOADS))

    def series(key: str) -> dict[str, list[float]]:
        return {
            policy: [median(run.figures[f"{phase} {key}"] for run in runs) for phase in PHASES]
            for (of, policy), runs in results.items()
            if of == setting
        }

    shares = {name: [100 * one for one in values] for name, values in series("goodput").items()}
    most = [1100 * UNLOADED / speed for speed in (1.0, 1.0, 0.5, 1.0)]
    title = f"{setting} the capacity"
    return [
        Bars(f"{title}: goodput", "% of what is possible", PHASES, shares, (99.0,) * 4),
        Bars(f"{title}: p99 of the answers", "ms", PHASES, series("p99"), most),
    ]


EXPERIMENT = Experiment(
    number="03",
    title="Overload",
    story=(
        "16 workers with exponential service times of 50 ms serve 320 calls a second. Four phases of "
        "30 s: 0.8 times the capacity (calm), 1.5 or 3 times (overload), the same at half speed, and "
        "the same at full speed (restored). Users wait for 1 s, a deadline that travels with the call; "
        "nobody retries, and no work is cancelled. The first 5 s of each phase are not counted: so "
        "long a design may take to find the new capacity. Goodput is the work that was answered in "
        "time, as a share of the work that is possible (in the calm: of the users); the p99 is "
        "compared with that of the unloaded server, 239 ms, and 478 ms at half speed. The columns "
        'with "worst" are of the worst of the four phases.'
    ),
    cases=(*grid(tuple(LOADS)[:1], POLICIES), *grid(tuple(LOADS)[1:], POLICIES[:2] + POLICIES[3:])),
    play=play,
    figures=(
        Figure("goodput", "worst goodput", ".1%", least=True),
        Figure("ratio", "worst p99 / unloaded", ".2f"),
        *(Figure(f"{phase} p99", f"p99 {phase}", ".0f", "ms") for phase in PHASES),
    ),
    bars=tuple(
        bar
        for setting in LOADS
        for policy in (LIMITER, SHEDDER)
        for bar in (
            Bar(setting, "goodput", 0.99, policy=policy),
            Bar(setting, "ratio", 1.1, policy=policy),
        )
    ),
    plots=plots,
    notes=(
        (
            "Vegas takes a server that has become slower for an overload, and starves it; AIMD "
            "waits for losses, so its answers come just in time; a static limit is as good as the "
            "number that somebody has found for it."
        ),
    ),
)
