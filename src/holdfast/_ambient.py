"""What a call inherits from its callers: a deadline, and the mark of an enclosing retry.

Both live in one `ContextVar`, so they follow the code across ``await``, into tasks and into our own
worker threads.

Contexts are copied: a task, a timer or a thread that is started inside a call keeps what the call has
set, and may outlive it by years.  So what is set is an object that its call marks when it leaves, and
all copies see the mark: they count for nothing from then on, and what was around the call holds.  That
costs a call two list items.  What has more to it (a limit that is the outer one's, a generator) is in
the entry's *doubt*, and is looked at by `live` alone.
"""

from __future__ import annotations

import math
from contextlib import suppress
from contextvars import ContextVar, Token
from types import FrameType
from typing import Any

from holdfast import _validate

OVER, RAN_OUT = 1, 2
"""The doubts about an entry whose call has left: before its limit, or because of it."""

GENERATOR, AWAITABLE = 0x220, 0x100
"""Flags of code objects: generators of both colours; and those that are coroutines in disguise."""

AFTER_AWAIT = 3
"""The argument of the instruction RESUME where an ``await`` goes on; 1 is that of a ``yield``."""

BLOCKS_OF_OURS = ("holdfast._block", "holdfast.pipeline")
DRIVERS_OF_BLOCKS = ("contextlib", "_pytest.fixtures")
"""Modules that run a generator up to its ``yield`` for a block's sake: it binds that block."""


class Ambient(list[Any]):
    """What a call inherits from its callers: [at, seconds, retrying, doubt, outer].

    A plain list will do where it is made for each call; read it by index there, and ask `live` where
    there is a doubt.  Only the call that has made it changes it, and `live`.
    """

    __slots__ = ()

    def __init__(
        self,
        at: float,
        seconds: float,
        retrying: str | None,
        doubt: Any = None,
        outer: Ambient | None = None,
    ) -> None:
        super().__init__((at, seconds, retrying, doubt, outer))

    @property
    def at(self) -> float:
        """The instant of the deadline, ``inf`` for none."""
        return self[0]  # type: ignore[no-any-return]

    @property
    def seconds(self) -> float:
        """How long it was when it was set."""
        return self[1]  # type: ignore[no-any-return]

    @property
    def retrying(self) -> str | None:
        """The pipeline whose retry has claimed the retrying for itself (``nested="outer"``)."""
        return self[2]  # type: ignore[no-any-return]


NOTHING = Ambient(math.inf, math.inf, None)
ambient: ContextVar[Ambient] = ContextVar("holdfast_ambient", default=NOTHING)


class Doubt:
    """What an entry has of its own, where it has more from around it; and whose body it is bound to."""

    __slots__ = ("at", "body", "retrying", "seconds")

    def __init__(
        self, at: float, seconds: float, retrying: str | None, body: FrameType | None
    ) -> None:
        self.at: float = at
        self.seconds: float = seconds
        self.retrying: str | None = retrying
        self.body: FrameType | None = body
        """The frame of a generator that other code iterates over, in the same context."""

    def counts(self) -> bool:
        """Return whether it holds now: for everybody, or while the body is at work."""
        return self.body is None or at_work(self.body)


def current() -> Ambient:
    """Return what the code that asks is bound to."""
    entry = ambient.get()
    return live(entry) if entry[3] else entry


def bound() -> tuple[float, str | None]:
    """Return the instant of the deadline, and the pipeline that has claimed the retrying."""
    entry = current()
    return entry[0], entry[2]


def live(entry: Ambient) -> Ambient:
    """Return what holds of an entry in doubt: itself, brought up to date, or what is around it."""
    while True:
        doubt = entry[3]
        if doubt is None:
            return entry
        if isinstance(doubt, Doubt) and doubt.counts():
            return _renewed(entry, doubt)
        entry = entry[4]


def _renewed(entry: Ambient, doubt: Doubt) -> Ambient:
    """Take over what is around an entry now: its limit and its mark end with the outer call.

    But for a limit that the outer call itself ran into: nobody waits for what is inside.
    """
    outer: Ambient = entry[4]
    below = live(outer)
    entry[2] = below[2] if doubt.retrying is None else doubt.retrying
    if outer[3] != RAN_OUT:
        own = doubt.at < below[0]
        entry[0], entry[1] = (doubt.at, doubt.seconds) if own else (below[0], below[1])
    if outer[3] == OVER:
        entry[4] = below
    return entry


def inside(
    outer: Ambient,
    at: float,
    seconds: float,
    retrying: str | None = None,
    body: FrameType | None = None,
) -> Ambient:
    """Return the entry of a call with a limit of its own, or a mark; ``outer`` holds around it."""
    if at < outer[0] and outer[2] is None and retrying is None and body is None:
        return Ambient(at, seconds, None, None, outer)
    entry = Ambient(at, seconds, retrying, Doubt(at, seconds, retrying, body), outer)
    near = entry if at < outer[0] else outer
    entry[:3] = near[0], near[1], outer[2] if retrying is None else retrying
    return entry


def left(entry: Ambient, how: int = OVER) -> None:
    """Say that the call that made ``entry`` is over: whoever has a copy is no longer bound by it."""
    entry[3] = how
    outer = entry[4]
    if outer[3]:
        entry[4] = live(outer)  # no chain of calls that are over


def restore(token: Token[Ambient]) -> None:
    """Take back what was set; nothing to do where a coroutine is closed in another context."""
    with suppress(ValueError):
        ambient.reset(token)


def iterated(frame: FrameType | None) -> FrameType | None:
    """Return the generator whose body ``frame`` runs in, if its consumer shares the context.

    Not where the generator is a block's (``@contextmanager``, a fixture): then it is that block that
    counts, which may itself stand in a generator.
    """
    while frame is not None:
        module = frame.f_globals.get("__name__")
        if module in DRIVERS_OF_BLOCKS or module in BLOCKS_OF_OURS:
            frame = frame.f_back
            continue
        flags = frame.f_code.co_flags
        if not flags & GENERATOR or flags & AWAITABLE:
            return None
        driver = frame.f_back
        if driver is None or driver.f_globals.get("__name__") not in DRIVERS_OF_BLOCKS:
            return frame
        frame = driver
    return None


def at_work(body: FrameType) -> bool:
    """Return whether a generator runs, or waits for what it has started; not while it has yielded."""
    return body.f_back is not None or _awaits(body)


def _awaits(frame: FrameType) -> bool:
    """Return whether a suspended generator is an async one that awaits something, rather than yields."""
    if not frame.f_code.co_flags & _validate.ASYNC_GENERATOR:
        return False
    generator = getattr(frame, "f_generator", None)
    if generator is not None:  # from Python 3.14 on
        return generator.ag_await is not None
    import opcode

    code, at = frame.f_code.co_code, frame.f_lasti
    if code[at] != opcode.opmap["RESUME"]:  # up to 3.12 it stands at the YIELD_VALUE before
        at += 2
    return code[at] == opcode.opmap["RESUME"] and code[at + 1] & 3 == AFTER_AWAIT


class Scope:
    """A block that sets something ambient, and takes it back."""

    __slots__ = ("_entry", "_token")

    def __init__(self) -> None:
        self._entry: Ambient | None = None
        self._token: Token[Ambient] | None = None

    def set(self, entry: Ambient) -> None:
        """Have ``entry`` hold from here on."""
        self._entry = entry
        try:
            self._token = ambient.set(entry)
        finally:
            if self._token is None:  # a signal's exception came before: nobody will take it back
                entry[3] = OVER

    def take_back(self) -> bool:
        """End what was set; return whether it was set in this context."""
        entry, token = self._entry, self._token
        if entry is None or token is None:
            return True
        self._entry = self._token = None
        entry[3] = OVER  # first, and in place: there may be no stack left for a call
        there = ambient.get()
        try:
            ambient.reset(token)
            if there is not entry:  # set inside, and not left yet: blocks of generators interleave
                ambient.set(there)
        except ValueError:
            return False
        finally:
            left(entry)
        return True
