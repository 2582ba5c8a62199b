"""`RateLimiter`: so many calls, or tokens, in so much time; wait in order, or be told when.

GCRA (see `gcra`, which has the arithmetic and the sources).  A call takes its cost from all of its
limits or, if it is refused, from none.  One that must wait is told its start at once and sleeps until
then: no queue to serve, nobody to wake, and threads and event loops wait in one order.

What a call took is never more than an estimate where tokens are counted.  It is corrected when the
call has succeeded (`Rate.actual`), by its permit, or by hand: more than estimated is a debt that later
calls wait for, less comes back, up to a full burst.  A call that failed, or was cancelled after its
start, has taken what it took; one that is cancelled while it waits gives its place back.

One file because it is one thing: one gate, asked by calls and by hand.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any, cast

from holdfast import _validate
from holdfast._world import now as current_instant
from holdfast.errors import RateLimitedError
from holdfast.shapes import NO_RESULT, NOWHERE, Arguments, Keywords, Site, Wait
from holdfast.strategies.identity import Guard
from holdfast.strategies.options import Given, Option
from holdfast.strategies.rate.gcra import ROUNDING, Costs, Meter, Turn, meter
from holdfast.strategies.rate.rate import Actual, Cost, Rate, regiven, several, speeds

if TYPE_CHECKING:
    from datetime import timedelta

    from holdfast.classify import On
    from holdfast.strategies.rate.adaptive import AdaptiveRateLimiter

__all__ = ["PASSED", "Permit", "Rate", "RateLimiter"]

PASSED = object()
"""The permit of a call that took what it took: nothing about it can change."""


class Permit(Turn):
    """The permit of a call whose cost may still be corrected, or that waits."""

    __slots__ = ("_limiter", "arrived", "meter")
    arrived: float
    """The instant at which it began to wait, if it had to."""

    def __init__(self, limiter: RateLimiter, start: float, costs: Costs) -> None:
        super().__init__(start, costs)
        self._limiter = limiter
        self.meter: Meter = limiter._meter  # noqa: SLF001 - ours
        """Where it takes its costs; in a forked child the parent's."""

    def adjust(self, actual: float, rate: Rate | None = None) -> None:
        """Say what the call has really taken from ``rate``; by default the one whose cost varies.

        Thread-safe.  Each further correction replaces the one before.

        Raises:
            ConfigurationError: for a negative number, or if it is unclear which rate is meant.
        """
        limiter = self._limiter
        limiter._correct(self, limiter._place_of(rate), actual, current_instant())  # noqa: SLF001


class RateLimiter(Guard):
    """At most ``limit`` calls per ``per`` seconds, or several limits at once.

    An identity: share one instance between pipelines to share the limit.  Thread- and task-safe;
    one instance serves threads and any number of event loops, first come, first served.

    ``RateLimiter(10)`` is ten calls a second; ``RateLimiter(Rate(10), Rate(300, per=60))`` keeps both
    limits, all or nothing.

    Args:
        rates: a number, which the next four options describe further, or one `Rate` or more.
        per: seconds.
        burst: how many tokens can be taken at once; see `Rate` for what None means.
        initial: how many of them can be taken at the beginning; None for all.
        max_wait: the longest wait for its turn, in seconds; 0 refuses at once, None waits as long
            as the deadline allows.
        cost: the tokens that a call takes: a number, or a callable of the call's arguments.
        actual: a callable of the result that returns the tokens which the call has really taken.
        shadow: count and tell what would be refused or delayed, but let it pass, uncounted.
        name: for messages; by default the first pipeline's.

    Raises:
        ConfigurationError: for a value outside its range, or options beside a `Rate`; on calls,
            for a cost that is no number of at least 0.
        RateLimitedError: (on calls) when the turn would come later than ``max_wait``, with
            ``retry_after``; for a cost that no burst can ever hold, without.
    """

    __slots__ = ("_costs", "_lock", "_max_wait", "_meter", "_rates", "_varies")
    kind = "rate limiter"
    timed = True
    rates: Option[tuple[Rate, ...]] = Option()
    """The limits; as many others can be set.

    What has been taken stays taken, and who waits keeps its time.
    """
    max_wait: Option[float | None] = Option()

    def __init__(
        self,
        *rates: float | Rate,
        per: float | timedelta = 1.0,
        burst: float | None = None,
        initial: float | None = None,
        max_wait: float | timedelta | None = 0.0,
        cost: Cost = 1,
        actual: Actual | None = None,
        shadow: bool = False,
        name: str | None = None,
    ) -> None:
        if len(rates) == 1 and not isinstance(rates[0], Rate):
            rates = (Rate(rates[0], per, burst=burst, initial=initial, cost=cost, actual=actual),)
        elif (per, burst, initial, cost, actual) != (1.0, None, None, 1, None):
            raise _validate.refuse(
                "rates", rates, "beside a Rate, its options belong into it: Rate(300, per=60)"
            )
        self._max_wait: float | None = _validate.optional_seconds(
            "max_wait", max_wait, positive=False
        )
        self._rates = several(rates)
        self.resting: Any = None  # never; in a slot, where reading it is quick
        self._after_fork()
        super().__init__(name, shadow=shadow)

    @classmethod
    def adaptive(
        cls,
        *,
        initial: float | None = None,
        floor: float = 0.1,
        ceiling: float = 1000.0,
        max_wait: float | timedelta | None = None,
        on: On | None = None,
        shadow: bool = False,
        name: str | None = None,
    ) -> AdaptiveRateLimiter:
        """Return a limiter that learns its rate: from refusals, and from what servers say.

        These say it in ``RateLimit`` fields, ``x-ratelimit-*`` and ``anthropic-ratelimit-*``, of results
        with ``headers`` and of errors with a response.  Place it within the retry: it learns from each
        attempt.

        Args:
            initial: calls a second to begin with, which double in about a second while they are used,
                until the first refusal; None for 10, or as near as the bounds allow.
            floor: the lowest rate, greater than 0.
            ceiling: the highest rate, whatever a server says.
            max_wait: the longest wait for its turn, in seconds; 0 refuses at once, None waits as long
                as the deadline allows.
            on: which outcomes are refusals that ask for a lower rate; by default what
                `holdfast.verdict` calls throttled, results such as a response with 429 included.
            shadow: learn, and count and tell what would be refused or delayed, but let it pass.
            name: for messages; by default the first pipeline's.

        Raises:
            ConfigurationError: for a value outside its range.
        """
        from holdfast.strategies.rate.adaptive import AdaptiveRateLimiter

        return AdaptiveRateLimiter(
            initial=initial, floor=floor, ceiling=ceiling, max_wait=max_wait, on=on, shadow=shadow,
            name=name,
        )  # fmt: skip

    def _after_fork(self) -> None:
        """Start afresh: who waits lives in the parent process, and so do its calls."""
        self._lock = threading.RLock()
        self._meter = meter(*speeds(self._rates))
        if any(rate.initial is not None for rate in self._rates):
            left = [rate.capacity if rate.initial is None else rate.initial for rate in self._rates]
            self._meter.begin_with(left, current_instant())
        self._note()

    def _note(self) -> None:
        self._varies = any(rate.varies for rate in self._rates)
        fixed = not any(callable(rate.cost) for rate in self._rates)
        self._costs = cast("Costs", tuple(rate.cost for rate in self._rates)) if fixed else None

    # -- the gate ------------------------------------------------------------------------------

    def enter(self, now: float, args: Arguments, kwargs: Keywords, site: Site = NOWHERE, /) -> Any:
        """Return a permit or a `Wait`, or raise `RateLimitedError`."""
        costs = self._costs
        if costs is None:
            costs = self._costs_of(args, kwargs)
        with self._lock:
            if self._meter.passes(now, costs):
                return Permit(self, now, costs) if self._varies else PASSED
            answer = self._wait_locked(now, costs)
        if type(answer) is Wait:
            return answer
        place, wait = answer
        return self._refused(self._refusal(place, costs, wait), now, site)

    def succeeded(self, permit: Any, now: float, result: Any, /) -> None:
        """Correct what the call took by what its result says, where a rate has an `actual`."""
        if type(permit) is not Permit:
            return
        if permit.waits:
            self._started(permit)
        if self._varies and result is not NO_RESULT:
            for place, rate in enumerate(self._rates):
                actual = None if rate.actual is None else rate.actual(result)
                if actual is not None:
                    self._correct(permit, place, actual, now)

    def follows(self, permit: Any, /) -> bool:
        """Return whether it is a stream's last item that says what the call took."""
        return type(permit) is Permit and any(rate.actual is not None for rate in self._rates)

    def failed(self, permit: Any, _now: float, _error: Exception, /) -> None:
        """Nothing comes back: the call was made."""
        if type(permit) is Permit and permit.waits:
            self._started(permit)

    def abandoned(self, permit: Any, _now: float, /) -> None:
        """Give the place back, if the call was cancelled before it started."""
        if type(permit) is Permit and permit.waits:
            with self._lock:
                permit.meter.leave(permit)

    def woken(self, permit: Permit, now: float, /) -> float | RateLimitedError | None:
        """Return None where a call that waited may start, and else for how long it must wait on.

        It must where it wakes late, because its event loop, its thread or the process stood still; where
        that is longer than ``max_wait`` after all, the error is returned.
        """
        with self._lock:
            wait = permit.meter.begin(permit, now)
            place = permit.meter.scarce
        waited = now + wait - permit.arrived
        if wait <= 0.0 or self._max_wait is None or waited <= self._max_wait + ROUNDING:
            return wait or None
        if self._shadow:
            return None
        self._noted(enforced=True)
        return self._refusal(place, permit.costs, wait)

    def expired(self, _permit: Any, _now: float, /) -> None:
        """Nobody queues without knowing when."""

    def _started(self, permit: Permit) -> None:
        with self._lock:
            permit.meter.started(permit)

    def _costs_of(self, args: Arguments, kwargs: Keywords) -> Costs:
        costs = []
        for rate in self._rates:
            cost = rate.cost
            if callable(cost):
                cost = cost(*args, **kwargs)
                if type(cost) is not int or cost < 0:  # the usual case, quickly
                    cost = _validate.number("cost", cost, low=0)
            costs.append(cost)
        return tuple(costs)

    def _wait_locked(self, now: float, costs: Costs) -> Any:
        """Return a `Wait`, or which limit is in the way and how long it would take."""
        wait = self._meter.wait(now, costs)
        patience = 0.0 if self._shadow else self._max_wait
        if wait == math.inf or (patience is not None and wait > patience + ROUNDING):
            return self._meter.scarce, wait
        permit = Permit(self, now + wait, costs)
        permit.arrived = now
        self._meter.append(permit)
        return Wait(permit, wait)

    def _refusal(self, place: int, costs: Costs, wait: float) -> RateLimitedError:
        return self._rates[place].refusal(self._title, costs[place], wait)

    # -- corrections, and by hand --------------------------------------------------------------

    def adjust(self, difference: float, rate: Rate | None = None) -> None:
        """Take so much more from ``rate``, a debt that later calls wait for; or less, if negative.

        For code that has no permit.  ``rate`` is by default the one whose cost varies.  Nothing is
        given back beyond a full burst.

        Raises:
            ConfigurationError: for what is no number, or if it is unclear which rate is meant.
        """
        difference = _validate.number("difference", difference, low=-math.inf)
        place = self._place_of(rate)
        with self._lock:
            self._meter.adjust(place, difference, current_instant())

    def _correct(self, permit: Permit, place: int, actual: float, now: float) -> None:
        actual = _validate.number("actual", actual, low=0)
        with self._lock:
            permit.meter.correct(permit, place, actual, now)

    def try_acquire(self, cost: float | None = None) -> bool:
        """Take a call's cost and return True; or take nothing and return False.

        ``cost`` is taken from the rate whose cost varies, the others take their own; None takes
        their own from all.  Without a pipeline: it neither waits nor refuses, nor tells.

        Raises:
            ConfigurationError: for a cost below 0, or where it is unclear what the cost is.
            RateLimitedError: for a cost that no burst can ever hold.
        """
        now, costs = current_instant(), self._costs_by_hand(cost)
        with self._lock:
            if self._meter.passes(now, costs):
                return True
        self._wait_by_hand(costs, now)
        return False

    def wait_for(self, cost: float | None = None) -> float:
        """Return the seconds after which a call of that cost could start; 0.0 for now.

        It takes nothing, so others may come first.  ``cost`` is as in `try_acquire`.

        Raises:
            ConfigurationError: for a cost below 0, or where it is unclear what the cost is.
            RateLimitedError: for a cost that no burst can ever hold.
        """
        return self._wait_by_hand(self._costs_by_hand(cost), current_instant())

    def _costs_by_hand(self, cost: float | None) -> Costs:
        costs = self._costs
        if cost is not None:
            cost, place = _validate.number("cost", cost, low=0), self._place_of(None)
            costs = tuple(
                cost if one == place else cast("float", rate.cost)
                for one, rate in enumerate(self._rates)
            )
        if costs is None:
            raise _validate.refuse("cost", cost, "it depends on the call here, so say a number")
        return costs

    def _wait_by_hand(self, costs: Costs, now: float) -> float:
        with self._lock:
            wait = self._meter.wait(now, costs)
            place = self._meter.scarce
        if wait == math.inf:
            raise self._refusal(place, costs, wait)
        return wait

    def _place_of(self, rate: Rate | None) -> int:
        rates = self._rates
        if rate is None and len(rates) > 1:
            meant = [one for one in rates if one.varies]
            rate = meant[0] if len(meant) == 1 else None
        elif rate is None:
            rate = rates[0]
        if rate not in rates:
            raise _validate.refuse("rate", rate, f"say which one is meant of {rates!r}")
        return rates.index(rate)

    # -- people --------------------------------------------------------------------------------

    def _regiven(self, given: Given, changes: dict[str, Any]) -> Given:
        return regiven(given, changes, len(self._rates))

    def _adopt(self, twin: RateLimiter, changed: frozenset[str]) -> None:
        super()._adopt(twin, changed)
        if "rates" in changed:
            self._meter.change(*speeds(self._rates), current_instant())
            self._note()

    @property
    def available(self) -> tuple[float, ...]:
        """What could be taken from each of `rates` now; 0 while calls wait, or with a debt."""
        with self._lock:
            return tuple(self._meter.left(current_instant()))

    @property
    def waiting(self) -> int:
        """How many calls wait for their turn."""
        with self._lock:
            self._meter.settle(current_instant())
            return len(self._meter.turns)

    def busy(self, now: float) -> bool:
        """Return whether anything is taken, so that a `Keyed` must not forget it."""
        with self._lock:
            return not self._meter.full(now)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        rates = [
            {"limit": rate.limit, "per": rate.per, "burst": rate.capacity, "available": left}
            for rate, left in zip(self._rates, self.available, strict=True)
        ]
        return {
            "strategy": self.kind, "name": self.name, "rates": rates, "waiting": self.waiting,
            "max_wait": self._max_wait, "shadow": self.shadow, "detected": self.detected,
            "enforced": self.enforced,
        }  # fmt: skip

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        rates = " and ".join(map(str, self._rates))
        return f"<RateLimiter{name} {rates}, {self.waiting} waiting>"
