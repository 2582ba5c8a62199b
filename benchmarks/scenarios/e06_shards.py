"""Experiment 6: one shard of a few is down."""

import asyncio
import gc
import sys
from statistics import median
from typing import Any

from benchmarks.scenarios.candidates import Calls, Decorator, Target, candidate
from benchmarks.scenarios.crowd import Crowd
from benchmarks.scenarios.experiment import (
    OURS,
    Bar,
    Case,
    Experiment,
    Figure,
    Outcome,
    Results,
    grid,
    values,
)
from benchmarks.scenarios.peers import broken, limited, tenacious
from benchmarks.scenarios.plots import Bars, Plot
from benchmarks.scenarios.policies import decorator, shard
from holdfast import standard
from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.world.request import Refused, Request

RATE, SECONDS = 100.0, 60.0
HEALTHY, REFUSES = 0.020, 0.005
SETTINGS = {
    f"1 of {shards} {how}": (shards, how) for how in ("refuses", "hangs") for shards in (2, 3, 10)
}
KEYS, FIRST = 1_000_000, 50_000
MANY = "1,000,000 keys"
BY_HAND = "tenacity + pybreaker, per shard"
POLICIES = (
    OURS, "none", "tenacity + pybreaker", "hyx", "tenacity + pybreaker, 5 s", "hyx, 5 s", BY_HAND,
)  # fmt: skip


@candidate(BY_HAND, "tenacity", "pybreaker")
def by_hand(calls: Calls) -> Decorator:
    """Return tenacity + pybreaker with its defaults, one for each shard: a dictionary by hand."""
    from pybreaker import CircuitBreakerError
    from tenacity import retry_if_not_exception_type

    def decorate(target: Target) -> Target:
        made: dict[int, Target] = {}

        async def attempt(request: Request) -> Any:
            if request.key not in made:
                guarded = broken(limited(target, calls.attempt_timeout))
                which = retry_if_not_exception_type(CircuitBreakerError)
                made[request.key] = tenacious(guarded, retry=which)
            return await made[request.key](request)

        return attempt

    return decorate


class Shards:
    """Shards that answer after 20 ms; shard 0 refuses after 5 ms, or never answers."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.reached = 0

    async def attempt(self, request: Request) -> None:
        """Answer, or not."""
        if request.key:
            await asyncio.sleep(HEALTHY)
            return
        self.reached += 1
        if self.how == "hangs":
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(REFUSES)
        raise Refused("connection refused")


class ByHealth(Crowd):
    """Users, told apart by whether they go to the shard that is down."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.good = 0
        self.bad = 0
        super().__init__(*args, **options)

    def served(self, request: Request) -> None:  # noqa: ARG002 - healthy by being served
        """Count a user of a healthy shard."""
        self.good += 1

    def failed(self, request: Request, error: Exception) -> None:  # noqa: ARG002 - not why
        """Count a user of a healthy shard who was not served."""
        self.bad += request.key > 0


def play(setting: str, policy: str, seed: int, seconds: float = SECONDS) -> Outcome:
    """Play one minute."""
    if setting == MANY:
        return many()
    shards, how = SETTINGS[setting]
    with Simulation(seed) as simulation:
        service = Shards(how)
        call = decorator(policy, Calls(attempt_timeout=1.0, key=shard))(service.attempt)
        crowd = ByHealth(simulation, [call], rate=RATE, seconds=seconds, keys=shards)
        simulation.run(seconds + 60.0)
    healthy = crowd.good + crowd.bad
    figures = {
        "served": crowd.good / healthy,
        "through": service.reached / (crowd.users - healthy),
    }
    return Outcome(figures)


def many(keys: int = KEYS, first: int = FIRST) -> Outcome:
    """Call once with each of many keys; return what memory they take, beyond that of the first ones."""
    pipeline = standard("keyed", attempt_timeout=1.0, key=shard)

    async def answer(request: Request) -> None:
        del request

    call = pipeline(answer)

    async def flood(begin: int, end: int) -> None:
        for key in range(begin, end):
            await call(Request(key, 0.0, 0, key, 0.0))
            if key % 10 == 0:
                await asyncio.sleep(0.01)

    with Simulation(0) as simulation:
        gc.collect()
        begun = sys.getallocatedblocks()
        simulation.spawn(flood(0, first))
        simulation.run(first / 100)
        middle = sys.getallocatedblocks()
        simulation.spawn(flood(first, keys))
        simulation.run(keys / 100)
        end = sys.getallocatedblocks()
    grown = (end - begun) / (middle - begun)
    return Outcome({"memory": round(grown, 2)})


def plots(results: Results) -> list[Plot]:
    """Draw the healthy users that are served."""
    groups = tuple(SETTINGS)
    series = {
        policy: [100 * median(values(results[group, policy], "served")) for group in groups]
        for policy in POLICIES
    }
    names = [group.replace(" ref", "\nref").replace(" hang", "\nhang") for group in groups]
    return [Bars("users of healthy shards served", "%", names, series, (99.9,) * len(groups))]


EXPERIMENT = Experiment(
    number="06",
    title="A dead shard",
    story=(
        "100 users a second for a minute, spread evenly over 2, 3 or 10 shards, of which one refuses "
        "(after 5 ms) or hangs (an attempt is given up after 1 s). Served is the share of the users of "
        "healthy shards; let through are the attempts that reach the dead shard, of its users. "
        f"Memory: {MANY} through one pipeline, each once, and by what factor the memory "
        f"has grown since the first {FIRST:,}."
    ),
    cases=(Case(MANY, OURS), *grid(tuple(SETTINGS), POLICIES)),  # the longest one first
    play=play,
    figures=(
        Figure("served", "served", ".2%", least=True),
        Figure("through", "let through", ".2%"),
        Figure("memory", "memory", ".2f", unit="x"),
    ),
    bars=(
        *(
            bar
            for setting in SETTINGS
            for bar in (Bar(setting, "served", 0.999), Bar(setting, "through", 0.03))
        ),
        Bar(MANY, "memory", 1.1),
    ),
    plots=plots,
)
