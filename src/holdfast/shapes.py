"""The shapes that a strategy can have, and the words it answers in.

A strategy is plain synchronous Python: no ``await``, no sleep, no clock, no I/O.  It is told the
instant, and says what should happen; the drivers make it happen.  Users write their own with the
same methods (`holdfast.extend` documents them); ours have no private door.

One file because a shape can't be understood without the words that it answers in.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol, Self, final, runtime_checkable

from holdfast._history import Arguments, History, Keywords, told
from holdfast._world import world
from holdfast.errors import RejectedError

__all__ = [
    "NOWHERE",
    "NO_RESULT",
    "Again",
    "Arguments",
    "Attempt",
    "Background",
    "Earlier",
    "Flag",
    "Gate",
    "History",
    "Instead",
    "Keywords",
    "Reaction",
    "Site",
    "Ticket",
    "Verdict",
    "Wait",
    "told",
]

Background = Callable[[Callable[[], Any], Callable[["BaseException | None"], None]], None]


class Ticket:
    """A place in a queue.  Whoever waits on it sets `wake`, then looks at `granted` once more.

    That order, against the granter's (set `granted`, then call `wake`), loses no wake-up whichever
    runs first.  Who is woken without a grant asks the gate's `expired` at once (it was evicted).
    `wake` returns False when nobody can be woken any more (a closed event loop); the
    granter then takes the permit back and offers it to the next.
    """

    __slots__ = ("granted", "over", "permit", "wake")
    permit: object  # what it stands for once it is granted, where its gate wants to know
    lends: ClassVar[bool] = True
    """Whether it is a place among permits, of which the caller that waits may hold one already."""

    def __init__(self) -> None:
        self.granted: bool = False
        self.over: bool = False
        """Whether its wait is over without a grant; set before `wake` is called, as `granted` is.

        Also that a grant was given back, by a caller who has left.
        """
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


class Flag(Protocol):
    """Something that can be set: a `threading.Event`, an `asyncio.Event`."""

    def is_set(self) -> bool:
        """Return whether it is set."""


@final
class Again:
    """The verdict of a reaction: sleep `delay` seconds, then make another attempt.

    Before the sleep `before` is called, if there is one; `stop` ends the sleep when it is set.
    """

    __slots__ = ("before", "delay", "stop")

    def __init__(
        self, delay: float, before: Instead | None = None, stop: Flag | None = None
    ) -> None:
        self.delay: float = delay
        self.before: Instead | None = before
        self.stop: Flag | None = stop


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

    __slots__ = (
        "_background", "_layers", "_place", "function", "pipeline", "runtime", "scope", "skip",
    )  # fmt: skip

    def __init__(
        self,
        pipeline: str,
        *,
        skip: int = 0,
        enclosing: tuple[Any, ...] = (),
        inside: tuple[Any, ...] = (),
        background: Background | None = None,
        function: Any = None,
    ) -> None:
        self.pipeline: str = pipeline
        self.function: Any = function
        """The protected function; None for ``call(fn, ...)``, where it is the first argument."""
        self.skip: int = skip
        """How many leading arguments are ours (``call(fn, ...)`` passes the function itself)."""
        self.scope: object = None  # the same for all calls of one protected function
        self.runtime: Any = None  # the one of those calls
        self._layers: tuple[Any, ...] = (*enclosing, None, *inside)
        self._place: int = len(enclosing)
        self._background = background

    def among(self, layers: tuple[Any, ...], place: int) -> Self:
        """Say which layer of a pipeline it is; they are kept once for all their sites."""
        self._layers, self._place = layers, place
        return self

    @property
    def enclosing(self) -> tuple[Any, ...]:
        """The strategies outside this one, outermost first."""
        return self._layers[: self._place]

    @property
    def inside(self) -> tuple[Any, ...]:
        """The strategies inside this one, outermost first."""
        return self._layers[self._place + 1 :]

    def background(
        self, fn: Callable[[], Any], done: Callable[[BaseException | None], None]
    ) -> None:
        """Run ``fn()`` elsewhere, then call ``done(error or None)``."""
        if self._background is not None:
            self._background(fn, done)
            return
        runtime = self.runtime or world.runtime("blocking")
        runtime.background(fn, done, self.pipeline)

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


NO_RESULT = object()
"""What stands for the result of a block of code, which has none: no condition on results is met."""

NOWHERE = Site("")
"""Stands for the place of a gate that is asked by hand."""


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
