"""What a thread of this process waits for, by Linux's own account.

``/proc/self/task/<tid>/syscall`` has the number of the system call that a thread is blocked in, its
arguments, and where its stack is.  Reading it needs no privilege, for it is our own process.
"""

from __future__ import annotations

import os
import struct
import sys
from functools import partial
from itertools import tee
from operator import eq

from holdfast._runtimes.cutting.chain import Link
from holdfast._runtimes.cutting.sockets import Libc, Room, Sockets
from holdfast._runtimes.cutting.waiting import ANOTHER, BUSY, MANY, NO_SOCKET, UNTOLD, Waiting

FIRST_IS_FD = {
    # read write sendfile connect sendto recvfrom sendmsg recvmsg readv writev recvmmsg sendmmsg
    "x86_64": frozenset({0, 1, 40, 42, 44, 45, 46, 47, 19, 20, 299, 307}),
    "aarch64": frozenset({63, 64, 71, 203, 206, 207, 211, 212, 65, 66, 243, 269}),
}
POLL = {"x86_64": frozenset({7, 271}), "aarch64": frozenset({73})}
SELECT = {"x86_64": frozenset({23, 270}), "aarch64": frozenset({72})}
RESUMED = {"x86_64": frozenset({219}), "aarch64": frozenset({128})}
EPOLL = {"x86_64": frozenset({232, 281, 441}), "aarch64": frozenset({22, 441})}
"""Numbers of system calls (Linux: arch/x86/entry/syscalls/syscall_64.tbl, asm-generic/unistd.h)."""

TABLES = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "aarch64": "aarch64",
    "arm64": "aarch64",
    "riscv64": "aarch64",
}

MOST = 4
"""A thread that waits for more sockets than this serves others."""

STANDARD = 3
"""The descriptors below are the process's input and outputs, whatever they are connected to."""

LINE, FDINFO = 192, 1024
"""Room for what the kernel says of a thread and of an epoll; in bytes."""
SET, POLLED = 128, struct.Struct("=ihh")
"""The size of a set of descriptors of ``select``, and what ``poll`` is given for each."""

OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
WORDS = 9
"""In the line of a thread that is blocked in a system call; fewer in that of any other."""


MEMORY, NOTHING = "/proc/self/mem", "/dev/null"


class Kept:
    """A file that stays open."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._is: tuple[int, int] | None = None
        self.number: int = -1
        """-1 where there is none."""
        self.renew()

    def renew(self) -> None:
        """Open it, unless it is open."""
        if self._is is not None and self._is == _identity(self.number):
            return
        try:
            self.number = os.open(self._path, OPEN_FLAGS)
        except OSError:
            self.number = -1
        self._is = _identity(self.number)

    def close(self) -> None:
        """Close it, unless somebody has."""
        if self._is is not None and self._is == _identity(self.number):
            os.close(self.number)
        self.number, self._is = -1, None


def _identity(number: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(number)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class Kernel:
    """Asks Linux.  ``works`` says whether it answers."""

    def __init__(self, libc: Libc) -> None:
        self._libc = libc
        self._sockets = Sockets(libc)
        table = TABLES.get(os.uname().machine, "") if sys.maxsize > 1 << 32 else ""
        none: frozenset[int] = frozenset()
        self._first, self._poll = FIRST_IS_FD.get(table, none), POLL.get(table, none)
        self._select, self._epoll = SELECT.get(table, none), EPOLL.get(table, none)
        self._resumed = RESUMED.get(table, none)
        self._seen = Room(FDINFO)
        self._files = {path: Kept(path) for path in (MEMORY, NOTHING)}

    def renew(self) -> None:
        """Open what somebody has closed, as ``os.closerange`` does; the number may be another's now."""
        for file in self._files.values():
            file.renew()

    def close(self) -> None:
        """Let the files go."""
        for file in self._files.values():
            file.close()

    @property
    def _memory(self) -> int:
        return self._files[MEMORY].number

    @property
    def _nothing(self) -> int:
        return self._files[NOTHING].number

    def look(self, tid: int) -> Waiting:
        """Return what the thread with that number of the system's waits for.  ``close()`` it.

        That it is still blocked is the last of the links: an answer ends that, and may come at any time.
        """
        found = Waiting(self._libc)
        words = self._read(found, b"/proc/self/task/%d/syscall" % tid, LINE).split()
        blocked, found.links = found.links, []
        if not words:
            found.why_not = UNTOLD
        elif len(words) < WORDS:
            found.why_not = BUSY
        else:
            number, *arguments = int(words[0]), *(int(word, 16) for word in words[1:5])
            self._examine(found, self._waits_for(found, number, arguments), number)
        found.links += blocked
        return found

    def _read(self, found: Waiting, path: bytes, size: int) -> bytes:
        """Read a file of the kernel's, and have it opened, read, closed and compared in the chain.

        Between the two it is closed, for many threads may be looked at together.
        """
        libc, again = self._libc, Room(size)
        file = libc.open(path, OPEN_FLAGS)
        if file < 0:
            return b""
        seen = self._got(file, size, 0)
        libc.close(file)
        opened, same = tee(map(libc.open, (path,), (OPEN_FLAGS,)))
        found.links += (
            partial(next, map(libc.pread, opened, (again.place,), (size,), (0,))),
            partial(next, map(libc.always_close, same)),
            partial(eq, again.bytes, seen.ljust(size, b"\0")),
        )
        return seen

    def _remembered(self, found: Waiting, address: int, size: int) -> bytes:
        """Read from memory, which need not be there, and have it read and compared in the chain."""
        again = Room(size)
        seen = self._got(self._memory, size, address)
        found.links += (
            partial(self._libc.pread, self._memory, again.place, size, address),
            partial(eq, again.bytes, seen.ljust(size, b"\0")),
        )
        return seen

    def _got(self, file: int, size: int, offset: int) -> bytes:
        got = self._libc.pread(file, self._seen.place, size, offset)
        return bytes(self._seen.bytes[: max(0, got)])

    def _waits_for(self, found: Waiting, number: int, arguments: list[int]) -> list[int]:
        """Return the descriptors that a thread waits for."""
        first, second, *_ = arguments
        if number in self._first:
            return [first]
        if number in self._poll:
            if second > MOST:
                found.why_not = MANY
                return []
            polled = self._remembered(found, first, POLLED.size * second)
            return [fd for fd, _, _ in POLLED.iter_unpack(polled) if fd >= 0]
        if number in self._select:
            return self._selected(found, *arguments[:3])
        if number in self._epoll:
            return self._registered(found, first)
        if (
            number in self._resumed or not self._first
        ):  # after the process was stopped; which call it is isn't told
            found.why_not = UNTOLD
        return []

    def _registered(self, found: Waiting, epoll: int) -> list[int]:
        """Return what an epoll has; it goes on with a file whose number has been closed, and reused."""
        told = self._read(found, b"/proc/self/fdinfo/%d" % epoll, FDINFO)
        if len(told) == FDINFO:
            found.why_not = MANY
        fds = []
        for words in (line.split() for line in told.splitlines() if line.startswith(b"tfd:")):
            fd, inode = int(words[1]), [word[4:] for word in words if word.startswith(b"ino:")]
            fds.append(fd)
            try:
                same = not inode or os.fstat(fd).st_ino == int(inode[0], 16)
            except OSError:
                same = False
            if not same:
                found.why_not = ANOTHER
        return fds

    def _selected(self, found: Waiting, count: int, *sets: int) -> list[int]:
        size = min(SET, (count + 63) // 64 * 8)
        waited: set[int] = set()
        for address in filter(None, sets):
            bits = int.from_bytes(self._remembered(found, address, size), sys.byteorder)
            waited.update(fd for fd in range(min(count, 8 * size)) if bits >> fd & 1)
        return sorted(waited)

    def _examine(self, found: Waiting, fds: list[int], number: int) -> None:
        """Let those sockets be shut down, if all of them may be."""
        if len(fds) > MOST:
            found.why_not = MANY
        elif not fds:
            found.why_not = found.why_not or NO_SOCKET
        alone = len(fds) == 1 and number not in self._epoll
        if any(fd < STANDARD for fd in fds):  # a journal that is slow must not lose its process
            found.why_not = NO_SOCKET
        for fd in () if found.why_not else fds:
            found.why_not = self._sockets.why_not(fd, alone=alone)
            identity = self._sockets.identity(fd)
            if found.why_not or not identity:
                found.why_not = found.why_not or UNTOLD
                return
            found.links += self._sockets.same(fd, identity)
            found.shut += self._ends(found, fd)

    def _ends(self, found: Waiting, fd: int) -> list[Link]:
        """Return what ends the wait for a socket.

        One of datagrams gives empty messages after its end, and no error: glibc's resolver takes them
        for none, and asks again at once until its time is up.  So what it asks then is no socket.
        """
        if not self._sockets.is_datagram(fd):
            return [self._sockets.shut(fd)]
        same = self._libc.dup(fd)
        found.holds(same)
        return [self._sockets.replace(fd, self._nothing), self._sockets.shut(same)]
