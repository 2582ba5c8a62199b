"""Experiment 8: hedging against stragglers, and in an outage.

Durations are log-normal with mean 5 ms and standard deviation 2 ms, and one call in twenty takes ten
times as long (the workload of bhope/hedge).  In the outage everything takes twenty times as long.  Calls
arrive as a Poisson process; the dependency has room for all.  Extra load is hedges per call.

Designs tried, on 16,000 calls at 200 a second, means of 3 seeds: p99 in ms / extra load in % / the same
in the first minute of the outage, and in the next four (bars: 19 / 6 / 5 / 5):

* fixed 12 ms, no budget: 18.6 / 5.4 / 100 / 100.  Right for this workload and no other.
* p90, no budget: 15.6 / 9.4 / 19 / 9.6.  p95, no budget: 26.5 / 4.9 / 11 / 4.9.
* knee, no budget: 18.8 / 5.4 / 16 / 5.6.
* knee, each success earns 0.06: 19.0 / 5.4 / 5.7 / 5.5; 0.1: 18.8 / 5.5 / 6.8 / 5.6.
* knee, each prompt success earns 0.06: 19.4 / 5.3 / 4.9 / 5.4; 0.1: 18.8 / 5.5 / 5.6 / 5.6.
* knee, each prompt success earns 0.1, but one in four while the median is over twice the usual: 18.8 /
  5.5 / 3.0 / 2.4.  Chosen: the outage's stragglers are as worth hedging as health's, so no rule about
  delays alone tells the two apart; the median does.
* the same with ``factor`` 2: 18.3 / 5.7 / 3.0 / 2.4; with 3: 19.2 / 5.4 / 3.0 / 2.4.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, log, sqrt
from random import Random

from holdfast import RetryBudget
from holdfast.shapes import Site
from holdfast.strategies.hedge import Hedge
from holdfast.strategies.hedge_delay import knee, quantile
from holdfast.strategies.hedge_race import NEXT, Race
from tests.experiments.heap import Heap, poisson

Row = tuple[str, str, str, bool]
Draw = Callable[[Random], float]

SITE = Site("e08")
SPREAD = sqrt(log(1 + (2 / 5) ** 2))
MIDDLE = log(0.005) - SPREAD**2 / 2


def healthy(rng: Random) -> float:
    """Draw a duration: log-normal, one in twenty ten times as long."""
    return rng.lognormvariate(MIDDLE, SPREAD) * (10 if rng.random() < 0.05 else 1)


def outage(rng: Random) -> float:
    """Draw a duration while everything takes twenty times as long."""
    return 20 * healthy(rng)


class Phase:
    """What became of the calls that arrived in one phase."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.calls = 0
        self.hedges = 0
        self.delays: list[float] = []

    def percentile(self, share: float) -> float:
        """Return a percentile of the latencies, in milliseconds."""
        latencies = sorted(self.latencies)
        return 1000 * latencies[min(len(latencies) - 1, int(share * len(latencies)))]

    @property
    def extra(self) -> float:
        """Hedges per call, in per cent."""
        return 100 * self.hedges / self.calls

    @property
    def delay(self) -> float:
        """The mean delay in force, in milliseconds."""
        return 1000 * sum(self.delays) / len(self.delays)


class Caller:
    """One call: plays the driver of a `Race` on the heap."""

    def __init__(self, heap: Heap, hedge: Hedge, draw: Draw, rng: Random, phase: Phase) -> None:
        self.heap, self.draw, self.rng, self.phase = heap, draw, rng, phase
        self.race = Race(hedge, SITE, heap.now, inf)
        phase.calls += 1
        if hedge.delay is not None:
            phase.delays.append(hedge.delay)
        self.start(1)
        self.wait()

    def start(self, number: int) -> None:
        if number > 1:
            self.phase.hedges += 1
        self.heap.after(self.draw(self.rng), lambda: self.ended(number))

    def wait(self) -> None:
        if self.race.due < inf:
            self.heap.at(self.race.due, self.tick)

    def tick(self) -> None:
        race = self.race
        if race.verdict is None and self.heap.now >= race.due and race.tick(self.heap.now):
            self.start(race.attempts)
            self.wait()

    def ended(self, number: int) -> None:
        if self.race.verdict is not None:
            return
        if self.race.returned(number, "answer", self.heap.now) == NEXT:
            self.start(self.race.attempts)
        self.phase.latencies.append(self.heap.now - self.race.began)


def play(hedge: Hedge, rate: float, phases: list[tuple[float, Draw]], seed: int) -> list[Phase]:
    """Let calls arrive at ``rate`` a second through phases of (seconds, durations)."""
    heap, rng = Heap(), Random(seed)
    made, begins = [], 0.0
    for seconds, draw in phases:
        made.append(phase := Phase())
        for instant in poisson(rate, seconds, rng):
            heap.at(
                heap.start + begins + instant,
                lambda draw=draw, phase=phase: Caller(heap, hedge, draw, rng, phase),
            )
        begins += seconds
    heap.run(begins + 100.0)
    return made


def story(
    make: Callable[[], Hedge], rate: float, seed: int, *, calls: int = 16_000, longer: float = 240
) -> list[Phase]:
    """Warm up, then return health, an outage of a minute, and its next four minutes."""
    warm, health = 30 + 1000 / rate, calls / rate
    phases = [(warm, healthy), (health, healthy), (60, outage), (longer, outage)]
    return play(make(), rate, phases, seed)[1:]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


RULES: dict[str, Callable[[], Hedge]] = {
    "fixed 12 ms, no budget": lambda: Hedge(0.012, budget=None),
    "p90, no budget": lambda: Hedge(quantile(0.9), budget=None),
    "p95, no budget": lambda: Hedge(quantile(0.95), budget=None),
    "p90": lambda: Hedge(quantile(0.9)),
    "p95": lambda: Hedge(quantile(0.95)),
    "p95, 5 % budget": lambda: Hedge(quantile(0.95), budget=RetryBudget(ratio=0.05)),
    "knee, no budget": lambda: Hedge(knee(), budget=None),
    "knee": Hedge,
}


def mixture(share: float, usual: Draw, rare: Draw) -> Draw:
    return lambda rng: rare(rng) if rng.random() < share else usual(rng)


def lognormal(mean: float, deviation: float) -> Draw:
    spread = sqrt(log(1 + (deviation / mean) ** 2))
    middle = log(mean) - spread**2 / 2
    return lambda rng: rng.lognormvariate(middle, spread)


QUICK = lognormal(0.005, 0.002)
OTHERS: dict[str, Draw] = {
    "constant": lambda _: 0.01,
    "uniform": lambda rng: rng.uniform(0.005, 0.015),
    "log-normal": QUICK,
    "log-normal, wide": lognormal(0.02, 0.0155),
    "exponential": lambda rng: rng.expovariate(100),
    "Pareto 3": lambda rng: 0.005 * rng.paretovariate(3),
    "Pareto 1.1": lambda rng: 0.005 * rng.paretovariate(1.1),
    "half 5, half 50 ms": mixture(0.5, lognormal(0.005, 0.0005), lognormal(0.05, 0.005)),
    "1 % x 10": mixture(0.01, QUICK, lognormal(0.05, 0.02)),
    "20 % x 10": mixture(0.2, QUICK, lognormal(0.05, 0.02)),
    "5 % hang": mixture(0.05, QUICK, lambda _: 30.0),
}


def other(name: str, make: Callable[[], Hedge], *, seconds: float = 60, seed: int = 1) -> Phase:
    """Return what becomes of 100 calls a second with another distribution of durations."""
    return play(make(), 100, [(20, OTHERS[name]), (seconds, OTHERS[name])], seed)[1]


def unhedged() -> Hedge:
    return Hedge(1e6)


BARS = "<= 19 ms; <= 6 %; <= 5 %, <= 5 %"


def report() -> list[Row]:
    """Run it at full length: five seeds of ours, two of what it is compared with."""
    rows: list[Row] = []
    for name, make in RULES.items():
        ours = name == "knee"
        runs = [story(make, 200, seed) for seed in range(5 if ours else 2)]
        p99 = mean([run[0].percentile(0.99) for run in runs])
        calm, first, later = (mean([run[part].extra for run in runs]) for part in range(3))
        rows.append((
            f"{name}: p99; extra load; extra in the outage's first minute, and next four",
            f"{p99:.1f} ms; {calm:.2f} %; {first:.2f} %, {later:.2f} %",
            BARS if ours else "",
            p99 <= 19 and calm <= 6 and max(first, later) <= 5,
        ))  # fmt: skip
    for rate in (15, 50):
        runs = [story(Hedge, rate, seed) for seed in range(3)]
        p99, extra = (
            mean([run[0].percentile(0.99) for run in runs]),
            mean([run[0].extra for run in runs]),
        )
        met = p99 <= 19 and extra <= 6
        rows.append(
            (f"knee at {rate}/s: p99, extra", f"{p99:.1f} ms, {extra:.2f} %", "<= 19, <= 6", met)
        )
    for name in OTHERS:
        bare, run = other(name, unhedged), other(name, Hedge)
        figures = f"{bare.percentile(0.99):.1f} -> {run.percentile(0.99):.1f} ms, {run.extra:.2f} %"
        rows.append(
            (f"{name}: p99 without and with knee, extra", figures, "<= 10 %", run.extra <= 10)
        )
    return rows
