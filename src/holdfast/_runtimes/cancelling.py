"""Whose cancellation it was: ours, because time was up, or somebody else's, which passes through.

As in `asyncio.timeout`, the task's count of cancellations tells: ours is taken back, and if then none
is left but those that were there when the call began, it was ours alone.

Up to Python 3.12 a `TaskGroup` that has failed may leave the count raised for good (gh-133747), and so
may every attempt that uses one.  There the baseline is what the count was when our timer fired, unless
a cancellation from outside was under way in that instant.
"""

from __future__ import annotations

import sys
from asyncio import CancelledError, Task
from collections.abc import Iterator
from typing import Any
from weakref import ref

COUNTS_LIE = sys.version_info < (3, 13)
MOST_LINKS = 20


_ours: dict[ref[Task[Any]], int] = {}
"""How many of our cancellations are under way, where the counts lie."""


def cancel(task: Task[Any], message: object = None) -> int:
    """Cancel ``task`` with a message, and return how many earlier cancellations of it are long over."""
    over = 0
    if COUNTS_LIE:
        key = ref(task, _forget)
        ours = _ours.get(key, 0)
        if ours or not _under_way(task):
            over = task.cancelling() - ours
        _ours[key] = ours + 1
    task.cancel(message)
    return over


def alone(task: Task[Any], before: int, over: int, error: BaseException | None) -> bool:
    """Take back our cancellation; return whether it was the only one.

    ``before`` is the count when the call began, ``over`` is what `cancel` returned, and ``error`` what
    came of it.
    """
    left = task.uncancel()
    if COUNTS_LIE:
        key = ref(task)
        if _ours.get(key, 0) > 1:
            _ours[key] -= 1
        else:
            _forget(key)
    if left <= before:
        return True
    return left <= over and not any(isinstance(one, CancelledError) for one in _behind(error))


def cut_short(error: BaseException, timeout: Exception) -> None:
    """Have an error of the clean-up show the time-out during which it was raised.

    As `asyncio.timeout` does from 3.13 on: the time-out takes the place of our `CancelledError` in the
    context of the error, or of each error in a group.
    """
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            cut_short(one, timeout)
    for one in (error, *_behind(error)):
        behind = one.__context__
        if isinstance(behind, CancelledError):
            timeout.__context__ = timeout.__cause__ = behind
            one.__context__ = timeout
            return


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(MOST_LINKS):
        error = None if error is None else error.__context__
        if error is None:
            return
        yield error


def _forget(key: ref[Task[Any]]) -> None:
    _ours.pop(key, None)


def _under_way(task: Task[Any]) -> bool:
    """Return whether a cancellation is on its way into the task, or into what it awaits."""
    if getattr(task, "_must_cancel", False):
        return True
    waiter = getattr(task, "_fut_waiter", None)
    if waiter is None:
        return False
    if isinstance(waiter, Task) and waiter.cancelling() > 0:
        return True
    return waiter.cancelled() or getattr(waiter, "_cancel_requested", False)
