"""Permits that are held for longer than a call: by a block, or by a stream."""

from __future__ import annotations

from typing import Any

from holdfast._cut import cut_by
from holdfast.shapes import Gate


class Held:
    """The permits that something holds, and how they are given back: all of them, each once."""

    __slots__ = ("permits",)

    def __init__(self) -> None:
        self.permits: list[tuple[Gate, Any]] = []
        """The innermost last."""

    def give_back(
        self,
        error: BaseException | None,
        now: float,
        result: Any,
        fault: BaseException | None = None,
    ) -> None:
        """Tell each gate how it ended, the innermost first; then raise a ``fault``, or one of theirs.

        ``list.pop`` gives each permit to one of all who try, in whatever thread: a finaliser, say.
        """
        while self.permits:  # in one frame: leaving needs no deeper a stack than entering did
            try:
                gate, permit = self.permits.pop()
            except IndexError:  # somebody else was faster
                break
            try:
                if error is None:
                    gate.succeeded(permit, now, result)
                elif isinstance(error, Exception):
                    gate.failed(permit, now, error)
                elif (cut := cut_by(error)) is not None:
                    gate.failed(permit, now, cut)
                else:
                    gate.abandoned(permit, now)
            except BaseException as raised:  # noqa: BLE001 - raised when the others have got theirs
                fault = raised
        if fault is not None:
            try:
                raise fault
            finally:
                del fault  # no cycle from its traceback through this frame
