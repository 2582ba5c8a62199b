"""Finding, making and dropping the keys of a `Keyed`.

A key is found without a lock: a lookup in a dict, and a note of the instant.  An entry may so be dropped
while a call has just found it, or is inside.  It is not lost: the call holds on to it, and as long as
anybody does, it is found again in `_leaving`, which holds weakly; so two strategies of one key never
exist side by side.  One that turns busy out there comes back into the table.

Where no key may go, further ones share one entry, the overflow.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any
from weakref import WeakSet, WeakValueDictionary

from holdfast import _validate
from holdfast.strategies.identity import Identity
from holdfast.strategies.breaker import CircuitBreaker
from holdfast.strategies.keyed.census import Census
from holdfast.strategies.keyed.parts import Maker, check_hashable, is_busy, renew, tell_full
from holdfast.strategies.keyed.table import Entry, Table

if TYPE_CHECKING:
    from holdfast.strategies.keyed.lanes import Lanes

TRIES = 8
"""How many busy keys are looked at before a new one has to share the overflow."""

SWEPT = 4
"""How many idle keys go in one call, at most."""

SWEEP = 0.05
"""Idle keys are looked for each time this share of ``idle`` has passed."""

PERIOD = 60.0
"""Keys used in the last one to two of these, in seconds, are "recently used" for the parent."""


class Keys(Identity):
    """The keys and their strategies; `Keyed` adds what calls do with them."""

    __slots__ = (
        "_census", "_evicted", "_idle", "_key", "_lanes", "_leaving", "_lock", "_make", "_open",
        "_overflow", "_overflowed", "_parent", "_sweep_at", "_table",
    )  # fmt: skip
    _parent: CircuitBreaker | None

    def __init__(
        self,
        key: Callable[..., Hashable],
        factory: Callable[[Any], Any] | type[object],
        max_keys: int,
        idle: float,
        parent: CircuitBreaker | None,
        name: str | None,
    ) -> None:
        _validate.plain_callable("key", key)
        self._key = key
        self._make = Maker(factory, alone=parent is None)
        self._table = Table(_validate.count("max_keys", max_keys))
        self._idle = _validate.seconds("idle", idle)
        if parent is not None and not isinstance(parent, CircuitBreaker):
            raise _validate.refuse("parent", parent, "it must be a CircuitBreaker or None")
        self._parent = parent
        self._lanes: WeakSet[Lanes] = WeakSet()
        self._after_fork()
        super().__init__(name)

    def _after_fork(self) -> None:
        """Start afresh: whoever is inside lives in the parent process."""
        for entry in self._table.entries.values():
            renew(entry.child)
        self._lock = threading.RLock()
        self._table = Table(self._table.limit)
        self._leaving: WeakValueDictionary[Hashable, Entry] = WeakValueDictionary()
        self._census = Census(PERIOD)
        self._open: dict[Entry, None] = {}
        self._overflow: Entry | None = None
        self._overflowed = self._evicted = 0
        self._sweep_at = 0.0

    @property
    def makes(self) -> str:
        """What kind of strategy each key gets; empty while only the factory knows."""
        return self._make.kind

    def joined(self, pipeline: str) -> None:
        """Note that a pipeline uses this strategy, and so the strategies of its keys."""
        super().joined(pipeline)
        children = [entry.child for entry in list(self._table.entries.values())]
        self._make.joined(self._pipelines, children)
        if self._parent is not None:
            self._parent.joined(pipeline)

    def _met(self, key: Hashable, now: float) -> Entry:
        """Return the entry of a key that is used now."""
        try:
            entry = self._table.entries.get(key)
        except TypeError:
            check_hashable(self._key, key)
            raise  # its comparison failed
        if entry is None:
            entry = self._missed(key, now)
        entry.used = now
        entry.again = True
        if now >= self._sweep_at:
            self._sweep(now)
        if self._parent is not None:
            if now >= self._census.until:
                with self._lock:
                    self._census.turn(now)
            self._census.saw(entry)
        return entry

    def _missed(self, key: Hashable, now: float) -> Entry:
        room = self._make_room(now)
        with self._lock:
            entry = self._leaving.get(key)
            if entry is not None and room:
                self._table.reserved -= 1
                self._back_locked(entry, now)
        if entry is not None:
            return entry
        if not room:
            return self._shared(key, now)
        child = None
        try:
            child = self._make(key)
        finally:
            if child is None:
                with self._lock:
                    self._table.reserved -= 1
        with self._lock:
            self._table.reserved -= 1
            entry = self._leaving.get(key)  # it has come and gone while the factory ran
            if entry is None:
                return self._table.settle(Entry(key, child, now), self._table.calm, now)
            self._back_locked(entry, now)
        return entry

    def _back_locked(self, entry: Entry, now: float) -> None:
        """Let an entry that has been dropped into the table again."""
        if self._leaving.get(entry.key) is entry:
            del self._leaving[entry.key]
            self._evicted -= 1
            self._table.settle(entry, self._table.calm, now)

    def _make_room(self, now: float) -> bool:
        """Reserve a place, for which another key may have to go; False where none may."""
        for _ in range(TRIES):
            with self._lock:
                if self._table.reserve():
                    return True
                oldest = self._table.oldest()
            if oldest is None:
                return False
            self._drop(oldest, now, "least recently used")
        with self._lock:
            return self._table.reserve()

    def _sweep(self, now: float) -> None:
        """Drop a few of those that nobody has used for long."""
        with self._lock:
            self._sweep_at = now + self._idle * SWEEP
        for _ in range(SWEPT):
            with self._lock:
                oldest = self._table.oldest(now - self._idle)
            if oldest is None:
                return
            self._drop(oldest, now, "idle")
        self._sweep_at = now  # there may be more: the next call goes on

    def _drop(self, entry: Entry, now: float, reason: str) -> None:
        """Let an entry go; one that is busy, or used meanwhile, stays."""
        used = entry.used
        if is_busy(entry.child, now):  # our lock is not held: it is somebody else's code
            with self._lock:
                if entry.line is not None:
                    self._table.kept.join(entry, now)
                    entry.failing = True  # until a success says otherwise
            return
        with self._lock:
            if not self._table.drop(entry, used):
                return
            self._leaving[entry.key] = entry
            self._evicted += 1
            self._open.pop(entry, None)
            self._census.dropped(entry)
        for lanes in list(self._lanes):
            lanes.forget(entry)
        self._tell("KeyDropped", at=now, key=entry.key, reason=reason)

    def _shared(self, key: Hashable, now: float) -> Entry:
        """Return the entry of all those keys for which there is no room."""
        entry = self._overflow
        if entry is None:
            made = Entry(key, self._make(key), now)
            with self._lock:
                entry = self._overflow = self._overflow or made
            if entry is made:
                tell_full(self.title, self._table.limit)
        with self._lock:
            self._overflowed += 1
        return entry

    # -- people --------------------------------------------------------------------------------

    def get(self, key: Hashable, default: Any = None) -> Any:
        """Return the strategy of ``key`` if there is one; neither makes it nor counts as a use."""
        entry = self._table.entries.get(key)
        return default if entry is None else entry.child

    def __getitem__(self, key: Hashable) -> Any:
        return self._table.entries[key].child

    def __contains__(self, key: Hashable) -> bool:
        return key in self._table.entries

    def __len__(self) -> int:
        return len(self._table.entries)

    def __bool__(self) -> bool:
        return True  # also while it has no keys
