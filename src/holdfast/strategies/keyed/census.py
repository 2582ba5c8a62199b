"""How many keys were used lately, and how many of them failed so that they are open."""

from __future__ import annotations

from holdfast.strategies.keyed.table import Entry


class Census:
    """Counts in two generations of ``period`` seconds, so that "lately" is one to two of them.

    An open key counts from the failure that left it open, for as long as that is recent: a rejection
    tells nothing new.  `saw` needs no lock (a call in the instant of a turn may count in
    either generation), for the rest the lock of `Keyed` is held.
    """

    __slots__ = ("_before", "_open", "_open_before", "_period", "_seen", "until")

    def __init__(self, period: float) -> None:
        self._period = period
        self.until: float = 0.0
        """The instant at which to `turn`."""
        self._seen: set[Entry] = set()
        self._before: set[Entry] = set()
        self._open: set[Entry] = set()
        self._open_before: set[Entry] = set()

    def turn(self, now: float) -> None:
        """Begin a new generation, if it is time."""
        if now < self.until:
            return
        late = now >= self.until + self._period
        self._before = set() if late else self._seen
        self._open_before = set() if late else self._open
        self._seen, self._open = set(), set()
        self.until = now + self._period

    def saw(self, entry: Entry) -> None:
        """Count a key as used."""
        if entry not in self._seen:
            self._seen.add(entry)
            self._before.discard(entry)

    def opened(self, entry: Entry) -> None:
        """Count a key as open by a failure of now."""
        self.saw(entry)
        self._open.add(entry)
        self._open_before.discard(entry)

    def closed(self, entry: Entry) -> None:
        """Count a key as open no longer."""
        self._open.discard(entry)
        self._open_before.discard(entry)

    def dropped(self, entry: Entry) -> None:
        """Forget a key."""
        self.closed(entry)
        self._seen.discard(entry)
        self._before.discard(entry)

    def forgive(self) -> None:
        """Count no key as open until it fails once more."""
        self._open, self._open_before = set(), set()

    @property
    def recent(self) -> int:
        """How many keys were used lately."""
        return len(self._seen) + len(self._before)

    @property
    def open(self) -> int:
        """How many keys a recent failure left open."""
        return len(self._open) + len(self._open_before)
