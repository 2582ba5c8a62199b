"""What both drivers tell the listeners; reached only while somebody listens."""

from __future__ import annotations


def tell_completed(pipeline: str, now: float, started: float, error: BaseException | None) -> None:
    """Tell that a call ended, ``now - started`` seconds after it began."""
    from holdfast import events

    events.emit(events.CallCompleted(
        pipeline=pipeline, strategy="pipeline", at=now, duration=now - started, error=error,
        attempt=None,
    ))  # fmt: skip
