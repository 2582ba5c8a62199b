"""What the frozen values among the strategies share.

Not `dataclasses`: importing that costs more than all of Holdfast, and an explicit constructor can be
read.  A value lists its options in ``_options``, in the order of its constructor.
"""

from __future__ import annotations

import types
from functools import partial
from typing import Any, Self

ROUTINES = (types.FunctionType, types.MethodType, types.BuiltinFunctionType)


class Value:
    """Frozen, slotted; equal, hashed and shown by its options; ``repr`` is valid Python."""

    __slots__ = ()
    _options: tuple[str, ...] = ()
    _prefix = ""

    def _set(self, **fields: Any) -> None:
        """Set fields while the value is being made."""
        for name, content in fields.items():
            object.__setattr__(self, name, content)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: make another one with replace()")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: make another one with replace()")

    def _given(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._options)

    def replace(self, **changes: Any) -> Self:
        """Return a value with some options changed."""
        return type(self)(**(dict(zip(self._options, self._given(), strict=True)) | changes))

    __replace__ = replace

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._given() == other._given()

    def __hash__(self) -> int:
        return hash((type(self), self._given()))

    def __reduce__(self) -> tuple[Any, ...]:
        return _remake, (type(self), dict(zip(self._options, self._given(), strict=True)))

    def __repr__(self) -> str:
        usual = defaults(type(self))
        positional = type(self).__init__.__code__.co_varnames[1:2]
        parts = []
        for name, given in zip(self._options, self._given(), strict=True):
            if name in usual and given == usual[name]:
                continue
            parts.append(spell(given) if (name,) == positional else f"{name}={spell(given)}")
        return f"{self._prefix}{type(self).__name__}({', '.join(parts)})"


def defaults(kind: type) -> dict[str, Any]:
    """Return the defaults of a constructor's options."""
    make: Any = kind.__init__  # type: ignore[misc] # of this very class
    names = make.__code__.co_varnames[: make.__code__.co_argcount]
    positional = make.__defaults__ or ()
    named = dict(zip(reversed(names), reversed(positional), strict=False))
    return named | (make.__kwdefaults__ or {})


def _remake(kind: type[Value], options: dict[str, Any]) -> Value:
    return kind(**options)


def spell(value: Any) -> str:
    """Return how ``value`` would be written in source code, as far as that can be known."""
    if isinstance(value, tuple):
        inner = ", ".join(map(spell, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, partial):
        return f"partial({spell(value.func)})"  # its arguments may be anything, a password too
    if isinstance(value, (type, ROUTINES)):
        return (
            value.__name__
            if value.__module__ == "builtins"
            else value.__qualname__.split("<locals>.")[-1]
        )
    return repr(value)
