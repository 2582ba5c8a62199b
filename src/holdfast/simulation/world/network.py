"""What lies between clients and a server: messages take time there, and some are lost."""

from __future__ import annotations

from asyncio import Future

from holdfast.simulation.engine.stage import Simulation
from holdfast.simulation.scenario.distributions import Constant, Distribution
from holdfast.simulation.scenario.faults import either
from holdfast.simulation.scenario.scenario import Network
from holdfast.simulation.world.request import Request
from holdfast.simulation.world.server import Server, settle


class Link:
    """The way to one server and back.

    What was sent arrives, even if who sent it has given up.

    Args:
        simulation: where it runs.
        server: who is called; its answers go back this way.
        network: what the way is like in health.

    Attributes:
        slower: seconds that every message takes longer, one way, at the moment.
        lossier: the share of requests that are lost at the moment, beside the usual ones.
    """

    def __init__(self, simulation: Simulation, server: Server, network: Network) -> None:
        self._loop = simulation.loop
        self._server = server
        self._network = network
        self._delays = simulation.stream("delays")
        self._losses = simulation.stream("losses")
        self.slower: float = 0.0
        self.lossier: float = 0.0
        server.reply = self._answer

    async def serve(self, request: Request) -> None:
        """Have the server serve one attempt at ``request``; waits for ever for what is lost.

        Raises:
            ServerError: for an error, or a queue that is full.
            Refused: while it refuses connections.
        """
        answer: Future[None] = self._loop.create_future()
        if not self._lost(either((self._network.loss, self.lossier))):
            delay = self._delay(self._network.delay)
            self._loop.call_later(delay, self._server.receive, request, answer)
        await answer

    def _answer(self, answer: Future[None], error: Exception | None) -> None:
        if not self._lost(self._network.reply_loss):
            network = self._network
            delay = self._delay(network.reply_delay or network.delay)
            self._loop.call_later(delay, settle, answer, error)

    def _lost(self, share: float) -> bool:
        return share > 0 and self._losses.random() < share

    def _delay(self, usual: Distribution) -> float:
        return usual.draw(self._delays) + self.slower


def carries(network: Network) -> bool:
    """Return whether such a network does anything in health."""
    replies = network.reply_delay or network.delay
    quick = all(isinstance(way, Constant) and way.value == 0 for way in (network.delay, replies))
    return not quick or network.loss > 0 or network.reply_loss > 0
