"""The innermost step: the user's function itself, and what it must not return."""

from __future__ import annotations

from collections.abc import Callable
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from holdfast.errors import Misuse, RejectedError
from holdfast.shapes import Arguments, Keywords

Step = Callable[[Arguments, Keywords], Any]

LAZY = (GeneratorType, AsyncGeneratorType)

ENTERED_LATER = (
    "whose code runs when it is entered, so that no failure would be seen: protect the function that "
    "it calls to get what it manages"
)

PLAIN = frozenset({
    type(None), bool, bytes, dict, float, int, list, set, str, tuple,
})  # fmt: skip
"""Types of results that need no further look."""


def terminal_of(fn: Callable[..., Any], colour: str) -> Step:
    """Return the innermost step: the user's function itself."""
    if colour == "asyncio":
        return lambda args, kwargs: fn(*args, **kwargs)

    finished: type = type(None)  # the latest type that was looked at: few functions have many

    def terminal(args: Arguments, kwargs: Keywords) -> Any:
        nonlocal finished
        result = fn(*args, **kwargs)
        kind = type(result)
        if kind is not finished:
            if kind not in PLAIN:
                _refuse_unfinished(fn, result)
            finished = kind
        return result

    return terminal


def _refuse_unfinished(fn: Any, result: Any) -> None:
    """Refuse a result that stands for work still to be done: what fails in it, no layer would see."""
    kind = type(result)
    if hasattr(kind, "__await__"):
        if kind is CoroutineType:
            result.close()
        raise Misuse(
            f"{fn!r} returned a {kind.__name__}, which is awaited after a blocking pipeline has ended, "
            "so that it cannot protect it: make it an 'async def' function that awaits it, or use "
            "'await pipeline.acall(...)'"
        )
    if kind in LAZY:
        raise Misuse(
            f"{fn!r} returned a {kind.__name__}, none of whose code has run, so that no failure would "
            "be seen: protect the function that it calls for each item, or return a list"
        )
    if kind.__module__ == "contextlib" and hasattr(result, "gen"):
        raise Misuse(f"{fn!r} returned a context manager, {ENTERED_LATER}")


def apply_blocking(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Run ``fn`` for ``pipeline.call``."""
    if not callable(fn):
        raise Misuse(f"pipeline.call() takes a function and its arguments, not {fn!r}")
    result = fn(*args, **kwargs)
    if type(result) not in PLAIN:
        _refuse_unfinished(fn, result)
    return result


def apply_async(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Run ``fn`` for ``pipeline.acall``: anything that returns something to await will do."""
    if not callable(fn):
        raise _not_a_function(fn)
    result = fn(*args, **kwargs)
    if type(result) is CoroutineType and (
        result.cr_frame is None or result.cr_suspended or result.cr_running
    ):
        raise SpentError(
            f"{fn!r} returned a coroutine that has been awaited before, and can run only once: give "
            "acall() the function and its arguments, or a function that makes a new one each time",
            strategy="acall",
        )
    if not hasattr(type(result), "__await__"):
        raise Misuse(
            f"{fn!r} returned {type(result).__name__!r}, which cannot be awaited, and "
            "pipeline.acall() is for async code: use pipeline.call(...), in "
            "asyncio.to_thread(...) if it blocks"
        )
    return result


def _not_a_function(given: Any) -> Misuse:
    if type(given) is CoroutineType:
        given.close()
        return Misuse(
            f"pipeline.acall() was given the coroutine of {given.__qualname__}, which can run only "
            f"once: give it the function and its arguments, acall({given.__name__}, ...)"
        )
    return Misuse(f"pipeline.acall() takes a function and its arguments, not {given!r}")


class SpentError(RejectedError, TypeError):
    """Nothing was called: what would have to be awaited has been awaited by an earlier attempt.

    A rejection, so that the earlier attempt's own error is the one that stands.
    """
