"""What both drivers tell the listeners; reached only while somebody listens."""

from __future__ import annotations

from collections.abc import Callable

from holdfast._cut import CutOff, Late
from holdfast._ongoing import Call

Tell = Callable[[Call, float, float, BaseException | None], None]


def telling() -> Tell:
    """Return what tells how a call ended; asked when there are listeners, for few programs have any."""
    from holdfast.events import CallCompleted, emit

    def tell(call: Call, now: float, started: float, error: BaseException | None) -> None:
        if isinstance(error, Late):  # the call has returned
            error = None
        elif isinstance(error, CutOff):
            error = error.error
        emit(CallCompleted(
            pipeline=call.pipeline, strategy="pipeline", at=now, duration=now - started, error=error,
            call=call.id, function=call.function, attempt=None,
        ))  # fmt: skip

    return tell
