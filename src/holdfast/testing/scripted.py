"""`Scripted`: a dependency that does what the script says, for blocking and async callers alike."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

from holdfast import _validate
from holdfast._world import now, renew_after_fork
from holdfast.testing._agenda import DEADLOCK
from holdfast.testing.clock import clock_in_force


@dataclass(frozen=True, slots=True)
class Ok:
    """Return ``value`` after ``takes`` seconds; so many ``times`` in a row."""

    value: Any = None
    takes: float = 0.0
    times: int = 1

    def __post_init__(self) -> None:
        _validate.seconds_of(self, "takes", positive=False)
        _validate.count("times", self.times)


@dataclass(frozen=True, slots=True)
class Fail:
    """Raise ``error``, an exception or a class of them, after ``takes`` seconds; so many ``times``."""

    error: Exception | type[Exception]
    takes: float = 0.0
    times: int = 1

    def __post_init__(self) -> None:
        _validate.seconds_of(self, "takes", positive=False)
        _validate.count("times", self.times)
        if not _is_error(self.error):
            allowed = "it must be an exception, or a class of exceptions"
            raise _validate.refuse("error", self.error, allowed)


@dataclass(frozen=True, slots=True)
class Hang:
    """Never answer; so many ``times`` in a row."""

    times: int = 1

    def __post_init__(self) -> None:
        _validate.count("times", self.times)


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

        payments = Scripted([Fail(OSError("down"), times=2), Hang(), Ok("paid", takes=0.3)])
        pipeline(payments)          # blocking
        pipeline(payments.aio)      # async

    On a `VirtualClock` or `VirtualLoop`, what it takes is virtual time.  An exception that the script
    raises again is a fresh copy, as a real dependency would raise.  Any arguments will do.  Thread- and
    task-safe: each call gets a step of its own.

    Args:
        script: `Ok`, `Fail` and `Hang`; an exception, or a class of them, means `Fail`, and any
            other object means `Ok`.

    Attributes:
        calls: what it was called with, and when.

    Raises:
        ConfigurationError: if the script is empty, or no list.
    """

    def __init__(self, script: Iterable[Any]) -> None:
        if isinstance(script, str | bytes) or not isinstance(script, Iterable):
            raise _validate.refuse("script", script, "it must be a list of steps: [Ok('paid')]")
        steps = [_step(one) for one in script]
        if not steps:
            raise _validate.refuse("script", script, "it needs at least one step")
        self._steps = chain.from_iterable(repeat(step, step.times) for step in steps)
        self._step = steps[0]
        self._after_fork()
        renew_after_fork(self)
        errors = [one.error for one in steps if isinstance(one, Fail)]
        self._pristine = {id(error): _copied(error) for error in errors}
        self._raised: set[int] = set()
        self.calls: list[Call] = []

    def _after_fork(self) -> None:
        self._lock = threading.RLock()

    @property
    def times(self) -> list[float]:
        """The instants at which it was called."""
        return [call.at for call in self.calls]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Play the next step, blocking."""
        number, step = self._next(args, kwargs)
        clock = clock_in_force()
        takes = math.inf if isinstance(step, Hang) else step.takes
        if clock is not None:
            clock.sleep(takes)
        elif takes == math.inf:
            raise RuntimeError(
                f"{DEADLOCK}: call number {number} is a Hang(), which needs a VirtualClock to end"
            )
        else:
            time.sleep(takes)
        return self._answer(step)

    async def aio(self, *args: Any, **kwargs: Any) -> Any:
        """Play the next step, async."""
        number, step = self._next(args, kwargs)  # noqa: RUF059 - a deadlock reads it off this frame
        if isinstance(step, Hang) or step.takes:
            import asyncio  # heavy, and needed only here

            from holdfast.testing._on_clock import check_loop

            check_loop(f"{step!r} of a Scripted")
            if isinstance(step, Hang):
                return await asyncio.get_running_loop().create_future()
            await asyncio.sleep(step.takes)
        return self._answer(step)

    def __repr__(self) -> str:
        return f"<Scripted, called {len(self.calls)} times>"

    def _next(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, Step]:
        """Return the number of this call, from 1, and its step."""
        with self._lock:
            self.calls.append(Call(now(), args, kwargs))
            self._step = next(self._steps, self._step)
            return len(self.calls), self._step

    def _answer(self, step: Step) -> Any:
        if isinstance(step, Fail):
            raise self._fresh(step.error)
        return getattr(step, "value", None)

    def _fresh(self, error: Exception | type[Exception]) -> Exception | type[Exception]:
        """Return the exception itself the first time, a copy from then on."""
        with self._lock:
            first = id(error) not in self._raised
            self._raised.add(id(error))
        return error if first else _copied(self._pristine[id(error)])


def _is_error(value: Any) -> bool:
    return isinstance(value, Exception) or (
        isinstance(value, type) and issubclass(value, Exception)
    )


def _step(value: Any) -> Step:
    if isinstance(value, Ok | Fail | Hang):
        return value
    return Fail(value) if _is_error(value) else Ok(value)


def _copied(error: Exception | type[Exception]) -> Exception | type[Exception]:
    try:
        return error if isinstance(error, type) else copy.copy(error)
    except Exception:  # noqa: BLE001 - an exception class may forbid it; then it is raised again
        return error
