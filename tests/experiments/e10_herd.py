"""Experiment 10: 1,000 clients fail together, and come back to a dependency that serves 100 a second.

It refuses everybody for 5 s; then it serves one call each 10 ms, with a queue of 50, and refuses whoever
finds the queue full.  Each client calls until it is served.  So 99 % can be served 9.9 s after it is
back, and no sooner.  Bars: t99 <= 11.5 s, a peak of at most 300 arrivals a second (in any tenth of a
second) after it is back, at most 7 calls per client.

Why it is hard: few calls and a low peak ask for long delays, a short t99 for delays that are never much
longer than others.  Jitter that varies much, as full and decorrelated, lets some clients come back three
times while others sleep.  Jitter is needed to spread the clients, once; after that it only does harm.
So ``jitter="steady"`` draws from (0, d) until d has reached the cap, and near the cap from then on.

The bar is for the backoff of `standard`.  Of factor, cap and jitter none reaches it alone: the same with
full jitter has a peak of 410, and "steady" from 0.1 s with factor 2 and cap 5 makes 8.9 calls a client.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from statistics import median
from typing import NamedTuple

from holdfast import standard
from holdfast.strategies import backoff
from holdfast.strategies.backoff import Backoff
from holdfast.strategies.retry import Retry
from tests.experiments.client import Answer, Client
from tests.experiments.heap import Heap
from tests.experiments.outage import SEEDS, Row, spread

REFUSED = ConnectionError("refused")
BARS = (11.5, 300, 7.0)


class Dependency:
    """It refuses all calls until `back`, and then those that find ``queue`` others waiting."""

    def __init__(self, heap: Heap, *, back: float, rate: float, queue: int) -> None:
        self.heap = heap
        self.back = heap.start + back
        self.rate, self.queue = rate, queue
        self.waiting, self.free = 0, heap.start
        self.arrivals: Counter[int] = Counter()
        """By tenths of a second after it is back."""

    def call(self, answer: Answer) -> None:
        now = self.heap.now
        if now >= self.back:
            self.arrivals[int((now - self.back) * 10)] += 1
        if now < self.back or self.waiting > self.queue:
            answer(REFUSED)
            return
        self.waiting += 1
        self.free = max(self.free, now) + 1 / self.rate
        self.heap.at(self.free, lambda: self.served(answer))

    def served(self, answer: Answer) -> None:
        self.waiting -= 1
        answer(None)


class Herd(NamedTuple):
    """What came of it."""

    t99: float
    """Seconds from when the dependency is back until 99 % of the clients are served."""
    peak: float
    """Arrivals a second, in the worst tenth of a second after it is back."""
    calls: float
    """Calls per client."""


def stampede(
    delays: Backoff, *, seed: int, clients: int = 1000, back: float = 5.0, rate: float = 100.0,
    queue: int = 50,
) -> Herd:  # fmt: skip
    """Let all clients call at the same instant, and again with these delays until they are served."""
    heap = Heap()
    dependency = Dependency(heap, back=back, rate=rate, queue=queue)
    retry, rng = Retry(None, backoff=delays), Random(f"herd {seed}")
    served: list[float] = []

    def done(_error: Exception | None) -> None:
        served.append(heap.now - dependency.back)

    crowd = [Client(heap, dependency.call, retry=retry, rng=rng) for _ in range(clients)]
    for client in crowd:
        heap.at(heap.start, partial(client.call, done))
    heap.run(back + 1000.0)
    return Herd(
        t99=sorted(served)[int(0.99 * clients) - 1],
        peak=10.0 * max(dependency.arrivals.values()),
        calls=sum(client.attempts for client in crowd) / clients,
    )


def shipped() -> Backoff:
    """Return the backoff of `standard`."""
    return next(one.backoff for one in standard("herd").strategies if isinstance(one, Retry))


def exponential(jitter: backoff.Jitter, factor: float = 2.0, cap: float = 10.0) -> Backoff:
    return backoff.exponential(base=0.1, factor=factor, cap=cap, jitter=jitter)


DESIGNS: dict[str, Callable[[], Backoff]] = {
    "constant, 1 s and up to 50 % more": lambda: backoff.constant(1.0, jitter="proportional"),
    "no jitter": lambda: exponential(None),
    "equal": lambda: exponential("equal"),
    "full": lambda: exponential("full"),
    "decorrelated": lambda: exponential("decorrelated"),
    "smooth": lambda: exponential("smooth"),
    "full, cap 5 s": lambda: exponential("full", cap=5.0),
    "smooth, cap 5 s": lambda: exponential("smooth", cap=5.0),
    "full, factor 3, cap 6 s": lambda: exponential("full", 3.0, 6.0),
    "smooth, factor 3, cap 6 s": lambda: exponential("smooth", 3.0, 6.0),
    "equal, factor 3, cap 6 s": lambda: exponential("equal", 3.0, 6.0),
    "steady, cap 5 s": lambda: exponential("steady", cap=5.0),
    "as shipped: steady, factor 3, cap 6 s": shipped,
}


def row(name: str, delays: Backoff, *, ours: bool, **herd: float) -> Row:
    herds = [stampede(delays, seed=seed, **herd) for seed in SEEDS]
    t99 = [one.t99 for one in herds]
    peak = [one.peak for one in herds]
    calls = [one.calls for one in herds]
    figure = f"t99 {spread(t99, '.1f')} s, peak {spread(peak)}/s, {spread(calls, '.1f')} calls"
    bar = "<= 11.5 s, <= 300/s, <= 7" if ours else ""
    figures = (median(t99), median(peak), median(calls))
    return name, figure, bar, all(one <= most for one, most in zip(figures, BARS, strict=True))


def report() -> list[Row]:
    """Return the figures of all designs, and what full and steady jitter make of other herds."""
    rows = [row(name, make(), ours=make is shipped) for name, make in DESIGNS.items()]
    others = (
        ("back after 2 s", {"back": 2.0}), ("back after 30 s", {"back": 30.0}),
        ("3 times as many, served 3 times as fast", {"clients": 3000, "rate": 300.0, "queue": 150}),
        ("a queue of 5", {"queue": 5}),
    )  # fmt: skip
    for what, herd in others:
        rows += [
            row(f"{what}, {name}", DESIGNS[name](), ours=False, **herd)
            for name in ("full, cap 5 s", "as shipped: steady, factor 3, cap 6 s")
        ]
    return rows
