"""`Bulkhead`: a slow dependency can use up its own compartment, and nothing else.

Free permits lie on a stack; taking one is ``list.pop`` and giving it back ``list.append``, which are
atomic in CPython with and without the GIL, so the common case takes no lock.  The queue does:

* A caller that finds no permit enters the queue under the lock, then looks for a permit once more.
* A caller that gives a permit back looks, after that, whether somebody queues.

Whichever comes first, one of the two sees the other, so no wake-up is lost.  With anybody queueing,
newcomers queue behind them: first come, first served, threads and event loops alike.

Invariants: permits out + free - debt = size.  `debt` counts permits that must vanish when they come
back: after the size was reduced, or when an abandoned worker thread holds on to its caller's permit
(`hold`), which can make `in_flight` exceed the size for a while; nobody enters until it is below.

In a forked child all permits are new.  One that comes back from before the fork, of a call that was
under way in the parent and ends here, too, is not among them, and is let fall.

One file because permits, queue and debt are one invariant under one lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast._world import now as current_instant
from holdfast.errors import BulkheadFullError
from holdfast.shapes import NOWHERE, Arguments, Keywords, Site, Ticket, Wait
from holdfast.strategies.aside import Queueing
from holdfast.strategies.options import Option
from holdfast.strategies.queues import room_to_wait, shown

if TYPE_CHECKING:
    from datetime import timedelta


class Bulkhead(Queueing):
    """At most ``size`` calls in flight; up to ``queue`` more wait in arrival order.

    An identity: share one instance between pipelines to share the compartment.  Thread- and
    task-safe; one instance serves threads and any number of event loops from one queue.

    Args:
        size: how many calls may be in flight.
        queue: how many may wait for a permit; 0 rejects at once.  None: any number with a
            ``max_wait``, and else 0.
        max_wait: the longest wait, in seconds; None for as long as the deadline allows.
        shadow: count and tell what would be rejected, but let it pass (over the size, unqueued).
        name: for messages; by default the first pipeline's.

    Raises:
        ConfigurationError: for a value outside its range.
        BulkheadFullError: (on calls) with no permit and a full queue, or after ``max_wait``.
    """

    __slots__ = (
        "_debt", "_free", "_held", "_max_wait", "_one", "_permit", "_places", "_queue", "_size",
    )  # fmt: skip
    kind = "bulkhead"
    timed = False
    size: Option[int] = Option()
    """How many calls may be in flight."""
    queue: Option[int | None] = Option(None)
    """How many may wait; those who wait already stay."""
    max_wait: Option[float | None] = Option()
    """For how long; who waits already does so for as long as it held when it came."""

    def __init__(
        self,
        size: int,
        *,
        queue: int | None = None,
        max_wait: float | timedelta | None = None,
        shadow: bool = False,
        name: str | None = None,
    ) -> None:
        self._size = _validate.count("size", size)
        self._max_wait: float | None = _validate.optional_seconds("max_wait", max_wait)
        self._places: float = room_to_wait(queue, self._max_wait)
        self.resting: Any = None  # never; in a slot, where reading it is quick
        self._after_fork()
        super().__init__(name, shadow=shadow)

    def _after_fork(self) -> None:
        """Start afresh: whoever held the permits lives in the parent process."""
        self._nobody_inside()
        self._permit: object = object()
        self._one = (self._permit,)
        """``free += one`` gives it back: a list grows atomically so, too, and needs no stack for it."""
        self._free = [self._permit] * self._size
        self._queue: dict[Ticket, None] = {}  # ordered, and O(1) to leave from the middle
        self._debt = 0
        self._held = 0

    # -- the gate ------------------------------------------------------------------------------

    def enter(
        self, now: float, _args: Arguments, _kwargs: Keywords, site: Site = NOWHERE, /
    ) -> Any:
        """Return a permit or a place in the queue, or raise `BulkheadFullError`."""
        if not self._contended:  # a stale read lets a newcomer overtake, never exceeds the size
            try:
                return self._free.pop()
            except IndexError:
                pass
        waits = not self._aside.inside()  # who would wake it stands still meanwhile
        with self._lock:
            answer = self._enter_locked(waits=waits)
        if self._aside:
            self._look(0.0)
        if type(answer) is str:
            answer = self._refused(self._refusal(answer), now, site, self._permit)
            self._overdraw()
        return answer

    def succeeded(self, permit: Any, _now: float, _result: Any, /) -> None:
        """Give the permit back, unless it is the parent process's."""
        if permit is self._permit:
            self._free.append(permit)
        elif permit.__class__ is Ticket and permit.permit is self._permit:
            self._free.append(permit.permit)
        if self._contended:
            self._look(0.0)

    def failed(self, permit: Any, _now: float, _error: Exception, /) -> None:
        """Give the permit back; in one frame, see `aside`."""
        if permit is self._permit or (permit.__class__ is Ticket and permit.permit is self._permit):
            free = self._free
            free += self._one
        if self._contended:
            self._look(0.0)

    def abandoned(self, permit: Any, _now: float, /) -> None:
        """Give the permit back, or leave the queue."""
        if permit is self._permit:
            free = self._free
            free += self._one
        elif permit.__class__ is Ticket and permit.permit is self._permit:
            # even type() is a call, see `aside`
            self._aside.append(permit)
            self._contended = True
        if self._contended:
            self._look(0.0)

    def expired(self, permit: Any, now: float, /) -> BulkheadFullError | None:
        """Leave the queue after a wait that was too long; None if granted meanwhile.

        In shadow mode, switched on while somebody waited, the caller passes, over the size.
        """
        with self._lock:
            if permit.granted:
                return None
            self._queue.pop(permit, None)
            permit.granted = passes = self._shadow
            self._debt += passes
            self._note_locked()
        if self._aside:
            self._look(0.0)
        self._noted(enforced=not passes)
        error = self._refusal(f"no permit came free in time; {self._size} are in flight")
        if passes:
            self._tell("CallRejected", at=now, error=error, enforced=False)
            return None
        return error

    def _enter_locked(self, *, waits: bool) -> Any:
        """Return a permit, a `Wait`, or the reason for neither."""
        if not self._queue and self._debt == 0:
            try:
                return self._free.pop()
            except IndexError:
                pass
        if len(self._queue) >= self._places or self._shadow or not waits:
            waiting = f" and {len(self._queue)} wait" if self._places else ""
            return f"{self._in_flight_locked()} of {self._size} are in flight{waiting}"
        ticket = Ticket()
        ticket.permit = self._permit
        self._queue[ticket] = None
        self._contended = True
        if self._free and self._debt == 0 and len(self._queue) == 1:
            # given back between our first look and here, by somebody who saw no queue
            try:
                permit = self._free.pop()
            except IndexError:  # and a newcomer was faster
                return Wait(ticket, self._max_wait, ticket)
            self._queue.pop(ticket, None)
            self._note_locked()
            return permit
        return Wait(ticket, self._max_wait, ticket)

    def _take_back_locked(self, ticket: Ticket, _now: float) -> None:
        if ticket.granted:
            ticket.granted = False  # so it comes back only once
            self._free.append(ticket.permit)
        else:
            self._queue.pop(ticket, None)

    def _grant_locked(self, _now: float) -> Ticket | None:
        self._pay_locked()
        self._note_locked()  # first: there may be no stack for it after the grant
        if not self._queue or self._debt > 0:
            return None
        ticket = next(iter(self._queue))
        try:
            self._free.pop()
        except IndexError:
            return None
        del self._queue[ticket]
        ticket.granted = True
        return ticket

    def _pay_locked(self) -> None:
        try:
            while self._debt > 0:
                self._free.pop()
                self._debt -= 1
        except IndexError:
            pass

    def _take_locked(self) -> None:
        """Take a permit away, on credit only if there is none: others would see the debt."""
        try:
            self._free.pop()
        except IndexError:
            self._debt += 1

    def _give_locked(self) -> None:
        if self._debt > 0:
            self._debt -= 1
        else:
            self._free.append(self._permit)

    def _overdraw(self) -> None:
        """Count one more in flight than the size allows; its permit pays the debt."""
        with self._lock:
            self._debt += 1
            self._contended = True

    def _note_locked(self) -> None:
        self._contended = bool(self._queue) or self._debt > 0
        if self._aside:
            self._contended = True

    def _refusal(self, why: str) -> BulkheadFullError:
        return BulkheadFullError(f"{self._title} is full: {why}", strategy=self._title)

    # -- abandoned workers, and people ---------------------------------------------------------

    def hold(self) -> None:
        """Count an abandoned worker thread as one more call in flight, whatever the size."""
        with self._lock:
            self._held += 1
            self._take_locked()
            self._note_locked()
        if self._contended:
            self._look(0.0)

    def release(self) -> None:
        """End a `hold`: the worker has ended after all."""
        with self._lock:
            if self._held == 0:  # it was held in the parent process
                return
            self._held -= 1
            self._give_locked()
            self._note_locked()
        if self._contended:
            self._look(0.0)

    def check_room(self, site: Site) -> None:
        """Refuse a further attempt while abandoned workers have overdrawn the compartment."""
        if self._held and self._debt > 0 and not self._shadow:
            running = f"{self.in_flight} of {self._size} are in flight"
            why = f"abandoned calls still run, {running}"
            raise site.refuse(self._refusal(why), current_instant())

    def _adopt(self, twin: Bulkhead, changed: frozenset[str]) -> None:
        more = twin._size - self._size
        super()._adopt(twin, changed - {"queue"})
        self._places = twin._places
        for _ in range(-more):
            self._take_locked()
        for _ in range(more):
            self._give_locked()
        self._note_locked()

    def _configured(self, before: dict[str, Any], after: dict[str, Any], adopted: Any) -> None:
        if self._contended:
            self._look(0.0)
        super()._configured(before, after, adopted)

    def _in_flight_locked(self) -> int:
        return max(0, self._size - len(self._free) + self._debt)

    @property
    def in_flight(self) -> int:
        """How many calls are inside now, abandoned ones included."""
        return self._in_flight_locked()

    @property
    def waiting(self) -> int:
        """How many callers queue now."""
        return len(self._queue)

    def busy(self, _now: float) -> bool:
        """Whether forgetting it would forget a call."""
        return self.in_flight > 0 or self.waiting > 0

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "strategy": self.kind, "name": self.name, "size": self._size, "in_flight": self.in_flight,
            "waiting": self.waiting, "queue": shown(self._places), "max_wait": self._max_wait,
            "shadow": self.shadow, "detected": self.detected, "enforced": self.enforced,
        }  # fmt: skip

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return (
            f"<Bulkhead{name} {self.in_flight} of {self._size} in flight, {self.waiting} waiting>"
        )
