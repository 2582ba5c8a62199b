"""Several steps in one, so that no other thread runs Python between them.

The GIL changes hands in the interpreter's loop: between two statements, on a call, where C code lets it
go.  None of that happens in here: ``list`` draws from ``takewhile``, which draws from ``map``, which
calls `functools.partial` objects of C functions, and all of these are C.  Up to Python 3.11 an
allocation may run the garbage collector, and that a finaliser; so the youngest generation is collected
first, after which the next collection is hundreds of allocations away.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain, takewhile
from operator import call
from typing import Any

Link = Callable[[], Any]
"""Something written in C; the next one is called only if what this one returns is true."""

COLLECTS_ANYWHERE = sys.version_info < (3, 12)


def forged(chains: Iterable[list[Link]]) -> list[int]:
    """Call the links of each chain as far as they hold, all in one go; return how many did, for each."""
    made = [takewhile(bool, map(call, links)) for links in chains]
    first: list[Any] = []
    if COLLECTS_ANYWHERE and gc.isenabled():
        first = [map(call, (partial(gc.collect, 0),))]
    held = list(map(list, chain(first, made)))
    return [len(one) for one in held[len(first) :]]
