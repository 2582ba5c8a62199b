"""What the demo's servers share: a free port on loopback, and uvicorn with its sockets counted."""

from __future__ import annotations

import asyncio
import gc
import socket
from typing import TYPE_CHECKING, Any

from holdfast.demo.gauge import Gauge
from holdfast.demo.wire import Wire

if TYPE_CHECKING:
    from starlette.types import ASGIApp

BACKLOG = 1024
# Longer than httpx keeps an idle connection (5 s), so that no request meets a closing one.
KEEP_ALIVE = 60


def listen(wire: Wire) -> socket.socket:
    """A listening socket on a port that the system chose; the story is told the port.

    Done before anything heavy is imported, so that the processes can start side by side: who connects
    too early waits in the backlog.
    """
    # Named as TCP, for asyncio switches Nagle's algorithm off (which costs 40 ms an answer) only then.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(BACKLOG)
    wire.say(port=listener.getsockname()[1])
    return listener


def settled() -> None:
    """Take what start-up has built out of the garbage collector's sight, as busy servers do.

    A full collection would stop the process for some milliseconds, which is what is measured here.
    """
    gc.collect()
    gc.freeze()


def serve(app: ASGIApp, listener: socket.socket, sockets: Gauge) -> None:
    """Serve `app` until the process ends; `sockets` counts the connections that are open."""
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Counted(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            sockets.__enter__()
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            sockets.__exit__()
            super().connection_lost(exc)

    config = uvicorn.Config(
        app,
        http=Counted,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="error",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
    )
    settled()
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))
