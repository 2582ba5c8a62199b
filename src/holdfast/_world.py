"""What is ambient in a process: the clock, the randomness, who listens, which runtime is in force.

Nothing else in Holdfast reads a clock or draws a random number.  Drivers are handed a runtime when a
function is decorated; this module is the one place where a test kit, or a listener, can say that a
call must take the slow way round.  That question costs the happy path one attribute read:
``world.detour``.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from random import Random

Clock = Callable[[], float]
"""Seconds since some fixed instant; monotonic."""


class Forkable(Protocol):
    """Something with a lock or with permits in flight that a child process must start afresh."""

    def _after_fork(self) -> None: ...


class World:
    """The process-wide seams.  Mutated only by `holdfast.events` and `holdfast.testing`."""

    __slots__ = (
        "_rng", "bypass", "clock", "detour", "listeners", "overrides", "runtimes", "stopping",
    )  # fmt: skip

    def __init__(self) -> None:
        self.clock: Clock = time.monotonic
        self._rng: Random | None = None
        self.listeners: tuple[Callable[[Any], object], ...] = ()
        self.overrides: dict[str, Any] = {}
        self.runtimes: dict[str, Callable[[], Any]] = {}
        self.bypass = False
        self.stopping: Any = None
        """What `holdfast.stop` has left, while it is in force."""
        self.detour = False

    @property
    def rng(self) -> Random:
        """The source of all jitter; made when first needed, for `random` is slow to import."""
        if self._rng is None:
            from random import Random

            self._rng = Random()
        return self._rng

    @rng.setter
    def rng(self, rng: Random) -> None:
        self._rng = rng

    def refresh(self) -> None:
        """Recompute whether calls must take the slow way round."""
        self.detour = bool(self.listeners or self.overrides or self.bypass or self.stopping)

    def runtime(self, colour: str) -> Any:
        """Return the runtime in force for ``"blocking"`` or ``"asyncio"`` code."""
        override = self.overrides.get(colour)
        return override if override is not None else self.runtimes[colour]()


world = World()


def now() -> float:
    """Return the current instant of the clock in force, in seconds."""
    return world.clock()


_forkable: weakref.WeakSet[Any] = weakref.WeakSet()


def renew_after_fork(thing: Forkable) -> None:
    """Have ``thing._after_fork()`` called in every child process that is forked from here on."""
    _forkable.add(thing)


def spare_after_fork(thing: Forkable) -> None:
    """Leave ``thing`` alone in child processes: its owner starts afresh there, without it."""
    _forkable.discard(thing)


def _renew_all() -> None:
    for thing in list(_forkable):
        thing._after_fork()  # noqa: SLF001 - the protocol above


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
