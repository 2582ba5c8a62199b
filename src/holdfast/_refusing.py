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
    if _validate.has_flag(fn, LAZY_CODE):
        plain = _validate.unwrapped(fn)
        raise ConfigurationError(
            f"a pipeline cannot protect the generator function {plain!r}: calling it runs none of its "
            "code, so no failure would be seen, and what was yielded cannot be taken back for "
            "another attempt. Protect the function that it calls for each item, or return a list"
        )
    if _validate.has_flag(getattr(fn, "__wrapped__", None), LAZY_CODE) and is_manager(fn):
        raise ConfigurationError(
            f"a pipeline cannot protect the context manager {fn!r}, {ENTERED_LATER}"
        )


def is_manager(fn: Any) -> bool:
    """Return whether ``fn`` was made by `contextlib.contextmanager`, or its async twin."""
    made_in = getattr(fn, "__globals__", None)
    return isinstance(made_in, dict) and made_in.get("__name__") == "contextlib"


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
            "be seen: protect the function that it calls for each item, or return a list"
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
