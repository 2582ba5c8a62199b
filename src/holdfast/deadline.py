"""The deadline that travels down the call chain, and with it the mark of an enclosing retry.

Both live in one `ContextVar`, so they follow the code across ``await``, into tasks and into our own
worker threads.  An inner deadline never extends an outer one.  A deadline is an instant after which
nobody waits for the answer (gRPC's and Finagle's notion): strategies consult it before they wait,
sleep or start something; `Timeout` enforces it.
"""

from __future__ import annotations

import math
from contextlib import suppress
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Self

from holdfast import _validate
from holdfast._world import now


class Ambient(tuple[float, float, "str | None"]):
    """What a call inherits from its callers: (at, seconds, retrying).

    A plain tuple will do where it is made for each call; read it by index there.  (No `NamedTuple`:
    making the class takes a millisecond.)
    """

    __slots__ = ()

    def __new__(cls, at: float, seconds: float, retrying: str | None) -> Self:
        """Make one of its three parts."""
        return super().__new__(cls, (at, seconds, retrying))

    @property
    def at(self) -> float:
        """The instant of the deadline, ``inf`` for none."""
        return self[0]

    @property
    def seconds(self) -> float:
        """How long it was when it was set."""
        return self[1]

    @property
    def retrying(self) -> str | None:
        """The pipeline whose retry has claimed the retrying for itself (``nested="outer"``)."""
        return self[2]


NOTHING = Ambient(math.inf, math.inf, None)
ambient: ContextVar[Ambient] = ContextVar("holdfast_ambient", default=NOTHING)


def remaining() -> float:
    """Return the seconds that are left until the deadline; ``inf`` without one, never negative.

    Safe in any thread or task: each sees the deadline of its own context.
    """
    at = ambient.get()[0]
    return at if at == math.inf else max(0.0, at - now())


def restore(token: Token[Ambient]) -> None:
    """Take back what was set; nothing to do where a coroutine is closed in another context."""
    with suppress(ValueError):
        ambient.reset(token)


class deadline:  # noqa: N801 - reads as a verb: with deadline(2.0)
    """Set a deadline for all that runs inside: ``with deadline(2.0): ...``.

    It is passive: it interrupts nothing by itself.  Pipelines inside obey it (a `Timeout` cuts at
    the shorter of the two, a `Retry` does not sleep past it, a `Bulkhead` does not queue past it),
    and integrations turn `remaining` into their clients' own timeouts.  It cannot be extended from
    inside.  Works across ``await``; use one object for one block.

    Args:
        seconds: how long, from now, in seconds; greater than 0.

    Raises:
        ConfigurationError: if ``seconds`` is not a finite positive number.
    """

    __slots__ = ("_token", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds: float = _validate.seconds("seconds", seconds)
        self._token: Token[Ambient] | None = None

    def __enter__(self) -> Self:
        outer = ambient.get()
        at = now() + self.seconds
        inner = outer if outer[0] <= at else Ambient(at, self.seconds, outer[2])
        self._token = ambient.set(inner)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._token is not None:
            restore(self._token)
            self._token = None
