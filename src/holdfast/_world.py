"""What is ambient in a process: the clock, the randomness, who listens, which runtime is in force.

Nothing else in Holdfast reads a clock or draws a random number.  Drivers are handed a runtime when a
function is decorated; this module is the one place where a test kit, or a listener, can say that a
call must take the slow way round.  That question costs the happy path one attribute read:
``world.detour``.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from holdfast._weakly import Weakly

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
        "_given", "_own", "bypass", "changing", "clock", "detour", "listeners", "overrides",
        "runtimes", "stopping",
    )  # fmt: skip

    def __init__(self) -> None:
        self.clock: Clock = time.monotonic
        self._own: Random | None = None
        self._given: Random | None = None
        self._after_fork()
        self.listeners: tuple[Callable[[Any], object], ...] = ()
        self.overrides: dict[str, Any] = {}
        self.runtimes: dict[str, Callable[[], Any]] = {}
        self.bypass = False
        self.stopping: Any = None
        """What `holdfast.stop` has left, while it is in force."""
        self.detour = False

    def __reduce__(self) -> str:
        return "world"

    def _after_fork(self) -> None:
        self.changing = threading.RLock()
        """Held by whoever changes what all share, which is rare: nobody takes it during a call."""

    @property
    def rng(self) -> Random:
        """The source of all jitter; made when first needed, for `random` is slow to import."""
        if self._given is not None:
            return self._given
        if self._own is None:
            from random import Random

            self._own = Random()
        return self._own

    @rng.setter
    def rng(self, rng: Random) -> None:
        self._given = None if rng is self._own else rng

    @property
    def seeded(self) -> bool:
        """Whether a test holds the randomness."""
        return self._given is not None

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


def owner() -> object:
    """Return what tells this thread or task from the others; a loop's callbacks share one."""
    asyncio = sys.modules.get("asyncio")
    loop = None if asyncio is None else asyncio._get_running_loop()  # noqa: SLF001 - public in all but its name
    if asyncio is None or loop is None:
        return threading.get_ident()
    return id(asyncio.current_task(loop) or loop)


_forkable: Weakly[Any] = Weakly()
_sources: Weakly[Any] = Weakly()


def renew_after_fork(thing: Forkable) -> None:
    """Have ``thing._after_fork()`` called in every child process that is forked from here on."""
    _forkable.add(thing)


def spare_after_fork(thing: Forkable) -> None:
    """Leave ``thing`` alone in child processes: its owner starts afresh there, without it."""
    _forkable.discard(thing)


def reseed_after_fork(rng: Random | None) -> None:
    """Have a source of randomness that somebody has given us seeded anew in every child process."""
    if hasattr(rng, "seed"):
        with suppress(TypeError):  # one of another kind, of which there are no weak references
            _sources.add(rng)


def _renew_all() -> None:
    world._after_fork()  # noqa: SLF001 - ours
    for thing in _forkable:
        thing._after_fork()  # noqa: SLF001 - the protocol above
    if not world.seeded:
        _reseed_all()


def _reseed_all() -> None:
    """Seed every source from the system's, as Python does with that of the module `random`.

    In place: a call that is under way may hold it.
    """
    own = world._own  # noqa: SLF001 - ours
    for source in (*_sources, *(() if own is None else (own,))):
        with suppress(Exception):  # somebody else's code, of which nobody is here to be told
            source.seed()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
