"""The state machine of a circuit breaker: numbers in, verdicts and tellings out.

Whoever has a `Machine` calls it under a lock, and may read its attributes without one: a stale read
admits or rejects at most the calls that arrive in the same instant as the transition.  Methods return
what there is to tell as ``(event, details)`` pairs, to be emitted after the lock.

The lock may be entered again by its own thread: allocating something here may start the garbage
collector, which may close a coroutine that was forgotten inside this very gate, and so call `abandon`,
which only takes a probe out of a dict.

One file because it is one thing: all states, and all that leads from one to another.
"""

from __future__ import annotations

from math import inf, isinf
from typing import TYPE_CHECKING, Any

from holdfast._shown import quoted
from holdfast._value import Value
from holdfast.strategies.breaker.probe import Probe
from holdfast.strategies.breaker.recovery import Recovery
from holdfast.strategies.breaker.trip import Trip

if TYPE_CHECKING:
    from holdfast.strategies.breaker.slowness import Usual, learnt

CLOSED, OPEN, HALF_OPEN, RAMPING = "closed", "open", "half-open", "ramping"
ISOLATED, DISABLED = "isolated", "disabled"

COUNTING = (CLOSED, RAMPING)
SHUT = (OPEN, RAMPING)
"""In which states outcomes are counted."""

OPENING = frozenset({"open_for", "open_growth", "open_cap", "open_jitter"})
"""The options by which it is open for so long."""

Tellings = list[tuple[str, dict[str, Any]]]

NEVER = -inf
"""One object for all, for the same reason as `NONE`."""

NONE: list[float] = []
"""What a breaker without a window has noted; one for all, for `Keyed` has thousands of them."""


class Machine:
    """States, epochs and probes of one breaker.

    Args:
        trip: when to open.
        recovery: how to come back.
        slow: what a slow call is: seconds, a rule to learn it by, or None.
        judges: whether successes have to be looked at one by one: their results may be failures.
        checked: whether a health check is asked in place of the users' calls.
    """

    __slots__ = (
        "_checked", "_failed_trials", "_heard", "_judges", "_outstanding", "_passed", "_reason",
        "_recovery", "_refused_before", "_slow", "_trip", "cause", "counts", "epoch", "good", "lasts",
        "manual", "opened_at", "quick_until", "reopen_at", "resting", "slow_after", "state", "unheard",
        "usual",
    )  # fmt: skip

    _passed: int
    epoch: int
    manual: str | None
    slow_after: float | None
    """What is slow now, in seconds; None where nothing is."""
    state: str
    unheard: bool
    usual: Usual | None

    def __init__(
        self,
        trip: Trip,
        recovery: Recovery,
        slow: float | learnt | None,
        *,
        judges: bool,
        checked: bool,
    ) -> None:
        self._trip = trip
        self._recovery = recovery
        self._slow = slow
        self._judges = judges
        self._checked = checked
        self.counts: bool = recovery.calls > 0
        """Whether it goes by how many calls were refused."""
        self.epoch = 0
        self.manual = None
        """What a person has ordered: "isolated", "disabled" or nothing."""
        self.start()

    def start(self) -> None:
        """Begin closed, in a new epoch; what a person has ordered stays in force."""
        self._heard = False
        """Whether anything ever succeeded."""
        self.cause: Exception | None = None
        self._outstanding: dict[Probe, None] = {}
        self.opened_at: float = 0.0
        self.reopen_at: float = 0.0
        self.lasts: float = 0.0
        """For how long it opened last, in seconds."""
        self._refused_before = 0
        self.good: list[float] = NONE if self._trip.window is None else []
        """The instants of successes that wait to be counted; appended to without the lock."""
        self.forget()

    # -- calls ---------------------------------------------------------------------------------

    def enter(self, now: float, refused: int) -> tuple[Any, Tellings]:
        """Return a permit or None, and what there is to tell; ``refused`` calls were so far."""
        if self.manual is ISOLATED or (self.state is OPEN and now < self.reopen_at):
            return None, []
        if self.state is CLOSED:
            return (self.epoch, now), []
        if self.state is RAMPING:
            return self._ramp(now)
        tellings: Tellings = []
        if self.state is OPEN:
            if self._too_soon(refused):
                return None, []
            self._become(HALF_OPEN, self._reason)
            tellings.append(("BreakerHalfOpened", {}))
        recovery = self._recovery
        for probe in list(self._outstanding):
            if probe.expires > now:
                continue
            self._outstanding.pop(probe, None)
            tellings.append(("ProbeExpired", {"lease": recovery.lease}))
        room = 1 if self._checked else recovery.probes - self._passed
        if len(self._outstanding) >= room:
            return None, tellings
        probe = Probe(self.epoch, now, now + recovery.lease)
        self._outstanding[probe] = None
        return probe, tellings

    def settle(
        self, permit: Any, now: float, error: Exception | None, refused: int, *, failed: bool
    ) -> Tellings:
        """Count an outcome, unless it belongs to an earlier epoch."""
        epoch, began = permit if type(permit) is not int else (permit, now)
        if type(permit) is Probe:
            self.abandon(permit)
            began += permit.aside
        if epoch != self.epoch:
            return []
        self._heard = self._heard or not failed
        half_open = self.state is HALF_OPEN
        if half_open and self.usual is not None:
            self.slow_after = self.usual.limit(now)  # by and by what was usual is forgotten
        slow = self.slow_after is not None and now - began > self.slow_after
        if half_open:
            bad = failed or (slow and not self._checked)
            return self._probed(now, error, refused, failed=bad)
        if self.usual is not None and not failed and not slow:
            self.usual.noted.append(now - began)
        self.count_good(now)
        count = self._trip.failed if failed else self._trip.succeeded
        reason = count(now, slow=slow)
        if reason is None or self.manual is DISABLED:
            self._rest(now)
            return []
        self._failed_trials += self.state is RAMPING
        return self._open(now, reason, error, refused)

    def is_slow(self, permit: Any, now: float) -> bool:
        """Return whether a call has taken longer by now than a quick one does."""
        limit = self.slow_after
        if limit is None or type(permit) is int:
            return False
        aside = permit.aside if type(permit) is Probe else 0.0
        return now - permit[1] - aside > limit  # type: ignore[no-any-return]

    def abandon(self, probe: Probe) -> None:
        """Give a probe's place back."""
        self._outstanding.pop(probe, None)

    def count_good(self, now: float) -> None:
        """Move what was noted without the lock into the window, and learn from it."""
        noted = len(self.good)  # others may append meanwhile
        if self._trip.window is not None and noted:
            self._trip.window.add_good(self.good[:noted])
            del self.good[:noted]
        if self.usual is not None:
            self.slow_after = self.usual.limit(now)

    # -- levers --------------------------------------------------------------------------------

    def trip(self, now: float, reason: str, refused: int, lasts: float | None = None) -> Tellings:
        """Open now, as if a condition had been met; what a person has ordered is over."""
        opened = self.manual is None and self.state is OPEN and now < self.reopen_at
        self.manual = None
        self.count_good(now)  # the counts are shown while it is open
        tellings = self._open(now, reason, None, refused, lasts)
        return [] if opened else tellings

    def override(self, state: str) -> Tellings:
        """Be held isolated, or disabled, until `reset`."""
        if self.manual == state:
            return []
        self.manual = state
        self._failed_trials = 0
        self._become(CLOSED, "")
        return [("BreakerOverridden", {"state": state})]

    def reset(self) -> Tellings:
        """Close, forget everything, and be held no longer."""
        closed = self.manual is None and self.state is CLOSED
        self.manual = None
        self.forget()
        return [] if closed else [("BreakerClosed", {"reason": "reset by hand"})]

    def forget(self) -> None:
        """Close and forget all counts, what was learnt too."""
        self._failed_trials = 0
        if isinstance(self._slow, Value):
            self.usual, self.slow_after = self._slow.usual(), inf
        else:
            self.usual, self.slow_after = None, self._slow
        self._become(CLOSED, "")
        self._trip.forget()
        self._rest()

    def adopt(self, other: Machine, changed: frozenset[str], now: float) -> None:
        """Go by the options of another machine, of which so many are different; the state stays."""
        self.count_good(now)
        self._judges, old = other._judges, self._recovery
        self._recovery = other._recovery
        self._trip = other._trip.after(self._trip, changed)
        if self.good is NONE or other.good is NONE:
            self.good = other.good
        if "slow" in changed:
            self._slow, self.usual, self.slow_after = other._slow, other.usual, other.slow_after
        self._passed = min(self._passed, self._recovery.probes - 1)
        if self.state is OPEN and not OPENING.isdisjoint(changed):
            self.lasts = self._recovery.opening(self._failed_trials)
            self.reopen_at = self.opened_at + self.lasts
        elif self.state is RAMPING:
            self.reopen_at += (self._recovery.ramp or 0.0) - (old.ramp or 0.0)
        self._rest(now)

    # -- to look at ----------------------------------------------------------------------------

    def seen(self, now: float, refused: int) -> str:
        """Return the state as a person would name it."""
        if self.manual is not None:
            return self.manual
        if self.state is OPEN and now >= self.reopen_at:
            return OPEN if self._too_soon(refused) else HALF_OPEN
        if self.state is RAMPING and now >= self.reopen_at:
            return CLOSED
        return self.state

    def busy(self, now: float) -> bool:
        """Return whether it keeps calls away, or a trial is under way."""
        if self.manual is not None or self._outstanding:
            return True
        return self.state is RAMPING or (self.state is OPEN and now < self.reopen_at)

    def snapshot(self, now: float, refused: int) -> dict[str, Any]:
        """Return the state as plain data."""
        self.count_good(now)
        window, slow_after = self._trip.window, self.slow_after
        if window is not None and self.state in COUNTING:
            window.advance(now)
        seen = self.seen(now, refused)
        # in this order: a signal handler may trip it in between
        shut = seen in SHUT or self.state in SHUT
        return {
            "state": seen, "epoch": self.epoch,
            "failures_in_a_row": self._trip.streak, "failures_needed": self._trip.needed(now),
            "calls": None if window is None else window.calls,
            "failures": None if window is None else window.failures,
            "slow_calls": None if window is None else window.slow,
            "slow_after": None if slow_after is None or isinf(slow_after) else slow_after,
            "probes_in_flight": len(self._outstanding), "probes_passed": self._passed,
            "reason": self._reason, "cause": None if self.cause is None else quoted(self.cause),
            "opened_ago": None if self.state is CLOSED else now - self.opened_at,
            "retry_after": max(0.0, self.reopen_at - now) if shut else None,
        }  # fmt: skip

    # -- transitions ---------------------------------------------------------------------------

    def _too_soon(self, refused: int) -> bool:
        """Return whether too few calls were refused since it opened for a first trial."""
        since = refused - self._refused_before
        return not self._heard and self._failed_trials == 0 and since < self._recovery.calls

    def _ramp(self, now: float) -> tuple[Any, Tellings]:
        """Admit a share of the calls that grows with time, and all of them from the ramp's end on."""
        left = self.reopen_at - now
        if left > 0:
            return ((self.epoch, now) if self._recovery.admits(left) else None), []
        self.state = CLOSED
        self._failed_trials = 0
        self._rest(now)
        reason = f"ramped up in {self._recovery.ramp or 0.0:g} s"
        return (self.epoch, now), [("BreakerClosed", {"reason": reason})]

    def _probed(
        self, now: float, error: Exception | None, refused: int, *, failed: bool
    ) -> Tellings:
        trial = "health check" if self._checked else "probe"
        if failed:
            self._failed_trials += 1
            return self._open(now, f"a {trial} failed", error, refused)
        self._passed += 1
        if self._passed < self._recovery.probes:
            return []
        ramp = self._recovery.ramp
        if ramp is not None:
            self._become(RAMPING, "")
            self.reopen_at = now + ramp
            return [("BreakerRamping", {"ramp": ramp})]
        self._failed_trials = 0
        self._become(CLOSED, "")
        probes = self._recovery.probes
        reason = f"{probes} {trial}s succeeded" if probes > 1 else f"a {trial} succeeded"
        return [("BreakerClosed", {"reason": reason})]

    def _open(
        self,
        now: float,
        reason: str,
        error: Exception | None,
        refused: int,
        lasts: float | None = None,
    ) -> Tellings:
        if lasts is None:
            lasts = self._recovery.opening(self._failed_trials)
        self._become(OPEN, reason)
        self.cause = None  # set outside the lock, where it may be copied
        self.opened_at = now
        self._refused_before = refused
        self.lasts = lasts
        self.reopen_at = now + lasts
        return [("BreakerOpened", {"reason": reason, "open_for": lasts, "error": error})]

    def _become(self, state: str, reason: str) -> None:
        self.state = state
        self._reason = reason
        self.epoch += 1
        self._passed = 0
        self.unheard = False
        """Whether the last health check was cancelled, so that the next call is a trial itself."""
        self.cause = self.cause if state in (OPEN, HALF_OPEN) else None
        self._outstanding.clear()
        if state in COUNTING:  # while it is open they show what has opened it
            self._trip.clear()
        if self.good:
            self.good.clear()
        self._rest()

    def _rest(self, now: float = NEVER) -> None:
        """Say what a success changes: nothing (`resting`), or a count alone (`quick_until`)."""
        heard = self._heard or not self._recovery.calls  # else the first success is news
        silent = self._trip.streak == 0 and not self._judges
        calm = self.state is CLOSED and silent and heard
        plain = self._trip.window is None and self._slow is None and self.manual is None
        self.resting: int | None = self.epoch if calm and plain else None
        """The permit of all calls while nothing they do changes anything, else None."""
        counts = calm and self._trip.window is not None
        self.quick_until: float = self._trip.calm_until(now) if counts else NEVER
        """Before which instant a quick success changes nothing but a count."""
