"""How much a call matters, for those who must refuse some: it travels down the call chain.

Three classes, after the criticalities of Google's services ("Site Reliability Engineering", 2016,
chapter 21), the rarely used fourth left out: ``"critical"`` (a user sees its failure), ``"default"``,
and ``"sheddable"`` (batch work, prefetching: may fail for minutes).  The class lives in a `ContextVar`
of its own, so it follows the code across ``await``, into tasks and into our own worker threads, and
costs nothing where nobody reads it: only limiters that have priorities do.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from contextvars import ContextVar, Token
from types import FrameType, TracebackType
from typing import Any, Self

from holdfast import _validate
from holdfast._ambient import at_work, iterated

CLASSES = ("critical", "default", "sheddable")
"""The classes of priority, the most important first."""

RANKS: dict[Any, int] = {name: rank for rank, name in enumerate(CLASSES)}
"""The place of each class: 0 for critical, 1 for default, 2 for sheddable."""


class Body:
    """The class of what one generator's body does; its consumer, in the same context, has another."""

    __slots__ = ("around", "frame", "name")

    def __init__(self, name: str, frame: FrameType, around: str | Body) -> None:
        self.name: str = name
        self.frame: FrameType | None = frame
        """The generator's frame; None once its block is left."""
        self.around: str | Body = around

    def end(self) -> None:
        """Count for nothing from here on."""
        self.frame = None
        while isinstance(self.around, Body) and self.around.frame is None:
            self.around = self.around.around

    def loses(self, mine: str | Body, outer: str | Body) -> None:
        """Put ``outer`` in the place of a block around this one that has been left before it."""
        one = self
        while one.around is not mine:
            if not isinstance(one.around, Body):
                return
            one = one.around
        one.around = outer


_current: ContextVar[str | Body] = ContextVar("holdfast_priority", default="default")


def current_priority() -> str:
    """Return the class in force here: ``"critical"``, ``"default"`` or ``"sheddable"``.

    ``"default"`` outside of any `priority`.  Safe in any thread or task: each sees its own context's.
    """
    found = _current.get()
    while isinstance(found, Body):
        if found.frame is not None and at_work(found.frame):
            return found.name
        found = found.around
    return found


def rank_of(name: Any) -> int:
    """Return the place of a class that a user's function has chosen.

    Raises:
        ConfigurationError: where there is no such class.
    """
    _validate.one_of("priority", name, CLASSES)
    return RANKS[name]


class priority:  # noqa: N801 - reads as a clause: with priority("critical")
    """Say how much all that runs inside matters: ``with priority("critical"): ...``.

    An inner one overrides an outer one, in both directions: a page that is critical may prefetch what
    is not.  It changes nothing by itself; limiters and shedders that have priorities serve the more
    important classes first when there is not enough for all.  Works across ``await``; use one object
    for one block at a time.

    Args:
        name: ``"critical"``, ``"default"`` or ``"sheddable"``.

    Raises:
        ConfigurationError: for any other name.
    """

    __slots__ = ("_mine", "_token", "name")

    def __init__(self, name: str) -> None:
        _validate.one_of("name", name, CLASSES)
        self.name: str = name
        self._mine: str | Body = name
        self._token: Token[str | Body] | None = None

    def __enter__(self) -> Self:
        body = iterated(sys._getframe(1))  # noqa: SLF001 - whose block this is stands nowhere else
        self._mine = self.name if body is None else Body(self.name, body, _current.get())
        self._token = _current.set(self._mine)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        token, self._token = self._token, None
        mine, self._mine = self._mine, self.name
        if token is None:
            return
        if isinstance(mine, Body):
            mine.end()
        there = _current.get()
        with suppress(ValueError):  # a coroutine is closed in another context
            _current.reset(token)
            outer = mine.around if isinstance(mine, Body) else _current.get()
            if isinstance(outer, Body) and outer.frame is None:  # it has ended before this one
                outer = outer.around
            if there is not mine and isinstance(there, Body):  # blocks of generators interleave
                there.loses(mine, outer)
                outer = there
            _current.set(outer)

    def __repr__(self) -> str:
        return f"priority({self.name!r})"
