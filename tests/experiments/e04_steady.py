"""Experiment 4: steady failures, and what the stack of `standard` makes of them.

Brooker's model (mbrooker/simulator_example): clients call at random instants, the dependency fails
each attempt by itself with probability f.  100 clients at 10/s each for 10 s; and 100/s in all, shared
by 10, 100 or 1,000 clients, for 100 s.  Bars: for f up to 10 % at least 99.9 % of the calls succeed;
at 100 % at most 1.02 attempts per call, whatever the number of clients.  They are for `standard` as it
ships, with all its layers, where an answer or an error takes 10 ms, or varies much (exponential, 50 ms).

Designs without the adaptive limit (worst of the four loads; seed 1; success at f = 10 %, attempts per
call at f = 100 %):

* 3 attempts, budget 10 %, breaker of five in a row: 98.9 %, 0.93.  Three attempts leave one call in
  a thousand at best, and a failure rate of 10 % needs 0.11 retries per success, more than 0.1.
* the same with ``confidence``: 98.9 %, 0.93.  No false opening any more, the budget is what limits.
* 3 attempts, budget 20 %: 99.8 %; 4 attempts, budget 15 %: 99.93 %, 0.93.
* **4 attempts, budget 20 %, confidence 0.99: 99.97 %, 0.94.**
* the same without ``confidence``: 99.90 %; with capacity 3 in place of 10: 99.4 %.
* the same without a breaker: 99.98 %, but 2.0 attempts per call with 1,000 clients, whose full buckets
  are 10,000 retries; starting with 1 token instead costs success (98.0 %) where clients are many.
  It is the breaker that makes the number of clients not matter.

The adaptive limit adds nothing here, and for a while did harm: when `concurrency.demand` took an error
that came as quickly as an answer for a lost call, 74 % of the calls succeeded with 10 clients.
"""

from collections.abc import Callable
from random import Random

from holdfast import CircuitBreaker, Retry, RetryBudget, backoff
from tests.experiments.client import Client
from tests.experiments.heap import Heap, poisson
from tests.experiments.outage import seeded, shipped

Row = tuple[str, str, str, bool]
DOWN = ConnectionError
TAKES = 0.01

LOADS = {
    "100 clients, 10/s each": (100, 10.0, 10.0),
    "10 clients, 100/s in all": (10, 10.0, 100.0),
    "100 clients, 100/s in all": (100, 1.0, 100.0),
    "1000 clients, 100/s in all": (1000, 0.1, 100.0),
}
"""How many clients, calls a second each, seconds."""


def stack(
    *, attempts: int = 4, ratio: float = 0.2, capacity: float = 10.0,
    confidence: float | None = 0.99, breaker: bool = True, budget: bool = True,
) -> Callable[[Random], dict]:  # fmt: skip
    """Return what makes one client's retry and breaker."""

    def make(rng: Random) -> dict:
        allowance = RetryBudget(ratio, capacity) if budget else None
        delays = backoff.exponential(base=0.1, cap=5.0)
        gate = CircuitBreaker(open_for=1.0, confidence=confidence, rng=rng)
        return {
            "retry": Retry(attempts, budget=allowance, backoff=delays),
            "inner": (gate,) if breaker else (),
        }

    return make


def whole(rng: Random) -> dict:
    """Return what one client is made of by `standard`."""
    return shipped(rng, attempts=4)


def fixed(_rng: Random) -> float:
    return TAKES


def varied(rng: Random) -> float:
    """Draw a duration of 50 ms on average."""
    return rng.expovariate(1 / 0.05)


def play(
    make: Callable[[Random], dict], share: float, load: str, seed: int,
    takes: Callable[[Random], float] = fixed,
) -> tuple[float, float]:  # fmt: skip
    """Return the share of calls that succeeded, and the attempts per call."""
    clients, rate, seconds = LOADS[load]
    heap, rng = Heap(), Random(seed)
    good = 0

    def target(answer) -> None:
        error = DOWN("down") if rng.random() < share else None
        heap.after(takes(rng), lambda: answer(error))

    def done(error: Exception | None) -> None:
        nonlocal good
        good += error is None

    made = [
        Client(
            heap,
            target,
            timeout=1.0,
            rng=Random(f"{seed} {n}"),
            **({"total": 10.0} | make(Random(f"{n} {seed}"))),
        )
        for n in range(clients)
    ]
    for client in made:
        for instant in poisson(rate, seconds, rng):
            heap.at(heap.start + instant, lambda client=client: client.call(done))
    with seeded(Random(f"world {seed}")):
        heap.run(seconds + 30.0)
    calls = sum(client.calls for client in made)
    return good / calls, sum(client.attempts for client in made) / calls


def report() -> list[Row]:
    """Return the figures of our stack: the worst of 5 seeds for each load."""
    rows: list[Row] = []
    for load in LOADS:
        for share in (0.01, 0.05, 0.10):
            good = min(play(whole, share, load, seed)[0] for seed in range(5))
            what = f"{load}: success at f = {share:.0%}"
            rows.append((what, f"{good:.2%}", "99.9 %", good >= 0.999))
        good = min(play(whole, 0.1, load, seed, varied)[0] for seed in range(5))
        what = f"{load}: success at f = 10%, durations vary"
        rows.append((what, f"{good:.2%}", "99.9 %", good >= 0.999))
        attempts = max(play(whole, 1.0, load, seed)[1] for seed in range(5))
        what = f"{load}: attempts per call at f = 100 %"
        rows.append((what, f"{attempts:.2f}", "1.02", attempts <= 1.02))
    return rows
