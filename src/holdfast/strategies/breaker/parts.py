"""The small parts of a circuit breaker: its probes, its conditions, its memory of the last failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from holdfast import _validate
from holdfast._value import Value
from holdfast.errors import ConfigurationError, HoldfastError
from holdfast.strategies.breaker.noise import deviations, lower_bound
from holdfast.strategies.breaker.trip import Trip
from holdfast.strategies.breaker.window import CountWindow, TimeWindow, Window

if TYPE_CHECKING:
    from holdfast.strategies.breaker.slowness import learnt


class Probe(tuple[int, float]):  # noqa: SLOT001 - a tuple cannot have slots that are not empty
    """The permit of a trial call: (epoch, start), with a lease.  Equal to itself alone."""

    expires: float
    """The instant at which its place is given back."""

    def __new__(cls, epoch: int, began: float, expires: float) -> Self:
        """Make a probe with its lease."""
        probe = super().__new__(cls, (epoch, began))
        probe.expires = expires
        return probe

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other


def new_trip(
    failures: int | None,
    failure_rate: float | None,
    window: float,
    min_calls: int,
    slow: float | learnt | None,
    slow_rate: float | None,
    confidence: float | None = None,
) -> Trip:
    """Check the conditions of a breaker and return them."""
    if failures is not None:
        _validate.count("failures", failures)
    _validate.count("min_calls", min_calls)
    if confidence is not None:
        _check_confidence(confidence)
    if not isinstance(slow, Value):
        _validate.optional_seconds("slow", slow)
    if (slow is None) != (slow_rate is None):
        raise ConfigurationError(f"slow={slow!r} and slow_rate={slow_rate!r} need each other")
    if failures is None and failure_rate is None and slow_rate is None:
        raise ConfigurationError(
            "failures=None leaves the breaker without a condition: give failures, failure_rate, or "
            "slow with slow_rate"
        )
    rates = {"failure_rate": failure_rate, "slow_rate": slow_rate}
    needed = any(rate is not None for rate in rates.values())
    kept = _window(window, min_calls, needed=needed)
    for option, rate in rates.items():
        if rate is not None:
            _check_rate(option, rate, kept, confidence)
    return Trip(failures, failure_rate, slow_rate, min_calls, kept, confidence)


def _check_confidence(confidence: float) -> None:
    _validate.share("confidence", confidence)
    if confidence > MOST_CONFIDENT:
        raise _validate.refuse(
            "confidence", confidence, f"nothing is that sure: at most {MOST_CONFIDENT}"
        )


def _check_rate(option: str, rate: float, window: Window | None, confidence: float | None) -> None:
    _validate.share(option, rate)
    if confidence is None:
        return
    size = window.size if isinstance(window, CountWindow) else LARGEST_WINDOW
    if lower_bound(size, size, deviations(confidence)) <= rate:
        raise _validate.refuse(
            option, rate, f"with confidence={confidence!r} {size:,} calls never show more than that"
        )


def _window(window: float, min_calls: int, *, needed: bool) -> Window | None:
    if isinstance(window, int) and not isinstance(window, bool):
        size = _validate.count("window", window, high=LARGEST_WINDOW)
        if needed and size < min_calls:
            raise _validate.refuse(
                "min_calls", min_calls, f"a window of {size} calls never holds that many"
            )
        return CountWindow(size) if needed else None
    length = _validate.seconds("window", window)
    return TimeWindow(length) if needed else None


LARGEST_WINDOW = 10_000_000
"""In calls; a byte each."""

MOST_CONFIDENT = 1 - 1e-9
"""Beyond this, floats no longer tell confidences apart well."""

FLAT = (str, bytes, int, float, bool, type(None))


def keepsake(error: Exception) -> Exception:
    """Return a copy of ``error`` that keeps nothing alive: no traceback, no context, flat arguments.

    A breaker shows it as the cause of its rejections for as long as it is open; the original would
    keep the frames of a finished request, and all that they refer to.  Where the class cannot be
    copied to the same words, a plain error with those words stands in.
    """
    kind = type(error)
    try:
        words = str(error)
    except Exception:  # noqa: BLE001 - an exception class may forbid anything
        words = "?"
    try:
        # an OSError keeps the name of its file apart from its arguments
        given = error.__reduce__()[1] if isinstance(error, OSError) else error.args
        args = tuple(one if isinstance(one, FLAT) else repr(one) for one in given)
        copy = kind.__new__(kind, *args)
        if not isinstance(error, OSError):
            copy.args = args
        if str(copy) == words and repr(copy):
            return copy
    except Exception:  # noqa: BLE001, S110 - the same
        pass
    return HoldfastError(f"{kind.__name__}: {words}")
