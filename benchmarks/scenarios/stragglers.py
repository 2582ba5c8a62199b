"""Experiment 8's model: a dependency with stragglers and room for all, and calls that are hedged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import fsum, log, sqrt
from random import Random
from typing import NamedTuple

from benchmarks.scenarios.candidates import Decorator, Target
from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.scenario.load import Poisson
from holdfast.simulation.world.request import Request

SPREAD = sqrt(log(1 + (2 / 5) ** 2))
MIDDLE = log(0.005) - SPREAD**2 / 2


def duration(rng: Random) -> float:
    """Draw a duration: log-normal with mean 5 ms and deviation 2 ms, one in twenty ten times as long."""
    return rng.lognormvariate(MIDDLE, SPREAD) * (10 if rng.random() < 0.05 else 1)


Draw = Callable[[Random], float]


class Phase(NamedTuple):
    """Some time in which everything takes ``slower`` times as long."""

    name: str
    seconds: float
    slower: float = 1.0


@dataclass(slots=True)
class Counted:
    """What became of the calls that arrived in one phase."""

    phase: Phase
    calls: int = 0
    attempts: int = 0
    latencies: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Return a percentile of the latencies, in seconds."""
        latencies = sorted(self.latencies)
        return latencies[min(len(latencies) - 1, int(share * len(latencies)))]

    @property
    def extra(self) -> float:
        """Further attempts for each call."""
        return self.attempts / self.calls - 1


def played(
    hedge: Callable[[], Decorator],
    phases: Sequence[Phase],
    seed: int,
    *,
    rate: float = 200.0,
    draw: Draw = duration,
) -> list[Counted]:
    """Play the phases with one design, ``rate`` calls a second, whose durations ``draw`` draws."""
    with Simulation(seed) as simulation:
        playing = _Play(simulation, hedge(), phases, rate, draw)
        simulation.run(fsum(phase.seconds for phase in phases) + 100.0)
        return playing.counted


class _Play:
    """One run under way."""

    def __init__(
        self,
        simulation: Simulation,
        hedge: Decorator,
        phases: Sequence[Phase],
        rate: float,
        draw: Draw,
    ) -> None:
        self.simulation = simulation
        self.draw = draw
        self.call: Target = hedge(self._attempt)
        self.counted = [Counted(phase) for phase in phases]
        self.again: dict[int, float] = {}
        self.number = 0
        self.durations = simulation.stream("durations of first attempts")
        self.others = simulation.stream("durations of further attempts")
        begins = 0.0
        arrivals = simulation.stream("arrivals")
        for counted in self.counted:
            seconds = counted.phase.seconds
            instants = list(Poisson(rate=rate).arrivals(arrivals, seconds))
            simulation.at(begins, self._expect, iter(instants), begins, counted)
            begins += seconds

    def _expect(self, instants: Iterator[float], begins: float, counted: Counted) -> None:
        instant = next(instants, None)
        if instant is not None:
            self.simulation.at(begins + instant, self._arrive, instants, begins, counted)

    def _arrive(self, instants: Iterator[float], begins: float, counted: Counted) -> None:
        slower = counted.phase.slower
        work = slower * self.draw(self.durations)
        request = Request(self.number, self.simulation.now, 0, 0, work)
        self.again[request.number] = slower * self.draw(self.others)
        self.number += 1
        self.simulation.spawn(self._user(request, counted))
        self._expect(instants, begins, counted)

    async def _user(self, request: Request, counted: Counted) -> None:
        await self.call(request)
        del self.again[request.number]
        counted.calls += 1
        counted.attempts += request.attempts
        counted.latencies.append(self.simulation.now - request.arrived)

    async def _attempt(self, request: Request) -> None:
        request.attempts += 1
        first = request.attempts == 1
        await asyncio.sleep(request.work if first else self.again[request.number])
