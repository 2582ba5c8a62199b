"""`RateLimiter.adaptive`: a rate that is learnt from refusals, and from what servers say of their quota.

Each attempt is told of: one that is throttled (429 and its relatives, as `holdfast.verdict` knows them)
lowers the rate to what was accepted (`learnt`, the search), header fields that say what is left are
obeyed while they come (`told`).  Calls wait in the order of their arrival (`line`).

An error that is no answer (no connection, a timeout) teaches nothing; any other answer was let in.

Figures and alternatives: docs/explanation/decisions/0037-adaptive-rates.md.
"""

from __future__ import annotations

import threading
from math import inf
from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast._value import defaults, spell
from holdfast._world import now as current_instant
from holdfast.classify import On, condition
from holdfast.deadline import current as current_deadline
from holdfast.errors import RateLimitedError
from holdfast.shapes import NO_RESULT, NOWHERE, Arguments, Keywords, Site, Wait
from holdfast.strategies.identity import Guard
from holdfast.strategies.options import Option, Shown
from holdfast.strategies.rate.learnt import RateSearch
from holdfast.strategies.rate.line import ROUNDING, Line, Place
from holdfast.strategies.rate.throttled import throttled
from holdfast.strategies.rate.told import Told, hear, in_force
from holdfast.verdict import hint, status_of
from holdfast.verdict.quotas import quotas

if TYPE_CHECKING:
    from datetime import timedelta

INITIAL = 10.0
"""Calls a second to begin with."""

MOVED = 0.1
"""A rate that has moved by less than this part of it is not worth an event."""

FINE = 0.01
"""Nor is less than this worth telling the line."""

SLACK = 0.1
"""Seconds that one who waits already may wait beyond `max_wait`, where the rate was cut meanwhile."""

REMEMBERED = 60.0
"""Seconds after a refusal for which a `Keyed` must not forget what was learnt."""


class Permit(Place):
    """The permit of a call that has to wait."""

    __slots__ = ("arrived", "sent")

    def __init__(self, now: float) -> None:
        super().__init__()
        self.arrived: float = now
        self.sent: float = now


LEARNT = object()
"""The permit of a stream that has taught what it teaches."""


class AdaptiveRateLimiter(Guard):
    """Calls at the rate that a dependency accepts, found out as it goes.

    Made by `RateLimiter.adaptive`, which has the options.  An identity: the pipelines that share one
    learn together.  Thread- and task-safe; one instance serves threads and any number of event loops.
    """

    __slots__ = (
        "_ceiling", "_cut_at", "_floor", "_forked_at", "_initial", "_line", "_lock", "_max_wait", "_on",
        "_paced", "_published", "_search", "_told",
    )  # fmt: skip
    kind = "adaptive rate limiter"
    timed = True
    initial: Shown[float | None] = Shown()
    floor: Option[float] = Option()
    ceiling: Option[float] = Option()
    max_wait: Option[float | None] = Option()

    def __init__(
        self,
        *,
        initial: float | None = None,
        floor: float = 0.1,
        ceiling: float = 1000.0,
        max_wait: float | timedelta | None = None,
        on: On | None = None,
        shadow: bool = False,
        name: str | None = None,
    ) -> None:
        self._ceiling: float = _validate.number("ceiling", ceiling, low=0, above=True)
        self._floor: float = _validate.number("floor", floor, low=0, above=True)
        if self._floor > self._ceiling:
            raise _validate.refuse("floor", floor, f"it must be at most ceiling={ceiling!r}")
        if initial is not None:
            initial = _validate.number("initial", initial, low=0, above=True)
            if not self._floor <= initial <= self._ceiling:
                raise _validate.refuse(
                    "initial", initial, f"it must be from floor={floor!r} to ceiling={ceiling!r}"
                )
        self._initial: float | None = initial
        self._max_wait: float | None = _validate.optional_seconds(
            "max_wait", max_wait, positive=False
        )
        self._on = throttled if on is None else condition("on", on)
        self.resting: Any = None  # never; in a slot, where reading it is quick
        self._after_fork()
        self._forked_at = -inf
        super().__init__(name, shadow=shadow)

    def _after_fork(self) -> None:
        """Start afresh: who waits lives in the parent process, and its quota is not ours to know."""
        self._lock = threading.RLock()
        self._forked_at = current_instant()  # who came in before is the parent's
        initial = INITIAL if self._initial is None else self._initial
        self._search = RateSearch(initial, self._floor, self._ceiling)
        initial = self._search.rate
        self._told = Told()
        self._line = Line(initial)
        self._paced: tuple[float, float] = (initial, -inf)
        self._published = initial
        self._cut_at = -inf

    # -- the gate ------------------------------------------------------------------------------

    def enter(
        self, now: float, _args: Arguments, _kwargs: Keywords, site: Site = NOWHERE, /
    ) -> Any:
        """Return a permit or a `Wait`, or raise `RateLimitedError`."""
        with self._lock:
            if self._line.passes(now):
                return now
            whole = self._line.wait(now)
            patience = 0.0 if self._shadow else self._max_wait
            if patience is None or whole <= patience + ROUNDING:
                permit = Permit(now)
                wait = self._line.join(permit, now)
                # a turn after the deadline is refused at once, by the whole wait
                return Wait(permit, whole if now + whole >= current_deadline()[0] else wait)
        return self._refused(self._refusal(whole), now, site, now)

    def woken(self, permit: Permit, now: float, /) -> float | RateLimitedError | None:
        """Return None where a call that waited may start, and else for how long it must wait on."""
        with self._lock:
            wait = self._line.begin(permit, now)
            permit.sent = now
            whole = self._line.until(permit, now) if wait > 0.0 else 0.0
        patience = self._max_wait
        if wait <= 0.0 or patience is None or now - permit.arrived + whole <= patience + SLACK:
            return wait or None
        if self._shadow:
            return None
        self._noted(enforced=True)
        return self._refusal(whole)

    def succeeded(self, permit: Any, now: float, result: Any, /) -> None:
        """Learn from an answer, which `on` may say is a refusal all the same."""
        sent = self._began(permit, now)
        if sent is None:
            return
        if result is NO_RESULT:
            result = None
        refused = bool(self._on.on_results) and self._on.matches_result(result)
        self._learn(sent, now, result, refused=refused)

    def answered(self, permit: Any, _at: float, now: float, /) -> Any:
        """Learn from a stream as soon as it begins to come; its end says nothing more."""
        sent = self._began(permit, now)
        if sent is not None:
            self._learn(sent, now, None, refused=False)
        return LEARNT

    def failed(self, permit: Any, now: float, error: Exception, /) -> None:
        """Learn from an error that is an answer: a refusal, or another one, which was let in."""
        sent = self._began(permit, now)
        if sent is None or self._on.passes_over(error):
            return
        refused = self._on.matches(error)
        if refused or status_of(error) is not None:
            self._learn(sent, now, error, refused=refused)

    def abandoned(self, permit: Any, _now: float, /) -> None:
        """Leave the line, if the call was cancelled before it started."""
        if type(permit) is Permit and permit.waits:
            with self._lock:
                self._line.leave(permit)

    def expired(self, _permit: Any, _now: float, /) -> None:
        """Nobody queues without knowing when."""

    def _began(self, permit: Any, now: float) -> float | None:
        """Return when a call started; None where it teaches nothing here."""
        if permit is LEARNT:
            return None
        if type(permit) is Permit:
            if permit.waits:  # nobody has asked for it
                with self._lock:
                    self._line.leave(permit)
                permit.sent = now
            permit = permit.sent
        sent: float = permit
        return None if sent < self._forked_at else sent

    # -- learning ------------------------------------------------------------------------------

    def _learn(self, sent: float, now: float, outcome: Any, *, refused: bool) -> None:
        said = () if outcome is None else quotas(outcome)
        back = hint(outcome) if refused else None
        with self._lock:
            hear(self._search, self._told, now, said)
            if refused:
                self._told.doubt(now)
                if self._search.throttled(now, sent, back):
                    self._cut_at = now
            else:
                self._search.accepted(now, sent)
            before, after = self._repace_locked(now)
        if after != before:
            self._tell("RateChanged", at=now, before=before, after=after)

    def _repace_locked(self, now: float) -> tuple[float, float]:
        """Let the line go at the rate of now; return what was told last, and what is to be told."""
        rate, resume = self._rate_locked(now)
        pace, before = self._paced
        if abs(rate - pace) >= FINE * pace or resume != before:
            self._paced = rate, resume
            self._line.pace(rate, resume, now)
        published = self._published
        if not self._search.blocked and abs(rate - published) >= MOVED * published:
            self._published = rate
        return published, self._published

    def _rate_locked(self, now: float) -> tuple[float, float]:
        return in_force(self._search, self._told, now)

    def _adopt(self, twin: AdaptiveRateLimiter, changed: frozenset[str]) -> None:
        super()._adopt(twin, changed)
        self._search.bound(self._floor, self._ceiling)
        self._repace_locked(current_instant())

    # -- people --------------------------------------------------------------------------------

    def _refusal(self, wait: float) -> RateLimitedError:
        words = f"{self._title} has found a rate of {self.rate:.3g} calls a second"
        return RateLimitedError(words, strategy=self._title, retry_after=wait)

    @property
    def rate(self) -> float:
        """How many calls a second may start, as far as is known."""
        with self._lock:
            return self._rate_locked(current_instant())[0]

    @property
    def told(self) -> bool:
        """Whether the rate is what the server says, not what was learnt."""
        with self._lock:
            return self._told.speaks(current_instant())

    @property
    def waiting(self) -> int:
        """How many calls wait for their turn."""
        with self._lock:
            return len(self._line)

    def busy(self, now: float) -> bool:
        """Return whether anybody waits, or it has just learnt, so that a `Keyed` must not forget it."""
        with self._lock:
            resume = self._rate_locked(now)[1]
            return len(self._line) > 0 or now < resume or now < self._cut_at + REMEMBERED

    def spelt(self) -> str:
        """Return the call that made it, such as ``"RateLimiter.adaptive(ceiling=50.0)"``."""
        usual = defaults(type(self))
        given = (f"{name}={spell(value)}" for name, value in self._given if usual[name] != value)
        return f"RateLimiter.adaptive({', '.join(given)})"

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        with self._lock:
            now = current_instant()
            rate, resume = self._rate_locked(now)
            return {
                "strategy": self.kind, "name": self.name, "rate": rate, "told": self._told.speaks(now),
                "rests_for": max(0.0, resume - now), "cuts": self._search.cuts,
                "waiting": len(self._line), "floor": self._floor, "ceiling": self._ceiling,
                "max_wait": self._max_wait, "shadow": self.shadow, "detected": self.detected,
                "enforced": self.enforced,
            }  # fmt: skip

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        how = "told" if self.told else "learnt"
        return f"<AdaptiveRateLimiter{name} {self.rate:.3g} per 1 s, {how}, {self.waiting} waiting>"
