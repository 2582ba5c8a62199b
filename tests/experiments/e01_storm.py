"""Experiment 1: a retry storm.  Nothing is served for 10 s, at 280 of 300 users a second.

Bars: TTR <= 3 s with 20 clients, <= 5 s with 200, <= 2 s with 200 that share one state; failed <= 1.15 x
the unavoidable 2,800; amplification in the fault <= 0.3.  They are for `standard` as it ships.

200 clients that share nothing miss theirs.  Each makes 1.4 calls a second, so before the first timeout
they have sent 280 calls in vain, and before everybody has had one 480; with a trial every few seconds
860 are there when the stall ends.  The server works on these for 2.9 s, and for the first two of them
whoever comes waits longer than the timeout.  The rows "opens at once" show how far a gate can get that
hears of outcomes only: open after the very first failure, for so long, with one trial each time.  None
has a TTR below 5 s, or less than 3,800 failed.  (With one call in flight for each client the TTR is 4 s,
and 3,450 fail: that is what a bulkhead is for, where clients are that many and that small.)
"""

from random import Random
from statistics import median

from holdfast.strategies import concurrency
from holdfast.strategies.circuit_breaker import CircuitBreaker
from tests.experiments.e02_client import BEST, breaker, limited
from tests.experiments.outage import SEEDS, Outage, Row, Stack, play, shipped, spread


def storm(stack: Stack, *, seed: int, clients: int = 20, shared: bool = False) -> Outage:
    return play(stack, seed=seed, clients=clients, shared=shared, rate=280.0, speed=0.0, fault=10)


def only_breaker(jitter: Random) -> list:
    return [breaker(jitter)]


def without_breaker(jitter: Random) -> list:
    return BEST(jitter)[1:]


def at_once(open_for: float) -> Stack:
    """Return the most nervous breaker there is."""
    return lambda jitter: [
        CircuitBreaker(failures=1, open_for=open_for, open_growth=1.0, probes=1, rng=jitter)
    ]


DESIGNS: dict[str, Stack] = {
    "budget + breaker": only_breaker,
    "budget + breaker + aimd(0.5)": limited(concurrency.aimd(backoff=0.5)),
    "budget + demand": without_breaker,
    "budget + breaker + demand": BEST,
    "as shipped": shipped,
}
NERVOUS: dict[str, Stack] = {
    f"opens at once for {seconds:g} s": at_once(seconds) for seconds in (0.5, 1.0, 2.0, 3.0)
}
FLEETS = (
    ("20 clients", {}, 3, DESIGNS),
    ("200 clients", {"clients": 200}, 5, DESIGNS | NERVOUS),
    ("200 clients, one state", {"clients": 200, "shared": True}, 2, {"as shipped": shipped}),
)


def report() -> list[Row]:
    """Return the figures of all designs; the bar is for `standard`."""
    rows = []
    for fleet, options, limit, designs in FLEETS:
        for name, stack in designs.items():
            outages = [storm(stack, seed=seed, **options) for seed in SEEDS]
            ttr = [999 if one.recovered is None else one.recovered for one in outages]
            failed = [one.failed for one in outages]
            amplification = max(one.amplification for one in outages)
            figure = f"TTR {spread(ttr)} s, failed {spread(failed)}, amp {amplification:.2f}"
            bar = f"<= {limit} s, <= 3220, <= 0.3" if stack is shipped else ""
            met = median(ttr) <= limit and median(failed) <= 3220 and amplification <= 0.3
            rows.append((f"{fleet}, {name}", figure, bar, met))
    return rows
