"""What people do with a circuit breaker, and see of it."""

from __future__ import annotations

import threading
from math import isinf
from typing import Any

from holdfast._world import now as current_instant
from holdfast.strategies.breaker.machine import (
    CLOSED,
    DISABLED,
    HALF_OPEN,
    ISOLATED,
    OPEN,
    RAMPING,
    Machine,
    Tellings,
)


class Controls(Machine):
    """The machine with its lock and its levers."""

    __slots__ = ("_lock",)

    def _after_fork(self) -> None:
        """Start afresh in a child process: its dependency may look different from there."""
        self._lock = threading.RLock()
        self._start()

    def _tell_all(self, tellings: Tellings, now: float) -> None:
        for event, details in tellings:
            self._tell(event, at=now, **details)

    def trip(self, reason: str = "tripped by hand", *, now: float | None = None) -> None:
        """Open now, or at the instant ``now``, for ``open_for``, as if a condition had been met."""
        now = current_instant() if now is None else now
        with self._lock:
            self._manual = None
            tellings = self._open_locked(now, reason, None)
        self._tell_all(tellings, now)

    def isolate(self) -> None:
        """Hold it open, whatever happens, until `reset`."""
        self._override(ISOLATED)

    def disable(self) -> None:
        """Hold it closed, whatever happens, until `reset`; outcomes are still counted."""
        self._override(DISABLED)

    def _override(self, state: str) -> None:
        with self._lock:
            self._manual = state
            self._failed_trials = 0
            self._become_locked(CLOSED, "")
        self._tell("BreakerOverridden", state=state)

    def reset(self) -> None:
        """Close it, forget all counts and all that was learnt, and end `isolate` or `disable`."""
        with self._lock:
            self._manual = None
            self._forget_locked()
        self._tell("BreakerClosed", reason="reset by hand")

    @property
    def state(self) -> str:
        """The state: "closed", "open", "half-open", "ramping", or by hand "isolated" or "disabled"."""
        if self._manual is not None:
            return self._manual
        if self._state is OPEN and current_instant() >= self._reopen_at:
            return OPEN if self._too_soon() else HALF_OPEN
        if self._state is RAMPING and current_instant() >= self._reopen_at:
            return CLOSED
        return self._state

    def busy(self, now: float) -> bool:
        """Return whether it still keeps calls away, for `Keyed`, which must not forget it then.

        One whose ``open_for`` is over may go: the next call would be a probe anyhow.
        """
        if self._manual is not None or self._outstanding:
            return True
        return self._state is RAMPING or (self._state is OPEN and now < self._reopen_at)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data, for people and machines."""
        now = current_instant()
        with self._lock:
            self._count_good_locked(now)
            window, slow_after = self._trip.window, self._slow_after
            if window is not None:
                window.advance(now)
            shut = self._state is OPEN or self._state is RAMPING
            return {
                "strategy": self.kind, "name": self.name, "state": self.state, "epoch": self._epoch,
                "failures_in_a_row": self._trip.streak, "failures_needed": self._trip.needed(now),
                "calls": None if window is None else window.calls,
                "failures": None if window is None else window.failures,
                "slow_calls": None if window is None else window.slow,
                "slow_after": None if slow_after is None or isinf(slow_after) else slow_after,
                "probes_in_flight": len(self._outstanding), "probes_passed": self._passed,
                "reason": self._reason, "cause": None if self._cause is None else repr(self._cause),
                "opened_ago": None if self._state is CLOSED else now - self._opened_at,
                "retry_after": max(0.0, self._reopen_at - now) if shut else None,
                "shadow": self.shadow, "detected": self.detected, "enforced": self.enforced,
            }  # fmt: skip

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        state = self.state
        left = self._reopen_at - current_instant()
        wait = f", {left:.2g} s left" if state in (OPEN, RAMPING) and left > 0 else ""
        return f"<CircuitBreaker{name} {state}{wait}>"
