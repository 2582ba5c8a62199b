"""`Counter`: counts from any number of threads, exactly, without a lock where it counts.

``self.total += 1`` reads, adds and writes.  The GIL happens not to be handed over in between; without
it two threads may read the same number, and one count is lost.  `itertools.count` takes each number
out exactly once, on every build: with the GIL because it is one step of C, without it by a
compare-and-swap.  So one tick is one count, and costs no more than the addition.

What has been counted can't be looked at without a tick of its own, so looks are counted, too, and
taken off.  They take a lock, for the process, held for two additions: people and meters look seldom.
"""

from __future__ import annotations

import os
import threading
from itertools import count
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    Ticks = count[int]
else:
    Ticks = count


class Counter(Ticks):
    """Counts up from 0: ``next(counter)`` is one more, and returns how many ticks came before it.

    To begin again, after a fork or else, put a new one in its place.  Thread- and task-safe, also in a
    signal handler.
    """

    __slots__ = ("_looks",)
    lock: ClassVar[threading.RLock] = threading.RLock()

    def __init__(self) -> None:
        self._looks = 0

    @property
    def total(self) -> int:
        """How much has been counted."""
        with Counter.lock:
            ticks = next(self)
            total = ticks - self._looks
            self._looks += 1
        return total


def _renew() -> None:
    """Take a new lock in a child process: the old one may be held by a thread of the parent's."""
    Counter.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
