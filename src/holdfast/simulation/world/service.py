"""The service of a scenario: its servers, the way to them, and what goes wrong with both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from holdfast.simulation.engine.errors import BadPolicy, SimulationError
from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.scenario.faults import Fault, condition, either
from holdfast.simulation.scenario.scenario import Scenario
from holdfast.simulation.world.cache import Store
from holdfast.simulation.world.guard import Guard
from holdfast.simulation.world.network import Link, carries
from holdfast.simulation.world.request import Request
from holdfast.simulation.world.rows import Rows
from holdfast.simulation.world.server import Server


class Service:
    """All servers of a scenario, with their links, guards and caches; its faults come and go.

    Attributes:
        servers: one for each shard.
    """

    def __init__(self, simulation: Simulation, scenario: Scenario) -> None:
        self._simulation = simulation
        self._scenario = scenario
        self._faults: list[Fault] = []
        self.servers: list[Server] = [self._server() for _ in range(scenario.servers.shards)]
        self._links = [
            Link(simulation, one, scenario.network) for one in self.servers if self._far()
        ]
        self._ways = [way.serve for way in self._links or self.servers]
        for fault in scenario.faults:
            simulation.at(fault.at, self._begin, fault)
            simulation.at(fault.until, self._end, fault)

    @property
    def queued(self) -> int:
        """How many requests wait for a worker."""
        return sum(server.queued for server in self.servers)

    def serve(self, request: Request) -> Awaitable[None]:
        """Serve one attempt at ``request``, on its shard; see `Server.serve`."""
        return self._ways[request.shard](request)

    def _server(self) -> Server:
        simulation, spec = self._simulation, self._scenario.servers
        server = Server(
            simulation,
            workers=spec.workers,
            service=spec.service,
            queue=spec.queue,
            queue_limit=spec.queue_limit,
            queue_target=spec.queue_target,
            queue_interval=spec.queue_interval,
            drop_abandoned=spec.drop_abandoned,
            cold_start=spec.cold_start,
        )
        server.error_rate = spec.error_rate
        if spec.protect is not None:
            self._guard(server, spec.protect)
        if spec.cold:
            server.restart()
        if spec.cache is not None:
            server.store = Store(spec.cache, simulation.stream("cache"))
        if spec.conflicts:
            server.rows = Rows()
        return server

    def _guard(self, server: Server, protect: Callable[..., Any]) -> None:
        try:
            decorate = protect(self._scenario)
            propagate = self._scenario.servers.propagate
            Guard(self._simulation, server, decorate, propagate=propagate)
        except SimulationError:
            raise
        except (Exception, SystemExit) as error:
            raise BadPolicy(
                f"servers.protect can't be made: {type(error).__name__}: {error}"
            ) from error

    def _far(self) -> bool:
        """Return whether messages to the servers ever take time, or get lost."""
        troubled = any(fault.delay or fault.loss for fault in self._scenario.faults)
        return troubled or carries(self._scenario.network)

    def _begin(self, fault: Fault) -> None:
        self._faults.append(fault)
        self._afflict()

    def _end(self, fault: Fault) -> None:
        self._faults.remove(fault)
        self._afflict()
        if fault.restart:
            for number, server in enumerate(self.servers):
                if fault.shard in (None, number):
                    server.restart()

    def _afflict(self) -> None:
        spec = self._scenario.servers
        for number, server in enumerate(self.servers):
            found = condition(one for one in self._faults if one.shard in (None, number))
            server.error_rate = either((spec.error_rate, found.error_rate))
            server.refuses, server.hangs = found.refuses, found.hangs
            server.workers = spec.workers if found.workers is None else found.workers
            server.speed = found.speed
            if self._links:
                self._links[number].slower = found.delay
                self._links[number].lossier = found.loss
