"""A server that gets more than it can do, behind a gate; experiments 3 and 9 play on it.

16 workers with exponential service times of 50 ms: 320 calls a second.  The users' deadline of 1 s
travels with each call; nobody retries, and nobody's work is cancelled.  The capacity is reckoned in
work: what was answered in time counts as the seconds of work that it took, so that the luck of the draw
says nothing about a design.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import fsum, inf
from typing import NamedTuple

from benchmarks.scenarios.candidates import Decorator, Target
from holdfast import deadline, priority
from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.scenario.distributions import Exponential
from holdfast.simulation.scenario.load import Poisson
from holdfast.simulation.world.request import Request
from holdfast.simulation.world.server import Server

WORKERS, SERVICE, PATIENCE = 16, 0.05, 1.0
CAPACITY = WORKERS / SERVICE
"""Calls a second, at full speed."""

KINDS = ("critical", "default", "sheddable")


class Phase(NamedTuple):
    """Some time under one load.

    ``load`` and ``speed`` are multiples of the capacity and of the usual speed; the first ``settle``
    seconds and the last ``tail`` ones are not counted.
    """

    name: str
    seconds: float
    load: float
    speed: float = 1.0
    settle: float = 5.0
    tail: float = 0.0


class Figures(NamedTuple):
    """What came of a phase: shares of the work that is possible, and of the users; seconds.

    Where there was no answer in time, the percentiles are infinite.
    """

    goodput: float
    critical: float
    others: float
    p50: float
    p99: float


@dataclass(slots=True)
class Counted:
    """One phase while it runs; users count where they arrive, work where it is answered."""

    phase: Phase
    begins: float
    offered: dict[str, int] = field(default_factory=dict)
    served: dict[str, int] = field(default_factory=dict)
    answers: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)

    def counts(self, instant: float) -> bool:
        """Return whether what happens at ``instant`` is counted."""
        phase = self.phase
        return self.begins + phase.settle <= instant < self.begins + phase.seconds - phase.tail

    def share(self, kinds: Sequence[str]) -> float:
        """Return the share of the users of some kinds that were served in time; 0 of none."""
        offered = sum(self.offered.get(kind, 0) for kind in kinds)
        return sum(self.served.get(kind, 0) for kind in kinds) / max(1, offered)

    def figures(self) -> Figures:
        """Return what came of it."""
        phase, answers = self.phase, sorted(self.answers) or [inf]
        possible = WORKERS * phase.speed * (phase.seconds - phase.settle - phase.tail)
        return Figures(
            goodput=self.share(KINDS) if phase.load < 1 else fsum(self.work) / possible,
            critical=self.share(("critical",)),
            others=self.share(KINDS[1:]),
            p50=answers[len(answers) // 2],
            p99=answers[int(0.99 * (len(answers) - 1))],
        )


def played(
    gate: Callable[[], Decorator], phases: Sequence[Phase], seed: int, *, critical: float = 0.0
) -> list[Figures]:
    """Play the phases with one design.

    ``critical`` is the share of critical users, the others being sheddable; with 0, nobody says
    anything.
    """
    with Simulation(seed) as simulation:
        playing = _Play(simulation, gate(), phases, critical)
        simulation.run(fsum(phase.seconds for phase in phases))
        return [one.figures() for one in playing.counted]


class _Play:
    """One run under way."""

    def __init__(
        self,
        simulation: Simulation,
        gate: Decorator,
        phases: Sequence[Phase],
        critical: float,
    ) -> None:
        self.simulation = simulation
        self.service = Exponential(mean=SERVICE)
        self.server = Server(simulation, workers=WORKERS, service=self.service)
        self.call: Target = gate(self.server.serve)
        self.critical = critical
        self.number = 0
        self.work = simulation.stream("service")
        self.kinds = simulation.stream("kinds of users")
        starts = [0.0, *accumulate(phase.seconds for phase in phases)]
        self.counted = [Counted(*one) for one in zip(phases, starts, strict=False)]
        for one in self.counted:
            simulation.at(one.begins, self._begin, one)

    def _begin(self, counted: Counted) -> None:
        phase = counted.phase
        self.server.speed = phase.speed
        rng = self.simulation.stream(f"arrivals {phase.name}")
        self._expect(Poisson(rate=phase.load * CAPACITY).arrivals(rng, phase.seconds), counted)

    def _expect(self, arrivals: Iterator[float], counted: Counted) -> None:
        instant = next(arrivals, None)
        if instant is not None:
            self.simulation.at(counted.begins + instant, self._arrive, arrivals, counted)

    def _arrive(self, arrivals: Iterator[float], counted: Counted) -> None:
        kind = "default"
        if self.critical:
            kind = "critical" if self.kinds.random() < self.critical else "sheddable"
        work = self.service.draw(self.work)
        request = Request(self.number, self.simulation.now, 0, 0, work)
        self.number += 1
        self.simulation.spawn(self._user(request, kind, counted))
        self._expect(arrivals, counted)

    async def _user(self, request: Request, kind: str, counted: Counted) -> None:
        counts = counted.counts(request.arrived)
        if counts:
            counted.offered[kind] = counted.offered.get(kind, 0) + 1
        request.attempts = 1
        try:
            with deadline(PATIENCE), priority(kind):
                await self.call(request)
        except Exception:  # noqa: BLE001 - whatever it is, the user was not served
            return
        now = self.simulation.now
        if now - request.arrived > PATIENCE:
            return
        if counts:
            counted.served[kind] = counted.served.get(kind, 0) + 1
        for one in self.counted:
            if one.counts(now):
                one.answers.append(now - request.arrived)
                one.work.append(request.work)
