"""The attempt under way: its number, whose call it belongs to, and what has been given up on in it.

Set for second and further attempts only, so that a call that succeeds at once pays nothing; and for the
first one while somebody listens, or where ``nested="inner"`` asks for it.  A copy that a task or thread
has inherited counts for nothing once the attempt is over.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar, Token
from functools import partial
from types import FrameType
from typing import Any

_numbers = itertools.count(1)

DRIVERS = ("holdfast._drivers.aio", "holdfast._drivers.blocking")


class Call:
    """One call of a protected function, as events tell it.

    Attributes:
        pipeline: the name of its pipeline.
        function: the function's qualified name, with its module; None where it isn't known.
    """

    __slots__ = ("_function", "_id", "_name", "pipeline")

    def __init__(self, pipeline: str, function: Any, name: str | None = None) -> None:
        self.pipeline: str = pipeline
        self._function = function
        self._name = name
        self._id: int | None = None

    @property
    def id(self) -> int:
        """A number that no other call in this process has; made when first asked for."""
        if self._id is None:
            self._id = next(_numbers)
        return self._id

    @property
    def function(self) -> str | None:
        """The function's qualified name, with its module."""
        if self._name is None and self._function is not None:
            self._name = full_name(self._function)
        return self._name

    def __repr__(self) -> str:
        return f"<Call {self.id} of {self.function or 'a function'}, pipeline {self.pipeline!r}>"


class Ongoing:
    """One attempt of a retry."""

    __slots__ = ("call", "number", "over", "place", "tried")

    def __init__(self, number: int, call: Call | None) -> None:
        self.number: int = number
        self.call: Call | None = call
        self.over: bool = False
        self.place: int = 0
        """The identity of the frame that a loop's attempt is made in."""
        self.tried: list[tuple[Any, str, int]] = []
        """What retries further in have given up on: the error or bad result, their pipeline, their
        attempts."""

    def gave_up(self, outcome: Any, pipeline: str, attempts: int) -> None:
        """Remember that a retry further in has given up."""
        if not self.over:
            self.tried.append((outcome, pipeline, attempts))

    def forget(self) -> None:
        """Let go of the outcomes: an exception's traceback keeps the frames that keep this object."""
        self.tried = []


class Watched(Ongoing):
    """One call that is being listened to: its first attempt, as far as no retry has numbered it."""

    __slots__ = ("outer",)

    def __init__(self, call: Call, outer: Ongoing | None) -> None:
        self.number, self.call, self.over, self.place = 1, call, False, 0  # as `Ongoing` does
        self.tried = []
        self.outer: Ongoing | None = outer
        """The attempt around it, which is the one to be told."""

    def gave_up(self, outcome: Any, pipeline: str, attempts: int) -> None:
        """Tell the attempt around it."""
        if self.outer is not None:
            self.outer.gave_up(outcome, pipeline, attempts)


ongoing: ContextVar[Ongoing | None] = ContextVar("holdfast_ongoing", default=None)


def under_way() -> Ongoing | None:
    """Return the attempt that this is part of, as far as one has been set, and if it isn't over."""
    found = ongoing.get()
    return None if found is None or found.over else found


def leave(token: Token[Ongoing | None]) -> None:
    """Take back what was set; nothing to do where a coroutine is closed in another context."""
    with suppress(ValueError):
        ongoing.reset(token)


def attempt() -> int:
    """Return the number of the attempt that is under way, from 1: call it in a protected function.

    That of the innermost retry, or retry loop, around the code that asks; 1 outside of any.  In a task
    or a worker thread that the function has started it is that of the innermost *repeated* attempt.
    """
    under = under_way()
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - what warnings itself uses
    while frame is not None:
        if under is not None and under.place == id(frame):
            break
        if frame.f_globals.get("__name__") in DRIVERS:
            if frame.f_code.co_qualname == "reacting.<locals>.step":
                if hasattr(frame.f_locals.get("reaction"), "attempts"):
                    return 1
            elif frame.f_code.co_qualname == "numbered.<locals>.step":
                break
        frame = frame.f_back
    return 1 if under is None else under.number


def full_name(fn: Callable[..., Any]) -> str:
    """Return the qualified name of a function, with its module."""
    while isinstance(fn, partial):
        fn = fn.func
    named = fn if hasattr(fn, "__qualname__") else type(fn)
    module, name = getattr(named, "__module__", None), getattr(named, "__qualname__", "?")
    return f"{module}.{name}" if isinstance(module, str) else str(name)


def call_id() -> int | None:
    """Return the number of the call under way, as far as it is known; for events."""
    under = under_way()
    return None if under is None or under.call is None else under.call.id


def function_name() -> str | None:
    """Return the name of the function that is being called, as far as it is known; for events."""
    under = under_way()
    return None if under is None or under.call is None else under.call.function


def attempt_number() -> int | None:
    """Return the number of the attempt under way, as far as it is known; for events."""
    under = under_way()
    return None if under is None else under.number
