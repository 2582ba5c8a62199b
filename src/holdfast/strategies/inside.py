"""Whether this very thread is inside of what a lock guards: it has been come by in the middle of it.

A signal handler, or a finaliser that the garbage collector runs, may ask that; see `aside`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def is_inside(lock: Any) -> Callable[[], bool]:
    """Return what tells whether this very thread holds an `RLock`; never, for what is none."""
    owned: Callable[[], bool] = getattr(lock, "_is_owned", _never)  # as in `threading.Condition`
    return owned


def _never() -> bool:
    return False
