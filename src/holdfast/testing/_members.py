"""Several threads in step: of the functions of `VirtualClock.together` only one moves at a time."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal

from holdfast.testing import _agenda
from holdfast.testing._agenda import Agenda, DeadlockError, deadlock

LOOKS = 10
"""How often to look, within `PATIENCE`, whether a thread works."""


class _Kept:
    """Keeps what a block raises, for another thread to raise, be it an interruption."""

    error: BaseException | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[True]:
        self.error = error
        return True


class Member(threading.Thread):
    """One of several threads of which only one moves at a time."""

    def __init__(
        self,
        function: Callable[[], Any],
        ready: deque[Member],
        context: contextvars.Context,
        local: threading.local,
        name: str = "holdfast-together",
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._function = function
        self._ready = ready
        self._within = context
        self._local = local
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._waiting = False
        self._doom = ""
        self._left = False
        self.ended = False
        self.outcome: Any = None
        self.interruption: BaseException | None = None
        """What it raised that is no outcome: a failure of pytest's, an exit."""

    def run(self) -> None:
        """Run the function, once it is this thread's turn."""
        self._local.member = self
        self._go.acquire()
        kept = _Kept()
        with kept:
            self.outcome = self._within.run(self._function)
        if isinstance(kept.error, Exception):
            self.outcome = kept.error
        else:
            self.interruption = kept.error
        self.ended = True
        self._back.release()

    def move(self) -> None:
        """Let it run until it parks or ends; called by the thread that directs.

        Raises:
            DeadlockError: if it does nothing for long without being parked: it blocks elsewhere.
        """
        if self.ended:
            return
        self._go.release()
        worked, idle = -1.0, 0
        while not self._back.acquire(timeout=_agenda.PATIENCE / LOOKS):
            before, worked = worked, _cpu_time(self)
            idle = idle + 1 if worked == before else 0
            if idle == LOOKS:
                from holdfast.testing._stuck import listed, stuck_threads

                raise DeadlockError(
                    "deadlock: a function blocks outside of the virtual clock (on a lock, a socket, or "
                    f"a real sleep), and no other can move meanwhile:{listed(stuck_threads([self]))}"
                )

    def park(self) -> None:
        """Let the others move until this one is woken; called by the thread itself."""
        self._waiting = True
        if not self._left:
            self._back.release()
            self._go.acquire()
        if self._doom:
            doom, self._doom = self._doom, self._doom if self._left else ""
            raise DeadlockError(doom)

    def wake(self) -> None:
        """Put it back among those that may move."""
        if self._waiting:
            self._waiting = False
            self._ready.append(self)

    def doom(self, why: str) -> None:
        """Wake it with a `DeadlockError`: it waits for what can never come."""
        self._doom = why
        self.wake()

    def leave(self, why: str) -> None:
        """Let it go, to unwind at this wait and all that follow: nobody directs it any more."""
        self._doom = why
        self._left = True
        self._go.release()


def _cpu_time(thread: threading.Thread) -> float:
    """Return for how long ``thread`` has worked, or the real time where no system tells."""
    if hasattr(time, "pthread_getcpuclockid") and thread.ident is not None:
        return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return time.monotonic()


def in_step(
    functions: Sequence[Callable[[], Any]], agenda: Agenda, local: threading.local
) -> list[Any]:
    """Run ``functions``, each in a thread of its own, and return their results or exceptions."""
    ready: deque[Member] = deque()
    members = [
        Member(function, ready, contextvars.copy_context(), local, _name(number, function))
        for number, function in enumerate(functions, 1)
    ]
    ready.extend(members)
    for member in members:
        member.start()
    try:
        _direct(members, ready, agenda)
    finally:
        for member in members:
            if not member.ended:  # Ctrl-C, or one of them blocks
                member.leave("together() has been left")
    for member in members:
        member.join()
        if member.interruption is not None:
            raise member.interruption
    return [member.outcome for member in members]


def _direct(members: list[Member], ready: deque[Member], agenda: Agenda) -> None:
    """Let one after the other move, until all have ended."""
    stuck: DeadlockError | None = None
    while not all(member.ended for member in members):
        if ready:
            ready.popleft().move()
        elif agenda.run_next() is None:
            waiting = [member for member in members if not member.ended]
            stuck = stuck or deadlock("all functions of together() wait", waiting)
            waiting[0].doom(str(stuck))
    if stuck is not None:
        raise stuck


def _name(number: int, function: Callable[[], Any]) -> str:
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"together-{number} ({name.rpartition('<locals>.')[2]})"
