"""Whose results these are: a function's, and where it is a method, those of one instance.

Told by identity, and without keeping anybody alive: for as long as an object lives it has one token, and
a token is never used again.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import MethodType
from typing import Any

from holdfast.shapes import Arguments


class Alive:
    """Stands for an object that can't be referred to weakly, and so keeps it."""

    __slots__ = ("thing",)

    def __init__(self, thing: object) -> None:
        self.thing: object = thing


class Owners:
    """Tokens of functions and instances.  Thread-safe: its dict is changed by single operations."""

    __slots__ = ("_tokens",)

    def __init__(self) -> None:
        self._tokens: dict[int, tuple[Callable[[], object], object]] = {}

    def of(self, function: Any, args: Arguments) -> tuple[object, ...] | None:
        """Return what tells whose call it is; None for an instance that can't be told from others."""
        if isinstance(function, MethodType):
            plain, holder = function.__func__, function.__self__
        elif args and is_method(function, args[0]):
            plain, holder = function, args[0]
        else:
            return (self._token(function, keep=True),)
        token = self._token(holder, keep=False)
        return None if token is None else (self._token(plain, keep=True), token)

    def _token(self, thing: object, *, keep: bool) -> object:
        """Return the token of an object; a function that can't be referred to weakly is kept."""
        number = id(thing)
        known = self._tokens.get(number)
        if known is not None and known[0]() is thing:
            return known[1]
        token = object()
        try:
            reference: Any = weakref.ref(thing, lambda gone: self._forget(number, gone))
        except TypeError:
            if not keep:
                return None
            alive = Alive(thing)
            reference, token = (lambda: alive.thing), alive
        self._tokens[number] = (reference, token)
        return token

    def _forget(self, number: int, gone: object) -> None:
        known = self._tokens.get(number)
        if known is not None and known[0] is gone:
            self._tokens.pop(number, None)


def is_method(function: Any, first: object) -> bool:
    """Return whether ``function`` is a method of its call's first argument, or of its class."""
    body, _, name = getattr(function, "__qualname__", "").rpartition(".")
    if not body or body.endswith("<locals>"):
        return False
    return hasattr(first if isinstance(first, type) else type(first), name)
