"""`Coalesce`: concurrent identical calls share one attempt (single flight).

The first caller of a key starts a *flight*; whoever calls with that key before it has landed takes a
seat, and all get its outcome.  Nothing is kept after that: this is no cache.

Each caller has its own limits.  One that is cancelled, timed out or past its deadline leaves, and the
others stay; the last to leave cancels the flight.  The attempt runs in the context of the first caller,
so what is inside obeys the *first* caller's deadline.  (A retry around it that has claimed the retrying
for itself, ``nested="outer"``, is obeyed as long as all who sit there are inside of such a one.)
Where that deadline cuts it, those who have more
time do not take the outcome: one of them starts the next flight.  So it is when the attempt is
interrupted for a reason of the first caller's own (its event loop ends, its thread is interrupted).

Here is who sits where; the runtimes fly: `_runtimes.share_aio` and `share_threads`.  The idea is that of
Go's ``singleflight`` package, which hands a waiter's cancellation over to nobody and lets none leave.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast._world import world
from holdfast.deadline import OVER, current
from holdfast.errors import DeadlineExceeded, DeadlineTooShortError
from holdfast.shapes import Arguments, Keywords, Site
from holdfast.strategies.aside import on_a_fresh_stack
from holdfast.strategies.coalesce.flight import GONE, Flight, Outcome, Seat, inside
from holdfast.strategies.identity import Identity
from holdfast.strategies.options import Shown

if TYPE_CHECKING:
    from types import ModuleType

CLOSE = 1e-6
"""Timers may fire this much early, in seconds."""


def scope_of(runtime: Any, colour: str, site: Site) -> object:
    """Return what tells the flights of one protected function from those of others.

    It is the same on the slow way round, which calls take while somebody listens: who subscribes while
    a flight is in the air does not part the callers.  What flies on another clock flies alone.
    """
    usual = world.runtimes[colour]()
    return (runtime is usual and site.scope) or object()


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
        whole = (scope, *args[:skip], key)
        try:
            hash(whole)
        except TypeError:
            # perhaps it is the callable that is not hashable: the call keeps it alive
            whole = (scope, *map(id, args[:skip]), key)
            try:
                hash(whole)
            except TypeError:
                raise _validate.refuse(
                    "key",
                    key,
                    "what the function returns must be hashable, such as a tuple of strings",
                ) from None
        return whole

    def board(self, key: Hashable, made: Flight | None = None) -> tuple[Seat | None, bool]:
        """Return a seat, and whether it is the first in its flight, which is ``made`` then.

        No seat for a call that is part of that flight itself, or of one that this flight waits for,
        through however many others: it would wait for its own end.
        """
        if made is None:  # the runtimes bring theirs, to lose it whatever interrupts them in here
            made = Flight(key, current())
        seat = Seat(made.due)
        marks = inside.get()
        if marks and marks[-1] is made.mark:
            marks = marks[:-1]
        if marks:
            there = self._flights.get(key)
            if there is not None:
                marks[-1].boards(there.mark)  # before the look: see `Mark`
                if there.mark.waits_for(marks):
                    return None, False
        with self._lock:
            flight = self._flights.setdefault(key, made)
            if flight.ended:  # it is found by a key whose hash has changed and changed back
                flight = self._flights[key] = made
            leads = flight is made
            if not leads and flight.mark in marks:
                return None, False
            seat.flight = flight
            flight.seats[seat] = None
            if made.bound[2] is None:
                flight.bound[2] = None
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
        if not flight.ended:
            # each step can be made again, if an interruption comes before the last
            with self._lock:
                flight.bound[3] = OVER
                self._close_locked(flight)
                if not flight.ended:
                    if outcome is None:
                        flight.lost = True
                    elif flight.seats:
                        flight.outcome = outcome
                    for seat in flight.seats:
                        seat.granted = True
                    flight.ended = True
        flight.task = flight.cancel = None
        if flight.seats:
            try:
                self._wake(flight)
            except RecursionError:
                on_a_fresh_stack(self._wake, (flight,))

    def _wake(self, flight: Flight) -> None:
        for seat in list(flight.seats):
            seat.wake()  # where its event loop is closed nobody waits for it any more
            flight.seats.pop(seat, None)

    def _close_locked(self, flight: Flight) -> None:
        """Let nobody board any more; also where the key's hash is another one by now."""
        flight.mark.ended = True
        try:
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]
                return
        except Exception:  # noqa: BLE001, S110 - a hash or a comparison of the user's may raise anything
            pass
        if any(one is flight for one in self._flights.values()):
            self._flights = {
                one.key: one
                for one in self._flights.values()
                if one is not flight and not one.ended
            }

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
            if seat.last and self._flights.get(flight.key) is flight:
                del self._flights[flight.key]
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
