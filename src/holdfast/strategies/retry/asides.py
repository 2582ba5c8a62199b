"""What a retry needs besides its decisions: the functions it is given, and what an attempt costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from holdfast import _validate
from holdfast.verdict import TIMEOUT, kind_of


class Hook:
    """A call of ``before_sleep`` with its event."""

    __slots__ = ("event", "function")

    def __init__(self, function: Callable[[Any], object], event: object) -> None:
        self.function: Callable[[Any], object] = function
        self.event: object = event

    def __call__(self, _error: object) -> object:
        """Call it; the error is for the context of what it raises."""
        return self.function(self.event)

    def __repr__(self) -> str:
        return f"before_sleep={self.function!r}"


def cost(error: Exception | None) -> float:
    """Return what a retry takes from the budget: a timeout has kept the dependency busy for long."""
    timeout = error is not None and (isinstance(error, TimeoutError) or kind_of(error) is TIMEOUT)
    return 2.0 if timeout else 1.0


def check_functions(before_sleep: Any, stop: Any, discard: Any) -> None:
    """Refuse what cannot be called, or asked."""
    if before_sleep is not None and not callable(before_sleep):
        raise _validate.refuse("before_sleep", before_sleep, "it must be a function or None")
    if stop is not None and not callable(getattr(stop, "is_set", None)):
        raise _validate.refuse(
            "stop",
            stop,
            "it must have a method is_set(), as threading.Event and asyncio.Event have",
        )
    if discard is not None:
        _validate.plain_callable("discard", discard)
