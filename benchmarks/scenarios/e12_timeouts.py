"""Experiment 12: a timeout that is learnt, in good times and in four kinds of bad ones."""

from functools import partial
from math import fsum
from statistics import median

from benchmarks.scenarios.candidates import Calls, Decorator, candidate
from benchmarks.scenarios.experiment import OURS, Bar, Experiment, Figure, Outcome, Results, grid
from benchmarks.scenarios.patience import Counted, LastAnswers, Phase, Rfc6298, played
from benchmarks.scenarios.plots import Bars, Plot
from benchmarks.scenarios.policies import decorator
from holdfast import Pipeline, Timeout

ADAPTIVE = f"{OURS}, adaptive"
RATES = {"50/s": 50.0, "10/s": 10.0, "200/s": 200.0}
STORIES = {"50/s": 3, "10/s": 6, "200/s": 1}
"""How many times each seed plays the story: a false timeout in a thousand calls is a rare thing."""

NAMES = ("healthy", "slower", "black hole", "healthy again", "grey")
POLICIES = (
    ADAPTIVE, "5 s", "1 s", "100 ms", "RFC 6298", "p99 x 1.5", "p95 x 2.5 of the last 32",
)  # fmt: skip


@candidate("5 s")
def ceiling(_calls: Calls) -> Decorator:
    """Return `Timeout(5)`."""
    return Pipeline("calls", Timeout(5.0))


@candidate("1 s")
def second(_calls: Calls) -> Decorator:
    """Return `Timeout(1)`."""
    return Pipeline("calls", Timeout(1.0))


@candidate("100 ms")
def tight(_calls: Calls) -> Decorator:
    """Return `Timeout(0.1)`: the p99 in health."""
    return Pipeline("calls", Timeout(0.1))


@candidate("RFC 6298")
def tcp(_calls: Calls) -> Decorator:
    """Return TCP's retransmission timeout: SRTT + 4 RTTVAR, doubled after a timeout, at most 5 s."""
    return Rfc6298()


@candidate("p99 x 1.5")
def recorded(_calls: Calls) -> Decorator:
    """Return 1.5 times the p99 of the last 1,000 outcomes, timeouts counted at their limit."""
    return LastAnswers(0.99, 1.5, 1000, recorded=True)


@candidate("p95 x 2.5 of the last 32")
def short(_calls: Calls) -> Decorator:
    """Return 2.5 times the p95 of the last 32 answers (the rule of grelmicro's Shield)."""
    return LastAnswers(0.95, 2.5, 32)


@candidate(ADAPTIVE)
def ours(_calls: Calls) -> Decorator:
    """Return `Timeout.adaptive()`, with its defaults."""
    return Pipeline("calls", Timeout.adaptive())


def story(seconds: float) -> tuple[Phase, ...]:
    """Return the phases, each of so many seconds."""
    slower, lost = (1.0, 3.0, 1.0, 1.0, 1.0), (0.0, 0.0, 1.0, 0.0, 0.02)
    return tuple(
        Phase(name, seconds, *both) for name, *both in zip(NAMES, slower, lost, strict=True)
    )


def play(
    setting: str, policy: str, seed: int, *, seconds: float = 120.0, stories: int | None = None
) -> Outcome:
    """Play the story some times, and add up."""
    runs = [
        played(
            partial(decorator, policy, Calls("calls")), story(seconds), f"{seed} {number}",
            rate=RATES[setting],
        )
        for number in range(stories or STORIES[setting])
    ]  # fmt: skip
    phases = dict(zip(NAMES, zip(*runs, strict=True), strict=True))
    return Outcome({
        **{name: false(phases[name]) for name in ("healthy", "slower", "healthy again")},
        **{name: 1000 * wait(phases[name]) for name in ("black hole", "grey")},
    })  # fmt: skip


def false(same: tuple[Counted, ...]) -> float:
    """Return the share of the calls of a phase that were given up on, and would have been answered."""
    return sum(one.false for one in same) / sum(one.calls for one in same)


def wait(same: tuple[Counted, ...]) -> float:
    """Return the mean wait of a failed call of a phase, in seconds."""
    failed = sum(len(one.waits) for one in same)
    return fsum(fsum(one.waits) for one in same) / max(1, failed)


def plots(results: Results) -> list[Plot]:
    """Draw false timeouts, and time wasted."""
    first = next(iter(RATES))
    found = {policy: runs for (setting, policy), runs in results.items() if setting == first}

    def series(*keys: str, times: float) -> dict[str, list[float]]:
        return {
            policy: [times * median(run.figures[key] for run in runs) for key in keys]
            for policy, runs in found.items()
        }

    falsely, dead = ("healthy", "slower", "healthy again"), ("black hole", "grey")
    return [
        Bars(
            "answers given up on", "% of the calls", falsely, series(*falsely, times=100),
            (0.1, 0.5, 0.1), log=True,
        ),
        Bars(
            "mean wait of a failed call", "ms", dead, series(*dead, times=1), (300, 300), log=True
        ),
    ]  # fmt: skip


EXPERIMENT = Experiment(
    number="12",
    title="Adaptive timeout",
    story=(
        "Durations are log-normal with a median of 20 ms and sigma 0.69 (p99 100 ms). Two minutes each "
        "of: healthy, three times slower, a black hole (nothing is ever answered), healthy again, and "
        "grey: 2 % of the calls are never answered. The first three columns are false timeouts: calls "
        "that were given up on, and would have been answered within 5 s; the others the mean wait of a "
        "call that failed."
    ),
    cases=(*grid(tuple(RATES)[:1], POLICIES), *grid(tuple(RATES)[1:], (ADAPTIVE,))),
    play=play,
    figures=(
        Figure("healthy", "false, healthy", ".2%"),
        Figure("slower", "false, slower", ".2%"),
        Figure("healthy again", "false, healthy again", ".2%"),
        Figure("black hole", "wait, black hole", ".0f", "ms"),
        Figure("grey", "wait, grey", ".0f", "ms"),
    ),
    bars=tuple(
        Bar(setting, figure, limit, policy=ADAPTIVE)
        for setting in RATES
        for figure, limit in (
            ("healthy", 0.001),
            ("slower", 0.005),
            ("healthy again", 0.001),
            ("black hole", 300.0),
            ("grey", 300.0),
        )
    ),
    plots=plots,
    notes=(
        (
            "A fixed 100 ms has short waits because it is right for the healthy service, and gives "
            "up on a quarter of the answers of one that is three times slower. In asyncio an "
            "attempt that is given up on is cancelled, so nothing is learnt from late replies."
        ),
    ),
)
