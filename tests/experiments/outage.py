"""A fleet of clients, one server, and something that happens to it: what experiments 1 and 2 share.

The server is that of the HotOS'21 storm: 27 workers x Exp(90 ms) = 300/s, first come, first served;
work is not cancelled when its caller gives up.  Each client has state of its own, an attempt times out
after 1 s, a call has up to 3 attempts.  `shipped` is `standard` as it ships, but for these two figures
that the experiments set; other stacks retry with full jitter, 0.1 to 5 s, and a budget of 10 %.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from statistics import median
from typing import Any, NamedTuple

from holdfast import Timeout, standard
from holdfast._world import world
from holdfast.errors import RejectedError
from holdfast.strategies import backoff
from holdfast.strategies.budget import RetryBudget
from holdfast.strategies.retry import Retry
from tests.experiments.client import Client, arrive
from tests.experiments.heap import Heap, Seconds, Server

Stack = Callable[[Random], list | dict]
"""Makes the gates of one client, outermost first, that stand between the retry and the timeout; or all
that a `Client` is made of."""

Row = tuple[str, str, str, bool]
SEEDS = (1, 2, 3, 4, 5)
BACKOFF = backoff.exponential(base=0.1, cap=5.0)
SETTLING = 10
"""Seconds in which the clients get to know the server; nothing is counted."""


def exponential(rng: Random) -> float:
    """Draw a service time of 90 ms on average."""
    return rng.expovariate(1 / 0.09)


def shipped(_jitter: Random, **options: Any) -> dict:
    """Return what one client is made of by `standard`, with the experiments' timeout and attempts."""
    settings = {"attempt_timeout": 1.0, "attempts": 3, **options}
    layers = standard("client", **settings).strategies
    at = next(place for place, layer in enumerate(layers) if isinstance(layer, Retry))
    return {
        "outer": [one for one in layers[:at] if not isinstance(one, Timeout)],
        "retry": layers[at],
        "inner": [one for one in layers[at:] if not isinstance(one, Retry | Timeout)],
        "total": next(one.seconds for one in layers if isinstance(one, Timeout)),
    }


def parts(stack: Stack, jitter: Random) -> dict:
    """Return what one client is made of."""
    made = stack(jitter)
    if isinstance(made, dict):
        return made
    return {"retry": Retry(3, backoff=BACKOFF, budget=RetryBudget()), "inner": made}


@contextmanager
def seeded(jitter: Random) -> Iterator[None]:
    """Let what has no source of randomness of its own draw from ``jitter``."""
    before, world.rng = world.rng, jitter
    try:
        yield
    finally:
        world.rng = before


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
    shared: bool = False,
    draw: Callable[[Random], float] = exponential,
) -> Outage:
    """Let the server run at ``speed`` for ``fault`` seconds, after ``healthy`` ones in health.

    With more ``workers`` in the fault it is slower, but can do as much as before.  With ``shared`` all
    clients have the same gates and budget, as the threads and tasks of one process have.
    """
    heap = Heap()
    service, arrivals, jitter, places = (Random(f"{seed} {use}") for use in "sajp")
    server = Server(heap, 27, lambda: draw(service))
    common = parts(stack, jitter)
    fleet = [
        Client(
            heap,
            lambda answer: server.submit(lambda: answer(None)),
            timeout=1.0,
            rng=jitter,
            **(common if shared else parts(stack, jitter)),
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
    with seeded(jitter):
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
