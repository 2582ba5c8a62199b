"""The state machine of a circuit breaker: states, epochs, probes.  Arithmetic only.

Everything here runs under the breaker's lock, apart from what the comments of `CircuitBreaker` say.
Methods return what there is to tell as ``(event, details)`` pairs, to be emitted after the lock.

The lock can be entered again by its own thread: allocating something here may start the garbage
collector, which may close a coroutine that was forgotten inside this very gate, and so call
`abandoned`, which then only takes a probe out of a dict.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast._value import Value
from holdfast.classify import Condition
from holdfast.strategies._shared import Guard
from holdfast.strategies.breaker_parts import Probe
from holdfast.strategies.breaker_recovery import Recovery
from holdfast.strategies.trip import Trip

if TYPE_CHECKING:
    from holdfast.strategies.slowness import learnt

CLOSED, OPEN, HALF_OPEN, RAMPING = "closed", "open", "half-open", "ramping"
ISOLATED, DISABLED = "isolated", "disabled"

BATCH = 64
"""Good outcomes are counted this many at a time."""

Tellings = list[tuple[str, dict[str, Any]]]


class Machine(Guard):
    """States and transitions; `CircuitBreaker` adds the lock, the verdicts and the words."""

    __slots__ = (
        "_cause", "_check", "_epoch", "_failed_trials", "_good", "_heard", "_manual", "_on",
        "_opened_at", "_outstanding", "_passed", "_quick", "_reason", "_recovery", "_refused_before",
        "_reopen_at", "_slow", "_slow_after", "_state", "_trip", "_unheard", "_usual",
    )  # fmt: skip

    resting: Any
    _on: Condition
    _check: Callable[[], Any] | None
    _unheard: bool
    _recovery: Recovery
    _slow: float | learnt | None
    _trip: Trip
    _epoch: int
    _manual: str | None
    _state: str
    _reason: str
    _passed: int

    def _start(self) -> None:
        """Begin closed, in a new epoch; what a person has ordered stays in force."""
        self._failed_trials = 0
        self._heard = False
        """Whether anything ever succeeded."""
        self._cause: Exception | None = None
        self._outstanding: dict[Probe, None] = {}
        self._opened_at = self._reopen_at = 0.0
        self._refused_before = 0
        self._good: list[float] = []
        self.resting = None
        self._quick = False
        self._forget_locked()

    def _forget_locked(self) -> None:
        """Close it and forget all counts, what was learnt too."""
        self._failed_trials = 0
        self._usual = self._slow.usual() if isinstance(self._slow, Value) else None
        self._slow_after = (
            self._slow if not isinstance(self._slow, Value) else float("inf")
        )  # what is slow now, in seconds
        self._trip.forget()
        self._become_locked(CLOSED, "")

    def _enter_locked(self, now: float) -> tuple[Any, Tellings]:
        """Return a permit or None, and what there is to tell."""
        if self._manual is ISOLATED or (self._state is OPEN and now < self._reopen_at):
            return None, []
        if self._state is CLOSED:
            return (self._epoch, now), []
        if self._state is RAMPING:
            return self._ramp_locked(now)
        tellings: Tellings = []
        if self._state is OPEN:
            if self._too_soon():
                return None, []
            self._become_locked(HALF_OPEN, self._reason)
            tellings.append(("BreakerHalfOpened", {}))
        recovery = self._recovery
        for probe in list(self._outstanding):
            if probe.expires > now:
                continue
            self._outstanding.pop(probe, None)
            tellings.append(("ProbeExpired", {"lease": recovery.lease}))
        room = recovery.probes - self._passed if self._check is None else 1
        if len(self._outstanding) >= room:
            return None, tellings
        probe = Probe(self._epoch, now, now + recovery.lease)
        self._outstanding[probe] = None
        return probe, tellings

    def _too_soon(self) -> bool:
        """Return whether too few calls were refused since it opened for a first trial."""
        if self._heard or self._failed_trials > 0:
            return False
        return self.detected - self._refused_before < self._recovery.calls

    def _ramp_locked(self, now: float) -> tuple[Any, Tellings]:
        """Admit a share of the calls that grows with time, and all of them from the ramp's end on."""
        left = self._reopen_at - now
        if left > 0:
            return ((self._epoch, now) if self._recovery.admits(left) else None), []
        self._state = CLOSED
        self._failed_trials = 0
        self._rest_locked()
        reason = f"ramped up in {self._recovery.ramp:g} s"
        return (self._epoch, now), [("BreakerClosed", {"reason": reason})]

    def _settle_locked(
        self, permit: Any, now: float, error: Exception | None, *, failed: bool
    ) -> Tellings:
        """Count an outcome, unless it belongs to an earlier epoch."""
        epoch, began = permit if type(permit) is not int else (permit, now)
        if type(permit) is Probe:
            self._outstanding.pop(permit, None)
        if epoch != self._epoch:
            return []
        self._heard = self._heard or not failed
        half_open = self._state is HALF_OPEN
        if half_open and self._usual is not None:
            self._slow_after = self._usual.limit(now)  # by and by what was usual is forgotten
        slow = self._slow_after is not None and now - began > self._slow_after
        if half_open:
            bad = failed or (slow and self._check is None)
            return self._probed_locked(now, error, failed=bad)
        if self._usual is not None and not failed and not slow:
            self._usual.noted.append(now - began)
        self._count_good_locked(now)
        count = self._trip.failed if failed else self._trip.succeeded
        reason = count(now, slow=slow)
        if reason is None or self._manual is DISABLED:
            self._rest_locked()
            return []
        self._failed_trials += self._state is RAMPING
        return self._open_locked(now, reason, error)

    def _count_good_locked(self, now: float) -> None:
        """Move what was noted without the lock into the window, and learn from it."""
        noted = len(self._good)  # others may append meanwhile
        if noted and self._trip.window is not None:
            self._trip.window.add_good(self._good[:noted])
            del self._good[:noted]
        if self._usual is not None:
            self._slow_after = self._usual.limit(now)

    def _probed_locked(self, now: float, error: Exception | None, *, failed: bool) -> Tellings:
        trial = "probe" if self._check is None else "health check"
        if failed:
            self._failed_trials += 1
            return self._open_locked(now, f"a {trial} failed", error)
        self._passed += 1
        if self._passed < self._recovery.probes:
            return []
        ramp = self._recovery.ramp
        if ramp is not None:
            self._become_locked(RAMPING, "")
            self._reopen_at = now + ramp
            return [("BreakerRamping", {"ramp": ramp})]
        self._failed_trials = 0
        self._become_locked(CLOSED, "")
        return [("BreakerClosed", {"reason": f"{self._recovery.probes} {trial}s succeeded"})]

    def _open_locked(self, now: float, reason: str, error: Exception | None) -> Tellings:
        lasts = self._recovery.opening(self._failed_trials)
        self._become_locked(OPEN, reason)
        self._cause = None  # set outside the lock, where it may be copied
        self._opened_at = now
        self._refused_before = self.detected
        self._reopen_at = now + lasts
        return [("BreakerOpened", {"reason": reason, "open_for": lasts, "error": error})]

    def _become_locked(self, state: str, reason: str) -> None:
        self._state = state
        self._reason = reason
        self._epoch += 1
        self._passed = 0
        self._unheard = False
        self._cause = self._cause if state in (OPEN, HALF_OPEN) else None
        self._outstanding.clear()
        self._trip.clear()
        self._good.clear()
        self._rest_locked()

    def _rest_locked(self) -> None:
        """Say what a success changes: nothing (`resting`), or a count alone (`_quick`)."""
        heard = self._heard or not self._recovery.calls  # else the first success is news
        silent = self._trip.streak == 0 and not self._on.on_results
        calm = self._state is CLOSED and silent and heard
        plain = self._trip.window is None and self._slow is None and self._manual is None
        self.resting = self._epoch if calm and plain else None
        self._quick = calm and self._trip.window is not None
