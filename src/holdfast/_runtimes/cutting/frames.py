"""What the frames of threads tell: whether one runs an event loop, or has switched to something else.

No frame is kept.  One that ends while it is kept takes what it held along to whoever keeps it, so the
finalisers of other threads' objects would run in the watcher, and one that blocks would be the end of
all cuts.  So the stacks are walked in one go of C, which brings back code and our own lists only.

Read under the GIL only: without it a frame may end while it is looked at.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from itertools import accumulate, chain, compress, repeat, takewhile
from operator import attrgetter, call, is_not, methodcaller
from types import CodeType, FrameType
from typing import Any

from holdfast._one_go import in_one_go

LOOPS = (
    *("asyncio", "uvloop", "gevent", "twisted.internet", "trio._core._run", "curio.kernel"),
    *("eventlet.hubs", "eventlet.greenthread"),
)
"""Packages and modules whose code is on the stack of a thread that runs an event loop, or a hub."""
IN_LOOP = "an event loop runs in its thread"
ELSEWHERE = "its thread has switched to something else"

DRIVEN = 0x80 | 0x200
"""Flags of the code of coroutines and asynchronous generators: uvloop drives them, unseen."""

STEPS: set[CodeType] = set()
"""The code of the steps that limit calls; each has what its call has set as its ``own``."""

_exists, _code, _locals = partial(is_not, None), attrgetter("f_code"), attrgetter("f_locals")


def _frames(threads: Sequence[int]) -> Iterator[FrameType | None]:
    """Return what yields the innermost frame of each thread; to be drawn from in one go."""
    asked = map(call, (sys._current_frames,))  # noqa: SLF001 - see `_one_go`
    return chain.from_iterable(map(map, (dict.get,), map(repeat, asked), (threads,)))


def _stacks(threads: Sequence[int]) -> Iterator[Iterator[FrameType]]:
    """Return what yields the frames of each thread, the innermost first; the same holds for it."""
    links = map(chain, zip(_frames(threads), strict=False), repeat(repeat("f_back")))
    return map(takewhile, repeat(_exists), map(accumulate, links, repeat(getattr)))


def codes(threads: Sequence[int]) -> list[list[CodeType]]:
    """Return the code that each thread runs, the innermost first; nothing of one that is gone."""
    return in_one_go(map(list, map(map, repeat(_code), _stacks(threads))))


def owned(threads: Sequence[int]) -> list[list[Any]]:
    """Return what the calls that are under way have set, for each thread."""
    which = map(map, repeat(STEPS.__contains__), map(map, repeat(_code), _stacks(threads)))
    spaces = map(map, repeat(_locals), map(compress, _stacks(threads), which))
    return in_one_go(map(list, map(map, repeat(methodcaller("get", "own")), spaces)))


def frame_of(thread: int) -> FrameType | None:
    """Return the innermost frame of a thread; let it go where a finaliser may take its time."""
    return in_one_go(_frames((thread,)))[0]  # type: ignore[no-any-return]


def runs_loop(stack: Sequence[CodeType]) -> bool:
    """Return whether an event loop is among what a thread runs."""
    places = _places()
    flags = DRIVEN if "uvloop" in sys.modules else 0
    return any(one.co_flags & flags or _lies_in(one.co_filename, places) for one in stack)


def _places() -> tuple[str, ...]:
    """Return where the code of the event loops lies that are there."""
    files = [getattr(sys.modules.get(name), "__file__", None) for name in LOOPS]
    return tuple(_place(file) for file in files if file)


def _place(file: str) -> str:
    folder, name = os.path.split(file)
    return folder + os.sep if name.startswith("__init__.") else file


@lru_cache(1024)
def _lies_in(file: str, places: tuple[str, ...]) -> bool:
    return file.startswith(places)
