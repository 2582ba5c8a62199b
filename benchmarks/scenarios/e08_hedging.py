"""Experiment 8: one call in twenty is a straggler; then everything is slow."""

from functools import partial
from statistics import median

from benchmarks.scenarios.candidates import Calls, Decorator, candidate
from benchmarks.scenarios.experiment import (
    OURS,
    Bar,
    Case,
    Experiment,
    Figure,
    Outcome,
    Results,
    grid,
)
from benchmarks.scenarios.plots import Bars, Plot
from benchmarks.scenarios.policies import decorator
from benchmarks.scenarios.stragglers import Phase, played
from holdfast import Hedge, Pipeline, RetryBudget, quantile

HEDGE = f"{OURS}, hedge"
RATES = {"200/s": 200.0, "50/s": 50.0, "15/s": 15.0}
CALLS = 16_000
WARM = 30.0
POLICIES = (
    HEDGE, "no hedge", "after 10 ms", "after 12 ms", "p90", "p90, no budget", "p95, 5 % budget",
)  # fmt: skip
SLOWER = 20.0


@candidate("no hedge")
def unhedged(_calls: Calls) -> Decorator:
    """Return the bare call."""
    return lambda target: target


@candidate("after 10 ms")
def ten(_calls: Calls) -> Decorator:
    """Return `Hedge(0.010, budget=None)`: a fixed delay."""
    return Pipeline("calls", Hedge(0.010, budget=None))


@candidate("after 12 ms")
def twelve(_calls: Calls) -> Decorator:
    """Return `Hedge(0.012, budget=None)`: the best fixed delay, for one who knows the workload."""
    return Pipeline("calls", Hedge(0.012, budget=None))


@candidate("p90")
def p90(_calls: Calls) -> Decorator:
    """Return `Hedge(quantile(0.9))`: the rule of bhope/hedge, with our budget."""
    return Pipeline("calls", Hedge(quantile(0.9)))


@candidate("p90, no budget")
def p90_freely(_calls: Calls) -> Decorator:
    """Return `Hedge(quantile(0.9), budget=None)`."""
    return Pipeline("calls", Hedge(quantile(0.9), budget=None))


@candidate("p95, 5 % budget")
def p95(_calls: Calls) -> Decorator:
    """Return `Hedge(quantile(0.95), budget=RetryBudget(0.05))`: Finagle's rule."""
    return Pipeline("calls", Hedge(quantile(0.95), budget=RetryBudget(ratio=0.05)))


@candidate(HEDGE)
def ours(_calls: Calls) -> Decorator:
    """Return `Hedge()`, with its defaults."""
    return Pipeline("calls", Hedge())


def play(setting: str, policy: str, seed: int, *, calls: int = CALLS) -> Outcome:
    """Play health, and an outage."""
    rate = RATES[setting]
    story = (
        Phase("warm-up", WARM + 1000 / rate),
        Phase("health", calls / rate),
        Phase("outage", 60.0, SLOWER),
        Phase("outage, later", 120.0, SLOWER),
    )
    told = played(partial(decorator, policy, Calls("calls")), story, seed, rate=rate)
    _, health, outage, later = told
    return Outcome({
        "p50": 1000 * health.percentile(0.5),
        "p99": 1000 * health.percentile(0.99),
        "p99.9": 1000 * health.percentile(0.999),
        "extra": health.extra,
        "outage": outage.extra,
        "later": later.extra,
    })  # fmt: skip


def plots(results: Results) -> list[Plot]:
    """Draw what a hedge gains, and what it costs."""
    first = next(iter(RATES))
    found = {policy: runs for (setting, policy), runs in results.items() if setting == first}

    def series(*keys: str, times: float = 1.0) -> dict[str, list[float]]:
        return {
            policy: [times * median(run.figures[key] for run in runs) for key in keys]
            for policy, runs in found.items()
        }

    costs = series("extra", "outage", "later", times=100)
    del costs["no hedge"]
    return [
        Bars(f"{first}: latency in health", "ms", ("p99", "p99.9"), series("p99", "p99.9"), (19, None)),
        Bars(
            f"{first}: extra load", "% of the calls", ("health", "outage, 1st min", "then"), costs,
            (6, 5, 5), log=True,
        ),
    ]  # fmt: skip


EXPERIMENT = Experiment(
    number="08",
    title="Hedging",
    story=(
        "Durations are log-normal with a mean of 5 ms and a deviation of 2 ms, and one call in twenty "
        "takes ten times as long (the workload of bhope/hedge). There is room for all. 16,000 calls in "
        "health, after a warm-up; then an outage in which everything takes twenty times as long. Extra "
        "load is hedges per call: in health, in the first minute of the outage, and in its next two."
    ),
    cases=(
        *grid(tuple(RATES)[:1], POLICIES),
        *(Case(setting, policy) for setting in tuple(RATES)[1:] for policy in (HEDGE, "no hedge")),
    ),
    play=play,
    figures=(
        Figure("p50", "p50", ".1f", "ms"),
        Figure("p99", "p99", ".1f", "ms"),
        Figure("p99.9", "p99.9", ".0f", "ms"),
        Figure("extra", "extra load", ".2%"),
        Figure("outage", "in the outage", ".2%"),
        Figure("later", "and later in it", ".2%"),
    ),
    bars=(
        *(Bar(setting, "p99", 19.0, policy=HEDGE) for setting in RATES),
        *(Bar(setting, "extra", 0.06, policy=HEDGE) for setting in RATES),
        *(
            Bar(setting, key, 0.05, policy=HEDGE)
            for setting in RATES
            for key in ("outage", "later")
        ),
    ),
    plots=plots,
    notes=(
        (
            "No Python package hedges any function: hedge-python is for HTTP and gRPC transports, "
            "backon starts all copies at once. The rules compared are those of other languages' "
            "libraries, on our `Hedge`."
        ),
    ),
)
