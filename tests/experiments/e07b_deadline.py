"""Experiment 7b, the deadline rule: what a first-come-first-served queue does after a stall.

The retry storm of experiment 1: 27 workers of exponential 90 ms serve 300/s, 280/s are offered by 20
clients with a timeout of 1 s and three tries (full jitter, 0.1 to 5 s); for 10 s nothing is begun.
The queue has no other rule than the one about deadlines: no CoDel, no LIFO, no end.  The figures are
the share of users who are served, and of the answers that came in time, from 10 s after the stall on.

Bar: 89 % of users, which the design study reached with "150 ms must be left" (and 1 % with dropping
what has expired).  The rules compared, means of three seeds:

                                 users served   answers in time   recovered after
    expired calls only                2.2 %            2.1 %      never
    less than 150 ms left            88.4             82.3        never
    less than 300 ms left            99.9             99.6        4 to 13 s
    less than 400 ms left           100.0             99.9        2 to 8 s
    less than p90, learnt: ours     100.0            100.0        1 s

The learnt one is quick because it sees the stall: while the calls that were caught by it are in the
window, little is expected to be done in time, so the backlog is refused at once.
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

WORKERS, SERVICE, RATE, PATIENCE = 27, 0.09, 280.0, 1.0
CALM, STALL, CLIENTS = 20, 10, 20
Row = tuple[str, str, str, bool]


class Told(NamedTuple):
    """What came of a run, after the stall."""

    users: float
    useful: float
    recovered: int | None


class Refused(ConnectionError):
    """What a client sees of a server's refusal: the answer 503."""


def queue_with(expected: Any) -> LoadShedder:
    """Return a shedder that has the rule about deadlines and no other."""
    return LoadShedder(WORKERS, queue=10**6, target=None, lifo=False, expected=expected)


def play(gate: Callable[[], Any], *, seed: int = 1, after: int = 60) -> Told:
    """Return how users fare after the stall, and the share of the work that was not in vain."""
    heap, service, rng = Heap(), Random(seed), Random(seed + 1000)
    server = Server(heap, WORKERS, lambda: service.expovariate(1 / SERVICE))
    guarded = Guarded(heap, server, gate())
    users, work = Seconds(), Seconds()

    def target(answer: Callable[[Exception | None], object]) -> None:
        due = heap.now + PATIENCE

        def ended(error: Exception | None) -> None:
            if error is None:
                work.count(heap.now - heap.start, good=heap.now <= due)
            answer(error and Refused())

        guarded.submit(ended, due)

    retry = Retry(3, backoff=backoff.exponential(base=0.1, cap=5.0))
    clients = [
        Client(heap, target, retry=retry, timeout=PATIENCE, rng=Random(rng.random()))
        for _ in range(CLIENTS)
    ]

    def call(instant: float) -> None:
        rng.choice(clients).call(lambda error: users.count(instant, good=error is None))

    heap.at(heap.start + CALM, lambda: server.set_speed(0.0))
    heap.at(heap.start + CALM + STALL, lambda: server.set_speed(1.0))
    end = CALM + STALL + after
    arrive(heap, RATE, end, Random(seed + 2000), call)
    heap.run(end + 20)
    since = CALM + STALL + 10
    return Told(
        users.share(since, end),
        work.share(since, end),
        users.recovered(CALM + STALL, end),
    )


def mean(expected: Any, seeds: range, after: int = 60) -> tuple[float, float]:
    """Return the shares of users served and of work that was not in vain."""
    runs = [play(lambda: queue_with(expected), seed=seed, after=after) for seed in seeds]
    return sum(run.users for run in runs) / len(runs), sum(run.useful for run in runs) / len(runs)


def report(seeds: range = range(1, 6)) -> list[Row]:
    """Run three rules; the bar is for the one that is learnt."""
    rows = []
    for what, expected in (
        ("expired calls only", None),
        ("less than 150 ms left", 0.15),
        ("less than expected left, learnt", "learn"),
    ):
        users, useful = mean(expected, seeds, after=45)
        bar, met = (">= 89 %", users >= 0.89) if expected == "learn" else ("", True)
        rows.append((f"e07b refused: {what}", f"{users:.1%} ({useful:.1%} useful)", bar, met))
    return rows
