"""The deadline that travels down the call chain.

An inner deadline never extends an outer one.  A deadline is an instant after which nobody waits for the
answer (gRPC's and Finagle's notion): strategies consult it before they wait, sleep or start something;
`Timeout` enforces it.  `holdfast._ambient` tells how it travels, and how it ends.
"""

from __future__ import annotations

import math
import sys
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, Self

from holdfast import _validate
from holdfast._ambient import (
    NOTHING,
    OVER,
    RAN_OUT,
    Ambient,
    Scope,
    ambient,
    current,
    inside,
    iterated,
    left,
    live,
    restore,
)
from holdfast._cut import aside
from holdfast._world import now
from holdfast.errors import DeadlineExceeded

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = [
    "NOTHING",
    "OVER",
    "RAN_OUT",
    "Ambient",
    "Scope",
    "allowance",
    "ambient",
    "current",
    "deadline",
    "detached",
    "inside",
    "iterated",
    "left",
    "live",
    "remaining",
    "restore",
]


def remaining() -> float:
    """Return the seconds that are left until the deadline; ``inf`` without one, never negative.

    Safe in any thread or task: each sees the deadline of its own context.  For the ``timeout=`` of a
    client take `allowance`, which fits there whatever is left.
    """
    at = current()[0]
    return at if at == math.inf else max(0.0, at - now())  # type: ignore[no-any-return]


def allowance(limit: float | timedelta | None = None) -> float | None:
    """Return what may be spent on one step: for the ``timeout=`` of any client.

    The smaller of ``limit`` and what is left until the deadline, in seconds, and never 0; None where
    there is neither.  ``client.get(url, timeout=allowance(5.0))`` is right with and without a deadline,
    outside of a pipeline, and in tests that switch the protection off.

    Args:
        limit: in seconds, or a `timedelta`; greater than 0.  None for no limit but the deadline.

    Raises:
        DeadlineExceeded: when nothing is left.
        ConfigurationError: if ``limit`` is no duration.
    """
    most = math.inf if limit is None else _validate.seconds("limit", limit)
    entry = current()
    left = entry[0] - now()
    if left <= 0:
        raise DeadlineExceeded(strategy="deadline", seconds=entry[1], at=entry[0])
    nearest = min(most, left)
    return None if nearest == math.inf else nearest


class deadline:  # noqa: N801 - reads as a verb: with deadline(2.0)
    """Set a deadline for all that runs inside: ``with deadline(2.0): ...``.

    It is passive: it interrupts nothing by itself.  Pipelines inside obey it (a `Timeout` cuts at
    the shorter of the two, a `Retry` does not sleep past it, a `Bulkhead` does not queue past it),
    and `allowance` turns it into the ``timeout=`` of any client.  It cannot be extended from inside.
    Works across ``await``; use one object for one block.

    It ends with the block, also for tasks and threads that were started inside and live on.  In a
    generator it binds the generator's body, not the code that iterates over it; where the generator is
    made a block (``@contextmanager``), it binds that block.

    Args:
        seconds: how long, from now, in seconds, or a `timedelta`.  0 and less is a deadline that has
            passed already: a `Timeout` inside starts nothing.  ``inf`` is none.  So whatever comes in
            a header, or out of ``due - now`` or `remaining`, will do.

    Raises:
        ConfigurationError: if ``seconds`` is no number, or nan.

    Warns:
        RuntimeWarning: where the block is left in another context than it was entered in: then what
            ran in between has not seen the deadline (a plain ``def`` dependency of FastAPI, say).
    """

    __slots__ = ("_scope", "seconds")

    def __init__(self, seconds: float | timedelta) -> None:
        self._scope = Scope()
        self.seconds: float = _validate.span("seconds", seconds)

    def __enter__(self) -> Self:
        at = now() + self.seconds
        body = iterated(sys._getframe(1))  # noqa: SLF001 - whose block this is stands nowhere else
        self._scope.set(inside(current(), at, self.seconds, body=body))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        here = self._scope.take_back()
        if not here and (kind is None or issubclass(kind, Exception)):
            import warnings

            warnings.warn(
                f"deadline({self.seconds:g}) was entered in one context and left in another, so the "
                "code in between has not seen it: use it where that code is called, in an 'async def' "
                "dependency or a middleware of your web framework for instance",
                RuntimeWarning,
                stacklevel=2,
            )


class detached:  # noqa: N801 - reads as an adjective: with detached()
    """Run what is inside as if no call were under way: ``with detached(): ...``.

    Neither a deadline nor the mark of an enclosing ``Retry(nested="outer")`` holds inside, nor in the
    tasks and threads that are started there.  For work that the call starts and does not wait for.
    Works across ``await``, in sync and async code alike; use one object for one block.
    """

    __slots__ = ("_entry", "_scope", "_thread")

    def __init__(self) -> None:
        self._scope = Scope()
        self._thread: int = 0
        self._entry: Ambient | None = None

    def __enter__(self) -> Self:
        self._entry = entry = Ambient(math.inf, math.inf, None, None, NOTHING)
        self._thread = get_ident()
        aside.setdefault(self._thread, []).append(entry)
        self._scope.set(entry)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        entries, mine = aside.get(self._thread, []), self._entry
        entries[:] = [one for one in entries if one is not mine]
        if not entries:
            aside.pop(self._thread, None)
        self._scope.take_back()
