"""What has state stays one thing: a copy of it is itself, and a pickle says how to make it anew.

Sent to another process, a breaker arrives as a new one with the same options; its counts are about
calls from here.  What comes back to the process in which it was pickled is the thing itself, as long
as it is there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from typing import Any, Self
from weakref import WeakValueDictionary

from holdfast._world import renew_after_fork

Token = tuple[bytes, int]


class Home:
    """The things of this process that were pickled, each by a token."""

    def __init__(self) -> None:
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        """Be another process: what the parent sends from now on is not what is here."""
        self._mark = b""
        self._next = count().__next__
        self._here: WeakValueDictionary[Token, Any] = WeakValueDictionary()
        self._tokens: dict[int, Token] = {}
        """By `id`, so what is dead leaves its own to the next thing in its place, which gets another."""

    def token(self, thing: Any) -> Token:
        """Return a token by which ``thing`` is found as long as it lives, the same one each time."""
        token = self._tokens.get(id(thing))
        if token is None or self._here.get(token) is not thing:
            self._mark = self._mark or os.urandom(16)
            token = self._tokens[id(thing)] = (self._mark, self._next())
            self._here[token] = thing
        return token

    def find(self, token: Token) -> Any:
        """Return what has the token, if it is of this process and still there; None otherwise."""
        return self._here.get(token)


home = Home()


class Sent:
    """Base of what is copied as itself, and pickled by how it was made."""

    __slots__ = ("__weakref__",)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: Any) -> Self:
        return self

    def _sent(self, make: Callable[..., Any], *how: Any) -> tuple[Any, ...]:
        """Return what `pickle` wants: the call by which it arrives."""
        return _arrived, (home.token(self), make, *how)


def _arrived(token: Token, make: Callable[..., Any], *how: Any) -> Any:
    """Return what was sent: itself where it came from, or a new one."""
    here = home.find(token)
    return make(*how) if here is None else here
