"""What is told of a call that goes on after its limit and can't be ended: while it lasts, and once.

The watcher has no time for listeners: a worker tells.  It does so where the caller would have, in the
name of the call and with a warning for the line that made it, which all stand in the caller's frames.
"""

from __future__ import annotations

import warnings
from types import FrameType
from typing import TYPE_CHECKING, Any

from holdfast._ongoing import Call, Ongoing
from holdfast._runtimes.cutting.frames import STEPS, frame_of
from holdfast._runtimes.cutting.places import is_ours, stack, where
from holdfast._runtimes.errands import in_worker
from holdfast._world import has_gil, world
from holdfast.errors import OverrunWarning

if TYPE_CHECKING:
    from holdfast._runtimes.cutting.overdue import Overdue


def overrun(one: Overdue, now: float) -> None:
    """Have it told that a call goes on after its limit."""
    first, one.wheel.warned = not one.wheel.warned, True
    if first or world.listeners:
        in_worker(lambda: _tell(one, now, first=first), _not_told)


def _tell(one: Overdue, now: float, *, first: bool) -> None:
    """Tell it, in a worker: the frames that it takes may be the last to keep what is in them."""
    innermost = frame_of(one.thread) if has_gil() else None
    if one.over:  # then the frame is none of its own
        innermost = None
    place = where(innermost)
    warning = _warning(one, innermost, place) if first else None
    if world.listeners:
        from holdfast import events

        events.emit(events.Overrun(**_event(one, innermost, place, now)))
    del innermost
    if warning is not None:
        warnings.warn_explicit(*warning)


def _not_told(error: BaseException | None) -> None:
    """Log what is not to be told otherwise: filters make warnings errors, or no worker is free."""
    if error is not None:
        import logging

        logging.getLogger("holdfast").warning("%s", error)


def _event(one: Overdue, innermost: FrameType | None, place: str, now: float) -> dict[str, Any]:
    call, attempt = _call_of(one, innermost)
    return {
        "pipeline": one.wheel.pipeline, "strategy": "timeout", "at": now, "seconds": one.own[1],
        "where": place, "reason": one.why_not, "attempt": attempt,
        "call": None if call is None else call.id,
        "function": None if call is None else call.function,
    }  # fmt: skip


def _call_of(one: Overdue, innermost: FrameType | None) -> tuple[Call | None, int | None]:
    """Return the call under way, and its attempt, as far as the frames of our drivers have them."""
    around = (frame.f_locals.get("call") for frame in filter(is_ours, _around(one, innermost)))
    call = next((one for one in around if isinstance(one, Call)), None)
    held = (frame.f_locals.get("mine") for frame in filter(is_ours, stack(innermost)))
    attempts = (mine for mine in held if isinstance(mine, Ongoing))
    return call, next((mine.number for mine in attempts if call in {None, mine.call}), None)


def _around(one: Overdue, innermost: FrameType | None) -> list[FrameType]:
    """Return the frames around a call from its own step on; all, if that can't be found."""
    frames = list(stack(innermost))
    for place, frame in enumerate(frames):
        if frame.f_code in STEPS and frame.f_locals.get("own") is one.own:
            return frames[place:]
    return frames


def _warning(one: Overdue, innermost: FrameType | None, place: str) -> tuple[Any, ...]:
    """Return what ``warn_explicit`` takes: the words, and the line that made the call."""
    inside, line = False, ("sys", 1, "sys", None)
    for frame in _around(one, innermost):
        if is_ours(frame):
            inside = True
        elif inside:
            names = frame.f_globals
            seen = names.setdefault("__warningregistry__", {})
            line = (frame.f_code.co_filename, frame.f_lineno, names.get("__name__", ""), seen)
            break
    still = f"is still in {place}" if place else "goes on"
    pipeline, seconds = one.wheel.pipeline, one.own[1]
    words = (
        f"pipeline {pipeline!r}: {seconds:.3g} s are over, and the call {still}; it can't be cut: "
        f"{one.why_not}.  Give what it waits for a timeout (timeout=allowance()), or take "
        "Timeout(..., sync='thread') if it uses nothing that belongs to its thread; "
        "sync='cooperative' says that you know"
    )
    filename, number, module, registry = line
    return words, OverrunWarning, filename, number, module, registry
