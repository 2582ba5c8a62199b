"""Requests that are handled by a function, as another process would: what a service in between does."""

from __future__ import annotations

import math
from asyncio import Future
from collections.abc import Awaitable, Callable
from contextvars import Context

from holdfast.criticality import current_priority, priority
from holdfast.deadline import deadline, remaining
from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.world.queues import Reply
from holdfast.simulation.world.request import Request, ServerError
from holdfast.simulation.world.server import settle

Handler = Callable[[Request], Awaitable[None]]


class Handling:
    """Calls ``handler`` for each request, in a task of its own, which goes on when the caller gives up.

    What the handler raises is a `ServerError` for the caller, with its ``retry_after``: another
    process's rejections and timeouts are errors like others.

    Args:
        simulation: where it runs.
        handler: an async function of one request.
        propagate: whether a request brings its deadline and its priority along, as headers do.
            Nothing else gets across.
    """

    def __init__(self, simulation: Simulation, handler: Handler, *, propagate: bool = True) -> None:
        self._simulation = simulation
        self._handler = handler
        self._propagate = propagate

    async def call(self, request: Request) -> None:
        """Have ``request`` handled, and wait for the answer.

        Raises:
            ServerError: for whatever the handler raises.
        """
        answer: Future[None] = self._simulation.loop.create_future()
        self.receive(request, answer, settle)
        await answer

    def receive(self, request: Request, answer: Future[None], reply: Reply) -> None:
        """Have ``request`` handled, and tell ``answer`` by ``reply``."""
        if self._propagate:
            left, important = remaining(), current_priority()
            handling = self._handle_for(request, answer, reply, left, important)
        else:
            handling = self._handle(request, answer, reply)
        self._simulation.spawn(handling, context=Context())

    async def _handle_for(
        self, request: Request, answer: Future[None], reply: Reply, left: float, important: str
    ) -> None:
        with priority(important):
            if left == math.inf:
                await self._handle(request, answer, reply)
            elif left > 0:  # else nobody waits for it any more
                with deadline(left):
                    await self._handle(request, answer, reply)

    async def _handle(self, request: Request, answer: Future[None], reply: Reply) -> None:
        try:
            await self._handler(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer
            reply(answer, answered(error))
        else:
            reply(answer, None)


def answered(error: Exception) -> ServerError:
    """Return what the caller gets to see of an error within a server."""
    if isinstance(error, ServerError):
        return error
    answer = ServerError(f"the server answered {type(error).__name__}: {error}")
    answer.retry_after = getattr(error, "retry_after", None)
    return answer
