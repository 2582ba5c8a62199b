"""Where a thread is, in words: what it calls, and the nearest place in the user's code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import FrameType

from holdfast._ongoing import full_name
from holdfast._runtimes.cutting.calls import UNKNOWN, call_at

LIBRARY = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120 - `pathlib` is slow to import
OURS = "holdfast."
PACKAGES = f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}"


def where(innermost: FrameType | None) -> str:
    """Return what a thread calls, and the nearest place that is the user's: "time.sleep, pay.py:41"."""
    if innermost is None:
        return ""
    theirs = [one for one in stack(innermost) if not is_ours(one)]
    users = [one for one in theirs if _is_users(one.f_code.co_filename)]
    name = _name(innermost)
    place = (users or theirs or [innermost])[0]
    return f"{name}, {_short(place.f_code.co_filename)}:{place.f_lineno}"


def stack(frame: FrameType | None) -> Iterator[FrameType]:
    """Return a frame and those around it, the innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def is_ours(frame: FrameType) -> bool:
    """Return whether a frame is one of Holdfast's."""
    return str(frame.f_globals.get("__name__")).startswith(OURS)


def _name(innermost: FrameType) -> str:
    """Return the name of what a thread is in; of a function of C that is protected itself, that."""
    protected = innermost.f_locals.get("fn") if is_ours(innermost) else None
    if callable(protected):
        return full_name(protected)
    return called(innermost) or innermost.f_code.co_qualname


def called(frame: FrameType) -> str:
    """Return the dotted name of what a frame calls just now, nothing if there is none."""
    found = call_at(frame.f_code, frame.f_lasti)
    return "" if found is None or found.callee.startswith(UNKNOWN) else found.callee


def _is_users(path: str) -> bool:
    return not path.startswith(LIBRARY) and not any(one in path for one in PACKAGES)


def _short(path: str) -> str:
    """Return the last two parts of a path: they tell a file, and fit into a line."""
    return os.sep.join(path.split(os.sep)[-2:])  # noqa: PTH118, PTH206 - as above
