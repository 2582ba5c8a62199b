"""`Scripted`: a dependency that does what the script says, for blocking and async callers alike."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from holdfast._world import now
from holdfast.testing.clock import DEADLOCK, clock_in_force


@dataclass(frozen=True, slots=True)
class Ok:
    """Return ``value`` after ``takes`` seconds."""

    value: Any = None
    takes: float = 0.0


@dataclass(frozen=True, slots=True)
class Fail:
    """Raise ``error`` after ``takes`` seconds: an exception, or a class of exceptions."""

    error: Exception | type[Exception]
    takes: float = 0.0


@dataclass(frozen=True, slots=True)
class Hang:
    """Never answer."""


Step = Ok | Fail | Hang


@dataclass(frozen=True, slots=True)
class Call:
    """One call that a dependency got."""

    at: float
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Scripted:
    """A dependency that plays a script, one step for each call, the last one for ever.

    Protect it itself in blocking code, and its method `aio` in async code::

        payments = Scripted([Fail(OSError("down"), takes=1.0), Hang(), Ok("paid", takes=0.2)])
        pipeline(payments)          # blocking
        pipeline(payments.aio)      # async

    On a `VirtualClock` or `VirtualLoop`, what it takes is virtual time.  An exception that the script
    raises again is a fresh copy, as a real dependency would raise.  Any arguments will do.

    Args:
        script: `Ok`, `Fail` and `Hang`; an exception, or a class of them, means `Fail`, and any
            other object means `Ok`.

    Attributes:
        calls: what it was called with, and when.
    """

    def __init__(self, script: Iterable[Any]) -> None:
        self._script = [_step(one) for one in script]
        if not self._script:
            raise ValueError("a script needs at least one step")
        errors = [one.error for one in self._script if isinstance(one, Fail)]
        self._pristine = {id(error): _copied(error) for error in errors}
        self._raised: set[int] = set()
        self.calls: list[Call] = []

    @property
    def times(self) -> list[float]:
        """The instants at which it was called."""
        return [call.at for call in self.calls]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Play the next step, blocking."""
        step = self._next(args, kwargs)
        clock = clock_in_force()
        takes = math.inf if isinstance(step, Hang) else step.takes
        if clock is not None:
            clock.sleep(takes)
        elif takes == math.inf:
            raise RuntimeError(f"{DEADLOCK}: Hang() in blocking code needs a VirtualClock")
        else:
            time.sleep(takes)
        return self._answer(step)

    async def aio(self, *args: Any, **kwargs: Any) -> Any:
        """Play the next step, async."""
        step = self._next(args, kwargs)
        if isinstance(step, Hang):
            import asyncio  # heavy, and needed only here

            return await asyncio.get_running_loop().create_future()
        if step.takes:
            import asyncio

            await asyncio.sleep(step.takes)
        return self._answer(step)

    def _next(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Step:
        number = len(self.calls)
        self.calls.append(Call(now(), args, kwargs))
        return self._script[min(number, len(self._script) - 1)]

    def _answer(self, step: Step) -> Any:
        if isinstance(step, Fail):
            error = step.error
            if id(error) in self._raised:
                raise _copied(self._pristine[id(error)])
            self._raised.add(id(error))
            raise error
        return getattr(step, "value", None)


def _step(value: Any) -> Step:
    if isinstance(value, Ok | Fail | Hang):
        return value
    if isinstance(value, Exception) or (isinstance(value, type) and issubclass(value, Exception)):
        return Fail(value)
    return Ok(value)


def _copied(error: Exception | type[Exception]) -> Exception | type[Exception]:
    try:
        return error if isinstance(error, type) else copy.copy(error)
    except Exception:  # noqa: BLE001 - an exception class may forbid it; then it is raised again
        return error
