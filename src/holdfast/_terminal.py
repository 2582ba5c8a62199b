"""The innermost step: the user's function itself, and what it must not return."""

from __future__ import annotations

from collections.abc import Callable
from types import CoroutineType
from typing import Any

from holdfast._cut import cut_off, under_cut
from holdfast._refusing import not_a_function, refuse_unfinished
from holdfast.errors import Misuse, RejectedError
from holdfast.shapes import Arguments, Keywords

Step = Callable[[Arguments, Keywords], Any]

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
        try:
            result = fn(*args, **kwargs)
        except Exception as error:
            if under_cut:
                cut_off(error)
            raise
        if under_cut:
            cut_off(None, result)
        kind = type(result)
        if kind is not finished:
            if kind not in PLAIN:
                refuse_unfinished(fn, result)
            finished = kind
        return result

    return terminal


def apply_blocking(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Run ``fn`` for ``pipeline.call``."""
    if not callable(fn):
        raise Misuse(f"pipeline.call() takes a function and its arguments, not {fn!r}")
    try:
        result = fn(*args, **kwargs)
    except Exception as error:
        if under_cut:
            cut_off(error)
        raise
    if under_cut:
        cut_off(None, result)
    if type(result) not in PLAIN:
        refuse_unfinished(fn, result)
    return result


def apply_async(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Run ``fn`` for ``pipeline.acall``: anything that returns something to await will do."""
    if not callable(fn):
        raise not_a_function(fn)
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


class SpentError(RejectedError, TypeError):
    """Nothing was called: what would have to be awaited has been awaited by an earlier attempt.

    A rejection, so that the earlier attempt's own error is the one that stands.
    """
