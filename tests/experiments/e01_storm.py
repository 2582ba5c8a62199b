"""Experiment 1, for the stack of experiment 2: nothing is served for 10 s, at 280 of 300 users a second.

Bars: TTR <= 3 s with 20 clients, <= 5 s with 200; failed <= 1.15 x the unavoidable 2,800; amplification
in the fault <= 0.3.

The limit alone (`concurrency.demand`) recovers in 3 s with every seed.  With the breaker fewer fail, but
one seed in five takes 9 s or more: the last failed probe has doubled the time that the breaker is open.
"""

from random import Random
from statistics import median

from holdfast.strategies import concurrency
from tests.experiments.e02_client import BEST, breaker, limited
from tests.experiments.outage import SEEDS, Outage, Row, Stack, play, spread


def storm(stack: Stack, *, seed: int, clients: int = 20) -> Outage:
    return play(stack, seed=seed, clients=clients, rate=280.0, speed=0.0, fault=10)


def only_breaker(jitter: Random) -> list:
    return [breaker(jitter)]


def without_breaker(jitter: Random) -> list:
    return BEST(jitter)[1:]


DESIGNS: dict[str, Stack] = {
    "budget + breaker": only_breaker,
    "budget + breaker + aimd(0.5)": limited(concurrency.aimd(backoff=0.5)),
    "budget + demand": without_breaker,
    "budget + breaker + demand": BEST,
}


def report() -> list[Row]:
    """Return the figures of all designs; the bar is for the last."""
    rows = []
    for clients, limit in ((20, 3), (200, 5)):
        for name, stack in DESIGNS.items():
            outages = [storm(stack, seed=seed, clients=clients) for seed in SEEDS]
            ttr = [999 if one.recovered is None else one.recovered for one in outages]
            failed = [one.failed for one in outages]
            amplification = max(one.amplification for one in outages)
            figure = f"TTR {spread(ttr)} s, failed {spread(failed)}, amp {amplification:.2f}"
            bar = f"<= {limit} s, <= 3220, <= 0.3" if stack is BEST else ""
            met = median(ttr) <= limit and median(failed) <= 3220 and amplification <= 0.3
            rows.append((f"{clients} clients, {name}", figure, bar, met))
    return rows
