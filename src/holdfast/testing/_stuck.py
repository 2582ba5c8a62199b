"""What a deadlock says: who is stuck, in which line, and what it waits for."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import re
import sys
import sysconfig
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any

from holdfast._one_go import current_frames

MOST = 10
"""How many tasks or threads are listed."""

ADDRESS = re.compile(r"( object)? at 0x[0-9a-f]+")
SCRIPTED = "holdfast.testing.scripted"
SUSPENDED = (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await"))
HOLDFAST = str(Path(__file__).parents[1]) + os.sep
STDLIB = tuple(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib"))


def listed(stuck: list[str]) -> str:
    """Return one line for each of those who are stuck, for the first `MOST` of them."""
    more = len(stuck) - MOST
    lines = [f"\n  {line}" for line in stuck[:MOST]]
    return "".join(lines) + (f"\n  ... and {more} more" if more > 0 else "")


def stuck_tasks(loop: asyncio.AbstractEventLoop) -> list[str]:
    """Return a line for each task of ``loop`` that has not ended: its name, its wait, its place.

    Those that will not be listed are only counted.
    """
    tasks = sorted(asyncio.all_tasks(loop), key=_order)
    return [_task(task) for task in tasks[:MOST]] + ["..."] * (len(tasks) - MOST)


def stuck_threads(threads: Iterable[threading.Thread]) -> list[str]:
    """Return a line for each thread; of one that runs a `VirtualLoop`, for each of its tasks too."""
    frames = current_frames()
    lines: list[str] = []
    for thread in threads:
        stack = _stack(frames.get(thread.ident or 0))
        loop = next((loop for frame in stack if (loop := _loop_in(frame))), None)
        lines.append(f"{thread.name}: {_reason(stack, None)}{_place(stack)}")
        lines.extend(f"  {line}" for line in (stuck_tasks(loop) if loop else ()))
    return lines


def stuck_here() -> str:
    """Return what the running thread waits for, and where."""
    stack = _stack(sys._getframe(1))  # noqa: SLF001 - as above
    return f"{_reason(stack, None)}{_place(stack)}"


def others_may_act() -> bool:
    """Return whether another thread is alive that is no idle worker of a pool."""
    if threading.active_count() == 1:
        return False
    from concurrent.futures.thread import _worker

    from holdfast._runtimes.pool import Worker

    idle = (_worker.__code__, Worker.run.__code__)
    me, frames = threading.get_ident(), current_frames()
    return any(frame.f_code not in idle for ident, frame in frames.items() if ident != me)


def _order(task: asyncio.Task[Any]) -> tuple[int, str]:
    return len(task.get_name()), task.get_name()


def _named(task: asyncio.Future[Any]) -> str:
    if not isinstance(task, asyncio.Task):
        return "a Future"
    name = getattr(task.get_coro(), "__qualname__", "").rpartition("<locals>.")[2]
    return f"{task.get_name()} ({name})" if name else task.get_name()


def _task(task: asyncio.Task[Any]) -> str:
    stack = list(_awaiting(task.get_coro()))
    leaf: asyncio.Future[Any] | None = getattr(task, "_fut_waiter", None)
    return f"{_named(task)}: {_reason(stack, leaf)}{_place(stack)}"


def _awaiting(awaited: Any) -> Iterator[FrameType]:
    """Yield the frames of a suspended coroutine and of all that it awaits, outermost first."""
    seen: list[Any] = []
    while awaited is not None and not any(awaited is one for one in seen):
        seen.append(awaited)
        for frame, inner in SUSPENDED:
            if hasattr(awaited, frame):
                if getattr(awaited, frame) is not None:
                    yield getattr(awaited, frame)
                awaited = getattr(awaited, inner)
                break
        else:  # what C wraps around a coroutine or an async generator names it to nobody else
            kinds = CoroutineType, AsyncGeneratorType, GeneratorType
            awaited = next(
                (one for one in gc.get_referents(awaited) if isinstance(one, kinds)), None
            )


def _stack(frame: FrameType | None) -> list[FrameType]:
    frames: list[FrameType] = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def _loop_in(frame: FrameType) -> asyncio.AbstractEventLoop | None:
    found = frame.f_locals.get("self") if frame.f_code.co_name == "run_forever" else None
    return found if isinstance(found, asyncio.AbstractEventLoop) else None


def _place(stack: list[FrameType]) -> str:
    """Return the innermost line that is the user's own, or else that of a package in use."""
    places = [frame for frame in stack if not _ours(frame.f_code.co_filename)]
    own = [frame for frame in places if "site-packages" not in frame.f_code.co_filename]
    if not places:
        return ""
    frame = (own or places)[-1]
    name = frame.f_code.co_filename.removeprefix(str(Path.cwd()) + os.sep)
    return f", at {name}:{frame.f_lineno} in {frame.f_code.co_name}"


def _ours(filename: str) -> bool:
    """Return whether a file is Holdfast's or Python's."""
    if "site-packages" in filename:
        return filename.startswith(HOLDFAST)
    return filename.startswith((HOLDFAST, "<frozen ", *STDLIB))


def _reason(stack: list[FrameType], leaf: asyncio.Future[Any] | None) -> str:
    """Return what the innermost frame that we know waits for."""
    for frame in reversed(stack):
        module = frame.f_globals.get("__name__", "")
        of = _of_holdfast if module.startswith("holdfast.") else _of_asyncio
        known = of(module, frame)
        if known:
            return f"waits for {known}"
    if isinstance(leaf, asyncio.Task):
        return f"waits for {_named(leaf)}"
    children = getattr(leaf, "_children", None)
    if children:
        return f"waits for {_several(children)}"
    return "waits for a Future that nobody resolves" if leaf is not None else "waits"


def _of_asyncio(module: str, frame: FrameType) -> str:
    here, name = frame.f_locals, frame.f_code.co_name
    owner = here.get("self")
    match module:
        case "asyncio.locks" | "asyncio.queues":
            state = ADDRESS.sub("", repr(owner)).partition(" ")[2].removesuffix(">")
            return f"{type(owner).__name__}.{name}() {state}".rstrip()
        case "asyncio.threads":
            return f"{getattr(here.get('func'), '__qualname__', here.get('func'))} in a thread"
        case "asyncio.taskgroups":
            return f"the TaskGroup's {_several(getattr(owner, '_tasks', ()))}"
        case "asyncio.tasks" if name == "sleep":
            return f"the end of a sleep of {here.get('delay')} s"
        case "asyncio.tasks" if "fs" in here:
            return _several(here["fs"])
        case _:
            return ""


def _of_holdfast(module: str, frame: FrameType) -> str:
    here = frame.f_locals
    if frame.f_code.co_name == "wait" and "gate" in here and "site" in here:
        gate = here["gate"]
        title = getattr(gate, "title", type(gate).__name__)
        return f"its turn at {title} of pipeline {here['site'].pipeline!r} ({gate!r})"
    if module == SCRIPTED and "step" in here:
        return f"{type(here['step']).__name__}() of a Scripted, its call number {here['number']}"
    if module == "holdfast.testing._race" and frame.f_code.co_name == "next":
        return "the attempts of its hedge"
    if frame.f_code.co_name == "sleep" and here.get("seconds") == math.inf:
        above = frame.f_back
        scripted = above is not None and above.f_globals.get("__name__") == SCRIPTED
        return "" if scripted else "the end of an endless sleep"
    return ""


def _several(futures: Iterable[asyncio.Future[Any]]) -> str:
    pending = [future for future in futures if not future.done()]
    tasks = sorted((one for one in pending if isinstance(one, asyncio.Task)), key=_order)
    names = [_named(task) for task in tasks[:3]]
    more = len(pending) - len(names)
    return (", ".join(names) or "Futures") + (f" and {more} more" if names and more else "")
