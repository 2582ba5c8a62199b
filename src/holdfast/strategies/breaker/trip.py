"""When a circuit breaker should open: in a row, by rate, by slowness.

Kept apart from the state machine, as in Polly and cockatiel: this only counts and judges, the
breaker only moves between states.  Nothing here is locked; the breaker's lock guards it.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from holdfast import _validate
from holdfast._rounding import reached
from holdfast._value import Value
from holdfast.errors import ConfigurationError
from holdfast.strategies.breaker.noise import Noise, deviations, lower_bound
from holdfast.strategies.breaker.window import CountWindow, TimeWindow, Window

if TYPE_CHECKING:
    from datetime import timedelta

    from holdfast.strategies.breaker.slowness import learnt

SECONDS = 10.0
"""The window where none is given."""

WINDOW = frozenset({"window", "window_calls"})
"""The options that say how long the window is."""

LARGEST_WINDOW = 10_000_000
"""In calls; a byte each."""

MOST_CONFIDENT = 1 - 1e-9
"""Beyond this, floats no longer tell confidences apart well."""


class Trip:
    """The conditions of one breaker, and the counts that they look at."""

    __slots__ = (
        "_z", "failed_at", "failure_rate", "failures", "min_calls", "noise", "slow_rate", "streak",
        "window",
    )  # fmt: skip

    streak: int

    def __init__(
        self,
        failures: int | None,
        failure_rate: float | None,
        slow_rate: float | None,
        min_calls: int,
        window: Window | None,
        confidence: float | None = None,
    ) -> None:
        self.failures: int | None = failures
        self.failure_rate: float | None = failure_rate
        self.slow_rate: float | None = slow_rate
        self.min_calls: int = min_calls
        self.window: Window | None = window
        self._z = None if confidence is None else deviations(confidence)
        wary = confidence is not None and failures is not None
        self.noise: Noise | None = Noise(1 - confidence) if confidence and wary else None
        self.streak = 0
        self.failed_at: float = 0.0
        """The instant of the last failure, if there was one."""

    def after(self, before: Trip, changed: frozenset[str]) -> Trip:
        """Return this one with the counts of the one ``before``, as far as they mean the same."""
        self.streak, self.failed_at = before.streak, before.failed_at
        if (self.window is None) == (before.window is None) and changed.isdisjoint(WINDOW):
            self.window = before.window
        if changed.isdisjoint(("confidence", "failures")):
            self.noise = before.noise
        return self

    def clear(self) -> None:
        """Forget all counts, as closing does, but not how noisy it always is."""
        self.streak = 0
        if self.window is not None:
            self.window.clear()

    def forget(self) -> None:
        """Forget everything."""
        self.clear()
        if self.noise is not None:
            self.noise.clear()

    def needed(self, now: float) -> int | None:
        """Return how many failures in a row open it now."""
        if self.failures is None or self.noise is None:
            return self.failures
        return max(self.failures, self.noise.needed(now))

    def succeeded(self, now: float, *, slow: bool = False) -> str | None:
        """Count a success; return the reason to open, or None: it may be what completes a rate."""
        if self.streak:
            if self.noise is not None:
                self.noise.ended(self.streak, now)
            self.streak = 0
        if self.window is None:
            return None
        self.window.add(now, slow=slow)
        return self._too_many() or self._too_slow()

    def failed(self, now: float, *, slow: bool = False) -> str | None:
        """Count a failure; return the reason to open, or None."""
        self.streak += 1
        self.failed_at = now
        if self.window is not None:
            self.window.add(now, failed=True, slow=slow)
        return self._too_long(now) or self._too_many() or self._too_slow()

    def calm_until(self, now: float) -> float:
        """Return the instant before which no quick success can complete a rate.

        It can where failures, or slow calls, would be the rate of so few calls: in that it is one
        more, up to ``min_calls``, or in that time makes earlier successes count no more.
        """
        window = self.window
        if window is None or not (
            self._may(window.failures, self.failure_rate) or self._may(window.slow, self.slow_rate)
        ):
            return inf
        return window.steady_until(now) if window.calls >= self.min_calls else -inf

    def _may(self, hits: int, rate: float | None) -> bool:
        """Return whether so many hits are the rate of the fewest calls that count."""
        return rate is not None and hits > 0 and reached(hits, rate * self.min_calls)

    def _too_long(self, now: float) -> str | None:
        if self.failures is None or self.streak < self.failures:
            return None
        if self.noise is not None and self.streak < self.noise.needed(now):
            return None
        return f"{self.streak} failures in a row" if self.streak > 1 else "a failure"

    def _too_many(self) -> str | None:
        window = self.window
        if self.failure_rate is None or window is None:
            return None
        if not self._reached(window.failures, window.calls, self.failure_rate):
            return None
        return f"{window.failures} of {window.calls} calls failed"

    def _too_slow(self) -> str | None:
        window = self.window
        if self.slow_rate is None or window is None:
            return None
        if not self._reached(window.slow, window.calls, self.slow_rate):
            return None
        return f"{window.slow} of {window.calls} calls were slow"

    def _reached(self, hits: int, calls: int, rate: float) -> bool:
        """Return whether so many hits are the rate; with a confidence, whether surely more."""
        if calls < self.min_calls or not reached(hits, rate * calls):
            return False
        return self._z is None or lower_bound(hits, calls, self._z) > rate


def new_trip(
    failures: int | None,
    failure_rate: float | None,
    window: float | timedelta | None,
    window_calls: int | None,
    min_calls: int,
    slow: float | learnt | None,
    *,
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
    kept = _window(window, window_calls, min_calls, needed=needed)
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


def _window(
    window: float | timedelta | None, calls: int | None, min_calls: int, *, needed: bool
) -> Window | None:
    if calls is not None:
        if window is not None:
            raise ConfigurationError(
                f"window={window!r} is in seconds, window_calls={calls!r} in calls: give one of them"
            )
        size = _validate.count("window_calls", calls, high=LARGEST_WINDOW)
        if needed and size < min_calls:
            raise _validate.refuse(
                "min_calls", min_calls, f"a window of {size} calls never holds that many"
            )
        if not needed:
            raise _idle("window_calls", calls)
        return CountWindow(size)
    length = SECONDS if window is None else _validate.seconds("window", window)
    if window is not None and not needed:
        raise _idle("window", window)
    return TimeWindow(length) if needed else None


def _idle(option: str, value: object) -> ConfigurationError:
    return _validate.refuse(
        option,
        value,
        "there is no rate to be taken over it: failures= counts those in a row, however long they take; "
        "give failure_rate, or slow with slow_rate, or leave it out",
    )
