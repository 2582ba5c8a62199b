"""Experiment 12's model: a dependency that is well, slow, silent and grey; calls with a limit."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import NamedTuple

from benchmarks.scenarios.candidates import Decorator, Target
from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.scenario.distributions import Lognormal
from holdfast.simulation.scenario.load import Poisson
from holdfast.simulation.world.request import Request

PATIENCE = 5.0
"""Seconds after which an answer is of no use to anybody: giving up on it is no fault."""


class Phase(NamedTuple):
    """Some time in which the dependency is ``slower`` than usual and loses a share of the calls."""

    name: str
    seconds: float
    slower: float = 1.0
    lost: float = 0.0


@dataclass(slots=True)
class Counted:
    """What became of the calls that arrived in one phase; ``waits`` are those of failed calls."""

    phase: Phase
    begins: float
    calls: int = 0
    false: int = 0
    waits: list[float] = field(default_factory=list)

    @property
    def false_share(self) -> float:
        """The share of the calls that were given up on, and would have been answered."""
        return self.false / self.calls

    @property
    def wait(self) -> float:
        """The mean wait of a failed call, in seconds."""
        return fsum(self.waits) / len(self.waits) if self.waits else 0.0


def played(
    limit: Callable[[], Decorator], phases: Sequence[Phase], seed: int | str, *, rate: float = 50.0
) -> list[Counted]:
    """Play the phases with one design, ``rate`` calls a second."""
    with Simulation(seed) as simulation:
        playing = _Play(simulation, limit(), phases, rate)
        simulation.run(fsum(phase.seconds for phase in phases) + 2 * PATIENCE)
        return playing.counted


class _Play:
    """One run under way."""

    def __init__(
        self, simulation: Simulation, limit: Decorator, phases: Sequence[Phase], rate: float
    ) -> None:
        self.simulation = simulation
        self.call: Target = limit(self._attempt)
        self.usual = Lognormal(median=0.02, sigma=0.69)
        self.durations = simulation.stream("durations")
        self.losses = simulation.stream("losses")
        self.number = 0
        self.counted: list[Counted] = []
        begins = 0.0
        for phase in phases:
            counted = Counted(phase, begins)
            self.counted.append(counted)
            instants = list(
                Poisson(rate=rate).arrivals(simulation.stream("arrivals"), phase.seconds)
            )
            simulation.at(begins, self._expect, iter(instants), counted)
            begins += phase.seconds

    def _expect(self, instants: Iterator[float], counted: Counted) -> None:
        instant = next(instants, None)
        if instant is not None:
            self.simulation.at(counted.begins + instant, self._arrive, instants, counted)

    def _arrive(self, instants: Iterator[float], counted: Counted) -> None:
        took = self.usual.draw(self.durations) * counted.phase.slower
        if self.losses.random() < counted.phase.lost:
            took = math.inf
        request = Request(self.number, self.simulation.now, 0, 0, took)
        self.number += 1
        self.simulation.spawn(self._user(request, counted))
        self._expect(instants, counted)

    async def _user(self, request: Request, counted: Counted) -> None:
        counted.calls += 1
        try:
            await self.call(request)
        except TimeoutError:
            counted.waits.append(self.simulation.now - request.arrived)
            counted.false += request.work < PATIENCE

    async def _attempt(self, request: Request) -> None:
        if request.work < math.inf:
            await asyncio.sleep(request.work)
        else:
            await self.simulation.loop.create_future()


class Learnt:
    """A frame for rules that learn a limit from the durations of the answers."""

    def __init__(self) -> None:
        self.limit = 1.0

    def __call__(self, target: Target) -> Target:
        """Return ``target``, given up on after the limit of the moment."""

        async def limited(request: Request) -> None:
            began = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(self.limit):
                    await target(request)
            except TimeoutError:
                self.lost()
                raise
            self.answered(asyncio.get_running_loop().time() - began)

        return limited

    def answered(self, seconds: float) -> None:
        """Learn from an answer."""
        raise NotImplementedError

    def lost(self) -> None:
        """Learn from a timeout."""


class Rfc6298(Learnt):
    """TCP's retransmission timeout (RFC 6298): SRTT + 4 RTTVAR, doubled after each timeout."""

    mean: float | None = None
    deviation = 0.0

    def answered(self, seconds: float) -> None:
        """Follow the mean and the mean deviation."""
        if self.mean is None:
            self.mean, self.deviation = seconds, seconds / 2
        else:
            self.deviation = 0.75 * self.deviation + 0.25 * abs(self.mean - seconds)
            self.mean = 0.875 * self.mean + 0.125 * seconds
        self.limit = min(self.mean + 4 * self.deviation, PATIENCE)

    def lost(self) -> None:
        """Back the timer off."""
        self.limit = min(2 * self.limit, PATIENCE)


class LastAnswers(Learnt):
    """A multiple of a percentile of the last few answers.

    With ``recorded``, timeouts count as if they had been answers at their limit.
    """

    def __init__(self, share: float, margin: float, kept: int, *, recorded: bool = False) -> None:
        super().__init__()
        self.share, self.margin, self.recorded = share, margin, recorded
        self.latest = deque[float](maxlen=kept)
        self.sorted: list[float] = []

    def answered(self, seconds: float) -> None:
        """Keep it in place of the oldest one."""
        full = len(self.latest) == self.latest.maxlen
        if full:
            del self.sorted[bisect_left(self.sorted, self.latest[0])]
        self.latest.append(seconds)
        insort(self.sorted, seconds)
        if full:
            usual = self.sorted[int(self.share * len(self.sorted))]
            self.limit = min(self.margin * usual, PATIENCE)

    def lost(self) -> None:
        """Count the limit as an answer, or nothing."""
        if self.recorded:
            self.answered(self.limit)
