"""What the server and the proxy share: a port on loopback, and a thread in which all happens."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

from holdfast._world import renew_after_fork
from holdfast.testing.faults._background import Background
from holdfast.testing.faults._listener import HOST, Listener


class Service:
    """Listens from `start` to `stop`, or inside ``with``; thread-safe."""

    def __init__(self) -> None:
        self._connections = 0
        self._on: tuple[Background, Listener] | None = None
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen on a free port; done when this returns.

        Raises:
            RuntimeError: if it runs already.
        """
        if self._on is not None:
            raise RuntimeError(f"this {type(self).__name__} runs already: make another one")
        background = Background(f"holdfast {type(self).__name__}")
        try:
            self._on = (
                background,
                background.call(
                    lambda: Listener(lambda connection: self._accepted(background, connection))
                ),
            )
        except OSError:
            background.stop()
            raise

    def stop(self) -> None:
        """Close all connections and the port, and end the thread; a second time does nothing."""
        with self._lock:
            on, self._on = self._on, None
        if on is not None:
            background, listener = on
            background.stop(listener.close)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, while it runs."""
        return HOST, self._running()[1].port

    @property
    def connections(self) -> int:
        """How many connections it has accepted."""
        return self._connections

    def refuse(self) -> None:
        """Refuse new connections (ECONNREFUSED) until `accept`; those that are there live on."""
        background, listener = self._running()
        background.call(listener.refuse)

    def accept(self) -> None:
        """Take connections again, on the same port."""
        background, listener = self._running()
        background.call(listener.accept)

    def _running(self) -> tuple[Background, Listener]:
        if self._on is None:
            name = type(self).__name__
            raise RuntimeError(f"this {name} does not run: use `with {name}(...) as ...:`")
        return self._on

    def _accepted(self, background: Background, connection: socket.socket) -> None:
        self._connections += 1
        self._connected(background, connection)

    def _connected(self, background: Background, connection: socket.socket) -> None:
        """Look after a new connection; on the loop."""
        raise NotImplementedError
