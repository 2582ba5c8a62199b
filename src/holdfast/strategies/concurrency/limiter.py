"""`ConcurrencyLimiter`: as many calls in flight as the dependency can serve, found out as it goes.

Each call that ends is a sample: how long it took, how many were in flight, whether it was lost.  An
algorithm (`holdfast.concurrency`) turns the samples into a limit.  Above it calls are refused at once,
or wait in a queue of their own, which takes up bursts; that of the dependency is kept short.

Who is refused first follows from what a call says about itself (`holdfast.priority`):

* sheddable calls, beyond three quarters of the limit;
* default calls, beyond the limit;
* critical calls, beyond limit / (1 - reserve): four times the limit.  The reserve lies on top, so it
  costs nothing while nothing is critical, and it is large because it must hold the bursts of critical
  calls when they alone are almost as many as the dependency can serve.

A call let in beyond the limit is no sample: those admitted below it see the queue that the limit allows.

With partitions, each is guaranteed its share of the limit, and may use what the others leave unused.
One that claims its share while others are above theirs makes the whole exceed the limit for a while.

A limit below 1 is a duty cycle: one call at a time, and after each a rest, so that on average so many
are in flight: in a fleet of many small clients even one call each can be too much.  Nobody begins to
wait then.

How calls come in, and wait, without a lock in the common case: `holdfast.strategies.concurrency.crowd`.
The lock guards the samples, too.  Events are told, and the user's functions called, outside of it.

One file because it is the gate alone: who is inside and who waits is in `crowd`, the rest in
algorithms of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from math import inf
from typing import TYPE_CHECKING, Any, cast

from holdfast import _validate, classify
from holdfast._conditions import transient
from holdfast._value import defaults
from holdfast._world import now as current_instant
from holdfast._world import world
from holdfast.classify import On
from holdfast.criticality import current_priority, rank_of
from holdfast.shapes import NO_RESULT, NOWHERE, Arguments, Keywords, Site
from holdfast.strategies.aside import on_a_fresh_stack
from holdfast.strategies.concurrency.crowd import Crowd
from holdfast.strategies.concurrency.lasting import lasting_for
from holdfast.strategies.concurrency.partitions import Partitions, Permit
from holdfast.strategies.concurrency.protocol import Algorithm
from holdfast.strategies.concurrency.spread import spread
from holdfast.strategies.options import Given, Option, Shown
from holdfast.strategies.queues import room_to_wait, shown

if TYPE_CHECKING:
    from datetime import timedelta

BOUNDS = frozenset({"min", "max"})

TOLD = 0.1
"""A limit that has moved by less than this part of it is not worth an event."""

LONGEST_REST = 60.0
"""Seconds, however long the call took: who has not asked for a minute knows nothing any more."""

SPAN, SAMPLES = 0.5, 1000
"""Seconds, and how many samples are taken in them at most: more would cost and teach nothing."""


class ConcurrencyLimiter(Crowd):
    """Let in as many calls as ``algorithm`` finds that the dependency can serve; refuse the others.

    An identity: share one instance between pipelines to share the limit.  Thread- and task-safe; one
    instance serves threads and any number of event loops.

    Args:
        algorithm: one of `holdfast.concurrency`, or your own with its ``search``; by default
            ``concurrency.spread()``.
        min: the lowest limit, greater than 0; below 1, see the module.
        max: the highest limit.
        initial: the limit to begin with; by default 20, or as near as ``min`` and ``max`` allow.
        on: which outcomes are losses: signs of overload, such as timeouts and refusals.  Other errors
            tell nothing about the capacity, and are no samples.
        reserve: the share, from 0 to 0.99, of what critical calls may have in flight in all that is
            theirs alone, on top of the limit; 0: priorities change nothing for them.
        priority: ``priority(*args, **kwargs)`` returns the call's class; None: that in force around
            it (`holdfast.priority`), ``"default"`` otherwise.
        partition: ``partition(*args, **kwargs)`` returns whose call it is, a key of ``shares``; a call
            of anybody else has no guaranteed share.
        shares: for each partition, its guaranteed share of the limit; together at most 1.
        queue: how many calls above the limit may wait for their turn: the more important first,
            then in the order of arrival; 0 refuses them at once.  None: any number with a
            ``max_wait``, and else 0.
        max_wait: the longest wait, in seconds; None for as long as the deadline allows, which a
            ``min`` below 1 rules out.
        shadow: count and tell what would be refused or made to wait, but let it pass.
        name: for messages; by default the first pipeline's.

    Raises:
        ConfigurationError: for a value outside its range.
        ConcurrencyLimitedError: (on calls) above the limit, with a full queue or after ``max_wait``.
    """

    __slots__ = (
        "_afresh", "_algorithm", "_forked_at", "_initial", "_max", "_min", "_on", "_priority",
        "_sample", "_search", "_taken", "_told",
    )  # fmt: skip
    kind = "concurrency limiter"
    timed = True
    min: Option[float] = Option()
    """The lowest limit; another one, as another `max`, begins a new search at the limit in force."""
    max: Option[int] = Option()
    initial: Shown[int | None] = Shown()

    def __init__(
        self,
        algorithm: Algorithm | None = None,
        *,
        min: float = 1,
        max: int = 200,
        initial: int | None = None,
        on: On = transient,
        reserve: float = 0.75,
        priority: Callable[..., str] | None = None,
        partition: Callable[..., Hashable] | None = None,
        shares: Mapping[Any, float] | None = None,
        queue: int | None = None,
        max_wait: float | timedelta | None = None,
        shadow: bool = False,
        name: str | None = None,
    ) -> None:
        self._algorithm: Algorithm = spread() if algorithm is None else algorithm
        if not isinstance(self._algorithm, Algorithm):
            raise _validate.refuse("algorithm", algorithm, "it must be one of holdfast.concurrency")
        self._min: float = _validate.number("min", min, low=0, above=True)
        self._max: int = _validate.count("max", max)
        if self._min > self._max:
            raise _validate.refuse("min", min, f"it must be at most max={max!r}")
        self._initial: int | None = None if initial is None else _validate.count("initial", initial)
        if initial is not None and not min <= initial <= max:
            raise _validate.refuse(
                "initial", initial, f"it must be from min={min!r} to max={max!r}"
            )
        self._reserve: float = _validate.number("reserve", reserve, low=0, high=0.99)
        self._max_wait: float | None = _validate.optional_seconds("max_wait", max_wait)
        self._queue: float = room_to_wait(queue, self._max_wait)
        if queue and max_wait is None and min < 1:
            raise _validate.refuse("max_wait", max_wait, "with min < 1 who waits may not be woken")
        if priority is not None:
            _validate.plain_callable("priority", priority)
        self._priority = priority
        self._partitions = Partitions.of(partition, shares)
        self._on = classify.condition("on", on)
        self._judges = bool(self._on.on_results)
        self.resting: Any = None  # never; in a slot, where reading it is quick
        self._after_fork()
        self._forked_at = -inf
        super().__init__(name, shadow=shadow)

    def _after_fork(self) -> None:
        """Start afresh: the calls under way, and what they will teach, are the parent's."""
        self._forked_at = current_instant()
        """Who came in before that came into the parent's limiter, whatever process it ends in."""
        self._afresh = 0.0
        self._taken = 0
        search: Any = self._algorithm.search(self._min, self._max, self._initial)
        self._search = search
        self._sample = search.sample
        self._lasting = lasting_for(search)
        self._told = search.limit
        self._empty(search.limit)

    # -- the gate ------------------------------------------------------------------------------

    def enter(self, now: float, args: Arguments, kwargs: Keywords, site: Site = NOWHERE, /) -> Any:
        """Return a permit or a place in the queue, or raise `ConcurrencyLimitedError`."""
        inside = self._inside
        if len(inside) < self._open:
            inside.append(None)
            try:
                # whoever comes in first and counts then, can't be wrong
                if len(inside) <= self._limit:
                    return now
            except RecursionError:  # even a comparison may find no stack (on CPython 3.11)
                del inside[-1:]
                raise
            del inside[-1:]
        return self._enter_by_class(now, args, kwargs, site)

    def succeeded(self, permit: Any, now: float, result: Any, /) -> None:  # noqa: C901, PLR0912 - in one frame
        """Give the permit back, and learn from the call."""
        inside = self._inside
        if type(permit) is Permit:
            self._succeeded_slowly(permit, now, result, len(inside))
            return
        if permit < self._forked_at:
            return
        if self._slow:
            # First, for it takes no stack.
            del inside[-1:]
            try:
                self._succeeded_slowly(permit, now, result, len(inside) + 1)
            except RecursionError:
                on_a_fresh_stack(self._look, (now,))  # or who waits might not be woken
                raise
            return
        if self._taken >= SAMPLES and now < self._afresh:
            del inside[-1:]
            if self._contended:
                self._look(now)
            if self._lasting is not None and permit <= self._lasting.mark:
                with self._lock:
                    self._lasting.ended(permit)
            return
        with self._lock:
            in_flight = len(inside)
            del inside[-1:]
            self._taken += 1
            if now >= self._afresh:
                self._afresh, self._taken = now + SPAN, 1
            limit = self._limit
            if in_flight > limit:  # others are in beyond the limit; that's not this one's doing
                in_flight = int(limit)
            lasting = self._lasting
            if lasting is not None:
                lasting.old -= permit <= lasting.mark  # as `ended` does
                if now >= lasting.due:
                    self._look_for_lasting_locked(now)
            if lasting is not None and lasting.room:
                found = self._found_locked(now, now - permit, in_flight, False)  # noqa: FBT003 - as below
            else:
                found = self._sample(now, now - permit, in_flight or 1, False)  # noqa: FBT003 - a position is quicker
            if found != limit:
                self._learnt_locked(found)
                self._rest_locked(now, now - permit)
            elif not self._contended:
                return
        self._changed(now, limit, found)

    def failed(self, permit: Any, now: float, error: Exception, /) -> None:
        """Give the permit back; a loss shrinks the limit, another error is no sample."""
        plain = permit.__class__ is not Permit  # even type() is a call, see `aside`
        if plain:
            if permit < self._forked_at:
                return
            del self._inside[-1:]  # as in `succeeded`
        in_flight, lost = 1, False
        try:
            in_flight = len(self._inside) + plain
            lost = not self._on.passes_over(error) and self._on.matches(error, broken=True)
        except RecursionError:
            on_a_fresh_stack(self._leave, (permit, now, in_flight, None))
            return
        self._leave(permit, now, in_flight, True if lost else None)

    def answered(self, permit: Any, at: float, _now: float, /) -> Any:
        """Return the permit of a stream whose answer began to come at ``at``: latency until then."""
        if type(permit) is not Permit:
            if permit < self._forked_at:
                return permit
            permit = Permit(permit, None, sample=True)
        permit.answered = at
        return permit

    def abandoned(self, permit: Any, now: float, /) -> None:
        """Give the permit back of a call that was cancelled, or leave the queue: no sample."""
        if permit.__class__ is Permit:
            if permit.started < self._forked_at:
                return
            if self._limit < 1:
                self._rest_locked(now, now - permit.started)
            self._aside.append(permit)
            self._contended = True
        elif permit < self._forked_at:
            return
        else:
            del self._inside[-1:]  # as in `succeeded`
            if self._limit < 1:
                self._rest_locked(now, now - permit)
        if self._contended:
            self._look(now)
        if self._lasting is not None and permit.__class__ is not Permit:
            with self._lock:
                self._lasting.ended(permit)

    def _enter_by_class(self, now: float, args: Arguments, kwargs: Keywords, site: Site) -> Any:
        if self._contended:  # somebody may have found no room because of us, or a rest has ended
            self._look(now)
        chosen = current_priority() if self._priority is None else self._priority(*args, **kwargs)
        rank = rank_of(chosen)
        party = None if self._partitions is None else self._partitions.find(args, kwargs)
        permit = self._admit(now, rank, party)
        if permit is None:
            self._refused(self._refusal(rank, now), now, site)
            permit = self._overdraw(now, party)  # in shadow mode
        return permit

    def _succeeded_slowly(self, permit: Any, now: float, result: Any, in_flight: int) -> None:
        lost: bool | None = False
        try:
            if self._judges and result is not NO_RESULT:
                lost = None  # what raises is no sample
                lost = self._on.matches_result(result)
        finally:
            self._leave(permit, now, in_flight, lost)

    def _leave(self, permit: Any, now: float, in_flight: int, lost: bool | None) -> None:  # noqa: FBT001 - also called by position, in a thread
        """Take a special permit back; a call with an outcome, let in below the limit, is a sample."""
        special = type(permit) is Permit
        if special and permit.started < self._forked_at:
            return  # it is the parent process's
        limit = found = self._limit
        try:
            with self._lock:
                took = now - (permit.started if special else permit)
                latency = min(now, permit.answered) - permit.started if special else took
                if special:
                    self._take_back_locked(permit, now)
                elif self._lasting is not None:
                    self._lasting.ended(permit)
                self._look_for_lasting_locked(now)
                if lost is not None and (lost or not special or permit.sample):
                    found = self._found_locked(now, latency, min(in_flight, int(limit) or 1), lost)
                    self._learnt_locked(found)
                self._rest_locked(now, took)
        finally:
            if self._contended:
                self._look(now)
        self._changed(now, limit, found)

    def _look_for_lasting_locked(self, now: float) -> None:
        """Look how many calls go on and on, if it is time to."""
        lasting = self._lasting
        if lasting is not None and now >= lasting.due:
            lasting.look(now, len(self._inside), self._search.usual)

    def _found_locked(self, now: float, took: float, in_flight: int, lost: bool) -> float:  # noqa: FBT001 - as a sample
        """Return the limit after a sample."""
        room = 0 if self._lasting is None else self._lasting.room
        found: float = self._sample(now, took, max(1, in_flight - room), lost)
        return min(self._max, found + room) if room else found

    def _rest_locked(self, now: float, took: float) -> None:
        """Rest after a call that ``took`` so long, where the limit is below one call at a time."""
        if self._limit < 1:
            self._rest_until = now + min(LONGEST_REST, took * (1 / self._limit - 1))

    def _changed(self, now: float, before: float, found: float) -> None:
        """Let in who waits, and tell a change of the limit that is worth it."""
        if self._contended:
            self._look(now)
        if found == before or not world.listeners:
            return
        before, after = self._told, self._limit
        if abs(after - before) >= max(TOLD * before, min(1.0, before / 2)):
            self._told = after
            self._tell("LimitChanged", at=now, before=before, after=after)

    # -- other options -------------------------------------------------------------------------

    def _regiven(self, given: Given, changes: dict[str, Any]) -> Given:
        """Leave out an ``initial`` that is not between the new bounds: the search begins elsewhere."""
        options = {**defaults(type(self)), **dict(given), **changes}
        low, high, initial = options["min"], options["max"], options["initial"]
        # what is no number the constructor refuses
        bounds = isinstance(low, int | float) and isinstance(high, int)
        if bounds and initial is not None and not low <= initial <= high:
            given = tuple((name, None if name == "initial" else one) for name, one in given)
        return super()._regiven(given, changes)

    def _prepare(self, twin: ConcurrencyLimiter, changed: frozenset[str]) -> None:
        if BOUNDS & changed:
            limit = cast("int", self._limit)  # any number will do
            search = self._algorithm.search(twin._min, twin._max, limit)
            twin._search, twin._sample, twin._limit = search, search.sample, search.limit

    def _adopt(self, twin: ConcurrencyLimiter, changed: frozenset[str]) -> float:
        before = self._limit
        super()._adopt(twin, changed)
        self._queue = twin._queue
        if BOUNDS & changed:
            self._initial = twin._initial
            self._search, self._sample = twin._search, twin._sample
            self._learnt_locked(twin._limit)
        return before

    def _configured(self, before: dict[str, Any], after: dict[str, Any], adopted: float) -> None:
        super()._configured(before, after, adopted)
        self._changed(current_instant(), adopted, self._limit)

    # -- for people ----------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        parties = self._partitions.parties if self._partitions is not None else {}
        return {
            "strategy": self.kind, "name": self.name, "limit": self._limit,
            "in_flight": self.in_flight, "waiting": self.waiting, "queue": shown(self._queue),
            "max_wait": self._max_wait, "min": self._min, "max": self._max,
            "algorithm": repr(self._algorithm), "reserve": self._reserve,
            "partitions": {key: party.in_flight for key, party in parties.items()},
            "shadow": self.shadow, "detected": self.detected, "enforced": self.enforced,
        }  # fmt: skip

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<ConcurrencyLimiter{name} {self.in_flight} in flight, limit {self._limit:.3g}>"
