"""A rejection of ours that somebody's client has wrapped in an error of its own."""

from __future__ import annotations

import sys
from types import FrameType

from holdfast.errors import RejectedError
from holdfast.verdict.chain import leaves
from holdfast.verdict.judging import kind_of
from holdfast.verdict.kinds import REJECTED
from holdfast.verdict.reading import HOLDERS, holders, tells, within


def refusal_in(error: BaseException | None) -> RejectedError | None:
    """Return the rejection that ``error`` is, or that it tells of in a client's own words.

    One that a caller further out was handling when the call began is only the context of whatever is
    raised in it, and not what went wrong: its handler's frame is still there.
    """
    if error is None or isinstance(error, RejectedError):
        return error
    if error.__cause__ is None and error.__context__ is None and _holds_nothing(error):
        return None
    if isinstance(error, BaseExceptionGroup):
        return _in_group(error)
    said_so: list[BaseException] = []
    for one in within(error):
        if isinstance(one, RejectedError):
            meant = any(holder.__cause__ is one for holder in said_so) or not _is_handled(one)
            return one if meant and kind_of(error) is REJECTED else None
        said_so.append(one)
    return None


def _holds_nothing(error: BaseException) -> bool:
    """Return whether an exception wraps no other one: most don't, and need no further look."""
    for one in error.args:
        if isinstance(one, Exception | list | tuple):
            return False
    return not tells(error, holders[type(error)], HOLDERS)


def _in_group(group: BaseExceptionGroup[BaseException]) -> RejectedError | None:
    found = [refusal_in(one) for one in leaves(group)]
    return found[0] if found and None not in found else None


def _is_handled(error: BaseException) -> bool:
    """Return whether the frame that caught an exception is still on the stack."""
    trace = error.__traceback__
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - what warnings itself uses
    while trace is not None and frame is not None:
        if frame is trace.tb_frame:
            return True
        frame = frame.f_back
    return False
