"""Experiment 3, the server's part: 1.5 and 3 times too much work, and the capacity halves and returns.

16 workers of exponential 50 ms serve 320/s; clients wait 1 s and do not retry; nobody's work is
cancelled.  Four phases: 0.8 times the capacity, overload, overload at half speed, overload again.
Bars, in each phase: goodput >= 99 % of the capacity (of what is offered, in the first one), and p99 of
the answers <= 1.1 x unloaded, 263 ms (526 ms at half speed).  The capacity is that of the service
times as they were drawn.

The designs compared (goodput % / p99 in ms by phase, overload of 1.5; means of five seeds of 40 s):

    no gate at all                          99.5 / 239   15 in 20 s     0             0
    Bulkhead(16, queue=8)                   98.7 / 233   99.8 / 249   100.1 / 509   99.6 / 253
    target 5 ms, first come first served    98.6 / 234   99.3 / 268   100.1 / 526   99.3 / 274
    target 5 ms, adaptive LIFO              98.7 / 234   99.3 / 251   100.0 / 484   99.4 / 254
    target p99 / 10, LIFO                   98.8 / 234   99.5 / 244   100.2 / 469   99.3 / 248
    target p99 / 10, LIFO, interval 200 ms  99.4 / 238   99.6 / 265   100.1 / 471   99.5 / 270
    target p99 / 5, first come ...          99.7 / 235  100.0 / 269   100.1 / 539   99.8 / 280
    target p99 / 5, LIFO                    99.1 / 234   99.7 / 240   100.2 / 460   99.6 / 245
    ours: the same, and the queue stands after max(100 ms, 3 targets)
                                            99.3 / 235   99.8 / 245   100.1 / 461   99.6 / 249
"""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from holdfast.strategies.load_shedder import LoadShedder
from tests.experiments.guarded import Guarded
from tests.experiments.heap import Heap, Server, poisson

WORKERS, SERVICE, PATIENCE = 16, 0.05, 1.0
CAPACITY = WORKERS / SERVICE
P99 = 0.263
Row = tuple[str, str, str, bool]


class Phase(NamedTuple):
    """What came of one phase."""

    goodput: float
    p50: float
    p99: float


class Tally:
    """One phase while it runs."""

    def __init__(self, load: float, speed: float) -> None:
        self.load = load
        self.speed = speed
        self.offered = 0
        self.drawn: list[float] = []
        self.answers: list[float] = []

    def told(self, seconds: float) -> Phase:
        """Return the figures; the ideal is never to be idle, with the service times as drawn."""
        mean = sum(self.drawn) / len(self.drawn)
        ideal = min(self.offered, WORKERS * self.speed * seconds / mean)
        answers = sorted(self.answers) or [0.0]
        count = len(answers)
        return Phase(
            len(self.answers) / ideal, answers[count // 2], answers[int(0.99 * (count - 1))]
        )


def ours() -> LoadShedder:
    """Return the shedder with its defaults."""
    return LoadShedder(WORKERS)


def play(
    gate: Callable[[], Any] = ours, *, overload: float = 1.5, seconds: float = 20.0, seed: int = 1
) -> list[Phase]:
    """Return the figures of the four phases, each of so many seconds."""
    heap, service, arrivals = Heap(), Random(seed), Random(seed + 1000)
    phases = [Tally(0.8, 1.0), Tally(overload, 1.0), Tally(overload, 0.5), Tally(overload, 1.0)]

    def phase() -> Tally:
        return phases[min(int((heap.now - heap.start) / seconds), 3)]

    def draw() -> float:
        duration = service.expovariate(1 / SERVICE)
        phase().drawn.append(duration)
        return duration

    server = Server(heap, WORKERS, draw)
    guarded = Guarded(heap, server, gate())

    def arrive() -> None:
        arrived = heap.now
        phase().offered += 1

        def answer(error: Exception | None) -> None:
            took = heap.now - arrived
            if error is None and took <= PATIENCE:
                phase().answers.append(took)

        guarded.submit(answer, arrived + PATIENCE)

    for number, one in enumerate(phases):
        begins = heap.start + number * seconds
        heap.at(begins, lambda speed=one.speed: server.set_speed(speed))
        for instant in poisson(one.load * CAPACITY, seconds, arrivals):
            heap.at(begins + instant, arrive)
    heap.run(4 * seconds)
    return [one.told(seconds) for one in phases]


def means(runs: list[list[Phase]]) -> list[Phase]:
    """Return the mean of each figure, phase by phase."""
    count = len(runs)
    return [
        Phase(*(sum(figures) / count for figures in zip(*same, strict=True)))
        for same in zip(*runs, strict=True)
    ]


def report(seeds: range = range(1, 6), seconds: float = 40.0) -> list[Row]:
    """Run both overloads; every phase has a bar of goodput and one of time."""
    rows = []
    for overload in (1.5, 3.0):
        told = means([play(overload=overload, seconds=seconds, seed=seed) for seed in seeds])
        for name, phase in zip(("calm", "overload", "half speed", "restored"), told, strict=True):
            limit = P99 * (2 if name == "half speed" else 1)
            figure = f"{phase.goodput:.1%}, p99 {phase.p99 * 1e3:.0f} ms"
            met = phase.goodput >= 0.99 and phase.p99 <= limit
            what = f"e03 shedder, x{overload:g}, {name}"
            rows.append((what, figure, f">= 99 %, <= {limit * 1e3:.0f} ms", met))
    return rows
