"""`Keys`: finding, making and dropping the keys of a `Keyed`.

A key is found without a lock: a lookup in a dict, and a note of the instant.  An entry may so be dropped
while a call has just found it, or is inside.  It is not lost: the call holds on to it, and as long as
anybody does, it is found again in `_leaving`, which holds weakly; so two strategies of one key never
exist side by side.  One that turns busy out there comes back into the table.

Where no key may go, further ones share one entry, the overflow.

The lock guards the table.  Under it run no factories and no strategies.  What there is to tell waits in
`untold` until whoever has the keys tells it.

A signal handler, or a finaliser, may make a call in the middle of a section that its own thread has
locked, where the lines are half changed.  It changes none of them: a key that it misses gets an entry
beside the table, as if it had been dropped just now, and the next call lets it in.

One file because all of it is one state under one lock.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from math import inf
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

from holdfast._rounding import reached
from holdfast._weakly import Weakly
from holdfast.strategies.inside import is_inside
from holdfast.strategies.keyed.census import Census
from holdfast.strategies.keyed.child import is_busy, is_open, renew
from holdfast.strategies.keyed.maker import Maker, check_hashable
from holdfast.strategies.keyed.table import Entry, Table

TRIES = 8
"""How many busy keys are looked at before a new one has to share the overflow."""

SWEPT = 4
"""How many idle keys go in one call, at most."""

SWEEP = 0.05
"""Idle keys are looked for each time this share of ``idle`` has passed."""

PERIOD = 60.0
"""Keys used in the last one to two of these, in seconds, are "recently used" for the parent."""

FULL: Final = "full"
"""The news that a key has to share the overflow, for the first time."""


class Served(Protocol):
    """Something that is kept for each entry, and has to go with it."""

    def forget(self, entry: Entry) -> None:
        """Drop what belongs to an entry that has been dropped."""


class Keys:
    """The keys and their strategies.  Thread-safe.

    Args:
        key: the user's function; for messages.
        make: makes a key's strategy.
        limit: how many keys to keep.
        idle: seconds without use after which a key is forgotten.
        quorum: how many keys, and which share of the recent ones, have to be open to be `troubled`;
            None where nobody wants to know.
    """

    __slots__ = (
        "_aside", "_census", "_inside", "_key", "_leaving", "_lock", "_quorum", "_served",
        "_sweep_at", "evicted", "idle", "make", "open", "overflow", "overflowed", "table", "untold",
    )  # fmt: skip

    def __init__(
        self,
        key: Callable[..., Hashable],
        make: Maker,
        limit: int,
        idle: float,
        quorum: tuple[int, float] | None,
    ) -> None:
        self._key = key
        self.make: Maker = make
        self.idle: float = idle
        self._quorum = quorum
        self._served: Weakly[Served] = Weakly()
        self.table: Table = Table(limit)
        self.start()

    def renew(self) -> None:
        """Begin afresh in a child process.

        A call that was under way in the parent, and ends here, too, gives its permit back to an entry
        that is in no table any more; the lock of that entry's strategy must not be the parent's.
        """
        known = [*self.table.entries.values(), *self._leaving.values()]
        if self.overflow is not None:
            known.append(self.overflow)
        self.start()
        for entry in known:
            entry.line = None
            renew(entry.child)
            for one in self._served:
                one.forget(entry)

    def start(self) -> None:
        """Begin without keys."""
        self._lock = threading.RLock()
        self._inside: Callable[[], bool] = is_inside(self._lock)
        """Whether this very thread is inside of a section."""
        self._aside: deque[Entry] = deque()
        """Entries that were met, or failed, in the middle of one; see `_settle`."""
        self.table = Table(self.table.limit)
        self._leaving: WeakValueDictionary[Hashable, Entry] = WeakValueDictionary()
        self._census = Census(PERIOD)
        self.untold: deque[Any] = deque()
        """What there is to tell; `news` takes it."""
        self.open: dict[Entry, None] = {}
        """The entries whose breakers are open, as far as their calls have shown."""
        self.overflow: Entry | None = None
        self.overflowed: int = 0
        self.evicted: int = 0
        self._sweep_at = 0.0

    # -- finding -------------------------------------------------------------------------------

    def meet(self, key: Hashable, now: float) -> Entry:
        """Return the entry of a key that is used now."""
        try:
            entry = self.table.entries.get(key)
        except TypeError:
            check_hashable(self._key, key)
            raise  # its comparison failed
        if entry is None:
            entry = self._missed(key, now)
        entry.used = now
        entry.again = True
        if now >= self._sweep_at:
            self._sweep(now)
        if self._quorum is not None:
            if now >= self._census.until and not self._inside():
                with self._lock:
                    self._census.turn(now)
            self._census.saw(entry)
        return entry

    def _missed(self, key: Hashable, now: float) -> Entry:
        if self._inside():
            return self._beside(key, now)
        promise = object()
        try:
            room = self._make_room(promise, now)
            with self._lock:
                entry = self._leaving.get(key)
                if entry is not None and room:
                    self.table.promises.discard(promise)
                    self._back_locked(entry, now)
            if entry is not None:
                return entry
            if not room:
                return self._shared(key, now)
            child = self.make(key)
            with self._lock:
                self.table.promises.discard(promise)
                entry = self._leaving.get(key)  # it has come and gone while the factory ran
                if entry is None:
                    return self.table.settle(Entry(key, child, now), self.table.calm, now)
                self._back_locked(entry, now)
            return entry
        finally:
            self.table.promises.discard(
                promise
            )  # whatever came: one step, so nothing comes between

    def _beside(self, key: Hashable, now: float) -> Entry:
        """Return an entry that is not in the table yet."""
        entry = self._leaving.get(key)
        if entry is None:
            entry = self._leaving.setdefault(key, Entry(key, self.make(key), now))
        self._put_aside(entry)
        return entry

    def _put_aside(self, entry: Entry) -> None:
        self._aside.append(entry)
        self._sweep_at = -inf  # so that the next call settles it

    def _settle(self, now: float) -> None:
        """Do what could not be done in the middle of a section."""
        while self._aside:
            try:
                entry = self._aside.popleft()
            except IndexError:  # somebody else took the last one
                return
            if not self.keeps(entry) and self._leaving.get(entry.key) is entry:
                self._let_in(entry, now)
            if entry.failing:
                self.troubled(entry, now)

    def _let_in(self, entry: Entry, now: float) -> None:
        """Let an entry into the table that has stood beside it, if there is room."""
        promise = object()
        try:
            if self._make_room(promise, now):
                with self._lock:
                    self.table.promises.discard(promise)
                    if self.table.settle(entry, self.table.calm, now) is entry:
                        self._leaving.pop(entry.key, None)
        finally:
            self.table.promises.discard(promise)

    def _back_locked(self, entry: Entry, now: float) -> None:
        """Let an entry that has been dropped into the table again."""
        if self._leaving.get(entry.key) is entry:
            self.table.settle(entry, self.table.calm, now)
            self._leaving.pop(entry.key, None)
            self.evicted -= 1

    def _make_room(self, promise: object, now: float) -> bool:
        """Reserve a place, for which another key may have to go; False where none may."""
        for _ in range(TRIES):
            with self._lock:
                if self.table.reserve(promise):
                    return True
                oldest = self.table.oldest()
            if oldest is None:
                return False
            self._drop(oldest, now, "least recently used")
        with self._lock:
            return self.table.reserve(promise)

    def _sweep(self, now: float) -> None:
        """Drop a few of those that nobody has used for long, after what was put aside."""
        if self._inside():
            return
        with self._lock:
            self._sweep_at = now + self.idle * SWEEP
        self._settle(now)
        for _ in range(SWEPT):
            with self._lock:
                oldest = self.table.oldest(now - self.idle)
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
                    self.table.kept.join(entry, now)
                    entry.failing = True  # until a success says otherwise
            return
        with self._lock:
            if entry.line is None or entry.used != used:
                return
            self._leaving[entry.key] = entry  # first, as it is no harm if nothing follows
            self.open.pop(entry, None)
            self._census.dropped(entry)
            self.table.drop(entry, used)
            self.evicted += 1
        for one in self._served:
            one.forget(entry)
        self.untold.append((entry.key, reason))

    def _shared(self, key: Hashable, now: float) -> Entry:
        """Return the entry of all those keys for which there is no room."""
        entry = self.overflow
        if entry is None:
            made = Entry(key, self.make(key), now)
            with self._lock:
                entry = self.overflow = self.overflow or made
            if entry is made:
                self.untold.append(FULL)
        with self._lock:
            self.overflowed += 1
        return entry

    def serve(self, served: Served) -> None:
        """Tell this one, for as long as it exists, which entries have gone."""
        self._served.add(served)

    def keeps(self, entry: Entry) -> bool:
        """Return whether an entry is still in the table, or the overflow."""
        return entry.line is not None or entry is self.overflow

    def news(self) -> Iterator[Any]:
        """Take what there is to tell: `FULL`, or a key that was dropped, and why."""
        while self.untold:
            try:
                yield self.untold.popleft()
            except IndexError:  # somebody else took the last one
                return

    # -- how they fare -------------------------------------------------------------------------

    def recovered(self, entry: Entry, now: float) -> None:
        """Note a success of a key whose last call had failed; if that is in a section, the next one."""
        if self._inside():
            return
        closed = not is_open(entry.child)
        with self._lock:
            if entry.line is not None:
                self.table.calm.join(entry, now)
            if closed:
                entry.failing = False
                self.open.pop(entry, None)
                self._census.closed(entry)

    def noticed(self, entry: Entry) -> None:
        """Note that a key's strategy refused; it may have been opened by hand."""
        if is_open(entry.child):
            with self._lock:
                entry.failing = True
                if entry.line is not None:
                    self.open[entry] = None

    def troubled(self, entry: Entry, now: float) -> str | None:
        """Note a failure; return why the parent should open, or None."""
        if self._inside():
            entry.failing = True
            self._put_aside(entry)
            return None
        broken, busy = is_open(entry.child), is_busy(entry.child, now)
        with self._lock:
            entry.failing = True
            if busy and entry.line is None:
                self._back_locked(entry, now)
            if entry.line is None:
                return None
            self.table.kept.join(entry, now)
            if not broken:
                self.open.pop(entry, None)
                self._census.closed(entry)
                return None
            self.open[entry] = None
            if self._quorum is None:
                return None
            census, (least, share) = self._census, self._quorum
            census.turn(now)
            census.opened(entry)
            if not reached(census.open, max(least, share * census.recent)):
                return None
            return f"{census.open} of {census.recent} keys are open"

    def forgive(self) -> None:
        """Count no key as open until it fails once more."""
        with self._lock:
            self._census.forgive()

    def broken(self) -> list[Entry]:
        """Return the entries that are open, the last used first."""
        with self._lock:
            found = list(self.open)
        return sorted(found, key=lambda entry: entry.used, reverse=True)
