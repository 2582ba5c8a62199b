"""One connection through the proxy: from the client's socket to the server's, and its end."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from holdfast.testing.faults._pipe import Lane, Pipe, Severed
from holdfast.testing.faults._stream import Stream
from holdfast.testing.faults.impairments import BlackHole

Address = tuple[socket.AddressFamily, Any]


@dataclass(slots=True, eq=False)
class Lanes:
    """Both directions of all connections."""

    upstream: Lane
    downstream: Lane


class Link:
    """Lives as long as the task that runs `serve`; close it afterwards.

    Args:
        client: the connection that was accepted.
        lanes: what happens to the traffic.
    """

    def __init__(self, client: Stream, lanes: Lanes) -> None:
        self._client = client
        self._server: Stream | None = None
        self._lanes = lanes
        self.resets: bool = False
        """Whether it ends with RST."""
        self.task: asyncio.Task[None] | None = None

    async def serve(self, addresses: list[Address]) -> None:
        """Connect to the first of ``addresses`` that answers, and pass on what is said, to the end."""
        try:
            if self._lanes.upstream.get(BlackHole) is not None:
                await self._client.drain()
                return
            await self._pump(self._client, await self._dial(addresses))
        except* Severed as severed:
            self.resets = any(isinstance(one, Severed) and one.reset for one in severed.exceptions)
        except* OSError:
            self.resets = True  # as the other side had it
        if self._server is not None and not self.resets:
            with suppress(OSError):
                await asyncio.gather(self._client.finish(), self._server.finish())

    async def _dial(self, addresses: list[Address]) -> Stream:
        for number, (family, address) in enumerate(addresses, 1):
            self._server = server = Stream(socket.socket(family))
            try:
                await server.connect(address)
                return server
            except OSError:
                server.close()
                if number == len(addresses):
                    raise
        raise OSError("the upstream has no address")

    async def _pump(self, client: Stream, server: Stream) -> None:
        up = Pipe(client, server, self._lanes.upstream)
        down = Pipe(server, client, self._lanes.downstream)
        async with asyncio.TaskGroup() as group:
            for work in (up.read(), up.write(down), down.read(), down.write(up)):
                group.create_task(work)

    def close(self) -> None:
        """Close both sides, with RST if it `resets`."""
        for stream in (self._client, self._server):
            if stream is not None and self.resets:
                stream.reset()
            elif stream is not None:
                stream.close()
