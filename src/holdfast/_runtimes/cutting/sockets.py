"""Which descriptors may be shut down, and how: C's own functions, called without letting the GIL go."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from fcntl import F_DUPFD_CLOEXEC
from functools import partial
from operator import eq
from typing import Any

from holdfast._runtimes.cutting.chain import Link

LISTENS = getattr(socket, "SO_ACCEPTCONN", None)
COOKIE = 57 if sys.platform == "linux" else None
IDENTITY = 8
"""SO_COOKIE, a number that no other socket of this machine gets as long as it is up; and its size."""
INFO, CONNECTING = getattr(socket, "TCP_INFO", 11), 2
"""The option with TCP's state in its first byte, and the state of a connection that is being made."""

DOMAIN = getattr(socket, "SO_DOMAIN", 39 if sys.platform == "linux" else None)
ENDED = {
    int(getattr(socket, name, -1))
    for name in ("AF_INET", "AF_INET6", "AF_UNIX", "AF_VSOCK", "AF_BLUETOOTH")
}
"""The option with a socket's family, and the families whose sockets ``shutdown`` ends."""

UNNAMED = 2
"""The length of the address of a Unix socket without one; so are those of a ``socketpair``."""


class Libc:
    """The functions of C's library that are needed.

    Those with ``always`` return a byte string, which is true whatever C's answer is: links of a chain.
    """

    def __init__(self) -> None:
        held = ctypes.PyDLL(None)
        number, word, address = ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p
        self.open: Any = held["open"]
        self.open.argtypes = ctypes.c_char_p, number
        self.close: Any = held["close"]
        self.close.argtypes = (number,)
        self.pread: Any = held["pread"]
        self.pread.argtypes = number, address, word, ctypes.c_int64
        self.pread.restype = ctypes.c_ssize_t
        self.getpeername: Any = held["getpeername"]
        self.getpeername.argtypes = number, address, address
        self.getsockopt: Any = held["getsockopt"]
        self.always_getsockopt: Any = held["getsockopt"]
        self.always_close: Any = held["close"]
        self.always_shutdown: Any = held["shutdown"]
        self._fcntl: Any = held["fcntl"]
        self._fcntl.argtypes = number, number, number
        self.always_dup3: Any = held["dup3" if sys.platform == "linux" else "dup2"]
        for option in self.getsockopt, self.always_getsockopt:
            option.argtypes = number, number, number, address, address
        always = self.always_close, self.always_getsockopt, self.always_shutdown, self.always_dup3
        for function in always:
            function.restype = ctypes.c_char
        self.always_close.argtypes = (number,)
        self.always_shutdown.argtypes = number, number
        self.always_dup3.argtypes = number, number, number

    def dup(self, fd: int) -> int:
        """Return another number for a file, which no program that is started inherits."""
        return int(self._fcntl(fd, F_DUPFD_CLOEXEC, 0))


class Room:
    """Bytes for C to write into; ``place`` is what C is given."""

    __slots__ = ("bytes", "place")

    def __init__(self, size: int, content: int = 0) -> None:
        self.bytes = bytearray(content.to_bytes(size, sys.byteorder))
        self.place: Any = (ctypes.c_char * size).from_buffer(self.bytes)


class Sockets:
    """Looks at sockets by their descriptors; for one thread, whose answers have one place."""

    def __init__(self, libc: Libc) -> None:
        self._libc = libc
        self._answer = Room(128)
        self._length = Room(4)
        self._size = Room(4, IDENTITY)

    def _option(self, fd: int, level: int, name: int | None, size: int) -> bytes:
        """Return an option's value, nothing if there is none."""
        self._length.bytes[:] = size.to_bytes(4, sys.byteorder)
        place, length = self._answer.place, self._length.place
        if name is None or self._libc.getsockopt(fd, level, name, place, length) != 0:
            return b""
        return bytes(self._answer.bytes[:size])

    def identity(self, fd: int) -> bytes:
        """Return what tells a socket from all others, nothing for what is none."""
        return self._option(fd, socket.SOL_SOCKET, COOKIE, IDENTITY)

    def why_not(self, fd: int, *, alone: bool) -> str:
        """Return why a socket must not be shut down, nothing if it may.

        ``alone`` says whether it is all that a thread waits for: one end of a ``socketpair`` among
        others is what wakes an event loop.
        """
        listens = self._option(fd, socket.SOL_SOCKET, LISTENS, 4)
        if not listens:
            return "it waits for no socket"
        if any(listens):
            return "it waits for others to connect"
        family = self._option(fd, socket.SOL_SOCKET, DOMAIN, 4)
        if family and int.from_bytes(family, sys.byteorder) not in ENDED:
            return "its socket is of a family that can't be shut down"
        named = self._length_of_peers_name(fd)
        if named is None:
            state = self._option(fd, socket.IPPROTO_TCP, INFO, 1)
            return "" if state and state[0] == CONNECTING else "its socket is not connected"
        return "" if alone or named > UNNAMED else "it serves an event loop"

    def _length_of_peers_name(self, fd: int) -> int | None:
        """Return how long the address of the other end is, None without one."""
        self._length.bytes[:] = len(self._answer.bytes).to_bytes(4, sys.byteorder)
        if self._libc.getpeername(fd, self._answer.place, self._length.place) != 0:
            return None
        return int.from_bytes(self._length.bytes, sys.byteorder)

    def same(self, fd: int, identity: bytes) -> list[Link]:
        """Make sure that a descriptor is still that socket."""
        again, ask = Room(IDENTITY), self._libc.always_getsockopt
        return [
            partial(ask, fd, socket.SOL_SOCKET, COOKIE, again.place, self._size.place),
            partial(eq, again.bytes, identity),
        ]

    def is_datagram(self, fd: int) -> bool:
        """Return whether a socket is one of single messages."""
        kind = self._option(fd, socket.SOL_SOCKET, socket.SO_TYPE, 4)
        return int.from_bytes(kind, sys.byteorder) == socket.SOCK_DGRAM

    def shut(self, fd: int) -> Link:
        """End what goes on over a socket, in both directions."""
        return partial(self._libc.always_shutdown, fd, socket.SHUT_RDWR)

    def replace(self, fd: int, by: int) -> Link:
        """Have a descriptor mean another file from now on; who waits for the one before waits on."""
        return partial(self._libc.always_dup3, by, fd, os.O_CLOEXEC)
