"""Whose call it is, for a warning or an error: found in the frames, so that no call pays for it."""

from __future__ import annotations

import sys
import warnings
from types import FrameType


def users_level() -> int:
    """Return the stack level of the first frame that is not ours, for a warning from our caller."""
    level = 1
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - what warnings itself uses
    while frame is not None and frame.f_globals.get("__name__", "").startswith("holdfast."):
        level, frame = level + 1, frame.f_back
    return level


def asking() -> str:
    """Return the start of a sentence about the pipeline in whose layers this is called, or nothing."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - as above
    while frame is not None and frame.f_globals.get("__name__", "").startswith("holdfast."):
        for name in ("site", "history"):
            pipeline = getattr(frame.f_locals.get(name), "pipeline", None)
            if pipeline is not None:
                return f"pipeline {pipeline!r}: "
        frame = frame.f_back
    return ""


def in_loop() -> bool:
    """Return whether an event loop of asyncio's runs in this thread."""
    running = getattr(sys.modules.get("asyncio"), "_get_running_loop", None)
    return running is not None and running() is not None


def warn_if_in_loop(what: str) -> None:
    """Warn where ``what`` is about to block a thread in which an event loop runs.

    ``what`` is the same each time, for Python to show the warning once for each place.
    """
    if in_loop():
        warnings.warn(
            f"{asking()}{what} blocks the event loop of this thread, with all its tasks; protect an "
            "'async def' function, or call the blocking one with await asyncio.to_thread(...)",
            RuntimeWarning,
            users_level(),
        )
