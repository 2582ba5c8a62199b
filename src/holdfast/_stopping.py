"""`stop`: the process is about to end, so nothing waits any more and nothing new begins.

Called in a signal handler, in any thread, or in any event loop; it takes no lock, and returns at once.
Who sleeps or waits has left a way to wake it in `sleepers`: a dict, whose operations are atomic with and
without the GIL.  It forgets those of other threads in a forked child, where nobody sleeps on them; what
the child would write to their event loops would arrive in the parent's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Self
from weakref import ref

from holdfast import _validate
from holdfast._world import now, renew_after_fork, world
from holdfast.errors import RejectedError, StoppedError

if TYPE_CHECKING:
    from datetime import timedelta


class Sleepers(dict[tuple[int, int], Callable[[], object]]):
    """What wakes each sleeper, by its `bed`; called once for each `stop`."""

    __slots__ = ("__weakref__",)

    def __init__(self) -> None:
        super().__init__()
        renew_after_fork(self)

    def __hash__(self) -> int:  # type: ignore[override] # for weak references
        return id(self)

    def _after_fork(self) -> None:
        here = get_ident()
        for bed in list(self):
            if bed[0] != here:
                self.pop(bed, None)


sleepers = Sleepers()


def bed(thing: object) -> tuple[int, int]:
    """Return a key for `sleepers`: this thread's, and what it sleeps on."""
    return get_ident(), id(thing)


def waking(wake: Callable[[], object]) -> Callable[[], object]:
    """Return what calls ``wake`` and keeps nobody alive: a loop may be closed and forgotten."""
    look = ref(wake)

    def call() -> None:
        found = look()
        if found is not None:
            found()

    return call


class Stopping:
    """That nothing waits any more; ``close()`` it, or use it as ``with stop(): ...``, in tests.

    Attributes:
        until: the instant until which calls may still begin, on the clock in force.
    """

    __slots__ = ("until",)

    def __init__(self, until: float) -> None:
        self.until: float = until

    def refusal(self) -> RejectedError | None:
        """Return the error for a call that would begin now; None for one that still may."""
        return StoppedError(strategy="stop") if now() >= self.until else None

    def __repr__(self) -> str:
        return f"<Stopping, calls may begin for {max(0.0, self.until - now()):.3g} s>"

    def close(self) -> None:
        """Let everything go on as before; a second time does nothing."""
        if world.stopping is self:
            world.stopping = None
            world.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def stop(timeout: float | timedelta = 0.0) -> Stopping:
    """End all pauses and waits of this process, and let nothing new begin: it is about to shut down.

    Retries that pause end with the outcome that they have, and make no further attempts; whoever waits
    for a turn is refused, and so is everybody who would have to.  Attempts that are under way go on
    to their end.  Calls that begin are refused with `StoppedError` after ``timeout`` seconds: a
    request that is under way may need them to finish.

    Safe in signal handlers, threads and event loops.  Returns at once.

    Args:
        timeout: how long calls may still begin, in seconds.

    Raises:
        ConfigurationError: for a negative or infinite duration.
    """
    stopping = Stopping(now() + _validate.seconds("timeout", timeout, positive=False))
    world.stopping = stopping
    world.refresh()
    for wake in list(sleepers.copy().values()):
        with suppress(Exception):  # it has woken in this very instant, or its loop is closed
            wake()
    return stopping
