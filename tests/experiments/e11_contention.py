"""Experiment 11: AWS's contention model, N clients that each update one row once (optimistic locking).

The model of "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015; awslabs'
aws-arch-backoff-simulator): a client reads the row's version and writes with it; a write with a stale
version fails, and the client backs off and reads again.  Each way over the net takes |N(10, 2)| ms,
base 5 ms, cap 2 s.  Figures: the time until all are done, and the number of writes; means of 100 trials.

Their first delay is ``2 * base`` (n counts from 1), so our `exponential` takes base=10 ms for their 5;
their decorrelated jitter starts from base itself, so ours takes 5 ms.  Ours draws below the cap where
theirs is clamped onto it ("clamped" here is theirs, in our terms): as many writes, and done 8 to 17 %
sooner from N = 100 on, so in that column the published figures are met by theirs and beaten by ours.

Bars: the published ordering, the figures within 5 % (and two standard errors of the published means,
which come from 100 trials themselves); with a bulkhead of one permit, shared by the
clients of one process, <= 4,000 ms and <= 110 writes at N = 100.  One by one, 100 clients need 4 ways of
10 ms each, so 4,000 ms is what the model cannot but take; it is met within the error of the mean.
"""

from collections.abc import Callable
from random import Random
from statistics import mean, stdev
from typing import NamedTuple

from holdfast.errors import HoldfastError
from holdfast.strategies import backoff
from holdfast.strategies.bulkhead import Bulkhead
from holdfast.strategies.retry import Retry
from tests.experiments.client import Answer, Client
from tests.experiments.heap import Heap
from tests.experiments.outage import Row


class Clamped:
    """Decorrelated jitter as AWS published it: min(cap, U(base, 3 * previous))."""

    def delay(self, _attempt: int, previous: float | None, rng: Random) -> float:
        return min(2.0, rng.uniform(0.005, 3 * (0.005 if previous is None else previous)))


BACKOFFS = {
    "none": backoff.constant(0.0),
    "exponential": backoff.exponential(base=0.010, cap=2.0, jitter=None),
    "equal": backoff.exponential(base=0.010, cap=2.0, jitter="equal"),
    "full": backoff.exponential(base=0.010, cap=2.0, jitter="full"),
    "decorrelated": backoff.exponential(base=0.005, cap=2.0, jitter="decorrelated"),
    "clamped": Clamped(),
}

# Milliseconds and writes, means of 100 trials of their simulator.
PUBLISHED = {
    10: {"exponential": (3637, 51), "clamped": (449, 38), "equal": (721, 43), "full": (454, 39),
         "none": (379, 51)},
    20: {"exponential": (14510, 150), "clamped": (803, 101), "equal": (1569, 108),
         "full": (1034, 100), "none": (598, 151)},
    50: {"exponential": (37299, 631), "clamped": (2129, 373), "equal": (4249, 348),
         "full": (2916, 333), "none": (1140, 691)},
    100: {"exponential": (63331, 1857), "clamped": (4478, 1002), "equal": (6670, 814),
          "full": (4982, 797), "none": (2034, 2421)},
    150: {"exponential": (85648, 3544), "clamped": (6557, 1760), "equal": (8305, 1324),
          "full": (6344, 1318), "none": (2873, 5140)},
    190: {"exponential": (101867, 5160), "clamped": (8044, 2439), "equal": (9410, 1759),
          "full": (7420, 1771), "none": (3539, 8004)},
}  # fmt: skip


class Conflict(HoldfastError):
    """Somebody else has written since the row was read."""


class Sample(NamedTuple):
    """The mean of some trials, and the standard deviation of one."""

    mean: float
    deviation: float

    def off(self, published: float) -> float:
        """Return by which share it differs from a published mean of 100 trials, chance set aside."""
        chance = 2 * self.deviation / 100**0.5
        return max(0.0, abs(self.mean - published) - chance) / published


class Table:
    """One row with a version, a net away."""

    def __init__(self, heap: Heap, rng: Random) -> None:
        self.heap = heap
        self.rng = rng
        self.version = self.writes = 0

    def way(self, then: Callable[[], object]) -> None:
        """Cross the net once."""
        self.heap.after(abs(self.rng.normalvariate(0.010, 0.002)), then)

    def update(self, answer: Answer) -> None:
        """Read the version, and write with it."""

        def write(seen: int) -> None:
            self.writes += 1
            error = None if seen == self.version else Conflict()
            self.version += error is None
            self.way(lambda: answer(error))

        def read() -> None:
            seen = self.version
            self.way(lambda: self.way(lambda: write(seen)))

        self.way(read)


def trial(n: int, kind: str, rng: Random, bulkhead: Bulkhead | None = None) -> tuple[float, int]:
    """Let ``n`` clients update one row once; return the milliseconds it took, and the writes."""
    heap = Heap()
    table = Table(heap, rng)
    retry = Retry(None, on=Conflict, backoff=BACKOFFS[kind])
    outer = () if bulkhead is None else (bulkhead,)
    last = heap.start
    done = 0

    def finish(error: Exception | None) -> None:
        nonlocal done, last
        assert error is None
        done += 1
        last = heap.now

    for _ in range(n):
        Client(heap, table.update, outer=outer, retry=retry, rng=rng).call(finish)
    while done < n:
        heap.run(heap.now - heap.start + 10.0)
    return (last - heap.start) * 1000, table.writes


def contend(
    n: int, kind: str, *, trials: int, seed: int = 1, permits: int | None = None
) -> tuple[Sample, Sample]:
    """Return milliseconds and writes; with ``permits``, behind one bulkhead with a queue."""
    rng = Random(f"{seed} {n} {kind}")
    outcomes = [
        trial(n, kind, rng, None if permits is None else Bulkhead(permits, queue=n))
        for _ in range(trials)
    ]
    ms, writes = ([float(one[place]) for one in outcomes] for place in (0, 1))
    return Sample(mean(ms), stdev(ms)), Sample(mean(writes), stdev(writes))


def worst(measured: dict[str, tuple[Sample, Sample]], n: int) -> float:
    """Return by how much the worst of the figures misses the published one."""
    return max(
        measured[kind][place].off(figure)
        for kind, figures in PUBLISHED[n].items()
        for place, figure in enumerate(figures)
    )


def report() -> list[Row]:
    """Return the full table against the published one, and the bulkhead."""
    rows = []
    for n in PUBLISHED:
        trials = 200 if n < 100 else 50
        measured = {kind: contend(n, kind, trials=trials) for kind in BACKOFFS}
        off = worst(measured, n)
        figures = "; ".join(
            f"{kind} {ms.mean:.0f} ms/{writes.mean:.0f}" for kind, (ms, writes) in measured.items()
        )
        rows.append((f"N = {n}", f"{figures}; off by {off:.1%}", "<= 5 %", off <= 0.05))
    for permits in (1, 2):
        ms, writes = contend(100, "full", trials=100, permits=permits)
        error = ms.deviation / 100**0.5
        met = ms.mean - 2 * error <= 4000 and writes.mean <= 110
        figure = f"{ms.mean:.0f} +- {error:.0f} ms, {writes.mean:.0f} writes"
        bar = "<= 4,000 ms, <= 110" if permits == 1 else ""
        rows.append((f"N = 100, bulkhead of {permits}", figure, bar, met))
    return rows
