"""`LoadShedder`: a server that gets more than it can do does what it can, and refuses the rest early.

Without it a queue grows until everything in it is too old to matter: the server works at full speed
and nobody gets an answer in time.  Three rules decide, each by what it costs the others:

* *By waiting time.*  A call that finds all ``size`` places taken queues, for a short time only if the
  queue is a standing one (`codel`); while it is, the newest is served first.
* *By deadline.*  What is left of the caller's deadline must cover the expected service time, a learnt
  quantile; otherwise the work would be thrown away.  It is asked at the arrival and again when the
  turn comes.  Dropping only what has expired already is not enough: a first-come-first-served
  queue then serves what is about to expire.
* *By priority.*  The more important are served first, and a full queue puts out the least important
  first ("Site Reliability Engineering", 2016, chapter 21; Zhou et al.: "Overload Control for Scaling
  WeChat Microservices", SoCC 2018).

All of it happens under one lock, in O(1) per call; callers are woken outside of it.

One file because it is the gate alone: decisions, room and times are in files of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast._world import now as current_instant
from holdfast.criticality import CLASSES, RANKS, current_priority, rank_of
from holdfast.deadline import current
from holdfast.errors import DeadlineTooShortError, RejectedError, ThrottledError
from holdfast.shapes import NOWHERE, Arguments, Keywords, Site, Wait
from holdfast.strategies.aside import Queueing
from holdfast.strategies.options import Option, Shown
from holdfast.strategies.queues import Place
from holdfast.strategies.shedding.admission import FULL, IN, LATE, QUEUED, Admission
from holdfast.strategies.shedding.room import Room
from holdfast.strategies.shedding.service_time import Seconds, ServiceTime

if TYPE_CHECKING:
    from datetime import timedelta

    from holdfast.strategies.concurrency import Algorithm


class LoadShedder(Queueing):
    """Serve ``size`` calls at a time, let others wait briefly, and refuse what would be too late.

    An identity: one instance for one server's capacity, shared by all that use it up.  Thread- and
    task-safe; one instance serves threads and any number of event loops from one queue.

    Args:
        size: how many calls are served at once: a number, or an algorithm that finds it, such as
            ``concurrency.gradient()``.
        queue: how many may wait; beyond it the least important are put out.
        target: how long a call may wait while the queue stands, in seconds; ``"learn"`` is a fifth of
            the 99th percentile of the service time, at least 5 ms; None for no limit.
        interval: how long a queue must exist to be a standing one, and how long a call may wait
            before it is, in seconds; eight times that, and the target, for critical calls.
        lifo: whether the newest is served first while the queue stands.
        expected: the service time that a deadline must leave room for, in seconds; ``"learn"`` is the
            90th percentile of the last ten seconds; None refuses only what has expired already.
        reserve: the share of ``size`` that is kept for critical calls, from 0 to below 1.
        priority: ``priority(*args, **kwargs)`` returns a call's class, ``"critical"``, ``"default"``
            or ``"sheddable"``; None takes that of `holdfast.priority`.
        shadow: count and tell what would be refused or made to wait, but let it pass.
        name: for messages; by default the first pipeline's.

    Raises:
        ConfigurationError: for a value outside its range, or an unknown class of priority.
        ThrottledError: (on calls) with no room in the queue, or after too long a wait in it.
        DeadlineTooShortError: (on calls) if what is left of the deadline is shorter than expected.
    """

    __slots__ = ("_all", "_priority", "_room", "_shed_calls", "_times")
    kind = "load shedder"
    timed = True
    size: Option[int] = Option("_room.limit")
    """How many calls are served at once; can be set unless an algorithm finds it."""
    queue: Option[int] = Option("_all.limit")
    target: Option[Seconds] = Option(None)
    interval: Option[float] = Option(None)
    lifo: Option[bool] = Option("_all.lifo")
    expected: Option[Seconds] = Option(None)
    reserve: Option[float] = Option("_room.reserve")
    priority: Shown[Callable[..., str] | None] = Shown()
    shed: Shown[dict[str, int]] = Shown("_shed_calls")
    """How many calls were refused, by class."""

    def __init__(
        self,
        size: int | Algorithm,
        *,
        queue: int = 1000,
        target: Seconds = "learn",
        interval: float | timedelta = 0.1,
        lifo: bool = True,
        expected: Seconds = "learn",
        reserve: float = 0.0,
        priority: Callable[..., str] | None = None,
        shadow: bool = False,
        name: str | None = None,
    ) -> None:
        times = ServiceTime(expected, target)
        room = Room(size, reserve)
        self._all = Admission(
            room, times, interval=interval, queue=queue, lifo=_validate.flag("lifo", lifo)
        )
        self._room, self._times = self._all.room, self._all.times
        if priority is not None:
            _validate.plain_callable("priority", priority)
        self._priority: Callable[..., str] | None = priority
        self._shed_calls: dict[str, int] = dict.fromkeys(CLASSES, 0)
        self.resting: Any = None
        self._after_fork()
        super().__init__(name, shadow=shadow)

    def _after_fork(self) -> None:
        """Start afresh: whoever is inside, or waits, lives in the parent process."""
        self._nobody_inside()
        self._all.clear()

    # -- the gate ------------------------------------------------------------------------------

    def enter(self, now: float, args: Arguments, kwargs: Keywords, site: Site = NOWHERE, /) -> Any:
        """Return a place inside, or one in the queue, or raise."""
        place = Place(self._rank(args, kwargs), now, current()[0])
        place.of = self._lock
        error: RejectedError | None = None
        with self._lock:
            verdict, victim = self._all.arrive(place, now, waits=not self._shadow)
            if verdict == LATE:
                error = self._too_late_locked(place, now)
            elif verdict == FULL:
                error = self._full_locked(place.rank, now)
            if error is not None:
                self._shed_calls[CLASSES[place.rank]] += 1
        if self._aside:
            self._look(now)
        if verdict == IN:
            return place
        if verdict == QUEUED and self._aside.inside():  # who would wake it stands still meanwhile
            self._all.queue.leave(place)
            error = self._full_locked(place.rank, now)
            self._shed_calls[CLASSES[place.rank]] += 1
        if error is not None:
            try:
                return self._shed(error, place, now, site)
            finally:
                error = None  # no cycle through its traceback
        if victim is not None:
            victim.over = True
            victim.wake()
        return Wait(place, None if place.until == inf else place.until - now, place)

    def _shed(self, error: RejectedError, place: Place, now: float, site: Site) -> Place:
        """Refuse a call; in shadow mode let it in all the same."""
        try:
            self._refused(error, now, site, place)
        finally:
            del error
        with self._lock:
            self._all.let_in(place, now)
        if self._aside:
            self._look(now)
        return place

    def succeeded(self, permit: Place, now: float, _result: Any, /) -> None:
        """Give the place to the next, and learn how long it was taken."""
        self._left(permit, now, whole=True)

    def failed(self, permit: Place, now: float, error: Exception, /) -> None:
        """Give the place to the next; a quick failure tells nothing of the service time."""
        self._left(
            permit,
            now,
            dropped=isinstance(error, TimeoutError) and not getattr(error, "rushed", False),
        )

    def answered(self, permit: Place, at: float, _now: float, /) -> Place:
        """Take note that a stream's answer began to come at ``at``: it was served until then."""
        permit.answered = at
        return permit

    def abandoned(self, permit: Place, now: float, /) -> None:
        """Give the place to the next, or leave the queue."""
        if permit.of is self._lock:  # else it is the parent's
            self._aside.append(permit)
            self._look(now)

    def expired(self, permit: Place, now: float, /) -> RejectedError | None:
        """Leave the queue after a wait that was too long; None if let in meanwhile."""
        with self._lock:
            error = self._expired_locked(permit, now)
        if self._aside:
            self._look(now)
        return error

    def _expired_locked(self, permit: Place, now: float) -> RejectedError | None:
        if permit.granted:
            return None
        self._all.queue.leave(permit)
        self._noted(enforced=not self._shadow)
        if self._shadow:  # switched on meanwhile
            self._all.let_in(permit, now)
            return None
        self._shed_calls[CLASSES[permit.rank]] += 1
        if not permit.out and (permit.hurried or self._times.late(permit.due, now)):
            return self._too_late_locked(permit, now)
        why = permit.out or f"its turn did not come within {now - permit.arrived:.3g} s"
        return self._overloaded_locked(why, permit.rank, now)

    def _rank(self, args: Arguments, kwargs: Keywords) -> int:
        return rank_of(
            current_priority() if self._priority is None else self._priority(*args, **kwargs)
        )

    # -- departures ----------------------------------------------------------------------------

    def _left(
        self, place: Place, now: float, *, whole: bool = False, dropped: bool = False
    ) -> None:
        if place.of is not self._lock:  # it is the parent's
            return
        room = self._room
        before = room.limit
        waiting = 1
        try:
            with self._lock:
                try:
                    self._times.ended(place, now, whole=whole)
                    if room.learns and (whole or dropped):
                        room.learn(now, place.took(now), dropped=dropped)
                finally:
                    room.in_flight -= 1
                    if room.lasting is not None:
                        room.lasting.ended(place.began)
                waiting = len(self._all.queue)
        finally:
            if waiting or self._aside:
                self._look(now)
        if room.limit != before:
            self._tell("LimitChanged", at=now, before=float(before), after=float(room.limit))

    def _take_back_locked(self, place: Place, now: float) -> None:
        if place.granted:
            place.granted = False  # so it gives its place back only once
            self._room.in_flight -= 1
            if self._room.lasting is not None:
                self._room.lasting.ended(place.began)
            self._times.ended(place, now, whole=False)
        else:
            self._all.queue.leave(place)

    def _grant_locked(self, now: float) -> Place | None:
        place = self._all.next(now)
        if place is not None:
            place.over = not place.granted
        return place

    # -- refusals ------------------------------------------------------------------------------

    def _full_locked(self, rank: int, now: float) -> ThrottledError:
        waiting = f" and {len(self._all.queue)} calls wait" if self._all.limit else ""
        why = f"all {self._room.limit} places are taken{waiting}"
        return self._overloaded_locked(why, rank, now)

    def _overloaded_locked(self, why: str, rank: int, now: float) -> ThrottledError:
        why, after = f"{self._title} is overloaded: {why}", self._all.retry_after(rank, now)
        return ThrottledError(why, strategy=self._title, retry_after=after)

    def _too_late_locked(self, place: Place, now: float) -> DeadlineTooShortError:
        left, expected = place.due - now, self._times.expected(now)
        why = "the deadline has passed"
        if left > 0:
            why = f"{left:.3g} s are left of the deadline, and {expected:.3g} s are to be expected"
        return DeadlineTooShortError(f"{self.title}: {why}", strategy=self.title)

    # -- abandoned workers, and people ---------------------------------------------------------

    def holder(self, _args: Arguments, _kwargs: Keywords) -> LoadShedder:
        """Return who keeps a place for an abandoned worker thread: this shedder."""
        return self

    def hold(self) -> None:
        """Count an abandoned worker thread as one more call inside, whatever the size."""
        with self._lock:
            self._room.hold(1)
        if self._aside:
            self._look(current_instant())

    def release(self) -> None:
        """End a `hold`: the worker has ended after all."""
        with self._lock:
            self._room.hold(-1)
        self._look(current_instant())

    def check_room(self, site: Site) -> None:
        """Refuse a further attempt while abandoned workers take more than there is."""
        now, room = current_instant(), self._room  # a reading that is stale harms nobody
        if room.held and room.in_flight > room.limit and not self._shadow:
            raise site.refuse(self._full_locked(0, now), now)

    def _prepare(self, twin: LoadShedder, changed: frozenset[str]) -> None:
        if "size" in changed and (self._room.learns or twin._room.learns):
            given = twin._as_given("size")
            here = "an algorithm finds it here" if self._room.learns else "it is a number here"
            raise _validate.refuse("size", given, here)

    def _adopt(self, twin: LoadShedder, _changed: frozenset[str]) -> None:
        self._shadow = twin._shadow
        self._all.follow(twin._all)

    def _configured(self, before: dict[str, Any], after: dict[str, Any], adopted: Any) -> None:
        self._look(current_instant())
        super()._configured(before, after, adopted)

    @property
    def in_flight(self) -> int:
        """How many calls are inside now, abandoned ones included."""
        return self._room.in_flight

    @property
    def waiting(self) -> int:
        """How many calls queue now."""
        return len(self._all.queue)

    def busy(self, _now: float) -> bool:
        """Whether forgetting it would forget a call."""
        return self.in_flight > 0 or self.waiting > 0

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data; durations in seconds."""
        now = current_instant()
        with self._lock:
            waiting = dict(zip(CLASSES, self._all.queue.waiting(), strict=True))
            standing = [name for name in CLASSES if self._all.standing(RANKS[name], now)]
            expected, target = self._times.expected(now), self._times.target(now)
        if self._aside:
            self._look(now)
        return {
            "strategy": self.kind, "name": self.name, "size": self.size, "in_flight": self.in_flight,
            "waiting": waiting, "queue": self._all.limit, "standing": standing, "target": target,
            "expected": expected, "shed": dict(self._shed_calls), "shadow": self.shadow,
            "detected": self.detected, "enforced": self.enforced, "options": self._options(),
        }  # fmt: skip

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        inside = f"{self.in_flight} of {self.size} served"
        return f"<LoadShedder{name} {inside}, {self.waiting} waiting, {self.enforced} shed>"
