"""Links that are made in one step of the interpreter's, each only if those before it hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import takewhile
from operator import call
from typing import Any

from holdfast._one_go import in_one_go

Link = Callable[[], Any]
"""Something written in C; the next one is called only if what this one returns is true."""


def forged(chains: Iterable[list[Link]]) -> list[int]:
    """Call the links of each chain as far as they hold, all in one go; return how many did, for each.

    `functools.partial` objects of C functions will do as links, and iterators of C's that ``next`` draws
    from; anything of Python's own would give the GIL away.
    """
    made = [takewhile(bool, map(call, links)) for links in chains]
    return [len(held) for held in in_one_go(map(list, made))]
