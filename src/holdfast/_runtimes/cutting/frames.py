"""What the frames of a thread tell: whether it is still in a call, and who else runs in it.

Read under the GIL only: without it a frame may end while it is looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import lru_cache
from threading import get_ident
from types import FrameType
from typing import Any

from holdfast._world import has_gil

LOOPS = (
    *("asyncio.", "uvloop", "trio._core._run", "curio.kernel", "twisted.internet."),
    *("gevent.", "eventlet.hubs", "eventlet.greenthread"),
)
"""Modules whose frames are on the stack of a thread that runs an event loop, or a hub."""
IN_LOOP = "an event loop runs in its thread"

DRIVEN = 0x80 | 0x200
"""Flags of the code of coroutines and asynchronous generators: a loop drives them."""

ELSEWHERE = "its thread has switched to something else"
OURS = "holdfast."

Frames = dict[int, FrameType]


def all_frames() -> Frames:
    """Return the innermost frame of each other thread, by its identity; none without the GIL."""
    if not has_gil():
        return {}
    found = sys._current_frames()  # noqa: SLF001 - as faulthandler's
    found.pop(get_ident(), None)  # no cycle: our own frame has this very dict
    return found


def stack(frame: FrameType | None) -> Iterator[FrameType]:
    """Return a frame and those around it, the innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def why_not(innermost: FrameType, owner: Any) -> str:
    """Return why a thread is to be left alone, nothing if it is where it should be.

    The frame of one of our functions has the ``owner`` of the call as its ``own``, or as its ``self``.
    """
    inside = False
    for frame in stack(innermost):
        ours, loops = _kind(str(frame.f_globals.get("__name__")))
        if loops or frame.f_code.co_flags & DRIVEN:
            return IN_LOOP
        if ours and not inside:
            held = frame.f_locals
            inside = held.get("own") is owner or held.get("self") is owner
    return "" if inside else ELSEWHERE


def is_ours(frame: FrameType) -> bool:
    """Return whether a frame is one of Holdfast's."""
    return _kind(str(frame.f_globals.get("__name__")))[0]


@lru_cache(512)
def _kind(module: str) -> tuple[bool, bool]:
    """Return whether a module is Holdfast's, and whether it is an event loop's."""
    return module.startswith(OURS), module.startswith(LOOPS)
