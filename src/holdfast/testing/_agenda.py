"""The parts of `VirtualClock`: what happens when, and who is cut where."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from collections.abc import Callable, Sequence

from holdfast._world import renew_after_fork

DEADLOCK = "deadlock: nothing will ever happen"
PATIENCE = 10.0
"""After how many real seconds in which nothing moves at all a thread is taken for stuck."""


class DeadlockError(BaseException):
    """What is under test waits for what can never come; the message tells who, where, for what.

    No `Exception`, as pytest's own failures are none: no fallback, retry or ``except Exception`` of the
    code under test shall answer in place of a call that would never return.
    """


def deadlock(why: str, threads: Sequence[threading.Thread] | None = None) -> DeadlockError:
    """Return the error that names ``threads`` and their waits, by default those of this thread."""
    from holdfast.testing._stuck import listed, stuck_here, stuck_threads  # it imports asyncio

    stuck = [stuck_here()] if threads is None else stuck_threads(threads)
    return DeadlockError(f"{DEADLOCK}: {why}{listed(stuck)}")


class Entry:
    """Something that happens at an instant."""

    __slots__ = ("action", "at", "number", "stranger")

    def __init__(
        self, at: float, number: int, action: Callable[[], object] | None, *, stranger: bool
    ) -> None:
        self.at = at
        self.number = number
        self.action = action
        self.stranger = stranger

    def cancel(self) -> None:
        """Let it not happen."""
        self.action = None

    def __lt__(self, other: Entry) -> bool:
        return (self.at, self.number) < (other.at, other.number)


class Agenda:
    """The instant, and what is to happen after it.  Thread-safe; actions run outside the lock."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._after_fork()
        renew_after_fork(self)
        self._entries: list[Entry] = []
        self._numbers = itertools.count()

    def _after_fork(self) -> None:
        self._lock = threading.RLock()

    def add(self, at: float, action: Callable[[], object], *, stranger: bool = False) -> Entry:
        """Have ``action()`` called at the instant ``at``; ``stranger`` if it wakes a free thread."""
        entry = Entry(at, next(self._numbers), action, stranger=stranger)
        with self._lock:
            heapq.heappush(self._entries, entry)
        return entry

    def next_instant(self) -> float:
        """Return when the next entry is due, ``inf`` for none."""
        with self._lock:
            self._forget_cancelled_locked()
            return self._entries[0].at if self._entries else math.inf

    def strangers(self) -> int:
        """Return how many free threads sleep."""
        with self._lock:
            return sum(entry.stranger and entry.action is not None for entry in self._entries)

    def run_next(self) -> Entry | None:
        """Move on to the next entry and let it happen; None if there is none."""
        return self._run_one(math.inf)

    def run_to(self, instant: float) -> None:
        """Move on to ``instant``; what is due up to there happens on the way."""
        while self._run_one(instant) is not None:
            pass
        with self._lock:
            self.now = max(self.now, instant)

    def _run_one(self, limit: float) -> Entry | None:
        with self._lock:
            self._forget_cancelled_locked()
            if not self._entries or self._entries[0].at > limit or self._entries[0].at == math.inf:
                return None
            entry = heapq.heappop(self._entries)
            self.now = max(self.now, entry.at)
            action = entry.action
        if action is not None:
            action()
        return entry

    def _forget_cancelled_locked(self) -> None:
        while self._entries and self._entries[0].action is None:
            heapq.heappop(self._entries)


class Scope:
    """What a timeout has put around a call: no sleep inside gets past the instant ``due``."""

    __slots__ = ("cause", "due", "message", "runs_until")

    def __init__(self, due: float) -> None:
        self.due: float = due
        self.runs_until: float = due
        """When the sleep that was cut at ``due`` would have ended."""
        self.message: str = "the time of this call is up"
        self.cause: Exception | None = None
        """What the function raised, too late to count."""


class Cut(BaseException):
    """Unwinds a function whose time is up.  No `Exception`, so that nothing retries or counts it."""

    def __init__(self, scope: Scope, until: float) -> None:
        super().__init__(scope.message)
        self.scope = scope
        self.until = until
        """When the sleep that was cut would have ended."""


class Scopes(threading.local):
    """The scopes of one thread, outermost first."""

    def __init__(self) -> None:
        self._stack: list[Scope] = []

    def push(self, due: float) -> Scope:
        """Enter a scope."""
        scope = Scope(due)
        self._stack.append(scope)
        return scope

    def remove(self, scope: Scope) -> None:
        """Leave a scope."""
        self._stack.remove(scope)

    def next(self) -> Scope | None:
        """Return the scope that ends first; of several, the innermost, as a cut call unwinds."""
        return min(reversed(self._stack), key=lambda scope: scope.due, default=None)
