"""Bad configuration fails where it is written, with the option, the value and the allowed range."""

from __future__ import annotations

import math
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from holdfast.errors import ConfigurationError


def refuse(option: str, value: object, allowed: str) -> ConfigurationError:
    """Return the error for ``option=value``, to be raised by the caller."""
    return ConfigurationError(f"{option}={value!r} is not allowed: {allowed}")


def number(
    option: str, value: Any, *, low: float, high: float = math.inf, above: bool = False
) -> float:
    """Return ``value`` as a float if it lies in [low, high], or in (low, high] with ``above``."""
    span = f"a number {'greater than' if above else 'of at least'} {low:g}"
    if high != math.inf:
        span += f" and at most {high:g}"
    if not _fits_a_float(value):
        raise refuse(option, value, f"it must be {span}")
    if not low <= value <= high or (above and value == low) or value == math.inf:
        raise refuse(option, value, f"it must be {span}")
    return float(value)


def seconds(option: str, value: Any, *, positive: bool = True) -> float:
    """Return a duration in seconds as a float; zero only where ``positive`` is false."""
    length = _in_seconds(option, value)
    bound = "greater than 0" if positive else "of at least 0"
    if not 0 <= length < math.inf or (positive and length == 0):
        raise refuse(option, value, f"it must be a finite duration in seconds, {bound}")
    return length


def span(option: str, value: Any) -> float:
    """Return the seconds from one instant to another as a float: of any sign, and without end."""
    length = _in_seconds(option, value)
    if math.isnan(length):
        raise refuse(option, value, "it must be a duration in seconds, and no nan")
    return length


def _in_seconds(option: str, value: Any) -> float:
    total = getattr(value, "total_seconds", None)  # a timedelta's; its module isn't imported for it
    number = total() if callable(total) else value
    if not _fits_a_float(number):
        allowed = "it must be a duration in seconds (int or float), or a timedelta"
        raise refuse(option, value, allowed)
    return float(number)


def optional_seconds(option: str, value: Any, *, positive: bool = True) -> float | None:
    """Return a duration as `seconds` does, or None."""
    return None if value is None else seconds(option, value, positive=positive)


def seconds_of(owner: Any, option: str, *, positive: bool = True, optional: bool = False) -> None:
    """Check the attribute of a frozen object as `seconds` does; a timedelta becomes seconds."""
    given = getattr(owner, option)
    if given is None and optional:
        return
    length = seconds(option, given, positive=positive)
    if not isinstance(given, int | float):
        object.__setattr__(owner, option, length)


def count(option: str, value: Any, *, low: int = 1, high: int = sys.maxsize) -> int:
    """Return a whole number of at least ``low`` and at most ``high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        most = "" if high == sys.maxsize else f" and at most {high:,}"
        raise refuse(option, value, f"it must be a whole number of at least {low}{most}")
    return value


def flag(option: str, value: Any) -> bool:
    """Return a value that is True or False."""
    if not isinstance(value, bool):
        raise refuse(option, value, "it must be True or False")
    return value


def text(option: str, value: Any) -> str:
    """Return a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise refuse(option, value, "it must be a non-empty string")
    return value


def share(option: str, value: Any) -> float:
    """Return a share in (0, 1]."""
    return number(option, value, low=0, high=1, above=True)


def one_of(option: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Check that ``value`` is one of ``allowed``."""
    if value not in allowed:
        raise refuse(option, value, "it must be one of " + ", ".join(map(repr, allowed)))


class Layer:
    """A layer of a pipeline: put above a function like a decorator, it says what is meant."""

    __slots__ = ()

    if not TYPE_CHECKING:  # a type checker shall know that it can't be called

        def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
            kind = type(self).__name__
            raise TypeError(
                f"a {kind} is a layer of a pipeline, not a decorator, nor a function: "
                f"pipeline = Pipeline('name', {kind}(...)), and then @pipeline"
            )


def is_function(value: Any) -> bool:
    """Return whether ``value`` can be called to some purpose."""
    return callable(value) and not isinstance(value, Layer)


def plain_callable(option: str, value: Any) -> None:
    """Check that ``value`` can be called, and gives its answer without being awaited."""
    if not is_function(value):
        raise refuse(option, value, "it must be a function, or something else that can be called")
    if is_async(value):
        raise refuse(option, value, "it must be a plain function, and this one is async")


def is_async(fn: Any) -> bool:
    """Return whether calling ``fn`` gives a coroutine; looks through partials and callable objects.

    As `inspect.iscoroutinefunction`, which is not used because importing it costs 10 ms.  What has any
    attribute that it is asked for (a `Mock`, a proxy of a remote service) is not async for that.
    """
    return has_flag(fn, COROUTINE) or is_marked(unwrapped(fn))


def is_marked(fn: Any) -> bool:
    """Return whether ``fn`` bears `inspect.markcoroutinefunction`'s mark, or asyncio's older one."""
    fn = getattr(fn, "__func__", fn)
    return any(_bears(fn, name, sys.modules.get(module)) for module, name in MARKS)


MARKS = (("inspect", "_is_coroutine_mark"), ("asyncio.coroutines", "_is_coroutine"))
"""Whoever has set a mark has imported its module, so nothing is imported to look for it."""


def _bears(fn: Any, name: str, module: Any) -> bool:
    mark = getattr(module, name, None)
    return mark is not None and getattr(fn, name, None) is mark


def unwrapped(fn: Any) -> Any:
    """Return the function that a partial stands for."""
    while isinstance(fn, partial):
        fn = fn.func
    return fn


def has_flag(fn: Any, flags: int) -> bool:
    """Return whether the code behind ``fn``, or behind its ``()``, is of that kind."""
    fn = unwrapped(fn)
    for candidate in (fn, getattr(type(fn), CALL, None)):
        found = getattr(getattr(candidate, "__code__", None), "co_flags", 0)
        if isinstance(found, int) and found & flags:  # a mock, or a proxy, has anything
            return True
    return False


CALL = "__call__"  # the method itself is meant, which callable() would not give
GENERATOR, COROUTINE, ASYNC_GENERATOR = 0x20, 0x80, 0x200
"""Flags of code objects, see `inspect.CO_COROUTINE`."""


def _fits_a_float(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, float) or abs(value) <= sys.float_info.max
