"""A policy on the server's side: put around its queue and work, through the same public API."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable

from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.world.handling import Handler, Handling
from holdfast.simulation.world.request import Request
from holdfast.simulation.world.server import Server, settle


class Guard:
    """Has a server's requests handled by a function that ``protect`` has decorated; see `Handling`.

    Args:
        simulation: where it runs.
        server: whose requests they are.
        protect: the decorator, such as a `Pipeline`.
        propagate: whether a request brings its deadline and its priority along.
    """

    def __init__(
        self,
        simulation: Simulation,
        server: Server,
        protect: Callable[[Handler], Handler],
        *,
        propagate: bool = True,
    ) -> None:
        self._loop = simulation.loop
        self._server = server
        self._handling = Handling(simulation, protect(self._work), propagate=propagate)
        server.admit = self._admit

    def _admit(self, request: Request, answer: Future[None]) -> None:
        self._handling.receive(request, answer, self._reply)

    def _reply(self, answer: Future[None], error: Exception | None) -> None:
        if error is None:
            self._server.reply(answer, None)
        else:
            self._server.refuse(answer, error)

    async def _work(self, request: Request) -> None:
        done: Future[None] = self._loop.create_future()
        self._server.work(request, done, settle)
        await done
