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

from _thread import start_new_thread
from collections.abc import Callable
from threading import RLock
from typing import Any

on_a_fresh_stack = start_new_thread
"""Call a function with a tuple of arguments in a thread of its own; for when a `RecursionError` came."""


class Aside(list[Any]):
    """What waits for the end of a section of ``lock``: tickets, or None for a look at the queue.

    A list, for its changes are atomic and need no frame, and an empty one is small.
    """

    __slots__ = ("inside",)

    inside: Callable[[], bool]
    """Whether this very thread is inside of a section."""

    def __init__(self, lock: RLock) -> None:
        super().__init__()
        self.inside = lock._is_owned  # type: ignore[attr-defined] # noqa: SLF001 - as in Condition
