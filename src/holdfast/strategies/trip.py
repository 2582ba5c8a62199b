"""When a circuit breaker should open: in a row, by rate, by slowness.

Kept apart from the state machine, as in Polly and cockatiel: this only counts and judges, the
breaker only moves between states.  Nothing here is locked; the breaker's lock guards it.
"""

from __future__ import annotations

from holdfast.strategies.window import Window


class Trip:
    """The conditions of one breaker, and the counts that they look at."""

    __slots__ = ("failure_rate", "failures", "min_calls", "slow_rate", "streak", "window")

    streak: int

    def __init__(
        self,
        failures: int | None,
        failure_rate: float | None,
        slow_rate: float | None,
        min_calls: int,
        window: Window | None,
    ) -> None:
        self.failures: int | None = failures
        self.failure_rate: float | None = failure_rate
        self.slow_rate: float | None = slow_rate
        self.min_calls: int = min_calls
        self.window: Window | None = window
        self.streak = 0

    def clear(self) -> None:
        """Forget everything, as each change of state does."""
        self.streak = 0
        if self.window is not None:
            self.window.clear()

    def succeeded(self, now: float, *, slow: bool = False) -> str | None:
        """Count a success; a slow one can be the reason to open, which is then returned."""
        self.streak = 0
        if self.window is None:
            return None
        self.window.add(now, slow=slow)
        return self._too_slow() if slow else None

    def failed(self, now: float, *, slow: bool = False) -> str | None:
        """Count a failure; return the reason to open, or None."""
        self.streak += 1
        if self.window is not None:
            self.window.add(now, failed=True, slow=slow)
        if self.failures is not None and self.streak >= self.failures:
            return f"{self.streak} failures in a row" if self.streak > 1 else "a failure"
        return self._too_many() or (self._too_slow() if slow else None)

    def _too_many(self) -> str | None:
        window = self.window
        if self.failure_rate is None or window is None or window.calls < self.min_calls:
            return None
        if window.failures < self.failure_rate * window.calls:
            return None
        return f"{window.failures} of {window.calls} calls failed"

    def _too_slow(self) -> str | None:
        window = self.window
        if self.slow_rate is None or window is None or window.calls < self.min_calls:
            return None
        if window.slow < self.slow_rate * window.calls:
            return None
        return f"{window.slow} of {window.calls} calls were slow"
