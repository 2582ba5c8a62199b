"""A connection's socket on an event loop: reading with a buffer, and the ways to end."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import Any

CHUNK = 65_536
LINGER = 1.0
"""For how many seconds a closed connection is read on, so that its FIN is not followed by RST."""

_ABORT = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
"""``struct linger`` (on, zero seconds): close() sends RST, as POSIX has it for unsent data."""


class Stream:
    """A socket of a connection; for one event loop.  Reading and sending may go on at the same time."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(0.0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._broken: OSError | None = None

    async def connect(self, address: Any) -> None:
        """Connect to what `socket.getaddrinfo` has found."""
        await self._loop.sock_connect(self._socket, address)

    async def receive(self) -> bytes:
        """Return what comes next, and ``b""`` at the end.

        Raises:
            OSError: the connection was reset, even if it was `send` that found out: the operating system
                tells it once, and shows an end from then on.
        """
        data, self._buffer = self._buffer, b""
        data = data or await self._loop.sock_recv(self._socket, CHUNK)
        if not data and self._broken is not None:
            raise self._broken
        return data

    async def until(self, mark: bytes, *, most: int = CHUNK) -> bytes:
        """Return everything up to ``mark`` and with it.

        Raises:
            EOFError: the connection ended before.
            ValueError: there is no mark in ``most`` bytes.
        """
        seen = b""
        while mark not in seen:
            if len(seen) > most:
                raise ValueError(f"no {mark!r} within {most:,} bytes")
            seen += await self._more()
        found, mark, self._buffer = seen.partition(mark)
        return found + mark

    async def exactly(self, count: int) -> bytes:
        """Return ``count`` bytes.

        Raises:
            EOFError: the connection ended before.
            ValueError: for a negative number.
        """
        if count < 0:
            raise ValueError(f"{count} bytes cannot be read")
        seen, self._buffer = bytearray(self._buffer), b""
        while len(seen) < count:
            seen += await self._more()
        self._buffer = bytes(seen[count:])
        return bytes(seen[:count])

    async def _more(self) -> bytes:
        data = await self.receive()
        if not data:
            raise EOFError("the client closed the connection")
        return data

    async def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        try:
            await self._loop.sock_sendall(self._socket, data)
        except OSError as error:
            self._broken = error
            raise

    def half_close(self) -> None:
        """Send FIN; reading goes on."""
        self._socket.shutdown(socket.SHUT_WR)

    async def drain(self) -> None:
        """Read, and forget, until the other end closes."""
        while await self.receive():
            pass

    async def finish(self) -> None:
        """Send FIN, and wait a moment for the other end's.

        To close while bytes are unread would send RST, which may take back what was sent (RFC 9112,
        section 9.6).
        """
        self.half_close()
        try:
            await asyncio.wait_for(self.drain(), LINGER)
        except TimeoutError:
            pass

    def reset(self) -> None:
        """Close with RST; nothing happens if it is closed already."""
        if self._socket.fileno() == -1:
            return
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self._socket.close()

    def close(self) -> None:
        """Close; a second time does nothing."""
        self._socket.close()
