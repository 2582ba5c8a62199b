"""The shapes that a strategy can have, and the words it answers in.

A strategy is plain synchronous Python: no ``await``, no sleep, no clock, no I/O.  It is told the
instant, and says what should happen; the drivers make it happen.  Users write their own with the
same methods (`holdfast.extend` documents them); ours have no private door.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, final, runtime_checkable

from holdfast._world import world
from holdfast.deadline import ambient
from holdfast.errors import RejectedError

if TYPE_CHECKING:
    import random

Arguments = tuple[Any, ...]
Keywords = dict[str, Any]
Background = Callable[[Callable[[], Any], Callable[["BaseException | None"], None]], None]


class Ticket:
    """A place in a queue.  Whoever waits on it sets `wake`, then looks at `granted` once more.

    That order, against the granter's (set `granted`, then call `wake`), loses no wake-up whichever
    runs first.  Who is woken without a grant asks the gate's `expired` at once (it was evicted).
    `wake` returns False when nobody can be woken any more (a closed event loop); the
    granter then takes the permit back and offers it to the next.
    """

    __slots__ = ("granted", "over", "wake")

    def __init__(self) -> None:
        self.granted: bool = False
        self.over: bool = False
        """Whether its wait is over without a grant; set before `wake` is called, as `granted` is."""
        self.wake: Callable[[], bool] = _nobody_waits_yet


def _nobody_waits_yet() -> bool:
    return True


class Wait:
    """The answer of a gate that neither admits nor rejects: wait, then hold `permit`.

    With a `ticket`, until it is granted, at most `delay` seconds; without one, for `delay` seconds.
    A permit that is an `Instead` answers after the wait, in place of what is inside: the gate hears
    no more of that call.
    """

    __slots__ = ("delay", "permit", "ticket")

    def __init__(
        self, permit: Any, delay: float | None = None, ticket: Ticket | None = None
    ) -> None:
        self.permit: Any = permit
        self.delay: float | None = delay
        self.ticket: Ticket | None = ticket


@final
class Again:
    """The verdict of a reaction: sleep `delay` seconds, then make another attempt."""

    __slots__ = ("delay",)

    def __init__(self, delay: float) -> None:
        self.delay: float = delay


@final
class Instead:
    """The verdict of a reaction: return what `make(subject)` returns instead.

    `make` may be a coroutine function where the pipeline protects one.
    """

    __slots__ = ("make", "subject")

    def __init__(self, make: Callable[[Any], Any], subject: Any = None) -> None:
        self.make: Callable[[Any], Any] = make
        self.subject: Any = subject


@final
class Earlier:
    """The verdict of a reaction: raise `error`, which an earlier attempt raised."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error: Exception = error


Verdict = Again | Instead | Earlier | None
"""None lets the outcome stand."""


class Site:
    """Where a layer stands: its pipeline, what is around it and inside it, and whose arguments come."""

    __slots__ = ("background", "enclosing", "inside", "pipeline", "skip")

    def __init__(
        self,
        pipeline: str,
        *,
        skip: int = 0,
        enclosing: tuple[Any, ...] = (),
        inside: tuple[Any, ...] = (),
        background: Background | None = None,
    ) -> None:
        self.pipeline: str = pipeline
        self.skip: int = skip
        """How many leading arguments are ours (``call(fn, ...)`` passes the function itself)."""
        self.enclosing: tuple[Any, ...] = enclosing
        """The strategies outside this one, outermost first."""
        self.inside: tuple[Any, ...] = inside
        """The strategies inside this one, outermost first."""
        self.background: Background = background or _in_a_thread
        """``background(fn, done)`` runs ``fn()`` elsewhere, then calls ``done(error or None)``."""

    def refuse(self, error: RejectedError, now: float, *, enforced: bool = True) -> RejectedError:
        """Complete a rejection with the pipeline's name, tell it, and return it to be raised.

        For gates: ``raise site.refuse(BulkheadFullError(...), now)``, outside of their locks; in
        shadow mode it is only told, with ``enforced=False``.
        """
        if error.pipeline is None:
            error.pipeline = self.pipeline
        if world.listeners:
            from holdfast import events

            events.emit(events.CallRejected(
                pipeline=self.pipeline, strategy=error.strategy, at=now, error=error,
                enforced=enforced,
            ))  # fmt: skip
        return error


def _in_a_thread(fn: Callable[[], Any], done: Callable[[BaseException | None], None]) -> None:
    world.runtime("blocking").background(fn, done)


NO_RESULT = object()
"""What stands for the result of a block of code, which has none: no condition on results is met."""

NOWHERE = Site("")
"""Stands for the place of a gate that is asked by hand."""


class History:
    """What a reaction may know about one call so far; made when the first attempt has ended."""

    __slots__ = (
        "args", "attempt", "attempt_began", "began", "deadline", "enclosing_retry", "errors", "kwargs",
        "last", "now", "pipeline", "previous", "reason", "result", "rng", "shortest",
        "started", "verdict",
    )  # fmt: skip

    now: float
    attempt: int
    attempt_began: float | None
    shortest: float

    def __init__(
        self,
        pipeline: str,
        now: float,
        started: float | None = None,
        args: Arguments = (),
        kwargs: Keywords | None = None,
    ) -> None:
        self.pipeline: str = pipeline
        self.now = now
        self.started: float | None = started
        """The instant of the call's start, or None where nothing needed it."""
        self.began: float = now
        """The instant of the first outcome; stands in for `started`."""
        self.args: Arguments = args
        self.kwargs: Keywords = {} if kwargs is None else kwargs
        self.attempt_began = started
        self.attempt = 1
        """The number of the attempt that has just ended, from 1."""
        self.previous: float | None = None
        """The delay before that attempt, in seconds."""
        self.errors: dict[str, int] = {}
        self.last: Exception | None = None
        """The outcome of the attempt before, if it was an exception, ..."""
        self.result: tuple[Any] | None = None
        """... or a result that a condition met."""
        self.shortest = math.inf
        """The shortest attempt whose duration is known, in seconds."""
        self.reason: str = ""
        self.verdict: Any = None
        outer = ambient.get()
        self.deadline: float = outer[0]
        self.enclosing_retry: str | None = outer[2]
        self.rng: random.Random = world.rng

    @property
    def elapsed(self) -> float:
        """Seconds since the call's start, as far as it is known."""
        return max(0.0, self.now - (self.began if self.started is None else self.started))

    @property
    def remaining(self) -> float:
        """Seconds until the ambient deadline; may be negative."""
        return self.deadline - self.now

    def resumed(self, now: float, delay: float) -> None:
        """Remember that the next attempt begins, after a delay."""
        self.attempt += 1
        self.previous = delay
        self.now = self.attempt_began = now

    def ended(self, now: float) -> None:
        """Remember that an attempt has ended."""
        self.now = now
        if self.attempt_began is not None:
            self.attempt_took(now - self.attempt_began)

    def stands(self, verdict: Verdict) -> bool:
        """Keep a reaction's verdict; return whether it lets the outcome stand."""
        self.verdict = verdict
        if verdict is None:
            self.forget()
        return verdict is None

    def forget(self) -> None:
        """Let go of the exceptions: their tracebacks keep the frames that keep this history."""
        self.verdict = self.last = self.result = None

    def attempt_took(self, seconds: float) -> None:
        """Remember the duration of one attempt."""
        self.shortest = min(self.shortest, max(0.0, seconds))


class Attempt(AbstractContextManager["Attempt", bool], Protocol):
    """One attempt of a retry loop, numbered from 1; use it as ``with attempt:``, once."""

    number: int


@runtime_checkable
class Gate(Protocol):
    """The first question: may this call pass, and how did it end.

    For each `enter` that returned, exactly one of the three others follows.  A permit is any object
    but None.  `resting` is None, or the permit that the gate gives out while it is at rest: as long
    as a call began and ended with the same one, nobody needs to be asked.  `timed` says whether
    `enter` and `succeeded` want to know the instant.
    """

    resting: Any
    timed: bool

    def enter(self, now: float, args: Arguments, kwargs: Keywords, site: Site, /) -> Any:
        """Return a permit or a `Wait`, or raise a `RejectedError` (see `Site.refuse`)."""

    def succeeded(self, permit: Any, now: float, result: Any, /) -> None:
        """Take back the permit of a call that returned."""

    def failed(self, permit: Any, now: float, error: Exception, /) -> None:
        """Take back the permit of a call that raised."""

    def abandoned(self, permit: Any, now: float, /) -> None:
        """Take back the permit of a call that was cancelled or interrupted: no outcome at all."""

    def expired(self, permit: Any, now: float, /) -> RejectedError | None:
        """Return the error for a ticket that waited too long; None if it was granted meanwhile."""


@runtime_checkable
class Reaction(Protocol):
    """The second question: given how an attempt ended, what next.

    `judges` says whether results are to be shown to `after_result`; where they are not, `credit` is
    called for each, if there is one.  `timed` says whether the call's start matters; `claims`,
    whether reactions further in must leave the retrying to this one.
    """

    judges: bool
    timed: bool
    claims: bool
    credit: Callable[[], None] | None

    def after_error(self, error: Exception, history: History, /) -> Verdict:
        """Return what to do about an exception."""

    def after_result(self, result: Any, history: History, /) -> Verdict:
        """Return what to do about a result."""
