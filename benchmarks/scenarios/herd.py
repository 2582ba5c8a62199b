"""Experiment 10's model: a thousand clients that fail together, and all come back.

Each client is a process of its own that wants one answer, and does not give up: where a protection
gives up for it, it asks again when the error says that it may (``retry_after``), or after a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from benchmarks.scenarios.candidates import Decorator, Target
from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.scenario.distributions import Constant
from holdfast.simulation.world.request import Request
from holdfast.simulation.world.server import Server

CLIENTS = 1000
RATE, QUEUE = 100, 50
HEALS = 5.0
AGAIN = 1.0
"""Seconds after which a client whose protection has given up asks again, if it isn't told when."""

TICK = 0.001
"""The shortest pause of a client, in seconds: a hint of 1e-16 (nopanic's) ends in the same instant."""

TENTH = 0.1
"""Arrivals are counted in bins of so many seconds; the peak is the fullest one, per second."""


@dataclass(slots=True)
class Told:
    """What came of one run; instants in seconds since the dependency was well again."""

    calls: int = 0
    served: list[float] = field(default_factory=list)
    arrivals: dict[int, int] = field(default_factory=dict)

    def share(self, share: float) -> float:
        """Return when so large a share of all clients had been served; infinite for never."""
        rank = round(share * CLIENTS)
        return self.served[rank - 1] if len(self.served) >= rank else inf

    @property
    def calls_each(self) -> float:
        """Calls per client."""
        return self.calls / CLIENTS

    @property
    def peak(self) -> float:
        """The most calls a second that arrived after the healing."""
        return max((n for one, n in self.arrivals.items() if one >= 0), default=0) / TENTH


def played(protection: Callable[[], Decorator], seed: int, *, seconds: float = 200.0) -> Told:
    """Let all clients call at once."""
    told = Told()
    with Simulation(seed) as simulation:
        server = Server(simulation, workers=1, service=Constant(value=1 / RATE), queue_limit=QUEUE)
        server.error_rate = 1.0
        simulation.at(HEALS, setattr, server, "error_rate", 0.0)

        async def attempt(request: Request) -> None:
            told.calls += 1
            place = int((simulation.now - HEALS) // TENTH)
            told.arrivals[place] = told.arrivals.get(place, 0) + 1
            await server.serve(request)

        for number in range(CLIENTS):
            request = Request(number, 0.0, number, 0, 1 / RATE)
            call = protection()(attempt)
            simulation.spawn(client(simulation, call, request, told))
        last = 0.0
        while len(told.served) < CLIENTS and last < seconds:
            last += 5.0
            simulation.run(last)
    return told


async def client(simulation: Simulation, call: Target, request: Request, told: Told) -> None:
    """Ask until there is an answer."""
    while True:
        try:
            await call(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is not served
            again = getattr(error, "retry_after", None)
            await asyncio.sleep(AGAIN if again is None else max(TICK, again))
        else:
            told.served.append(simulation.now - HEALS)
            return
