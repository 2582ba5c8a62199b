"""What the frames of a thread tell: whether it is still in a call, who else runs in it, and where it is.

Read under the GIL only: without it a frame may end while it is looked at.
"""

from __future__ import annotations

import dis
import os
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePath
from threading import get_ident
from types import CodeType, FrameType
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
LIBRARIES = tuple({path + os.sep for name, path in sysconfig.get_paths().items() if "lib" in name})
NAMES = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FAST", "LOAD_DEREF", "LOAD_FAST_BORROW"}
ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD"}

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
        ours, loops = _kind(frame.f_globals.get("__name__") or "")
        if loops or frame.f_code.co_flags & DRIVEN:
            return IN_LOOP
        if ours and not inside:
            held = frame.f_locals
            inside = held.get("own") is owner or held.get("self") is owner
    return "" if inside else ELSEWHERE


@lru_cache(512)
def _kind(module: str) -> tuple[bool, bool]:
    """Return whether a module is Holdfast's, and whether it is an event loop's."""
    return module.startswith(OURS), module.startswith(LOOPS)


def where(innermost: FrameType | None) -> str:
    """Return what a thread calls, and the nearest place that is the user's: "time.sleep, pay.py:41"."""
    if innermost is None:
        return ""
    theirs = [one for one in stack(innermost) if not is_ours(one)]
    users = [one for one in theirs if not one.f_code.co_filename.startswith(LIBRARIES)]
    name = called(innermost) or innermost.f_code.co_qualname
    place = (users or theirs or [innermost])[0]
    return f"{name}, {_short(place.f_code.co_filename)}:{place.f_lineno}"


def is_ours(frame: FrameType) -> bool:
    """Return whether a frame is one of Holdfast's."""
    return str(frame.f_globals.get("__name__")).startswith(OURS)


def _short(path: str) -> str:
    """Return the last two parts of a path: they tell a file, and fit into a line."""
    return str(PurePath(*PurePath(path).parts[-2:]))


def called(frame: FrameType) -> str:
    """Return the dotted name of what a frame calls just now, nothing if it calls nothing."""
    now, start, dotted = _instruction(frame.f_code, frame.f_lasti), None, ""
    if now is None or not now.opname.startswith(("CALL", "PRECALL")) or now.positions is None:
        return ""
    start = now.positions[0], now.positions[2]
    for one in dis.get_instructions(frame.f_code):
        if one.offset >= now.offset:
            break
        if one.positions is None or (one.positions[0], one.positions[2]) != start:
            continue
        if one.opname in NAMES:
            dotted = str(one.argval)
        elif one.opname in ATTRIBUTES and dotted:
            dotted += f".{one.argval}"
    return dotted


def _instruction(code: CodeType, offset: int) -> dis.Instruction | None:
    found = None
    for one in dis.get_instructions(code):
        if one.offset > offset:
            break
        found = one
    return found
