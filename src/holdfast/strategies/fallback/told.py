"""The event of an answer that stands in for an outcome."""

from __future__ import annotations

from holdfast._world import world
from holdfast.shapes import History


def tell_fallback(history: History, error: Exception | None, age: float | None = None) -> None:
    """Emit `FallbackUsed`."""
    if world.listeners:
        from holdfast import events

        events.emit(events.FallbackUsed(
            pipeline=history.pipeline, strategy="fallback", at=history.now, error=error, stale_for=age,
        ))  # fmt: skip
