"""A fleet of clients, one server, and something that happens to it: what experiments 1 and 2 share.

The server is that of the HotOS'21 storm: 27 workers x Exp(90 ms) = 300/s, first come, first served;
work is not cancelled when its caller gives up.  Each client has state of its own, an attempt times out
after 1 s, a call has up to 3 attempts, 0.1 to 5 s apart with full jitter, and a budget of 10 %.
"""

from collections.abc import Callable
from random import Random
from statistics import median
from typing import NamedTuple

from holdfast.errors import RejectedError
from holdfast.strategies import backoff
from holdfast.strategies.budget import RetryBudget
from holdfast.strategies.retry import Retry
from tests.experiments.client import Client, arrive
from tests.experiments.heap import Heap, Seconds, Server

Stack = Callable[[Random], list]
"""Makes the gates of one client, outermost first; they stand between the retry and the timeout."""

Row = tuple[str, str, str, bool]
SEEDS = (1, 2, 3, 4, 5)
BACKOFF = backoff.exponential(base=0.1, cap=5.0)
SETTLING = 10
"""Seconds in which the clients get to know the server; nothing is counted."""


def exponential(rng: Random) -> float:
    """Draw a service time of 90 ms on average."""
    return rng.expovariate(1 / 0.09)


class Outage(NamedTuple):
    """What came of it."""

    goodput: float
    """Users a second that came and were served in the fault."""
    false_rejections: float
    """The share of users in health that a gate refused."""
    recovered: int | None
    """TTR: seconds after the fault's end."""
    failed: int
    """Users that failed, from the fault's beginning on."""
    amplification: float
    """Attempts per user in the fault."""


def play(
    stack: Stack,
    *,
    seed: int,
    clients: int = 20,
    rate: float = 250.0,
    speed: float = 0.4,
    healthy: int = 60,
    fault: int = 30,
    after: int = 60,
    workers: int = 27,
    draw: Callable[[Random], float] = exponential,
) -> Outage:
    """Let the server run at ``speed`` for ``fault`` seconds, after ``healthy`` ones in health.

    With more ``workers`` in the fault it is slower, but can do as much as before.
    """
    heap = Heap()
    service, arrivals, jitter, places = (Random(f"{seed} {use}") for use in "sajp")
    server = Server(heap, 27, lambda: draw(service))
    fleet = [
        Client(
            heap,
            lambda answer: server.submit(lambda: answer(None)),
            retry=Retry(3, backoff=BACKOFF, budget=RetryBudget()),
            inner=stack(jitter),
            timeout=1.0,
            rng=jitter,
        )
        for _ in range(clients)
    ]
    begin, end = healthy, healthy + fault
    users, refused = Seconds(), Seconds()
    served_in_fault = 0

    def call(arrived: float) -> None:
        def done(error: Exception | None) -> None:
            nonlocal served_in_fault
            users.count(arrived, good=error is None)
            refused.count(arrived, good=not isinstance(error, RejectedError))
            if error is None and begin <= arrived and heap.now - heap.start < end:
                served_in_fault += 1

        fleet[places.randrange(clients)].call(done)

    made: list[tuple[int, int]] = []

    def change(to: float, staff: int) -> None:
        made.append((sum(one.attempts for one in fleet), sum(one.calls for one in fleet)))
        server.workers = staff
        server.set_speed(to)

    heap.at(heap.start + begin, lambda: change(speed, workers))
    heap.at(heap.start + end, lambda: change(1.0, 27))
    arrive(heap, rate, end + after, arrivals, call)
    heap.run(end + after + 20)

    (attempts, calls), (attempts_after, calls_after) = made
    good, bad = refused.between(SETTLING, begin)
    return Outage(
        goodput=served_in_fault / fault,
        false_rejections=bad / (good + bad),
        recovered=users.recovered(end, end + after),
        failed=users.between(begin, end + after)[1],
        amplification=(attempts_after - attempts) / (calls_after - calls),
    )


def spread(figures: list[float], form: str = ".0f") -> str:
    """Return the median, and the range in brackets."""
    low, high = min(figures), max(figures)
    return f"{median(figures):{form}} ({low:{form}}-{high:{form}})"
