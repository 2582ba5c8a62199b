"""Whether this very thread is inside of what a lock guards: it has been come by in the middle of it.

A signal handler, or a finaliser that the garbage collector runs, may ask that; see `aside`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def is_inside(lock: Any) -> Callable[[], bool]:
    """Return what tells whether this very thread holds an `RLock`; never, for what is none."""
    owned: Callable[[], bool] = getattr(lock, "_is_owned", _never)  # as in `threading.Condition`
    return owned


def _never() -> bool:
    return False


Step = Callable[[Any, Any], Any]


def unless_inside(strategies: Iterable[Any], elsewhere: Step, here: Step) -> Step:
    """Return ``elsewhere``, which waits for another thread; where that may wait for this one, ``here``.

    So it is in the middle of a section of one of the strategies, whose lock the other thread may need.
    """
    parts: list[Any] = [
        part
        for one in strategies
        for part in (one, getattr(one, "_keys", None), getattr(one, "budget", None))
        if is_inside(getattr(part, "_lock", None)) is not _never
    ]
    if not parts:
        return elsewhere

    def step(args: Any, kwargs: Any) -> Any:
        for part in parts:
            if part._lock._is_owned():  # noqa: SLF001 - ours
                return here(args, kwargs)
        return elsewhere(args, kwargs)

    return step
