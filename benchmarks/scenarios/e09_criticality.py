"""Experiment 9: far too much is asked for, and a quarter of it matters more."""

from functools import partial
from statistics import median

from benchmarks.scenarios.candidates import Calls
from benchmarks.scenarios.experiment import Bar, Experiment, Figure, Outcome, Results, grid
from benchmarks.scenarios.gates import LIMITER, SHEDDER
from benchmarks.scenarios.overload import Phase, played
from benchmarks.scenarios.plots import Bars, Plot
from benchmarks.scenarios.policies import decorator

LOADS = {"2 times": 2.0, "3 times": 3.0, "3.5 times": 3.5, "3.9 times": 3.9}
POLICIES = (
    LIMITER, SHEDDER, "static limit", "limiter without priorities", "Gradient2, reserve",
)  # fmt: skip
CALM, TAIL = 10.0, 1.0
CRITICAL = 0.25


def play(setting: str, policy: str, seed: int, *, seconds: float = 40.0) -> Outcome:
    """Play a calm and an overload."""
    story = (Phase("calm", CALM, 0.8), Phase("overload", seconds, LOADS[setting], tail=TAIL))
    told = played(partial(decorator, policy, Calls("server")), story, seed, critical=CRITICAL)[1]
    return Outcome({
        "critical": told.critical,
        "goodput": told.goodput,
        "sheddable": told.others,
        "p99": 1000 * told.p99,
    })  # fmt: skip


def plots(results: Results) -> list[Plot]:
    """Draw the share of the critical users that are served."""
    series = {
        policy: [
            100 * median(run.figures["critical"] for run in results[setting, policy])
            for setting in LOADS
            if (setting, policy) in results
        ]
        for policy in POLICIES
    }
    return [Bars("critical users served", "%", tuple(LOADS), series, (99.9, 99.9, 99.9, None))]


EXPERIMENT = Experiment(
    number="09",
    title="Criticality",
    story=(
        "The server of experiment 3. A quarter of the users are critical, the others sheddable: "
        '`with priority("critical")` around the call. After 10 s of 0.8 times the capacity come 40 s '
        "of far too much, of which the first 5 and the last are not counted. Critical and sheddable "
        "are the shares of those users that were served in time. At 3.9 times the capacity the "
        "critical calls alone take 97.5 % of it."
    ),
    cases=grid(tuple(LOADS), POLICIES),
    play=play,
    figures=(
        Figure("critical", "critical", ".2%", least=True),
        Figure("goodput", "goodput", ".1%", least=True),
        Figure("sheddable", "sheddable", ".1%", least=True),
        Figure("p99", "p99", ".0f", "ms"),
    ),
    bars=tuple(
        bar
        for setting in LOADS
        for policy in (LIMITER, SHEDDER)
        for bar in (
            Bar(setting, "critical", 0.999, policy=policy),
            Bar(setting, "goodput", 0.99, policy=policy),
        )
        if bar.figure == "goodput" or LOADS[setting] <= 3.5
    ),
    plots=plots,
    notes=(
        (
            "At 3.9 times there is no bar for the critical users. What is in reserve lies on top of"
            " the limit here, so it costs nothing while nobody critical comes."
        ),
    ),
)
