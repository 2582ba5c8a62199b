"""Who is in the table of a `Keyed`, who was used last, and who may go.

Each key has an `Entry`, which stands in one of two lines, roughly the least recently used first:

* ``calm``: its last call ended well, or has not ended.
* ``kept``: its last call failed, or it was found busy when somebody looked for one to drop.

Room is made from the head of ``calm``, and only when that is empty from ``kept``: a key that fails now
and then is worth more than one that does not.

A call only notes the instant, and that its entry was used *again* since it took its place in line; that
costs no lock.  Only a failure, and the first success after one, put it at the end of the other line.
Whoever looks for the oldest goes along the line to the first entry that was not used again; all behind
it were used later, so the oldest is among those it passed.  After `SEARCH` of them it takes the oldest
it saw, and sends the others to the end (a second chance, as in the CLOCK algorithm), so each search
takes a bounded number of steps, whatever the number of keys.

Nothing here is locked: the lock of `Keyed` guards the lines.  An entry without a line is not in the
table: it has been dropped, though calls may still be inside, or it is the overflow.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from holdfast.strategies.keyed.shards import MANY, Shards

SEARCH = 64


class Entry:
    """One key: its strategy, its last use, and its place in a line."""

    __slots__ = (
        "__weakref__", "again", "child", "failing", "key", "line", "newer", "older", "used",
    )  # fmt: skip
    line: Line | None
    newer: Any
    older: Any

    def __init__(self, key: Hashable, child: Any, now: float) -> None:
        self.key: Hashable = key
        self.child: Any = child
        self.used: float = now
        self.again: bool = False
        """Whether it was used since it took its place in line."""
        self.failing: bool = False
        """Whether its last call failed, or was refused by an open breaker, or it was found busy."""
        self.line = None


class Line:
    """Entries in the order in which they took their places, as a ring through this object."""

    __slots__ = ("newer", "older")

    def __init__(self) -> None:
        self.newer: Any = self
        """The head; this object itself where there is none."""
        self.older: Any = self

    def join(self, entry: Entry, now: float) -> None:
        """Put an entry that is used now at the end; it may stand in a line already."""
        if entry.line is not None:
            entry.line.leave(entry)
        last = self.older
        entry.line = entry.newer = self
        entry.older = last
        entry.again = False
        entry.used = now
        last.newer = self.older = entry

    def leave(self, entry: Entry) -> None:
        """Take an entry out."""
        older, newer = entry.older, entry.newer
        older.newer = newer
        newer.older = older
        entry.line = entry.older = entry.newer = None

    def oldest(self) -> Entry | None:
        """Return the entry that was least recently used."""
        entry: Any = self.newer
        found: Any = None
        passed = []
        while entry is not self:
            if found is None or entry.used < found.used:
                found = entry
            if not entry.again:
                break
            passed.append(entry)
            if len(passed) == SEARCH:
                self._send_back(passed, found)
                break
            entry = entry.newer
        return found  # type: ignore[no-any-return]

    def _send_back(self, passed: list[Entry], found: Entry) -> None:
        for entry in sorted(passed, key=lambda one: one.used):
            if entry is not found:
                self.join(entry, entry.used)


class Table:
    """The entries by their keys, and the two lines."""

    __slots__ = ("calm", "entries", "kept", "limit", "reserved")

    def __init__(self, limit: int) -> None:
        self.limit: int = limit
        self.entries: dict[Hashable, Entry] | Shards = {} if limit < MANY else Shards()
        self.calm: Line = Line()
        self.kept: Line = Line()
        self.reserved: int = 0
        """Places that are promised to keys whose strategies are being made."""

    def reserve(self) -> bool:
        """Promise a place, if there is one free."""
        free = len(self.entries) + self.reserved < self.limit
        self.reserved += free
        return free

    def settle(self, entry: Entry, line: Line, now: float) -> Entry:
        """Let an entry in; return the one that is there, if somebody was faster."""
        there = self.entries.setdefault(entry.key, entry)
        if there is entry:
            line.join(entry, now)
        return there

    def oldest(self, before: float | None = None) -> Entry | None:
        """Return the entry that should go next, if its strategy does not object.

        Calm ones go first; with ``before``, only those that were not used since that instant.
        """
        for line in (self.calm, self.kept):
            entry = line.oldest()
            if entry is not None and (before is None or entry.used <= before):
                return entry
        return None

    def drop(self, entry: Entry, used: float) -> bool:
        """Let an entry go, if nobody has used it since ``used``."""
        if entry.line is None or entry.used != used:
            return False
        entry.line.leave(entry)
        self._forget(entry)
        return True

    def _forget(self, entry: Entry) -> None:
        """Take an entry out of the dict; also where its key's hash is another one by now."""
        try:
            if self.entries.get(entry.key) is entry:
                del self.entries[entry.key]
                return
        except Exception:  # noqa: BLE001, S110 - a hash or a comparison of the user's may raise anything
            pass
        kept = [one for one in self.entries.values() if one is not entry]
        self.entries = {} if self.limit < MANY else Shards()
        for one in kept:
            try:
                self.entries.setdefault(one.key, one)
            except Exception:  # noqa: BLE001 - another broken one: it is found no more
                if one.line is not None:
                    one.line.leave(one)
