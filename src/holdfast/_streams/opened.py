"""A stream whose first item has come."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast._held import Held
from holdfast._runtimes.limits import exceeded, timed_out
from holdfast._world import world
from holdfast.deadline import current
from holdfast.errors import AttemptTimeout
from holdfast.shapes import NO_RESULT, Gate, Site
from holdfast.strategies.timeout import Timeout

if TYPE_CHECKING:
    from holdfast._runtimes.port import Items


class Opened(Held):
    """What is left of an attempt that has given its first item: the rest, and what it holds."""

    __slots__ = (
        "at", "close", "drop", "first", "last", "late", "limits", "resumes", "source", "stop",
        "thrown", "value",
    )  # fmt: skip

    def __init__(
        self, source: Any, close: Callable[[], Any], drop: Callable[[], object] | None = None
    ) -> None:
        super().__init__()
        self.source: Any = source
        """The iterator, sync or async; None of a stream that has ended with its first item."""
        self.close: Callable[[], Any] = close
        """Ends it before its time; what that returns may have to be awaited."""
        self.drop: Callable[[], object] = close if drop is None else drop
        """Does the same where nobody awaits anything."""
        self.at: float = 0.0
        """The instant at which its first item came."""
        self.first: Any = NO_RESULT
        """The first item; `NO_RESULT` of an empty stream."""
        self.value: Any = None
        """What an empty generator has returned."""
        self.limits: list[Limit] = []
        """Those of its further items, the innermost first."""
        self.stop: Callable[[], None] | None = None
        """Ends what watches over its items."""
        self.resumes: bool = False
        """Whether its latest item must be known: it may go on after an error, or a gate looks at it."""
        self.last: Any = NO_RESULT
        """That item."""
        self.thrown: BaseException | None = None
        """What the consumer has thrown into it."""
        self.late: Exception | None = None
        """The error of a limit that was not kept, and whose item was handed over all the same."""

    def hold(self, gate: Gate, permit: Any) -> None:
        """Keep the permit of a gate until the end; they come from the innermost to the outermost."""
        if _follows(gate, permit):
            self.resumes = True  # its latest item must be known, as if it could go on
            gate = ToTheEnd(gate, self)  # to those who give back it is one
        self.permits.insert(0, (gate, permit))

    def ended(self, now: float, error: BaseException | None = None) -> None:
        """Give everything back."""
        if self.stop is not None:
            self.stop()
        if self.permits:
            reach(DEPTH)
            fault = self._answered(now)
            self.give_back(self.late if error is None else error, now, self.first, fault)

    def __del__(self) -> None:
        """Give back what nobody could: no loop closes an async generator when it is itself closed."""
        if getattr(self, "permits", None):  # it may have been interrupted while it was made
            self.ended(world.clock(), GeneratorExit())

    def _answered(self, now: float) -> BaseException | None:
        """Tell the gates that want to know when the answer began; return what one of them raised."""
        fault = None
        for place, (gate, permit) in enumerate(self.permits):
            tell = getattr(gate, "answered", None)
            if tell is not None:
                try:
                    self.permits[place] = gate, tell(permit, self.at, now)
                except BaseException as raised:  # noqa: BLE001 - as in `give_back`
                    fault = raised
        return fault


DEPTH = 40
"""So many frames gates may need to take their permits back."""


def reach(depth: int) -> None:
    """Make sure that the stack has room for so many frames more: a stream may end deeper than it began.

    Raises:
        RecursionError: before anything is given back.
    """
    if depth:
        reach(depth - 1)


def noted(error: BaseException, fault: Exception) -> None:
    """Have the error that ended a stream tell that closing it failed, too: it stays the news.

    Who leaves has no other news.
    """
    if isinstance(error, GeneratorExit):
        raise fault
    error.add_note(f"closing the stream failed, too: {fault!r}")


def thrown_end(error: BaseException) -> str:
    """Return what to say of an exception that means the end, and was thrown into a stream."""
    return f"{type(error).__name__} was thrown into a stream"


class ToTheEnd:
    """A gate that is shown the last item of a stream, where others are shown the first."""

    __slots__ = ("_gate", "_opened")

    def __init__(self, gate: Gate, opened: Opened) -> None:
        self._gate = gate
        self._opened = opened

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gate, name)

    def succeeded(self, permit: Any, now: float, _first: Any, /) -> None:
        """Pass the last item on."""
        self._gate.succeeded(permit, now, self._opened.last)


def _follows(gate: Any, permit: Any) -> bool:
    tell = getattr(gate, "follows", None)
    return tell is not None and tell(permit)


class Limit(NamedTuple):
    """A timeout around a stream, at work."""

    timeout: Timeout
    until: float
    """The instant at which it ends it all."""
    site: Site
    runtime: Any
    items: Items | None
    """The quick way to draw items under limits, if there is one."""


class Limits:
    """What each further item of a stream is given; to a runtime it is a timeout that learns."""

    __slots__ = ("between", "discard", "late", "seconds", "site", "sync", "until", "usual", "whole")

    def __init__(self, opened: Opened) -> None:
        innermost = opened.limits[0].timeout
        self.sync = innermost.sync
        self.late = innermost.late
        self.discard = innermost.discard
        self.seconds: float = inf
        """What this item is given."""
        self.usual: float = inf
        last = min(opened.limits, key=lambda limit: limit.until)
        self.until: float = last.until
        self.whole: float = last.timeout.seconds
        self.site: Site = last.site
        self.between: float = min(one.timeout.between or inf for one in opened.limits)

    def begin(self, now: float, *, late: bool = False) -> Limits:  # noqa: ARG002 - as it is called
        """Return the limit of an item that is asked for now, or raise what says that none is left."""
        if self.until <= now:
            raise timed_out(self.site.pipeline, self.whole, now)
        outer = current()
        if outer[0] <= now:
            raise exceeded(self.site.pipeline, outer, now)
        self.seconds = min(self.between, self.until - now)
        return self

    def named(self, error: AttemptTimeout) -> AttemptTimeout:
        """Return the error of an item, by the limit that was given, and not by what was left of it."""
        if type(error) is AttemptTimeout and error.seconds == self.seconds < self.between:
            pipeline = self.site.pipeline
            return AttemptTimeout(pipeline=pipeline, strategy="timeout", seconds=self.whole)
        return error

    def succeeded(self, _limit: Any, _took: float, _now: float) -> None:
        """Learn nothing."""

    def failed(self, _limit: Any, _took: float, _error: Exception) -> None:
        """Learn nothing."""
