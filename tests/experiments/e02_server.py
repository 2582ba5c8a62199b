"""Experiment 2, the server's part: a brownout to 40 % for 30 s, with a load shedder on the server.

27 workers of exponential 90 ms serve 300/s, 250/s are offered by 20 clients with a timeout of 1 s and
three tries (full jitter, 0.1 to 5 s); what a server refuses is retried like any failure.  For 30 s the
workers take 2.5 times as long: 120/s are left.  No more than 118.6/s of those can succeed even if
nobody waits, since 1.2 % of the service times are then longer than the timeout.

Bar: goodput >= 118/s in these 30 s, counted at the instant of the answer, means of five seeds or more
(a server that is never idle does 120.5/s with the service times as drawn).
"""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from holdfast import backoff
from holdfast.strategies.load_shedder import LoadShedder
from holdfast.strategies.retry import Retry
from tests.experiments.client import Client, arrive
from tests.experiments.guarded import Guarded
from tests.experiments.heap import Heap, Seconds, Server

WORKERS, SERVICE, RATE, PATIENCE = 27, 0.09, 250.0, 1.0
BROWNOUT, CLIENTS = 0.4, 20
Row = tuple[str, str, str, bool]


class Told(NamedTuple):
    """What came of a run."""

    goodput: float
    ideal: float
    recovered: int | None
    healthy: float


class Refused(ConnectionError):
    """What a client sees of a server's refusal: the answer 503."""


def ours() -> LoadShedder:
    """Return the shedder with its defaults."""
    return LoadShedder(WORKERS)


def play(
    gate: Callable[[], Any] = ours,
    *,
    calm: int = 20,
    fault: int = 30,
    after: int = 40,
    seed: int = 1,
) -> Told:
    """Return the goodput of the fault, what it could have been, and how it was before and after."""
    heap, service, rng = Heap(), Random(seed), Random(seed + 1000)
    drawn: list[float] = []

    def in_fault() -> bool:
        return calm <= heap.now - heap.start < calm + fault

    def draw() -> float:
        duration = service.expovariate(1 / SERVICE)
        if in_fault():
            drawn.append(duration)
        return duration

    server = Server(heap, WORKERS, draw)
    guarded = Guarded(heap, server, gate())
    users, good = Seconds(), 0

    def target(answer: Callable[[Exception | None], object]) -> None:
        guarded.submit(lambda error: answer(error and Refused()), heap.now + PATIENCE)

    retry = Retry(3, backoff=backoff.exponential(base=0.1, cap=5.0))
    clients = [
        Client(heap, target, retry=retry, timeout=PATIENCE, rng=Random(rng.random()))
        for _ in range(CLIENTS)
    ]

    def call(instant: float) -> None:
        def done(error: Exception | None) -> None:
            nonlocal good
            good += error is None and in_fault()
            users.count(instant, good=error is None)

        rng.choice(clients).call(done)

    heap.at(heap.start + calm, lambda: server.set_speed(BROWNOUT))
    heap.at(heap.start + calm + fault, lambda: server.set_speed(1.0))
    arrive(heap, RATE, calm + fault + after, Random(seed + 2000), call)
    heap.run(calm + fault + after + 20)
    mean = sum(drawn) / len(drawn)
    return Told(
        good / fault,
        WORKERS * BROWNOUT / mean,
        users.recovered(calm + fault, calm + fault + after),
        users.share(2, calm - 5),
    )


def mean(
    seeds: range, gate: Callable[[], Any] = ours, after: int = 10
) -> tuple[float, float, float]:
    """Return goodput, the goodput of servers that are never idle, and the health before."""
    runs = [play(gate, after=after, seed=seed) for seed in seeds]
    count = len(runs)
    return (
        sum(run.goodput for run in runs) / count,
        sum(run.ideal for run in runs) / count,
        sum(run.healthy for run in runs) / count,
    )


def report(seeds: range = range(1, 9)) -> list[Row]:
    """Run the brownout with the shedder's defaults."""
    goodput, ideal, healthy = mean(seeds)
    what = f"e02 server's shedder, goodput in the brownout (never idle: {ideal:.1f}/s)"
    return [
        (what, f"{goodput:.1f}/s", ">= 118/s", goodput >= 118),
        ("e02 users served before it", f"{healthy:.2%}", ">= 99.9 %", healthy >= 0.999),
    ]
