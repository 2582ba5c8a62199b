"""So many places, taken and given back without a lock.

``list.pop`` and ``list.append`` are atomic in CPython, with and without the GIL.  No lock is held, so
a finaliser, which the garbage collector runs at any point, may take a place; so may a signal handler.
"""

from __future__ import annotations


class Places:
    """At most ``size`` places.  Thread-safe.

    What is taken is a token of this process: one from before a fork is not given back in the child.
    """

    __slots__ = ("__weakref__", "_free", "_owed", "_token", "size")

    def __init__(self, size: int) -> None:
        self.size: int = size
        self.clear()

    def clear(self) -> None:
        """Have them all free: whoever held one lives in the parent process."""
        self._token: object = object()
        self._free: list[object] = [self._token] * self.size
        self._owed: list[object] = []
        """One for each place that is to go when it comes back."""

    def take(self) -> object | None:
        """Return a place, None where none is free."""
        try:
            return self._free.pop()
        except IndexError:
            return None

    def give_back(self, place: object) -> None:
        """Let somebody else have a place."""
        if place is not self._token:
            return
        if self._owed:
            try:
                self._owed.pop()
            except IndexError:  # somebody else has paid
                pass
            else:
                return
        self._free.append(place)

    def resize(self, size: int) -> None:
        """Have so many from now on; those above it go when they come back."""
        more, self.size = size - self.size, size
        for _ in range(more):
            self.give_back(self._token)
        for _ in range(-more):
            if self.take() is None:
                self._owed.append(self._token)

    @property
    def taken(self) -> int:
        """How many are taken now."""
        return max(0, self.size - len(self._free) + len(self._owed))
