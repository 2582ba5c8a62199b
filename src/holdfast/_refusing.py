"""What a pipeline cannot protect, and what to do instead: refused in words."""

from __future__ import annotations

from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from holdfast import _validate
from holdfast.errors import ConfigurationError, Misuse

LAZY = (GeneratorType, AsyncGeneratorType)
LAZY_CODE = _validate.GENERATOR | _validate.ASYNC_GENERATOR

ENTERED_LATER = (
    "whose code runs when it is entered, so that no failure would be seen: protect the function that "
    "it calls to get what it manages"
)


def check_function(fn: Any) -> None:
    """Refuse what cannot be protected, with the reason and the remedy."""
    if isinstance(fn, classmethod | staticmethod):
        kind = type(fn).__name__
        raise ConfigurationError(
            f"a pipeline cannot protect a {kind} object: put @{kind} above the pipeline"
        )
    if not _validate.is_function(fn):
        raise _validate.refuse("fn", fn, "a pipeline protects functions and other callables")


def is_manager(fn: Any) -> bool:
    """Return whether ``fn`` was made by `contextlib.contextmanager`, or its async twin."""
    made_in = getattr(fn, "__globals__", None)
    return isinstance(made_in, dict) and made_in.get("__name__") == "contextlib"


def managing(fn: Any) -> Any:
    """Return what makes context managers of the kind that ``fn`` makes."""
    import contextlib

    asynchronous = _validate.has_flag(fn.__wrapped__, _validate.ASYNC_GENERATOR)
    return contextlib.asynccontextmanager if asynchronous else contextlib.contextmanager


def refuse_unfinished(fn: Any, result: Any) -> None:
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
            "be seen: decorate the generator function itself, or take @pipeline.stream for a function "
            "that returns a stream"
        )
    if kind.__module__ == "contextlib" and hasattr(result, "gen"):
        raise Misuse(f"{fn!r} returned a context manager, {ENTERED_LATER}")


def not_a_function(given: Any) -> Misuse:
    """Return the error for what was given to ``acall`` in place of a function."""
    if type(given) is CoroutineType:
        given.close()
        return Misuse(
            f"pipeline.acall() was given the coroutine of {given.__qualname__}, which can run only "
            f"once: give it the function and its arguments, acall({given.__name__}, ...)"
        )
    return Misuse(f"pipeline.acall() takes a function and its arguments, not {given!r}")
