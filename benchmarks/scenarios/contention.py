"""Experiment 11's model: AWS's, N clients that each update one row once, with optimistic locking.

"Exponential Backoff and Jitter" (AWS Architecture Blog, 2015; awslabs' aws-arch-backoff-simulator): a
client reads the row's version and writes with it; a write with a stale version fails, and the client
backs off and reads again.  Each way over the net takes abs(N(10, 2)) ms.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from statistics import mean, stdev
from typing import NamedTuple

from holdfast.simulation.engine.stage import Simulation

Update = Callable[[], Awaitable[None]]
Protect = Callable[[Update], Update]

PUBLISHED: dict[int, dict[str, tuple[int, int]]] = {
    10: {"exponential": (3637, 51), "decorrelated": (449, 38), "equal": (721, 43),
         "full": (454, 39), "none": (379, 51)},
    20: {"exponential": (14510, 150), "decorrelated": (803, 101), "equal": (1569, 108),
         "full": (1034, 100), "none": (598, 151)},
    50: {"exponential": (37299, 631), "decorrelated": (2129, 373), "equal": (4249, 348),
         "full": (2916, 333), "none": (1140, 691)},
    100: {"exponential": (63331, 1857), "decorrelated": (4478, 1002), "equal": (6670, 814),
          "full": (4982, 797), "none": (2034, 2421)},
    150: {"exponential": (85648, 3544), "decorrelated": (6557, 1760), "equal": (8305, 1324),
          "full": (6344, 1318), "none": (2873, 5140)},
    190: {"exponential": (101867, 5160), "decorrelated": (8044, 2439), "equal": (9410, 1759),
          "full": (7420, 1771), "none": (3539, 8004)},
}  # fmt: skip
"""Milliseconds and writes: means of 100 trials of AWS's own simulator."""


class Conflict(Exception):
    """Somebody else has written since the row was read."""


class Told(NamedTuple):
    """What one trial took: seconds until the last client was done, and writes."""

    seconds: float
    writes: int


class Row:
    """One row with a version, a net away."""

    def __init__(self, simulation: Simulation) -> None:
        self.loop = simulation.loop
        self.rng = simulation.stream("the net")
        self.version = self.writes = 0

    async def update(self) -> None:
        """Read the version, and write with it.

        Raises:
            Conflict: if another client has written in between.
        """
        answer: Future[None] = self.loop.create_future()
        self.loop.call_later(self._way(), self._read, answer)
        await answer

    def _way(self) -> float:
        return abs(self.rng.normalvariate(0.010, 0.002))

    def _read(self, answer: Future[None]) -> None:
        self.loop.call_later(self._way() + self._way(), self._write, answer, self.version)

    def _write(self, answer: Future[None], seen: int) -> None:
        self.writes += 1
        stale = seen != self.version
        self.version += not stale
        self.loop.call_later(self._way(), self._answer, answer, stale)

    def _answer(self, answer: Future[None], stale: bool) -> None:  # noqa: FBT001 - a callback
        if stale:
            answer.set_exception(Conflict())
        else:
            answer.set_result(None)


def played(clients: int, protection: Callable[[], Protect], seed: int | str) -> Told:
    """Let each of ``clients`` update the row once; they share what ``protection`` makes."""
    last = 0.0
    with Simulation(seed) as simulation:
        row = Row(simulation)
        update = protection()(row.update)

        async def client() -> None:
            nonlocal last
            await update()
            last = simulation.now

        for _ in range(clients):
            simulation.spawn(client())
        simulation.run(1e6)
    return Told(last, row.writes)


class Figures(NamedTuple):
    """Means of some trials, and the standard deviations of one."""

    ms: float
    writes: float
    ms_spread: float
    writes_spread: float

    def off(self, published: tuple[int, int]) -> float:
        """Return by which share the worse figure differs from the published one, chance set aside.

        Chance is two standard errors of a mean of 100 trials, which is what the published ones are.
        """
        pairs = ((self.ms, self.ms_spread), (self.writes, self.writes_spread))
        return max(
            max(0.0, abs(figure - known) - 2 * spread / 100**0.5) / known
            for (figure, spread), known in zip(pairs, published, strict=True)
        )


def averaged(trials: Sequence[Told]) -> Figures:
    """Return the figures of some trials."""
    ms, writes = [1000 * one.seconds for one in trials], [float(one.writes) for one in trials]
    return Figures(mean(ms), mean(writes), stdev(ms), stdev(writes))
