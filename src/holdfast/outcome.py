"""`Outcome`: how a call ended, as a value, for places where a rejection is no exception."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from holdfast._shown import quoted
from holdfast.verdict import refusal_in

T = TypeVar("T")
D = TypeVar("D")


class Outcome(Generic[T]):
    """What ``pipeline.try_call(...)`` and ``await pipeline.outcome(...)`` return instead of raising.

    Attributes:
        error: the exception of the call; None where it returned.

    It holds the exception with its traceback, and so the frames of the call: keep what you need,
    not the outcome.  Interruptions and cancellations are never an outcome, they are raised.
    """

    __slots__ = ("_value", "error")
    error: Exception | None

    def __init__(self, value: T | None = None, error: Exception | None = None) -> None:
        self._value: Any = value
        self.error = error

    @property
    def ok(self) -> bool:
        """Whether the call returned."""
        return self.error is None

    @property
    def rejected(self) -> bool:
        """Whether a strategy refused the call, here or, as the error tells, in a client further in."""
        return refusal_in(self.error) is not None

    @property
    def retry_after(self) -> float | None:
        """Seconds after which another try makes sense, where the rejection says so."""
        refusal = refusal_in(self.error)
        return None if refusal is None else refusal.retry_after

    def unwrap(self) -> T:
        """Return the result, or raise the exception that the call raised."""
        if self.error is None:
            return self._value  # type: ignore[no-any-return]
        try:
            raise self.error
        finally:
            del self  # no cycle from the traceback through this frame to the exception

    def value_or(self, default: D) -> T | D:
        """Return the result, or ``default`` where there is none."""
        return self._value if self.error is None else default

    def __repr__(self) -> str:
        said = repr(self._value) if self.error is None else f"error={quoted(self.error)}"
        return f"<Outcome {said}>"
