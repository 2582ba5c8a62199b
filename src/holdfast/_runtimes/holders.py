"""Which bulkheads an abandoned worker keeps a permit of: all that enclose it."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.shapes import Arguments, Keywords, Site
from holdfast.strategies.bulkhead import Bulkhead

Holders = Callable[[Arguments, Keywords], tuple[Bulkhead, ...]]


def holders_of(site: Site) -> Holders:
    """Return what tells the bulkheads around a call from its arguments: a keyed one has many."""
    fixed = tuple(one for one in site.enclosing if isinstance(one, Bulkhead))
    keyed = tuple(one.holder for one in site.enclosing if hasattr(one, "holder"))
    if not keyed:
        return lambda _args, _kwargs: fixed
    skip = site.skip

    def find(args: Arguments, kwargs: Keywords) -> tuple[Bulkhead, ...]:
        found = [holder(args[skip:], kwargs) for holder in keyed]
        return (*fixed, *(one for one in found if one is not None))

    return find
