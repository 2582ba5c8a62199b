"""`Coalesce`: concurrent identical calls share one attempt (single flight).

The first caller of a key starts a *flight*; whoever calls with that key before it has landed takes a
seat, and all get its outcome.  Nothing is kept after that: this is no cache.

Each caller has its own limits.  One that is cancelled, timed out or past its deadline leaves, and the
others stay; the last to leave cancels the flight.  The attempt runs in the context of the first caller,
so what is inside obeys the *first* caller's deadline.  Where that deadline cuts it, those who have more
time do not take the outcome: one of them starts the next flight.  So it is when the attempt is
interrupted for a reason of the first caller's own (its event loop ends, its thread is interrupted).

Here is who sits where; the runtimes fly: `_runtimes.share_aio` and `share_threads`.  The idea is that of
Go's ``singleflight`` package, which hands a waiter's cancellation over to nobody and lets none leave.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from math import inf
from types import TracebackType
from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast.deadline import ambient
from holdfast.errors import DeadlineExceeded, DeadlineTooShortError
from holdfast.shapes import Arguments, Keywords, Site, Ticket
from holdfast.strategies.identity import Identity
from holdfast.strategies.options import Shown

if TYPE_CHECKING:
    from types import ModuleType

CLOSE = 1e-6
"""Timers may fire this much early, in seconds."""

Outcome = tuple[Any, BaseException | None, TracebackType | None]

inside: ContextVar[tuple[object, ...]] = ContextVar("holdfast_flights", default=())
"""The marks of the flights that this code is part of: it must not wait for any of them."""


class Flight:
    """One attempt, and those who wait for its outcome.  Guarded by the lock of its `Coalesce`."""

    __slots__ = (
        "alive", "cancel", "due", "ended", "key", "lost", "mark", "outcome", "seats", "task",
    )  # fmt: skip

    def __init__(self, key: Hashable, due: float) -> None:
        self.key: Hashable = key
        self.due: float = due
        """The first caller's deadline, which what is inside obeys."""
        self.seats: dict[Seat, None] = {}
        self.mark: object = object()
        self.ended: bool = False
        self.lost: bool = False
        """Whether it ended without an outcome that counts."""
        self.outcome: Outcome = (None, None, None)
        self.task: Any = None
        """What flies it, where that is a task."""
        self.cancel: Callable[[], object] | None = None
        self.alive: Callable[[], bool] = _surely
        """Whether it can still land; False where its event loop is closed."""


def _surely() -> bool:
    return True


GONE = Flight(None, inf)
"""Stands for the flight of a seat that its caller has left."""


class Seat(Ticket):
    """One caller's place in a flight."""

    __slots__ = ("due", "flight", "last")

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


class Coalesce(Identity):
    """Let concurrent calls with the same key share one attempt.

    An identity, with a table of its own for each function that it protects.  Thread- and task-safe:
    in asyncio, callers of any number of event loops share one attempt, and blocking callers do in any
    threads; blocking and async functions do not share with each other.  Everybody gets the *same*
    object, result or exception: treat it as read-only.  Put it outermost, so that all that is inside
    is shared.

    Args:
        key: takes the call's arguments and returns what makes calls identical; hashable.
        name: for messages; by default the first pipeline's.

    Raises:
        ConfigurationError: if ``key`` is not a plain callable; (on calls) for a key that is not
            hashable.
        DeadlineExceeded: (on calls) if the caller's deadline passes before the shared attempt ends.
    """

    __slots__ = ("_flights", "_key", "_led", "_lock", "_shared")
    kind = "coalesce"
    key: Shown[Callable[..., Hashable]] = Shown()
    led: Shown[int] = Shown()
    """How many attempts were made."""
    shared: Shown[int] = Shown()
    """How many calls shared one that was under way."""

    def __init__(self, key: Callable[..., Hashable], *, name: str | None = None) -> None:
        _validate.plain_callable("key", key)
        self._key: Callable[..., Hashable] = key
        self._led: int = 0
        self._shared: int = 0
        self._after_fork()
        super().__init__(name)

    def _after_fork(self) -> None:
        """Start afresh: whoever flies lives in the parent process."""
        self._lock = threading.RLock()
        self._flights: dict[Hashable, Flight] = {}

    def attach(self, _driver: ModuleType, inner: Any, runtime: Any, site: Site) -> Any:
        """Return a step that shares; for `Pipeline`."""
        return runtime.share(self, inner, site)

    # -- for the runtimes ----------------------------------------------------------------------

    def key_of(self, scope: object, args: Arguments, kwargs: Keywords, skip: int) -> Hashable:
        """Return what makes a call identical to another one of the same function."""
        key = self._key(*args[skip:], **kwargs)
        try:
            hash(key)
        except TypeError:
            raise _validate.refuse(
                "key", key, "what the function returns must be hashable, such as a tuple of strings"
            ) from None
        return (scope, *args[:skip], key)

    def board(self, key: Hashable) -> tuple[Seat | None, bool]:
        """Return a seat, and whether it is the first in its flight.

        No seat for a call that is part of that flight itself: it would wait for its own end.
        """
        due = ambient.get()[0]
        seat, made = Seat(due), Flight(key, due)
        marks = inside.get()
        with self._lock:
            flight = self._flights.setdefault(key, made)
            if flight.mark in marks:
                return None, False
            seat.flight = flight
            flight.seats[seat] = None
            leads = flight is made
            self._led += leads
            self._shared += not leads
        return seat, leads

    def land(self, flight: Flight, result: Any, error: BaseException | None) -> None:
        """End a flight with an outcome; whoever sits in it gets that.

        The first frame of the traceback is the runtime's own, which would keep the flight.
        """
        trace = None
        if error is not None and error.__traceback__ is not None:
            trace = error.__traceback__.tb_next
        self._end(flight, (result, error, trace))

    def lose(self, flight: Flight) -> None:
        """End a flight without an outcome, unless it has ended; whoever sits in it takes another."""
        self._end(flight, None)

    def _end(self, flight: Flight, outcome: Outcome | None) -> None:
        with self._lock:
            if flight.ended:
                return
            flight.ended = True
            seats = list(flight.seats)
            flight.seats.clear()
            self._close_locked(flight)
            if outcome is None:
                flight.lost = True
            elif seats:
                flight.outcome = outcome
            for seat in seats:
                seat.granted = True
        flight.task = flight.cancel = None
        for seat in seats:
            seat.wake()  # where its event loop is closed nobody waits for it any more

    def _close_locked(self, flight: Flight) -> None:
        """Let nobody board any more."""
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

    def again(self, seat: Seat, now: float) -> bool:
        """Return whether a caller must take another flight: this one's end was not its business."""
        flight = seat.flight
        error = flight.outcome[1]
        if flight.lost or error is None or flight.due >= seat.due:
            return flight.lost
        return now >= flight.due or isinstance(error, DeadlineExceeded | DeadlineTooShortError)

    def tell(self, seat: Seat) -> None:
        """Say that a call shares."""
        self._tell("CallCoalesced", sharing=len(seat.flight.seats))

    # -- what a runtime asks of whoever it waits for -------------------------------------------

    def abandoned(self, seat: Seat, _now: float, /) -> None:
        """Leave; the last one cancels the flight."""
        flight, seat.flight = seat.flight, GONE
        with self._lock:
            known = flight.seats.pop(seat, self) is None
            seat.last = known and not flight.seats
            cancel = flight.cancel if seat.last else None
            if seat.last:
                self._close_locked(flight)
        if cancel is not None:
            cancel()

    def expired(self, seat: Seat, now: float, /) -> DeadlineTooShortError | None:
        """Leave when the deadline has passed; before that it was only time to look around."""
        if seat.granted or now < seat.due - CLOSE:
            return None
        self.abandoned(seat, now)
        return DeadlineTooShortError("the shared attempt takes too long", strategy=self.title)

    # -- people --------------------------------------------------------------------------------

    def busy(self, _now: float) -> bool:
        """Whether forgetting it would forget a call."""
        return bool(self._flights)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        with self._lock:
            flights = list(self._flights.values())
            sharing = sum(len(flight.seats) for flight in flights)
        return {
            "strategy": self.kind, "name": self.name, "flights": len(flights), "sharing": sharing,
            "led": self.led, "shared": self.shared,
        }  # fmt: skip

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<Coalesce{name} {len(self._flights)} in flight, {self.shared} shared>"
