"""Rows that a server's requests update, each with a version: optimistic locking."""

from __future__ import annotations


class Rows:
    """The versions of a server's rows, one for each key; all begin at 0."""

    __slots__ = ("_versions",)

    def __init__(self) -> None:
        self._versions: dict[int, int] = {}

    def read(self, key: int) -> int:
        """Return the version of a row."""
        return self._versions.get(key, 0)

    def write(self, key: int, seen: int) -> bool:
        """Write a row, if its version is still the one that was ``seen``; return whether it was."""
        if self.read(key) != seen:
            return False
        self._versions[key] = seen + 1
        return True
