"""Several steps as one, so that no other thread runs Python between them; and the frames of threads.

The GIL changes hands in the interpreter's loop: between two statements, on a call, where C code lets it
go.  Nothing of that happens while ``list`` draws from iterators of C's that call functions of C's.  But
up to Python 3.11 any allocation may start the garbage collector, which runs finalisers: so it is
switched off meanwhile, in the same step.

`sys._current_frames` needs that, too.  Up to CPython 3.11.8 it holds a lock of the runtime's while it
allocates, and a collection that frees a `threading.local` waits for that lock for ever, and with it the
whole process (python/cpython gh-106883).
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from itertools import chain
from operator import call
from types import FrameType
from typing import Any

COLLECTS_ANYWHERE = sys.version_info < (3, 12)


def in_one_go(steps: Iterator[Any]) -> list[Any]:
    """Return what an iterator of C's yields, drawn in one step.

    Whoever switches the collector on or off in that very step, in another thread, is not heeded.
    """
    if not (COLLECTS_ANYWHERE and gc.isenabled() and gc.get_threshold()[0]):
        return list(steps)  # nothing starts it, in the watcher for instance
    try:
        return list(chain(map(call, (gc.disable,)), steps, map(call, (gc.enable,))))[1:-1]
    except Exception:
        gc.enable()
        raise


def current_frames() -> dict[int, FrameType]:
    """Return the innermost frame of each thread, by its identity.  Read them under the GIL only.

    Keep them briefly: what a thread had in a frame that ends meanwhile ends with whoever keeps it.
    """
    # nor in a variable of this very frame, which is among them
    return in_one_go(map(call, (sys._current_frames,)))[0]  # type: ignore[no-any-return] # noqa: SLF001 - as faulthandler's
