"""What is given back while its own thread is in the middle of a locked section.

The garbage collector closes forgotten coroutines, and signal handlers run, at any point of any thread:
also between two steps of a section that the same thread has locked.  A plain lock would wait for itself
there; one that lets its own thread in again lets it into the middle of something.  So a gate asks
`Aside.inside` first.  What was given back is put aside, and whoever holds the lock settles it when the
section is over; nobody queues there, because who would wake it stands still.

The rules for a gate that has an `Aside`:

* Sections that change a queue are entered through the lock, and never by a hand-back from inside.
* Each is followed by a look whether something was put aside, with nothing lost in between: what is
  put aside also makes the gate contended, and whoever says that it isn't looks here afterwards.
* A ticket whose permit is given back is marked, under the lock, so that it is done only once.

The same gates give back what they hold without a further Python frame, or with no more of them than
`enter` needed, for a call may end because the stack is used up.  To wake somebody may need more:
that is done `on_a_fresh_stack`, in a thread, which can be had without a frame.
"""

from __future__ import annotations

import threading
from _thread import start_new_thread
from collections.abc import Callable
from typing import Any

from holdfast.shapes import Ticket
from holdfast.strategies.identity import Guard
from holdfast.strategies.inside import is_inside

on_a_fresh_stack = start_new_thread
"""Call a function with a tuple of arguments in a thread of its own; for when a `RecursionError` came."""


class Aside(list[Any]):
    """What waits for the end of a section of ``lock``: tickets, or None for a look at the queue.

    A list, for its changes are atomic and need no frame, and an empty one is small.
    """

    __slots__ = ("inside",)

    inside: Callable[[], bool]
    """Whether this very thread is inside of a section."""

    def __init__(self, lock: threading.RLock) -> None:
        super().__init__()
        self.inside = is_inside(lock)


class Queueing(Guard):
    """A gate with a queue: what is given back, put aside, settled and woken by the rules above."""

    __slots__ = ("_aside", "_contended", "_lock")
    _lock: threading.RLock
    _contended: bool
    """Whether anybody has to look: somebody queues, or something was put aside."""

    def _nobody_inside(self) -> None:
        self._lock = threading.RLock()
        self._aside = Aside(self._lock)
        self._contended = False

    def _look(self, now: float) -> None:
        """Settle now, or leave it to whoever can."""
        if self._aside.inside():
            self._aside.append(None)
            self._contended = True
            return
        try:
            self._settle(now)
        except RecursionError:
            on_a_fresh_stack(self._settle, (now,))

    def _settle(self, now: float) -> None:
        """Take back what was put aside, and let in who waits.  Wakes outside the lock."""
        while True:
            ticket: Any = None
            try:
                with self._lock:
                    while self._aside:
                        if self._aside[0] is not None:
                            self._take_back_locked(self._aside[0], now)
                        del self._aside[0]  # only now: there may have been no stack for it
                    ticket = self._grant_locked(now)
                if ticket is not None:
                    self._wake(ticket, now)
                    ticket = None
                elif not self._aside:
                    return
            finally:
                if ticket is not None:  # no stack is left, or an interruption came
                    on_a_fresh_stack(self._wake, (ticket, now))

    def _wake(self, ticket: Any, now: float) -> None:
        if not ticket.wake() and ticket.granted:  # its event loop is closed: it will never come
            with self._lock:
                self._take_back_locked(ticket, now)
                ticket.granted = False

    def _take_back_locked(self, ticket: Any, now: float) -> None:
        """Let a caller be gone: out of the queue, or with a permit that nobody uses any more."""
        raise NotImplementedError

    def _grant_locked(self, now: float) -> Ticket | None:
        """Return who is to be woken next: let in, or out of the queue for good."""
        raise NotImplementedError
