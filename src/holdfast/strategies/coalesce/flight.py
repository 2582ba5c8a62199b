"""A flight: one attempt, those who wait for it, and what it waits for itself."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from holdfast.deadline import NOTHING, Ambient
from holdfast.shapes import Ticket

Outcome = tuple[Any, BaseException | None, TracebackType | None]


class Mark:
    """What is known of a flight by the code that is part of it: whom it waits for.

    Only ever appended to, and looked at without a lock: of two flights that board each other's at the
    same time at least one sees the other's mark.
    """

    __slots__ = ("ended", "waits")

    def __init__(self) -> None:
        self.ended: bool = False
        self.waits: Sequence[Mark] = ()
        """The marks of the flights that code inside this one has boarded."""

    def boards(self, other: Mark) -> None:
        """Note that code inside this flight waits for another one."""
        self.waits = [*(mark for mark in self.waits if not mark.ended), other]

    def waits_for(self, others: tuple[Mark, ...]) -> bool:
        """Return whether this flight can't end before one of the others has."""
        seen, ahead = set(), [self]
        while ahead:
            mark = ahead.pop()
            if mark in others:
                return True
            if mark not in seen and not mark.ended:
                seen.add(mark)
                ahead += mark.waits
        return False


inside: ContextVar[tuple[Mark, ...]] = ContextVar("holdfast_flights", default=())
"""The marks of the flights that this code is part of: it must not wait for any of them."""


class Flight:
    """One attempt, and those who wait for its outcome.  Guarded by the lock of its `Coalesce`."""

    __slots__ = (
        "alive", "bound", "cancel", "due", "ended", "key", "lost", "mark", "outcome", "seats", "task",
        "why",
    )  # fmt: skip

    def __init__(self, key: Hashable, first: Ambient) -> None:
        self.key: Hashable = key
        self.due: float = first[0]
        """The first caller's deadline, which what is inside obeys."""
        own: Any = [first[0], first[1], first[2], None, NOTHING]  # making an `Ambient` takes longer
        self.bound: Ambient = own
        """That, as the attempt sees it; and the first caller's retry, as long as all obey such a one."""
        self.seats: dict[Seat, None] = {}
        self.mark: Mark = Mark()
        self.ended: bool = False
        self.lost: bool = False
        """Whether it ended without an outcome that counts."""
        self.outcome: Outcome = (None, None, None)
        self.task: Any = None
        """What flies it, where that is a task."""
        self.cancel: Callable[[], object] | None = None
        self.why: object = None
        """The message of its cancellation: whether a limit of ours has cut it."""
        self.alive: Callable[[], bool] = _surely
        """Whether it can still land; False where its event loop is closed."""


def _surely() -> bool:
    return True


GONE = Flight(None, NOTHING)
"""Stands for the flight of a seat that its caller has left."""


class Seat(Ticket):
    """One caller's place in a flight."""

    __slots__ = ("due", "flight", "last")
    lends = False  # who waits for what, through flights, is known by their marks

    def __init__(self, due: float) -> None:
        super().__init__()
        self.due: float = due
        """The caller's own deadline."""
        self.flight: Flight = GONE
        self.last: bool = False
        """Whether nobody was left when this caller left."""

    def take(self) -> Outcome:
        """Return result, error and traceback; forget the flight, which would keep the error."""
        flight, self.flight = self.flight, GONE
        return flight.outcome
