"""What people, and programs, do with the strategy of one key."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from holdfast._world import now as current_instant
from holdfast.errors import ConfigurationError
from holdfast.strategies.identity import Identity
from holdfast.strategies.keyed.keys import Keys
from holdfast.strategies.keyed.table import Entry


class ByKey(Identity):
    """Finds the strategies of keys; which keys there are is up to the subclass."""

    __slots__ = ("_keys",)
    _keys: Keys

    def _used(self, key: Hashable, now: float) -> Entry:
        raise NotImplementedError

    def at(self, key: Hashable) -> Any:
        """Return the strategy of ``key``, which is made if there was no call of it yet.

        It counts as a use; one that is held by hand, or busy, is never forgotten.

        Raises:
            ConfigurationError: for a key that is not hashable, or where there is no room for another.
        """
        entry = self._used(key, current_instant())
        if entry is self._keys.overflow:
            raise ConfigurationError(
                f"{self._title} has no room for a strategy of {key!r}: each of its "
                f"{self._keys.table.limit} keys is busy; raise max_keys"
            )
        return entry.child

    def isolate(self, key: Hashable) -> None:
        """Hold the breaker of ``key`` open until `reset`, its first call included."""
        self.at(key).isolate()

    def disable(self, key: Hashable) -> None:
        """Hold the breaker of ``key`` closed until `reset`."""
        self.at(key).disable()

    def reset(self, key: Hashable) -> None:
        """Close the breaker of ``key``, and hold it no longer."""
        self.at(key).reset()

    def get(self, key: Hashable, default: Any = None) -> Any:
        """Return the strategy of ``key`` if there is one; neither makes it nor counts as a use."""
        entry = self._keys.table.entries.get(key)
        return default if entry is None else entry.child

    def __getitem__(self, key: Hashable) -> Any:
        return self._keys.table.entries[key].child

    def __contains__(self, key: Hashable) -> bool:
        return key in self._keys.table.entries

    def __len__(self) -> int:
        return len(self._keys.table.entries)

    def __bool__(self) -> bool:
        return True  # also while it has no keys
