"""Things that are kept only as long as somebody else keeps them, and that can be gone through safely.

A `weakref.WeakSet` must not change while it is gone through (before Python 3.14 that is an error in
whoever goes through it), and it may change at any point: in another thread, or in this one, where the
garbage collector runs a finaliser.  Here what is gone through is a copy, made in one step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar
from weakref import ref

T = TypeVar("T")


class Weakly(Generic[T]):
    """A set of weak references.  Thread-safe, and free of locks."""

    __slots__ = ("__weakref__", "_forget", "_refs")

    def __init__(self) -> None:
        self._refs: set[ref[T]] = set()
        self._forget = self._refs.discard

    def add(self, thing: T) -> None:
        """Keep ``thing`` for as long as it lives; a second time does nothing."""
        self._refs.add(ref(thing, self._forget))

    def discard(self, thing: T) -> None:
        """Keep ``thing`` no longer."""
        self._refs.discard(ref(thing))

    def __iter__(self) -> Iterator[T]:
        for one in self._refs.copy():
            thing = one()
            if thing is not None:
                yield thing
