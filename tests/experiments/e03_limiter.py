"""Experiment 3, the limiter's part: 1.5 and 3 times too much work, and the capacity halves and returns.

16 workers of exponential 50 ms serve 320/s; clients wait 1 s and do not retry; nobody's work is
cancelled.  Four phases of 40 s: 0.8 times the capacity, overload, overload at half speed, overload
again.  Bars, in each phase from its fifth second on: goodput >= 99 % of the capacity (of the offered,
in the first one), and p99 of the answers <= 1.1 x unloaded, 263 ms (526 ms at half speed).  Goodput is
measured in the work that was answered in time, so the luck of the draw does not count.

The designs compared (goodput % / p99 in ms by phase; medians of five seeds, of three for the others;
overload of 3 gives the same order):

    static 24 (known to be right)            99.0/236  99.8/250  100 /507  99.7/251
    aimd()                                   100 /239  100 /633   3.1/999  99.5/815
    demand() (made for clients)              100 /238  100 /557  89.6/971  99.5/817
    gradient() (Gradient2)                   99.9/236  100 /281  100 /485  100 /288
    vegas()                                  99.8/236  99.0/241  54.0/467  97.1/235
    quartiles in place of mean and deviation 100 /237  99.8/254  100 /508  99.8/256   (two modes: 9 %)
    spread() without probes                  100 /237  99.9/257  100 /500  99.8/259   (constant: 42 %)
    spread(queue=1.75)                       100 /236  99.8/254  100 /498  99.8/257
    spread() = spread(queue=1.5)             100 /236  99.7/250  100 /490  99.8/255

The bars are met in the medians; of 48 phases of single seeds two have a p99 of 265 and 266 ms.  In
brackets what else a service needs: `OTHERS`, distributions with the same mean, of which one starved the
design.  Probes in a lasting overload cost 0.3 % of the goodput, and 1 % of the 20 s after a change.
"""

from collections.abc import Callable
from random import Random
from statistics import median
from typing import Any, NamedTuple

from holdfast.strategies.concurrency_limiter import ConcurrencyLimiter
from tests.experiments.guarded import Guarded
from tests.experiments.heap import Heap, Server, poisson

WORKERS, SERVICE, PATIENCE, SETTLE = 16, 0.05, 1.0, 5.0
CAPACITY = WORKERS / SERVICE
P99 = 0.263
PHASES = ("calm", "overload", "half speed", "restored")
Row = tuple[str, str, str, bool]
Draw = Callable[[Random], float]


def exponential(rng: Random) -> float:
    """Return a service time of the experiment."""
    return rng.expovariate(1 / SERVICE)


OTHERS: dict[str, Draw] = {
    "constant": lambda _rng: SERVICE,
    "uniform": lambda rng: rng.uniform(0.6 * SERVICE, 1.4 * SERVICE),
    "lognormal": lambda rng: rng.lognormvariate(-3.1207, 0.5),
    "two modes": lambda rng: 0.2 * SERVICE if rng.random() < 0.5 else 1.8 * SERVICE,
}
"""Other distributions with the same mean."""


class Phase(NamedTuple):
    """What came of one phase, after it had settled."""

    goodput: float
    p99: float
    limit: float


class Tally:
    """One phase while it runs; only what happens from `since` on counts."""

    def __init__(self, load: float, speed: float, since: float) -> None:
        self.load = load
        self.speed = speed
        self.since = since
        self.offered = self.refused = 0
        self.work = 0.0
        self.answers: list[float] = []
        self.limits: list[float] = []

    def told(self, seconds: float) -> Phase:
        """Return the figures."""
        answers = sorted(self.answers)
        if self.load < 1:
            goodput = 1 - self.refused / self.offered
        else:
            goodput = self.work / (WORKERS * self.speed * seconds)
        p99 = answers[int(0.99 * (len(answers) - 1))]
        return Phase(goodput, p99, sum(self.limits) / len(self.limits))


def play(
    gate: Callable[[], Any] = ConcurrencyLimiter,
    *,
    overload: float = 1.5,
    seconds: float = 40.0,
    seed: int = 1,
    draw: Draw = exponential,
) -> list[Phase]:
    """Return the figures of the four phases, each of so many seconds."""
    heap, service, arrivals = Heap(), Random(seed), Random(seed + 1000)
    loads = ((0.8, 1.0), (overload, 1.0), (overload, 0.5), (overload, 1.0))
    phases = [Tally(*one, heap.start + i * seconds + SETTLE) for i, one in enumerate(loads)]
    durations: list[float] = []

    def serve() -> float:
        durations.append(draw(service))
        return durations[-1]

    server, limiter = Server(heap, WORKERS, serve), gate()
    guarded = Guarded(heap, server, limiter)
    submitted = 0

    def arrive(phase: Tally) -> None:
        nonlocal submitted
        arrived, number = heap.now, submitted

        def answer(error: Exception | None) -> None:
            nonlocal submitted
            if error is None:
                finish(heap.now - arrived, durations[number])
            else:
                submitted -= 1  # it never got a service time
                phase.refused += arrived >= phase.since

        submitted += 1
        if arrived >= phase.since:
            phase.offered += 1
            phase.limits.append(limiter.limit)
        guarded.submit(answer, arrived + PATIENCE)

    def finish(took: float, work: float) -> None:
        phase = phases[min(int((heap.now - heap.start) / seconds), 3)]
        if heap.now >= phase.since and took <= PATIENCE:
            phase.answers.append(took)
            phase.work += work

    for number, one in enumerate(phases):
        begins = heap.start + number * seconds
        heap.at(begins, lambda speed=one.speed: server.set_speed(speed))
        for instant in poisson(one.load * CAPACITY, seconds, arrivals):
            heap.at(begins + instant, lambda one=one: arrive(one))
    heap.run(4 * seconds)
    return [one.told(seconds - SETTLE) for one in phases]


def medians(runs: list[list[Phase]]) -> list[Phase]:
    """Return the median of each figure, phase by phase."""
    return [Phase(*map(median, zip(*same, strict=True))) for same in zip(*runs, strict=True)]


def report(seeds: range = range(1, 6), seconds: float = 40.0) -> list[Row]:
    """Run both overloads; every phase has a bar of goodput and one of time."""
    rows = []
    for overload in (1.5, 3.0):
        told = medians([play(overload=overload, seconds=seconds, seed=seed) for seed in seeds])
        for name, phase in zip(PHASES, told, strict=True):
            limit = P99 * (2 if name == "half speed" else 1)
            figure = f"{phase.goodput:.1%}, p99 {phase.p99 * 1e3:.0f} ms"
            met = phase.goodput >= 0.99 and phase.p99 <= limit
            what = f"e03 limiter, x{overload:g}, {name}"
            rows.append((what, figure, f">= 99 %, <= {limit * 1e3:.0f} ms", met))
    return rows
