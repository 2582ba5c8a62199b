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
"""

from __future__ import annotations

import threading
from typing import Any

from holdfast import _validate
from holdfast._world import now as current_instant
from holdfast.errors import BulkheadFullError
from holdfast.shapes import NOWHERE, Arguments, Keywords, Site, Ticket, Wait
from holdfast.strategies.identity import Guard
from holdfast.strategies.options import Option

PERMIT = object()


class Bulkhead(Guard):
    """At most ``size`` calls in flight; up to ``queue`` more wait in arrival order.

    An identity: share one instance between pipelines to share the compartment.  Thread- and
    task-safe; one instance serves threads and any number of event loops from one queue.

    Args:
        size: how many calls may be in flight.
        queue: how many may wait for a permit; 0 rejects at once.
        max_wait: the longest wait, in seconds; None for as long as the deadline allows.
        shadow: count and tell what would be rejected, but let it pass (over the size, unqueued).
        name: for messages; by default the first pipeline's.

    Raises:
        ConfigurationError: for a value outside its range.
        BulkheadFullError: (on calls) with no permit and a full queue, or after ``max_wait``.
    """

    __slots__ = (
        "_contended", "_debt", "_free", "_held", "_lock", "_max_wait", "_places", "_queue", "_size",
    )  # fmt: skip
    kind = "bulkhead"
    timed = False
    size: Option[int] = Option()
    """How many calls may be in flight."""
    queue: Option[int] = Option("_places")
    """How many may wait; those who wait already stay."""
    max_wait: Option[float | None] = Option()
    """For how long; who waits already does so for as long as it held when it came."""

    def __init__(
        self,
        size: int,
        *,
        queue: int = 0,
        max_wait: float | None = None,
        shadow: bool = False,
        name: str | None = None,
    ) -> None:
        self._size = _validate.count("size", size)
        self._places: int = _validate.count("queue", queue, low=0)
        self._max_wait: float | None = _validate.optional_seconds("max_wait", max_wait)
        self.resting: Any = None  # never; in a slot, where reading it is quick
        self._after_fork()
        super().__init__(name, shadow=shadow)

    def _after_fork(self) -> None:
        """Start afresh: whoever held the permits lives in the parent process.

        (A bare ``os.fork()`` inside a protected call gives its permit back in the child too.)
        """
        self._lock = threading.RLock()
        self._free = [PERMIT] * self._size
        self._queue: dict[Ticket, None] = {}  # ordered, and O(1) to leave from the middle
        self._debt = 0
        self._held = 0
        self._contended = False

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
        with self._lock:
            answer = self._enter_locked()
        if type(answer) is str:
            answer = self._refused(self._refusal(answer), now, site, PERMIT)
            self._overdraw()
        return answer

    def succeeded(self, _permit: Any, _now: float, _result: Any, /) -> None:
        """Give the permit back."""
        self._free.append(PERMIT)
        if self._contended:
            self._settle()

    def failed(self, permit: Any, _now: float, _error: Exception, /) -> None:
        """Give the permit back."""
        self.succeeded(permit, 0.0, None)

    def abandoned(self, permit: Any, _now: float, /) -> None:
        """Give the permit back, or leave the queue."""
        if isinstance(permit, Ticket):
            with self._lock:
                if not permit.granted:
                    self._queue.pop(permit, None)
                    self._note_locked()
                    return
        self.succeeded(PERMIT, 0.0, None)

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
        self._detected += 1
        error = self._refusal(f"no permit came free in time; {self._size} are in flight")
        if passes:
            self._tell("CallRejected", at=now, error=error, enforced=False)
            return None
        self._enforced += 1
        return error

    def _enter_locked(self) -> Any:
        """Return a permit, a `Wait`, or the reason for neither."""
        if not self._queue and self._debt == 0:
            try:
                return self._free.pop()
            except IndexError:
                pass
        if len(self._queue) >= self._places or self._shadow:
            waiting = f" and {len(self._queue)} wait" if self._places else ""
            return f"{self._in_flight_locked()} of {self._size} are in flight{waiting}"
        ticket = Ticket()
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

    def _settle(self) -> None:
        """Hand free permits to the queue, after the debt is paid.  Wakes outside the lock."""
        while True:
            with self._lock:
                ticket = self._grant_locked()
            if ticket is None:
                return
            if not ticket.wake():  # its event loop is closed; it will never come for its permit
                with self._lock:
                    ticket.granted = False
                    self._free.append(PERMIT)

    def _grant_locked(self) -> Ticket | None:
        try:
            while self._debt > 0:
                self._free.pop()
                self._debt -= 1
            while self._queue:
                permit = self._free.pop()
                ticket = next(iter(self._queue))
                if self._queue.pop(ticket, self) is None:
                    ticket.granted = True
                    return ticket
                self._free.append(permit)
        except IndexError:
            pass
        finally:
            self._note_locked()
        return None

    def _overdraw(self) -> None:
        """Count one more in flight than the size allows; its permit pays the debt."""
        with self._lock:
            self._debt += 1
            self._contended = True

    def _note_locked(self) -> None:
        self._contended = bool(self._queue) or self._debt > 0

    def _refusal(self, why: str) -> BulkheadFullError:
        return BulkheadFullError(f"{self._title} is full: {why}", strategy=self._title)

    # -- abandoned workers, and people ---------------------------------------------------------

    def hold(self) -> None:
        """Count an abandoned worker thread as one more call in flight, whatever the size."""
        with self._lock:
            self._held += 1
        self._overdraw()
        self._settle()

    def release(self) -> None:
        """End a `hold`: the worker has ended after all."""
        with self._lock:
            self._held -= 1
            if self._debt > 0:
                self._debt -= 1
            else:
                self._free.append(PERMIT)
            self._note_locked()
        self._settle()

    def check_room(self, site: Site) -> None:
        """Refuse a further attempt while abandoned workers have overdrawn the compartment."""
        if self._held and self._debt > 0 and not self._shadow:
            running = f"{self.in_flight} of {self._size} are in flight"
            why = f"abandoned calls still run, {running}"
            raise site.refuse(self._refusal(why), current_instant())

    def _adopt(self, twin: Bulkhead, changed: frozenset[str]) -> None:
        more = twin._size - self._size
        super()._adopt(twin, changed)
        if more < 0:
            self._debt -= more
        for _ in range(more):
            if self._debt > 0:
                self._debt -= 1
            else:
                self._free.append(PERMIT)
        self._contended = True

    def _configured(self, before: dict[str, Any], after: dict[str, Any], adopted: Any) -> None:
        self._settle()
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
            "waiting": self.waiting, "queue": self._places, "max_wait": self._max_wait,
            "shadow": self.shadow, "detected": self.detected, "enforced": self.enforced,
        }  # fmt: skip

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return (
            f"<Bulkhead{name} {self.in_flight} of {self._size} in flight, {self.waiting} waiting>"
        )
