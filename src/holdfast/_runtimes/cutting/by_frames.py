"""Where the kernel doesn't tell: the socket that the frames of a blocked thread show.

The innermost frame tells what it calls (`calls`), and what the names in it stand for (`names`).  That
must be a function of C that waits: a socket's own, or one that waits for sockets.  Nothing is guessed
from sockets that lie around: a thread that waits for a program, a pipe or a lock has connections within
reach, too.  So what has no name, as in ``connect().recv(1)``, is told instead of cut.

What frames don't tell is whether a thread still waits, or has its answer and lacks nothing but the GIL.
So it gets a moment to go on before the cut.  An answer that comes in the very instant of the limit may
be thrown away all the same, and its connection, still this call's, may go back to a pool dead.
"""

from __future__ import annotations

import _socket
import select
import sys
from collections.abc import Iterable
from operator import eq
from selectors import BaseSelector
from types import FrameType
from typing import Any

from holdfast._runtimes.cutting.calls import Called, call_at, calls, is_passed
from holdfast._runtimes.cutting.kernel import MOST
from holdfast._runtimes.cutting.names import Names, Nowhere, once
from holdfast._runtimes.cutting.sockets import Libc, Sockets
from holdfast._runtimes.cutting.waiting import MANY, UNTOLD, Waiting

WAITS = frozenset({
    *("recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into"),
    *("send", "sendall", "sendmsg", "sendto", "connect", "connect_ex"),
})  # fmt: skip
"""What a socket does until it can, ..."""
WAITS_WITH_TLS = frozenset({"read", "write", "do_handshake", "shutdown"})
"""... and what TLS does."""
POLLS = frozenset({"poll", "control"})
"""How it is waited for sockets that were registered before."""
LOOPS_WAIT_BY = frozenset({"epoll", "kqueue"})
COLLECTIONS = frozenset({list, tuple, set, frozenset})


class ByFrames:
    """Finds sockets in frames."""

    def __init__(self, libc: Libc) -> None:
        self._sockets = Sockets(libc)

    def look(self, innermost: FrameType) -> Waiting:
        """Return the sockets that a thread waits for, with links that hold while it does."""
        found = Waiting(why_not=UNTOLD)
        called = call_at(innermost.f_code, innermost.f_lasti)
        if called is None:
            return found
        names = Names(innermost)
        try:
            whose, name = names.function(called.callee)
            waits_for = _waited_for(innermost, names, called, whose, name)
        except Nowhere:
            return found
        except Exception:  # noqa: BLE001 - odd objects must not be the end of the watcher
            return found
        found.links = names.links
        if waits_for:
            alone = len(waits_for) == 1 and type(whose).__name__ not in LOOPS_WAIT_BY
            self._examine(found, waits_for, alone=alone)
        return found

    def _examine(self, found: Waiting, waits_for: list[Any], *, alone: bool) -> None:
        """Let those be shut down, if all of them may be; each is a socket, or a descriptor."""
        found.why_not = MANY if len(waits_for) > MOST else ""
        for one in () if found.why_not else waits_for:
            fd = one if type(one) is int else FILENO(one)
            found.why_not = self._sockets.why_not(fd, alone=alone)
            identity = self._sockets.identity(fd)
            if not found.why_not and type(one) is int and not identity:
                found.why_not = UNTOLD  # the number may be another socket's by then
            if found.why_not:
                return
            if type(one) is not int:
                found.links.append(once(eq, map(FILENO, (one,)), fd))
            if identity:
                found.links += self._sockets.same(fd, identity)
            found.shut.append(self._sockets.shut(fd))


FILENO = _socket.socket.fileno
"""Asked in C, whatever a class of somebody else's makes of it."""


def _waited_for(frame: FrameType, names: Names, called: Called, whose: Any, name: str) -> list[Any]:
    """Return the sockets and descriptors that a call waits for, nothing if it waits for none."""
    kind = type(whose)
    if issubclass(kind, _socket.socket):
        return [whose] if name in WAITS else []
    if kind is getattr(sys.modules.get("_ssl"), "_SSLSocket", None) and name in WAITS_WITH_TLS:
        return _all_sockets([whose.owner])
    if whose is select and name == "select":
        return _selected(names, called.arguments[:3])
    if kind.__module__ == "select" and name in POLLS:
        return _registered(frame, names, called.callee.rpartition(".")[0])
    return []


def _selected(names: Names, arguments: tuple[str, ...]) -> list[Any]:
    """Return what is in the three collections that ``select.select`` takes."""
    found: dict[int, Any] = {}
    for expression in arguments:
        if expression.startswith("["):
            values = [names.value(one) for one in filter(None, expression[1:-1].split(", "))]
        else:
            held = names.value(expression)
            values = list(held) if type(held) in COLLECTIONS else [None]
        found.update((id(one), one) for one in _all_sockets(values))
    return list(found.values())


def _registered(frame: FrameType, names: Names, poller: str) -> list[Any]:
    """Return what a selector has, or what was surely registered with a poll just before."""
    owner = poller.rpartition(".")[0]
    if owner and issubclass(type(names.value(owner)), BaseSelector):
        held = names.value(f"{owner}._fd_to_key")
        keys = list(held.items())
        names.links.append(once(eq, map(list, (held,)), [fd for fd, _ in keys]))
        files = [(key.fileobj, fd) for fd, key in keys]
        return [one if _is_socket(one) and FILENO(one) == fd else fd for one, fd in files]
    code, register = frame.f_code, poller + ".register"
    made = {at: one.arguments for at, one in calls(code).items() if one.callee == register}
    if len(made) == 1:
        ((at, arguments),) = made.items()
        if arguments and is_passed(code, at, frame.f_lasti):
            return _all_sockets([names.value(arguments[0])])
    raise Nowhere(poller)


def _is_socket(thing: Any) -> bool:
    return issubclass(type(thing), _socket.socket)


def _all_sockets(things: Iterable[Any]) -> list[Any]:
    """Return them, if each is a socket or a descriptor."""
    found = list(things)
    if not all(_is_socket(one) or type(one) is int for one in found):
        raise Nowhere
    return found
