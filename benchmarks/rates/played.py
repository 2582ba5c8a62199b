"""One run: a quota of 100 a second that becomes 40, and 100 again, and what its clients made of it."""

from __future__ import annotations

import math
from asyncio import Future
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from benchmarks.rates.clients import Call, Protect
from benchmarks.rates.servers import Answer, FixedWindow, Server, Telling, TokenBucket, TooMany
from holdfast.simulation.engine.stage import Simulation

PHASES = ((60.0, 100.0), (60.0, 40.0), (60.0, 100.0))
"""Seconds, and the quota a second in them."""

WAY = 0.025
"""Seconds to the server, and back, on average."""

CALLERS = 40
"""Callers in all; each calls again as soon as it is answered: they want far more than there is."""

WARM = 10.0
"""Seconds in the beginning that the shares leave out: the search for a first rate is its own figure."""

NEAR, ROW = 0.9, 3
"""Adapted: at most a tenth refused and at least that part of the quota used, so many seconds on end."""


class Told(NamedTuple):
    """What came of it: shares from 0 to 1, and seconds."""

    refused: float
    used: float
    start: float
    down: float
    up: float
    first: int
    """429s in the first seconds."""


Sleep = Callable[[float], Future[None]]
Make = Callable[[Callable[[], float]], Server]

SETTINGS: dict[str, tuple[Make, int]] = {
    "token bucket": (lambda clock: TokenBucket(clock, PHASES[0][1]), 1),
    "windows of 1 s": (lambda clock: FixedWindow(clock, PHASES[0][1]), 1),
    "windows of 10 s": (lambda clock: FixedWindow(clock, PHASES[0][1], 10.0), 1),
    "token bucket, 4 clients": (lambda clock: TokenBucket(clock, PHASES[0][1]), 4),
    "windows of 1 s, 4 clients": (lambda clock: FixedWindow(clock, PHASES[0][1]), 4),
    "windows of 10 s that tell, 4 clients": (lambda clock: Telling(clock, PHASES[0][1], 10.0), 4),
}


def played(setting: str, client: Callable[[], Protect], seed: int) -> Told:
    """Play all phases."""
    make, clients = SETTINGS[setting]
    seconds = int(sum(phase[0] for phase in PHASES))
    good, bad = [0] * (seconds + 1), [0] * (seconds + 1)
    with Simulation(seed) as simulation:
        server = make(lambda: simulation.now)
        rng, sleep = simulation.stream("the net"), _sleeper(simulation)

        async def request() -> object:
            await sleep(rng.uniform(0.5, 1.5) * WAY)
            taken, fields = server.takes(), server.fields()
            (good if taken else bad)[int(simulation.now)] += 1
            await sleep(rng.uniform(0.5, 1.5) * WAY)
            if not taken:
                raise TooMany(fields)
            return Answer(fields)

        async def caller(call: Call) -> None:
            while True:
                with suppress(TooMany):
                    await call()

        for _ in range(clients):
            call = client()(request)
            for _ in range(CALLERS // clients):
                simulation.spawn(caller(call))
        at = 0.0
        for length, quota in PHASES:
            server.quota = quota
            at += length
            simulation.run(at)
    return figures(good, bad)


def _sleeper(simulation: Simulation) -> Sleep:
    """Return a sleep that costs no more than a timer."""

    def sleep(seconds: float) -> Future[None]:
        answer: Future[None] = simulation.loop.create_future()
        simulation.loop.call_later(seconds, answer.set_result, None)
        return answer

    return sleep


def figures(good: list[int], bad: list[int]) -> Told:
    """Return the figures of the seconds of a run."""
    quotas = [quota for length, quota in PHASES for _ in range(int(length))]
    warm = int(WARM)
    sent = sum(good[warm:]) + sum(bad[warm:])
    begins = [0.0]
    for length, _ in PHASES:
        begins.append(begins[-1] + length)
    return Told(
        sum(bad[warm:]) / max(1, sent),
        sum(good[warm:]) / sum(quotas[warm:]),
        *(adapted(good, bad, quotas, int(begin)) for begin in begins[:3]),
        sum(bad[:warm]),
    )


def adapted(good: list[int], bad: list[int], quotas: list[float], begin: int) -> float:
    """Return the seconds after ``begin`` from which on it keeps to the quota, and uses it; or inf."""
    quota, row = quotas[begin], 0
    for second in range(begin, begin + int(PHASES[0][0])):
        sent = good[second] + bad[second]
        fits = good[second] >= NEAR * quota and bad[second] <= (1.0 - NEAR) * sent
        row = row + 1 if fits else 0
        if row == ROW:
            return float(second + 1 - ROW - begin)
    return math.inf
