"""What both runtimes say when time is up."""

from __future__ import annotations

import math

from holdfast._world import world
from holdfast.deadline import Ambient, current
from holdfast.errors import (
    AttemptTimeout,
    DeadlineExceeded,
    DeadlineTooShortError,
    HoldfastError,
    RejectedError,
    StoppedError,
)
from holdfast.shapes import Gate, Site, Wait
from holdfast.strategies.timeout import Timeout

CLOSE = 1e-6
"""Timers may fire this much early, in seconds."""


def timed_out(
    pipeline: str, seconds: float, now: float, *, abandoned: bool = False
) -> AttemptTimeout:
    """Return the error for a limit of our own that ran out, after telling it."""
    tell(pipeline, seconds, now, abandoned=abandoned)
    return AttemptTimeout(pipeline=pipeline, strategy="timeout", seconds=seconds)


def converted(pipeline: str, seconds: float) -> AttemptTimeout:
    """Return our own error for a deadline that was ours, and that a layer further in ran into."""
    return AttemptTimeout(pipeline=pipeline, strategy="timeout", seconds=seconds)


def exceeded(
    pipeline: str, outer: Ambient, now: float, *, abandoned: bool = False, rushed: bool = False
) -> DeadlineExceeded:
    """Return the error for the caller's deadline, after telling it."""
    tell(pipeline, outer[1], now, abandoned=abandoned)
    return deadline_error(pipeline, outer, rushed=rushed)


def deadline_error(pipeline: str, outer: Ambient, *, rushed: bool) -> DeadlineExceeded:
    """Return the error for the caller's deadline."""
    error = DeadlineExceeded(pipeline=pipeline, strategy="timeout", seconds=outer[1], at=outer[0])
    error.rushed = rushed
    return error


def usual(site: Site, seconds: float = math.inf) -> float:
    """Return for how long an attempt is usually given: by its limit, and by those around it."""
    around = (one.seconds for one in site.enclosing if isinstance(one, Timeout))
    return min(seconds, *around, math.inf)


def too_short(site: Site, outer: Ambient, now: float) -> RejectedError:
    """Return the rejection of a call whose deadline has passed already."""
    if outer[1] > 0:
        when = f"the deadline of {outer[1]:.3g} s passed {now - outer[0]:.3g} s ago"
    elif outer[1] < 0:
        when = f"the deadline had passed {-outer[1]:.3g} s before"
    else:
        when = "the deadline left no time"
    words = f"nothing was started: {when}"
    return site.refuse(DeadlineTooShortError(words, strategy="timeout"), now)


def patience(wait: Wait, now: float) -> float | None:
    """Return how long a queueing caller may wait: its gate's limit, and never past its deadline."""
    at: float = current()[0]
    if at == math.inf:
        return wait.delay
    left = max(0.0, at - now)
    return left if wait.delay is None else min(wait.delay, left)


def waited_too_long(refusal: RejectedError, site: Site, now: float) -> HoldfastError:
    """Return the error for a wait in a queue that was too long, by whose limit it was."""
    outer = current()
    if world.stopping is not None:
        return site.refuse(nobody_waits(), now)
    if outer[0] <= now + CLOSE:
        return exceeded(site.pipeline, outer, now, rushed=True)
    return site.refuse(refusal, now)


def nobody_waits() -> RejectedError:
    """Return the error for a wait that `holdfast.stop` has ended."""
    return StoppedError("holdfast.stop() was called, so nobody waits for a turn", strategy="stop")


def check_stopping(site: Site, now: float) -> None:
    """Refuse a turn that has come because `holdfast.stop` has ended the wait for it."""
    if world.stopping is not None:
        raise site.refuse(nobody_waits(), now)


def check_turn(gate: Gate, delay: float | None, site: Site, now: float) -> float:
    """Return for how long to sleep until a turn.

    Refuse one that lies beyond the deadline, or beyond the end of the process.
    """
    check_stopping(site, now)
    if delay is None:
        return 0.0
    if now + delay >= current()[0]:
        words = f"its turn comes in {delay:.3g} s, after the deadline"
        strategy = getattr(gate, "title", "")
        raise site.refuse(DeadlineTooShortError(words, strategy=strategy, retry_after=delay), now)
    return delay


def next_turn(gate: Gate, wait: Wait, site: Site, now: float) -> float | None:
    """Return None where a turn has come, else for how long to wait on: who wakes late may have to."""
    ask = None if wait.delay is None else getattr(gate, "woken", None)
    answer = None if ask is None else ask(wait.permit, now)
    if isinstance(answer, RejectedError):
        raise waited_too_long(answer, site, now)
    return answer


def in_context(fault: Exception, subject: object) -> None:
    """Have a fallback's own error show the error that it was to replace."""
    if isinstance(subject, BaseException) and fault is not subject and fault.__context__ is None:
        fault.__context__ = subject


def tell(pipeline: str, seconds: float, now: float, *, abandoned: bool = False) -> None:
    """Tell that a limit ran out."""
    if world.listeners:
        from holdfast import events

        events.emit(events.TimedOut(
            pipeline=pipeline, strategy="timeout", at=now, seconds=seconds, abandoned=abandoned
        ))  # fmt: skip
