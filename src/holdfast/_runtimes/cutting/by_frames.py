"""Where the kernel doesn't tell: the socket among what the frames of a blocked thread hold."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from functools import partial
from itertools import islice
from operator import attrgetter, call, eq
from types import FrameType, ModuleType
from typing import Any

from holdfast._runtimes.cutting.chain import Link
from holdfast._runtimes.cutting.frames import called, stack
from holdfast._runtimes.cutting.sockets import Libc, Sockets
from holdfast._runtimes.cutting.waiting import UNTOLD, Waiting

WAITS = frozenset({
    *("recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into", "read", "readinto"),
    *("send", "sendall", "sendmsg", "sendto", "write", "connect", "connect_ex", "do_handshake"),
    *("poll", "select", "control"),
})  # fmt: skip
"""What a thread that waits for a socket calls, by its last name."""

DEEPEST = 12
"""How many frames are searched; clients keep their socket close to where they use it."""
DEEP = 2
"""How far it may be inside of what a frame holds: ``self.connection.sock``."""


class ByFrames:
    """Finds sockets in frames."""

    def __init__(self, libc: Libc) -> None:
        self._sockets = Sockets(libc)

    def look(self, innermost: FrameType) -> Waiting:
        """Return the socket that a thread seems to wait for, with the links that hold while it does."""
        found = Waiting(why_not=UNTOLD)
        if called(innermost).rpartition(".")[2] not in WAITS:
            return found
        for frame in islice(stack(innermost), DEEPEST):
            one = _socket_in(frame.f_locals.values(), DEEP)
            if one is not None:
                fd = one.fileno()
                found.why_not = self._sockets.why_not(fd, alone=True)
                found.links = [
                    _holds(innermost.f_lasti, map(attrgetter("f_lasti"), (innermost,))),
                    _holds(fd, map(call, (one.fileno,))),
                ]
                found.shut = [self._sockets.shut(fd)]
                return found
        return found


def _holds(value: int, asked: Iterator[int]) -> Link:
    """Return the link that asks once, and compares; written in C, as a chain demands it."""
    return partial(next, map(eq, (value,), asked))


def _socket_in(values: Any, depth: int) -> socket.socket | None:
    """Return the first socket among values, or inside of them."""
    values = list(values)
    for one in values:
        if isinstance(one, socket.socket) and one.fileno() >= 0:
            return one
    for one in values if depth else ():
        if not isinstance(one, ModuleType | type):
            found = _socket_in(_inside(one), depth - 1)
            if found is not None:
                return found
    return None


def _inside(thing: Any) -> list[Any]:
    """Return what an object holds, without asking code of its own."""
    try:
        return list(object.__getattribute__(thing, "__dict__").values())
    except Exception:  # noqa: BLE001 - it has no dict, or is of a kind that allows no look
        return []
