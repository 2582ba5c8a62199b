"""A port on loopback that takes connections, or refuses them, and is the same port throughout."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

HOST = "127.0.0.1"


class Listener:
    """Listens from the start; for one event loop, on which it is made.

    Args:
        on_connection: is given the socket of each new connection.
    """

    def __init__(self, on_connection: Callable[[socket.socket], object]) -> None:
        self._on_connection = on_connection
        self._loop = asyncio.get_running_loop()
        self._socket = _bound(0)
        self.port: int = self._socket.getsockname()[1]
        self._listening = False
        self.accept()

    def accept(self) -> None:
        """Take connections."""
        if not self._listening and self._socket.fileno() != -1:
            self._socket.listen(128)
            self._loop.add_reader(self._socket, self.take)
            self._listening = True

    def refuse(self) -> None:
        """Let the operating system refuse connections; the port is kept, bound but not listening."""
        if self._listening:
            self.take()  # to close the port would reset them
            self.close()
            self._socket = _bound(self.port)

    def close(self) -> None:
        """Give the port back."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._listening = False

    def take(self) -> None:
        """Take all connections that the operating system has made by now."""
        while self._listening:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # there is none, or the client has gone already
                return
            self._on_connection(connection)


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.settimeout(0.0)
    if os.name == "posix":  # elsewhere the option means that others may take the port
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((HOST, port))
    except OSError:
        bound.close()
        raise
    return bound
