"""How much a call matters, for those who must refuse some: it travels down the call chain.

Three classes, after the criticalities of Google's services ("Site Reliability Engineering", 2016,
chapter 21), the rarely used fourth left out: ``"critical"`` (a user sees its failure), ``"default"``,
and ``"sheddable"`` (batch work, prefetching: may fail for minutes).  The class lives in a `ContextVar`
of its own, so it follows the code across ``await``, into tasks and into our own worker threads, and
costs nothing where nobody reads it: only limiters that have priorities do.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Self

from holdfast import _validate

CLASSES = ("critical", "default", "sheddable")
"""The classes of priority, the most important first."""

RANKS: dict[Any, int] = {name: rank for rank, name in enumerate(CLASSES)}
"""The place of each class: 0 for critical, 1 for default, 2 for sheddable."""

_current: ContextVar[str] = ContextVar("holdfast_priority", default="default")

current_priority: Callable[[], str] = _current.get
"""Return the class in force here: ``"critical"``, ``"default"`` or ``"sheddable"``.

``"default"`` outside of any `priority`.  Safe in any thread or task: each sees its own context's.
"""


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

    __slots__ = ("_token", "name")

    def __init__(self, name: str) -> None:
        _validate.one_of("name", name, CLASSES)
        self.name: str = name
        self._token: Token[str] | None = None

    def __enter__(self) -> Self:
        self._token = _current.set(self.name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        token, self._token = self._token, None
        if token is not None:
            with suppress(ValueError):  # a coroutine is closed in another context
                _current.reset(token)

    def __repr__(self) -> str:
        return f"priority({self.name!r})"
