"""Write your own strategies: the same shapes as ours, with no private door.

A *gate* decides whether a call may pass; a *reaction* decides what follows its outcome.  Both are
plain synchronous classes that serve sync and async code alike: they are told the instant, and never
wait, sleep or read a clock.  A strategy that needs other control flow defines
``attach(driver, inner, runtime, site)`` and returns a step of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from holdfast._runtimes.cutting.watcher import Watcher
from holdfast._runtimes.cutting.watcher import watcher as _watcher
from holdfast._runtimes.pool import WorkerPool, pool
from holdfast.errors import RejectedError
from holdfast.shapes import (
    Again,
    Arguments,
    Earlier,
    History,
    Instead,
    Keywords,
    Site,
    Ticket,
    Verdict,
    Wait,
)
from holdfast.verdict import Extractor
from holdfast.verdict import register as register_retry_after

__all__ = [
    "Again",
    "Arguments",
    "Earlier",
    "Extractor",
    "Gate",
    "History",
    "Instead",
    "Keywords",
    "Reaction",
    "Site",
    "Ticket",
    "Verdict",
    "Wait",
    "register_retry_after",
    "watcher",
    "worker_pool",
]


class Gate:
    """Base of a gate: override `enter`, and what else matters to you.

    Exactly one of `succeeded`, `failed` and `abandoned` follows each `enter` that returned.  Guard
    state with a lock of your own, and call no user code under it.
    """

    resting: Any = None
    """The permit that is given out while nobody needs to be asked; None asks every time."""
    timed: bool = True
    """Whether `enter` and `succeeded` want to know the instant; they get 0.0 otherwise."""

    def enter(self, now: float, args: Arguments, kwargs: Keywords, site: Site, /) -> Any:
        """Return a permit (anything but None) or a `Wait`, or raise.

        ``raise site.refuse(RejectedError(...), now)`` completes a rejection with the pipeline's
        name, and tells the listeners.
        """
        raise NotImplementedError

    def succeeded(self, permit: Any, now: float, result: Any, /) -> None:
        """Take back the permit of a call that returned."""

    def failed(self, permit: Any, now: float, error: Exception, /) -> None:
        """Take back the permit of a call that raised."""

    def abandoned(self, permit: Any, now: float, /) -> None:
        """Take back the permit of a call that was cancelled or interrupted."""

    def expired(self, _permit: Any, _now: float, /) -> RejectedError | None:
        """Leave the queue after too long a wait; return the error, None if granted meanwhile."""
        return RejectedError("no turn came in time")


class Reaction:
    """Base of a reaction: override `after_error`, and `after_result` with ``judges = True``."""

    judges: bool = False
    """Whether results are to be shown to `after_result`."""
    timed: bool = False
    """Whether the instant of the call's start is needed (`History.started`)."""
    claims: bool = False
    """Whether retries further in must leave the retrying to this one."""
    credit: Callable[[], None] | None = None
    """Called for each result where `judges` is False."""

    def after_error(self, error: Exception, history: History, /) -> Verdict:
        """Return None to let the exception stand, `Again`, `Instead` or `Earlier`."""
        raise NotImplementedError

    def after_result(self, _result: Any, _history: History, /) -> Verdict:
        """Return None to let the result stand, `Again`, `Instead` or `Earlier`."""
        return None


def watcher() -> Watcher:
    """Return what ends blocking calls at their limit: look at its ``.snapshot()``."""
    return _watcher


def worker_pool() -> WorkerPool:
    """Return the process's pool of worker threads: look at its ``.snapshot()``, and change it.

    ``.resize(limit, share=0.25)`` says how many there may be, and the part that one pipeline may have;
    ``.allot(pipeline, workers)`` lets one have another number.
    """
    return pool
