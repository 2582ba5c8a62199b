"""What a few short runs come to, as digests; the same on every version of Python.

When a change means to change them: ``python -m tests.simulation.digests`` writes them anew.  `standard`
isn't among the policies: its defaults may be tuned.
"""

import hashlib
from pathlib import Path

from holdfast import Bulkhead, CircuitBreaker, LoadShedder, Pipeline, Retry, Timeout
from holdfast.simulation import (
    READY,
    Bursty,
    Cache,
    Clients,
    Closed,
    Constant,
    Diurnal,
    Exponential,
    Fault,
    Lognormal,
    Mixture,
    Network,
    Pareto,
    Part,
    Poisson,
    Policy,
    Ramp,
    Scenario,
    Servers,
    Steps,
    Stragglers,
    Uniform,
    play,
)

FOUR = Policy(
    "four",
    lambda _scenario: Pipeline("p", Retry(), CircuitBreaker(), Bulkhead(50), Timeout(0.5)),
)

RECORDED = Path(__file__).with_name("digests.txt")
COUNTED = (
    "start",
    "end",
    "offered",
    "good",
    "rejected",
    "failed",
    "attempts",
    "answered",
    "queued",
)

SCENARIOS = (
    Scenario(
        name="storm",
        seconds=25,
        load=Poisson(rate=50),
        servers=Servers(workers=6, service=Exponential(mean=0.1)),
        clients=Clients(count=5),
        faults=(Fault(at=10, lasts=5, speed=0),),
    ),
    Scenario(
        name="shards",
        seconds=30,
        load=Bursty(burst_rate=150, calm_rate=20, calm=3, burst=1),
        servers=Servers(
            workers=4, service=Lognormal(median=0.05, sigma=0.8), queue="codel", shards=3
        ),
        clients=Clients(count=4, keys=30, zipf=0.9, critical=0.2, sheddable=0.3, patience=2.0),
        network=Network(delay=Uniform(low=0.001, high=0.01), loss=0.01, reply_loss=0.01),
        faults=(
            Fault(at=8, lasts=8, hangs=True, shard=1),
            Fault(at=10, lasts=10, load=2.5, delay=0.2, loss=0.1),
        ),
    ),
    Scenario(
        name="guarded",
        seconds=30,
        load=Steps(steps=((0, 40), (10, 200), (20, 40))),
        servers=Servers(
            workers=8,
            service=Stragglers(usual=Exponential(mean=0.05), share=0.05, times=10),
            cold_start=((3, 0.3), (3, 0.6)),
            cold=True,
            cache=Cache(items=500, hit=Constant(value=0.002), warm=False),
            protect=lambda _scenario: Pipeline("server", LoadShedder(16)),
        ),
        clients=Clients(count=3, layers=2),
        faults=(Fault(at=22, lasts=2, refuses=True, restart=True),),
    ),
    Scenario(
        name="closed",
        seconds=20,
        load=Closed(users=30, think=Pareto(shortest=0.2, shape=2.0)),
        servers=Servers(
            workers=5,
            service=Mixture(
                parts=(
                    Part(weight=4, of=Constant(value=0.02)),
                    Part(weight=1, of=Exponential(mean=0.2)),
                )
            ),
            queue="lifo",
            error_rate=0.05,
        ),
        faults=(Fault(at=10, lasts=9, workers=2), Fault(at=12, lasts=9, speed=0.5)),
    ),
    Scenario(
        name="day",
        seconds=25,
        load=Diurnal(rate=50, swing=0.9, period=20),
        servers=Servers(workers=6, service=Exponential(mean=0.1), queue_limit=20),
        faults=(Fault(at=10, lasts=5, error_rate=0.5),),
    ),
    Scenario(
        name="ramp",
        seconds=20,
        load=Ramp(start=10, end=120, ends=15),
        servers=Servers(workers=6, service=Exponential(mean=0.1), drop_abandoned=True),
        clients=Clients(count=4, shared=True),
    ),
    Scenario(
        name="rows",
        seconds=20,
        load=Closed(users=40, think=Constant(value=4.0)),
        servers=Servers(workers=30, service=Lognormal(median=0.02, sigma=0.2), conflicts=True),
        clients=Clients(count=2, keys=4, zipf=0.5, critical=0.3, sheddable=0.2),
        network=Network(delay=Uniform(low=0.006, high=0.014)),
    ),
)


def digest(scenario, policy, seed=1):
    """Return a digest of all that was counted in one run."""
    tally = play(scenario, policy, seed).tally
    lines = [repr(sorted(tally.errors.items()))]
    for bucket in (*tally.buckets, tally.rest):
        values = [getattr(bucket, name) for name in COUNTED]
        lines.append(repr(values) + repr(sorted(bucket.latencies.counts.items())))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def digests():
    """Return lines of name and digest: each scenario without protection, and through a pipeline."""
    return "".join(
        f"{scenario.name} {policy.name} {digest(scenario, policy)}\n"
        for scenario in SCENARIOS
        for policy in (READY["none"], FOUR)
    )


if __name__ == "__main__":
    RECORDED.write_text(digests(), encoding="utf-8")
