"""What a fallback function can take: the error, and as many of the call's arguments as it names.

Read once, when the fallback is made, off the function's code; `inspect` takes ten milliseconds to
import, so it is asked only about callables that have no plain code.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FunctionType, MethodType
from typing import Any, Final

from holdfast import _validate
from holdfast.shapes import Arguments, Keywords
from holdfast.strategies.fallback.copies import CONTAINERS

VARARGS, VARKEYWORDS = 0x04, 0x08
"""Flags of code objects, see `inspect.CO_VARARGS`."""

MANY: Final = 1 << 30


class Reach:
    """How many positional arguments a function takes, and which by name.

    Args:
        most: how many positional arguments it takes; `MANY` for any number.
        least: how many it must have.
        names: the names by which it takes arguments, positional ones first, in order.
        any_name: whether it takes any other name, too.
        demanded: keyword-only parameters without a default, which nobody can give it.
    """

    __slots__ = ("any_name", "demanded", "least", "most", "names")

    def __init__(
        self,
        most: int,
        least: int,
        names: tuple[str, ...],
        demanded: tuple[str, ...],
        *,
        any_name: bool,
    ) -> None:
        self.most: int = most
        self.least: int = least
        self.names: tuple[str, ...] = names
        self.demanded: tuple[str, ...] = demanded
        self.any_name: bool = any_name

    def call(
        self, function: Callable[..., Any], subject: Any, args: Arguments, kwargs: Keywords
    ) -> Any:
        """Call ``function(subject, *args, **kwargs)``, as far as it takes them."""
        if self.most == 0:
            return function()
        given = args[: self.most - 1]
        if not kwargs:
            return function(subject, *given)
        taken = self.names[: len(given) + 1]
        named = {
            name: value
            for name, value in kwargs.items()
            if name not in taken and (self.any_name or name in self.names)
        }
        return function(subject, *given, **named)


def reach_of(function: Callable[..., Any]) -> Reach:
    """Return what ``function`` can take.

    Raises:
        ConfigurationError: if it demands what nobody can give it.
    """
    reach = _of_code(function) or _of_signature(function)
    if reach.demanded:
        raise _validate.refuse(
            "instead", function,
            "it is called with the error and the call's arguments, and demands "
            f"{', '.join(reach.demanded)} by name: give that a default",
        )  # fmt: skip
    return reach


def check_fits(function: Callable[..., Any], protected: Callable[..., Any]) -> None:
    """Refuse a fallback function that needs more than the protected one can ever be called with."""
    needs, has = reach_of(function), _of_code(protected)
    if has is None or needs.least <= has.most + 1:
        return
    raise _validate.refuse(
        "instead", function,
        f"it needs {needs.least} arguments, and gets the error and those of {protected!r}, "
        f"which has {has.most}",
    )  # fmt: skip


def _of_code(function: Any) -> Reach | None:
    """Read a plain function or method."""
    bound = isinstance(function, MethodType)
    plain = function.__func__ if bound else function
    while isinstance(plain, FunctionType) and hasattr(plain, "__wrapped__"):
        plain = plain.__wrapped__  # a decorator takes what the function takes
    if not isinstance(plain, FunctionType):
        return None
    code: CodeType = plain.__code__
    count = code.co_argcount
    names = code.co_varnames[: count + code.co_kwonlyargcount]
    optional = len(plain.__defaults__ or ())
    defaults = plain.__kwdefaults__ or {}
    return Reach(
        MANY if code.co_flags & VARARGS else count - bound,
        count - bound - optional,
        names[bound:],
        tuple(name for name in names[count:] if name not in defaults),
        any_name=bool(code.co_flags & VARKEYWORDS),
    )


def _of_signature(function: Any) -> Reach:
    """Read any other callable; of a container such as `list` an empty one is meant."""
    import inspect

    if isinstance(function, type) and issubclass(function, (*CONTAINERS, tuple, frozenset)):
        return Reach(0, 0, (), (), any_name=False)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return Reach(1, 1, (), (), any_name=False)
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    placed = [one for one in parameters if one.kind in by_place]
    named = [one for one in parameters if one.kind is one.KEYWORD_ONLY]
    return Reach(
        MANY if any(one.kind is one.VAR_POSITIONAL for one in parameters) else len(placed),
        sum(one.default is one.empty for one in placed),
        tuple(one.name for one in (*placed, *named)),
        tuple(one.name for one in named if one.default is one.empty),
        any_name=any(one.kind is one.VAR_KEYWORD for one in parameters),
    )
