"""The parts of `VirtualClock`: what happens when, who is cut where, and who moves."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any


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
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._numbers = itertools.count()

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
            return sum(entry.stranger for entry in self._entries)

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
            if not self._entries or self._entries[0].at > limit:
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

    __slots__ = ("cause", "due", "runs_until")

    def __init__(self, due: float) -> None:
        self.due: float = due
        self.runs_until: float = due
        """When the sleep that was cut at ``due`` would have ended."""
        self.cause: Exception | None = None
        """What the function raised, too late to count."""


class Cut(BaseException):
    """Unwinds a function whose time is up.  No `Exception`, so that nothing retries or counts it."""

    def __init__(self, scope: Scope, until: float) -> None:
        super().__init__("the time of this call is up")
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
        """Return the scope that ends first; of several, the outermost."""
        return min(self._stack, key=lambda scope: scope.due, default=None)


class Member(threading.Thread):
    """One of several threads of which only one moves at a time."""

    def __init__(
        self,
        function: Callable[[], Any],
        ready: deque[Member],
        context: Context,
        local: threading.local,
    ) -> None:
        super().__init__(name="holdfast-together", daemon=True)
        self._function = function
        self._ready = ready
        self._context = context
        self._local = local
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._waiting = False
        self._doomed = False
        self.ended = False
        self.outcome: Any = None

    def run(self) -> None:
        """Run the function, once it is this thread's turn."""
        self._local.member = self
        self._go.acquire()
        try:
            self.outcome = self._context.run(self._function)
        except Exception as error:  # noqa: BLE001 - handed to whoever called together()
            self.outcome = error
        finally:
            self.ended = True
            self._back.release()

    def move(self) -> None:
        """Let it run until it parks or ends; called by the thread that directs."""
        if not self.ended:
            self._go.release()
            self._back.acquire()

    def park(self) -> None:
        """Let the others move until this one is woken; called by the thread itself."""
        self._waiting = True
        self._back.release()
        self._go.acquire()
        if self._doomed:
            self._doomed = False
            raise RuntimeError("deadlock: nothing will ever happen: all of together() wait")

    def wake(self) -> None:
        """Put it back among those that may move."""
        if self._waiting:
            self._waiting = False
            self._ready.append(self)

    def doom(self) -> None:
        """Wake it with an error: it waits for what can never come."""
        self._doomed = True
        self.wake()
