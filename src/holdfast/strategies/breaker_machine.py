"""The state machine of a circuit breaker: states, epochs, probes.  Arithmetic only.

Everything here runs under the breaker's lock, apart from what the comments of `CircuitBreaker` say.
Methods return what there is to tell as ``(event, details)`` pairs, to be emitted after the lock.

The lock can be entered again by its own thread: allocating something here may start the garbage
collector, which may close a coroutine that was forgotten inside this very gate, and so call
`abandoned`, which then only takes a probe out of a dict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast._world import world
from holdfast.classify import Condition
from holdfast.strategies._shared import Identity
from holdfast.strategies.breaker_parts import Probe, opening
from holdfast.strategies.trip import Trip

if TYPE_CHECKING:
    from random import Random

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"
ISOLATED, DISABLED = "isolated", "disabled"

BATCH = 64
"""Good outcomes are counted this many at a time."""

Tellings = list[tuple[str, dict[str, Any]]]


class Machine(Identity):
    """States and transitions; `CircuitBreaker` adds the lock, the verdicts and the words."""

    __slots__ = (
        "_cause", "_epoch", "_failed_trials", "_good", "_manual", "_on", "_open_cap", "_open_for",
        "_open_growth", "_open_jitter", "_opened_at", "_outstanding", "_passed", "_probe_timeout",
        "_probes", "_quick", "_reason", "_reopen_at", "_rng", "_slow", "_state", "_trip", "resting",
    )  # fmt: skip

    _on: Condition
    _open_for: float
    _open_growth: float
    _open_cap: float
    _open_jitter: float
    _probes: int
    _probe_timeout: float
    _slow: float | None
    _rng: Random | None
    _trip: Trip
    _epoch: int
    _manual: str | None
    _state: str
    _reason: str
    _passed: int

    def _start(self) -> None:
        """Begin closed, in a new epoch; what a person has ordered stays in force."""
        self._failed_trials = 0
        self._cause: Exception | None = None
        self._outstanding: dict[Probe, None] = {}
        self._opened_at = self._reopen_at = 0.0
        self._good: list[float] = []
        self.resting: int | None = None
        self._quick = False
        self._become_locked(CLOSED, "")

    def _enter_locked(self, now: float) -> tuple[Any, Tellings]:
        """Return a permit or None, and what there is to tell."""
        if self._manual is ISOLATED:
            return None, []
        if self._state is CLOSED:
            return (self._epoch, now), []
        tellings: Tellings = []
        if self._state is OPEN:
            if now < self._reopen_at:
                return None, []
            self._become_locked(HALF_OPEN, self._reason)
            tellings.append(("BreakerHalfOpened", {}))
        for probe in list(self._outstanding):
            if probe.expires > now:
                continue
            self._outstanding.pop(probe, None)
            tellings.append(("ProbeExpired", {"lease": self._probe_timeout}))
        if len(self._outstanding) + self._passed >= self._probes:
            return None, tellings
        probe = Probe(self._epoch, now, now + self._probe_timeout)
        self._outstanding[probe] = None
        return probe, tellings

    def _settle_locked(
        self, permit: Any, now: float, error: Exception | None, *, failed: bool
    ) -> Tellings:
        """Count an outcome, unless it belongs to an earlier epoch."""
        epoch, began = permit if type(permit) is not int else (permit, now)
        if type(permit) is Probe:
            self._outstanding.pop(permit, None)
        if epoch != self._epoch:
            return []
        slow = self._slow is not None and now - began > self._slow
        if self._state is HALF_OPEN:
            return self._probed_locked(now, error, failed=failed or slow)
        self._count_good_locked()
        count = self._trip.failed if failed else self._trip.succeeded
        reason = count(now, slow=slow)
        if reason is None or self._manual is DISABLED:
            self._rest_locked()
            return []
        return self._open_locked(now, reason, error)

    def _count_good_locked(self) -> None:
        """Move the good outcomes that were noted without the lock into the window."""
        noted = len(self._good)  # others may append meanwhile
        if noted and self._trip.window is not None:
            self._trip.window.add_good(self._good[:noted])
            del self._good[:noted]

    def _probed_locked(self, now: float, error: Exception | None, *, failed: bool) -> Tellings:
        if failed:
            self._failed_trials += 1
            return self._open_locked(now, "a probe failed", error)
        self._passed += 1
        if self._passed < self._probes:
            return []
        self._failed_trials = 0
        self._become_locked(CLOSED, "")
        return [("BreakerClosed", {"reason": f"{self._probes} probes succeeded"})]

    def _open_locked(self, now: float, reason: str, error: Exception | None) -> Tellings:
        plain = opening(self._open_for, self._open_growth, self._open_cap, self._failed_trials)
        lasts = plain * (self._rng or world.rng).uniform(1.0, 1.0 + self._open_jitter)
        self._become_locked(OPEN, reason)
        self._cause = None  # set outside the lock, where it may be copied
        self._opened_at = now
        self._reopen_at = now + lasts
        return [("BreakerOpened", {"reason": reason, "open_for": lasts, "error": error})]

    def _become_locked(self, state: str, reason: str) -> None:
        self._state = state
        self._reason = reason
        self._epoch += 1
        self._passed = 0
        self._cause = None if state is CLOSED else self._cause
        self._outstanding.clear()
        self._trip.clear()
        self._good.clear()
        self._rest_locked()

    def _rest_locked(self) -> None:
        """Say what a success changes: nothing (`resting`), or a count alone (`_quick`)."""
        calm = self._state is CLOSED and self._trip.streak == 0 and not self._on.on_results
        plain = self._trip.window is None and self._slow is None and self._manual is None
        self.resting = self._epoch if calm and plain else None
        self._quick = calm and self._trip.window is not None
