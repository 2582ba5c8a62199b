"""`FaultProxy`: a TCP proxy on loopback that impairs what passes through it."""

from __future__ import annotations

import asyncio
import random
import socket
from typing import Literal

from holdfast import _validate
from holdfast.testing.faults._background import Background
from holdfast.testing.faults._link import Address, Lanes, Link
from holdfast.testing.faults._listener import Listener
from holdfast.testing.faults._pipe import Lane, by_kind
from holdfast.testing.faults._service import Service
from holdfast.testing.faults._stream import Stream
from holdfast.testing.faults._upstream import Target, Upstream
from holdfast.testing.faults.impairments import Impairment

Direction = Literal["both", "upstream", "downstream"]
"""As Toxiproxy has it: upstream is from the client to the server, downstream from server to client."""


class FaultProxy(Service):
    """A TCP proxy on 127.0.0.1, in a thread of its own, before anything that speaks TCP.

    It is transparent until told otherwise, and may be told anything while it runs::

        with FaultProxy("redis://localhost:6379/0") as proxy:
            client = redis.from_url(proxy.url)
            proxy.behave(Latency(0.2, jitter=0.1))
            proxy.behave(Stall(), direction="downstream")  # half-open
            proxy.reset()                                  # present connections
            proxy.refuse()                                 # new ones
            proxy.heal()

    Like `FaultServer` it takes real time, closes everything when it stops, and is used with plain
    ``with`` in blocking and in async code.  Thread-safe.

    Args:
        upstream: ``"host:port"``, a URL, a pair of host and port, or a `FaultServer` that runs.  It
            need not listen: while it refuses, connections are accepted and reset at once.
        seed: for all jitter.

    Raises:
        ConfigurationError: for an upstream without host or port.
    """

    def __init__(self, upstream: Upstream, *, seed: int = 0) -> None:
        super().__init__()
        self._target = Target(upstream)
        self._seed = seed
        self._addresses: list[Address] = []
        self._links: list[Link] = []
        rng = random.Random(seed)
        self._lanes = Lanes(Lane(rng), Lane(rng))

    def start(self) -> None:
        """Listen on a free port; done when this returns.

        Raises:
            RuntimeError: if it runs already.
            OSError: if the name of the upstream's host is unknown.
        """
        found = socket.getaddrinfo(*self._target.address, type=socket.SOCK_STREAM)
        self._addresses = [(family, address) for family, _, _, _, address in found]
        super().start()

    @property
    def url(self) -> str:
        """The upstream's URL with the proxy's address in it; ``tcp://...`` if it had no scheme."""
        return self._target.url_at(*self.address)

    @property
    def open(self) -> int:
        """How many connections there are now."""
        return len(self._links)

    @property
    def upstream_bytes(self) -> int:
        """How many bytes it has passed on to the server."""
        return self._lanes.upstream.bytes

    @property
    def downstream_bytes(self) -> int:
        """How many bytes it has passed on to clients."""
        return self._lanes.downstream.bytes

    def behave(self, *impairments: Impairment, direction: Direction = "both") -> None:
        """Put ``impairments`` in the place of those that were there, on present connections, too.

        Args:
            impairments: one of a kind; none means that traffic passes as it comes.
            direction: ``"upstream"``, from the client to the server, ``"downstream"``, back, or both.

        Raises:
            ConfigurationError: for something else, or two of a kind; nothing has changed then.
        """
        _validate.one_of("direction", direction, ("both", "upstream", "downstream"))
        found = by_kind(impairments)
        background, _ = self._running()
        if direction != "downstream":
            background.call(lambda: self._lanes.upstream.set(found))
        if direction != "upstream":
            background.call(lambda: self._lanes.downstream.set(found))

    def reset(self) -> None:
        """Reset (RST) all present connections, on both sides; done when this returns."""
        background, listener = self._running()
        background.run(self._reset(listener))

    def heal(self) -> None:
        """Take away all impairments, and take connections again."""
        self.behave()
        self.accept()

    async def _reset(self, listener: Listener) -> None:
        listener.take()  # for clients, those that wait to be accepted are present
        links = list(self._links)
        for link in links:
            link.resets = True
            if link.task is not None:
                link.task.cancel()
        await asyncio.gather(*(link.task for link in links if link.task), return_exceptions=True)

    def _connected(self, background: Background, connection: socket.socket) -> None:
        link = Link(Stream(connection), self._lanes)
        self._links.append(link)
        link.task = background.spawn(link.serve(self._addresses))
        link.task.add_done_callback(lambda _: self._ended(link))

    def _ended(self, link: Link) -> None:
        link.close()
        self._links.remove(link)
