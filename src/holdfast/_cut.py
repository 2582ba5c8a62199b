"""How a gate inside of a time limit learns that the limit has cut its call.

A cancellation has no outcome: whoever cancels a call has lost interest in it, which says nothing about
the dependency.  Where a limit of ours runs out it does: the call took too long.  So ours carries, as its
message, the error that the caller gets, and the gates that it passes are told that error.
"""

from __future__ import annotations

from threading import get_ident
from typing import Any, Self

from holdfast.errors import AttemptTimeout, DeadlineExceeded

NEARLY = 0.9
"""Who had this share of the time that an attempt gets had all of it, but for what came before."""


class Cut(str):
    """The message of a cancellation of ours."""

    __slots__ = ("error",)
    error: AttemptTimeout

    def __new__(cls, error: AttemptTimeout) -> Self:
        """Make a message of the error that the caller gets."""
        made = super().__new__(cls, f"holdfast: {error}")
        made.error = error
        return made


under_cut: dict[int, Any] = {}
"""By the identity of its thread, the overdue blocking call whose socket was shut down."""


aside: dict[int, list[Any]] = {}
"""By the identity of its thread, what blocks of ``detached()`` have set: no call around them is cut."""


class Lost(BaseException):
    """The end of a function in a worker's job that was cut: nobody waits for it, so it has no outcome.

    It passes all layers as a cancellation from outside does in asyncio.
    """


def apart(own: Any, thread: int) -> bool:
    """Return whether a thread is in a block of ``detached()`` that it has entered inside of a call."""
    entries = aside.get(thread)
    if not entries:
        return False
    innermost = entries[-1]
    while own is not None and own is not innermost:
        own = own[4]
    return own is None


class CutOff(BaseException):
    """The end of a function in a blocking call that was cut, on its way to the limit.

    What such a function returns is no result, however good it looks, and what it raises is the cut's
    doing.  So it passes all layers in between as a cancellation of ours does in asyncio: each gate is
    told that the time was up, and nothing repeats, replaces, shares or keeps it.
    """

    def __init__(self, late: Any, error: AttemptTimeout) -> None:
        super().__init__(Cut(error))
        self.late: Any = late

    @property
    def error(self) -> DeadlineExceeded:
        """What the user's code gets that has called another pipeline in the call that was cut."""
        own = self.late.own
        return DeadlineExceeded(
            pipeline=self.late.wheel.pipeline, strategy="timeout", seconds=own[1], at=own[0]
        )


def cut_off(error: Exception | None, *refused: Any) -> None:
    """Raise a `CutOff` for what a function has ended with, if this thread is in a call that was cut."""
    late = under_cut.get(get_ident())
    if late is None:
        return
    if late.over:  # it was interrupted where it would have told so
        under_cut.pop(get_ident(), None)
        return
    if late.is_job:
        raise Lost from error
    if apart(late.own, get_ident()):
        return
    late.refused = [*refused]
    pipeline, own = late.wheel.pipeline, late.own
    up = (
        AttemptTimeout(pipeline=pipeline, strategy="timeout", seconds=own[1])
        if own[0] < own[4][0]
        else DeadlineExceeded(pipeline=pipeline, strategy="timeout", seconds=own[1], at=own[0])
    )
    raise CutOff(late, up) from error


class Late(BaseException):
    """A result of a blocking call that has come after its limit, on its way to the caller.

    It passes all layers as an interruption of ours, so that each gate is told that the time was up, and
    nothing repeats or replaces it.
    """

    def __init__(self, result: Any, error: AttemptTimeout) -> None:
        super().__init__(Cut(error))
        self.result: Any = result


def cut_by(interruption: BaseException) -> AttemptTimeout | None:
    """Return the error of ours behind an interruption, if it is ours.

    One that was caught and raised anew is told by its context.  Without a call, even of ``type()``:
    whoever leaves may have no more stack for it.
    """
    own = interruption.args
    if own and own[0].__class__ is Cut:
        return own[0].error
    context = interruption.__context__
    if (
        context.__class__ is interruption.__class__
        and context.args
        and context.args[0].__class__ is Cut
    ):
        return context.args[0].error
    return None


def message_of(interruption: BaseException) -> Cut | None:
    """Return the message for what is cancelled further in, if an interruption is ours."""
    ours = cut_by(interruption)
    return None if ours is None else Cut(ours)


def hurried(error: BaseException | None, had: float, usual: float) -> None:
    """Mark a limit from further out that leaves an attempt less time than it usually gets."""
    if error is None:
        return
    ours = error if isinstance(error, AttemptTimeout) else cut_by(error)
    if ours is not None and had < NEARLY * usual:
        ours.rushed = True
