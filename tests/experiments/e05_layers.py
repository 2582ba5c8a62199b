"""Experiment 5: layers that each retry the next one, above a leaf that is dead or fails 10 %.

100 calls a second for 60 s; each layer is a process of its own, so it sees a fresh error of the one
below.  Bars, for 3 and 5 layers: at most 1.05 attempts at the leaf per user's call while it is dead
(bare retries make 3 to the power of the layers), and at least 99.8 % success where it fails 10 %.

The figures are of `standard` as it ships.  Designs without its adaptive limit (3 / 5 layers, seed 1;
attempts per call while dead, success at 10 %):

* bare retries, 3 attempts: 27 / 81 (243, but for the users' deadlines), 100 %;
* 3 attempts, budget 10 %, no breaker: 1.005 / 1.008, 100 %;
* the same with a breaker of five in a row: 0.002, but 97.9 / 87.3 %: each layer's breaker opens by
  chance now and then, and the layers above see outages;
* **4 attempts, budget 20 %, breaker with confidence 0.99: 0.003, 100 %**.
"""

from collections.abc import Callable
from random import Random

from tests.experiments.client import Client
from tests.experiments.e04_steady import DOWN, TAKES, Row, whole
from tests.experiments.heap import Heap, poisson
from tests.experiments.outage import seeded

RATE, SECONDS = 100.0, 60.0


def play(
    make: Callable[[Random], dict], share: float, depth: int, seed: int, seconds: float = SECONDS
) -> tuple[float, float]:
    """Return the share of users' calls that succeeded, and the leaf's attempts per user's call."""
    heap, rng = Heap(), Random(seed)
    reached = good = 0

    def leaf(answer) -> None:
        nonlocal reached
        reached += 1
        error = DOWN("down") if rng.random() < share else None
        heap.after(TAKES, lambda: answer(error))

    def below(client: Client):
        def target(answer) -> None:
            client.call(lambda error: answer(error and DOWN(f"503: {type(error).__name__}")))

        return target

    client = None
    for layer in range(depth):
        random = Random(f"{seed} {layer}")
        target = leaf if client is None else below(client)
        client = Client(heap, target, rng=random, **({"total": 10.0} | make(random)))

    def done(error: Exception | None) -> None:
        nonlocal good
        good += error is None

    for instant in poisson(RATE, seconds, rng):
        heap.at(heap.start + instant, lambda: client.call(done))
    with seeded(Random(f"world {seed}")):
        heap.run(seconds + 60.0)
    return good / client.calls, reached / client.calls


def report() -> list[Row]:
    """Return the figures of our stack: the worst of 5 seeds."""
    rows: list[Row] = []
    for depth in (3, 5):
        dead = max(play(whole, 1.0, depth, seed)[1] for seed in range(5))
        good = min(play(whole, 0.1, depth, seed)[0] for seed in range(5))
        rows += [
            (f"{depth} layers, leaf dead: attempts per call", f"{dead:.3f}", "1.05", dead <= 1.05),
            (f"{depth} layers, leaf fails 10 %: success", f"{good:.2%}", "99.8 %", good >= 0.998),
        ]
    return rows
