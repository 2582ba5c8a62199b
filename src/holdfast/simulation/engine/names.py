"""Says where a program is, for people: ``module:function, file:line``."""

from __future__ import annotations

import sysconfig
from asyncio import Task
from collections import Counter
from collections.abc import Iterable
from types import FrameType
from typing import Any

STANDARD = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
PACKAGES = "site-packages"


def place(frame: FrameType | None) -> str:
    """Return the place of a frame, or of its nearest caller outside of the standard library."""
    if frame is None:
        return "an unknown place"
    inner = frame
    while frame is not None and _is_standard(frame.f_code.co_filename):
        frame = frame.f_back
    return _place(frame or inner)


def busiest(tasks: Iterable[Task[Any]]) -> str:
    """Return where most of those tasks are that wait for nothing, for the end of a message."""
    ready = [task for task in tasks if getattr(task, "_fut_waiter", None) is None]
    places = Counter(filter(None, map(_task_place, ready)))
    where = min(places, key=lambda name: (-places[name], name), default=None)
    return "" if where is None else f"; busy in {where}"


def _task_place(task: Task[Any]) -> str | None:
    """Return where a task is, in the innermost of its coroutines that is none of Python's own."""
    where: str | None = None
    coroutine: Any = task.get_coro()
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        if where is None or not _is_standard(frame.f_code.co_filename):
            where = _place(frame)
        coroutine = getattr(coroutine, "cr_await", None)
    return where


def _is_standard(file: str) -> bool:
    return file.startswith((*STANDARD, "<frozen")) and PACKAGES not in file


def _place(frame: FrameType) -> str:
    module = frame.f_globals.get("__name__", "?")
    return f"{module}:{frame.f_code.co_qualname}, {frame.f_code.co_filename}:{frame.f_lineno}"
