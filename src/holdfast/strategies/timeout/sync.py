"""How a limit is kept in blocking code."""

from __future__ import annotations

from typing import Literal, get_args

from holdfast import _validate

Sync = Literal["cut", "thread", "cooperative"]
"""It is ended in its own thread; left alone in a worker; or trusted to obey a deadline."""

WhenLate = Literal["return", "raise"]
"""What to do with a result that comes too late, and was not cut."""


def checked(sync: Sync) -> Sync:
    """Return ``sync`` if it is one of the ways there are."""
    _validate.one_of("sync", sync, get_args(Sync))
    return sync


def when_late(late: WhenLate) -> WhenLate:
    """Return ``late`` if it is one of the answers there are."""
    _validate.one_of("late", late, get_args(WhenLate))
    return late
