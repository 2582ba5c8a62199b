"""How a limit is kept in blocking code."""

from __future__ import annotations

from typing import Literal, get_args

from holdfast import _validate

Sync = Literal["thread", "cooperative"]
"""In a worker that is left alone, or by a deadline that the code is trusted to obey (the default)."""


def checked(sync: Sync) -> Sync:
    """Return ``sync`` if it is one of the ways there are."""
    _validate.one_of("sync", sync, get_args(Sync))
    return sync
