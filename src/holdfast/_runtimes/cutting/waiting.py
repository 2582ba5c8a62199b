"""What a thread waits for, and the reasons for leaving it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast._runtimes.cutting.chain import Link
    from holdfast._runtimes.cutting.sockets import Libc


class Waiting:
    """What a thread waits for: links that hold while it does, and its sockets; or why none is cut."""

    __slots__ = ("_files", "_kept", "_libc", "links", "shut", "why_not")

    def __init__(self, libc: Libc | None = None, why_not: str = "") -> None:
        self._libc = libc
        self._files: list[int] = []
        self._kept: Any = None
        self.links: list[Link] = []
        self.shut: list[Link] = []
        self.why_not: str = why_not

    def close(self) -> None:
        """Let the kernel's files go; the links hold no longer."""
        while self._files and self._libc is not None:
            self._libc.close(self._files.pop())

    def keeps(self, frame: Any) -> None:
        """Have a frame end no earlier than this does."""
        self._kept = frame

    def holds(self, file: int) -> None:
        """Keep a file until the end."""
        self._files.append(file)


UNTOLD, BUSY, NO_SOCKET, MANY, ANOTHER = (
    "the kernel does not say what it waits for",
    "it is at work",
    "it waits for no socket",
    "it waits for many sockets, as an event loop does",
    "it waits for a socket whose number has become another file's",
)
"""Why a thread is left alone."""
