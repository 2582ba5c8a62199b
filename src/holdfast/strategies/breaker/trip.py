"""When a circuit breaker should open: in a row, by rate, by slowness.

Kept apart from the state machine, as in Polly and cockatiel: this only counts and judges, the
breaker only moves between states.  Nothing here is locked; the breaker's lock guards it.
"""

from __future__ import annotations

from holdfast.strategies.breaker.noise import Noise, deviations, lower_bound
from holdfast.strategies.breaker.window import Window


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

    def clear(self) -> None:
        """Forget all counts, as each change of state does, but not how noisy it always is."""
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
        """Count a success; a slow one can be the reason to open, which is then returned."""
        if self.streak:
            if self.noise is not None:
                self.noise.ended(self.streak, now)
            self.streak = 0
        if self.window is None:
            return None
        self.window.add(now, slow=slow)
        return self._too_slow() if slow else None

    def failed(self, now: float, *, slow: bool = False) -> str | None:
        """Count a failure; return the reason to open, or None."""
        self.streak += 1
        self.failed_at = now
        if self.window is not None:
            self.window.add(now, failed=True, slow=slow)
        return self._too_long(now) or self._too_many() or (self._too_slow() if slow else None)

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
        if calls < self.min_calls or hits < rate * calls:
            return False
        return self._z is None or lower_bound(hits, calls, self._z) > rate
