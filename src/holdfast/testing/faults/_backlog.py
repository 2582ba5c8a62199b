"""`unconnectable`: an address at which connecting hangs."""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from holdfast.testing.faults._listener import HOST

AT_MOST = 16
FULL = 0.03
"""Loopback answers within microseconds; so long without an answer means that none will come."""


@contextmanager
def unconnectable() -> Generator[str]:
    """Give the URL of a port on loopback whose connections are never made: ``connect()`` hangs.

    The port listens with a backlog of nothing, and that is full: an operating system that drops what
    exceeds a backlog (Linux, macOS) leaves the client to its own timeout, as a firewall would that
    drops its packets.  Each block takes 30 ms to prepare.

    Raises:
        RuntimeError: where the system has another way with a full backlog.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        for _ in range(AT_MOST):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(FULL)
            try:
                filler.connect(listener.getsockname())
            except TimeoutError:
                break
            except OSError as error:
                raise RuntimeError(f"this system refuses what exceeds a backlog: {error}") from None
        else:
            raise RuntimeError(f"this system accepts {AT_MOST} connections at a backlog of 0")
        yield f"http://{HOST}:{listener.getsockname()[1]}"
