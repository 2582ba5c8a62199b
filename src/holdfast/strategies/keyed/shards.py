"""A large dict in many small ones.

A dict of 100,000 keys that come and go is built anew now and then, which takes several milliseconds of
one caller's time.  Each of these is built anew on its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import chain
from typing import Any

MANY = 20_000
"""From so many keys on it is worth a tenth of a microsecond a lookup."""

PARTS = 61
"""A prime, so that numbers with a common step are spread as well."""


class Shards:
    """The part of a dict's methods that the table of `Keyed` uses; lookups need no lock."""

    __slots__ = ("_count", "_parts")

    def __init__(self) -> None:
        self._parts: list[dict[Hashable, Any]] = [{} for _ in range(PARTS)]
        self._count = 0

    def get(self, key: Hashable, default: Any = None) -> Any:
        """Return the value of ``key``."""
        return self._parts[hash(key) % PARTS].get(key, default)

    def setdefault(self, key: Hashable, value: Any) -> Any:
        """Return the value of ``key``, which is ``value`` from now on if there was none."""
        part = self._parts[hash(key) % PARTS]
        before = len(part)
        there = part.setdefault(key, value)
        self._count += len(part) - before
        return there

    def values(self) -> Iterator[Any]:
        """Return all values, in no order."""
        return chain.from_iterable(list(part.values()) for part in self._parts)

    def __getitem__(self, key: Hashable) -> Any:
        return self._parts[hash(key) % PARTS][key]

    def __delitem__(self, key: Hashable) -> None:
        del self._parts[hash(key) % PARTS][key]
        self._count -= 1

    def __contains__(self, key: Hashable) -> bool:
        return key in self._parts[hash(key) % PARTS]

    def __len__(self) -> int:
        return self._count
