"""`CircuitBreaker`: stop calling what is down, and find out gently when it is back.

::

                     a condition of `Trip` is met
          closed ---------------------------------> open <---------------+
            ^                                         |                  |
            |  `probes` successes                     | open_for passes  | a probe fails:
            +------------------------- half-open <----+                  | open_for grows
                                           |                             |
                                           +-----------------------------+

Every change of state bumps the *epoch*.  A permit carries the epoch in which it was given out, and an
outcome of an older one changes nothing: a slow call from before the breaker opened can neither close
it nor open it again.  The lock guards arithmetic only; the user's code never runs under it, and
events are emitted after it.

Half-open, `probes` in flight plus `probes` succeeded never exceed ``probes``, whatever the number of
threads and tasks that arrive together.  A probe holds a lease: one that is cancelled gives its place
back at once, one that hangs after ``probe_timeout``; should it end after all it still counts as
evidence, if the state is still the same.

Reads outside the lock (`enter`, `resting`): a stale one admits or rejects at most the calls that
arrive in the same instant as the transition.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast._world import now as current_instant
from holdfast._world import world
from holdfast.classify import Condition, On, condition
from holdfast.errors import CircuitOpenError, IsolatedError, RejectedError
from holdfast.shapes import NO_RESULT, NOWHERE, Arguments, Keywords, Site
from holdfast.strategies.breaker_machine import (
    BATCH,
    CLOSED,
    DISABLED,
    HALF_OPEN,
    ISOLATED,
    OPEN,
    Machine,
    Tellings,
)
from holdfast.strategies.breaker_parts import Probe, keepsake, new_trip

if TYPE_CHECKING:
    from random import Random

_new: Any = Exception.__new__  # rejections must be cheap: no constructor in Python


class CircuitBreaker(Machine):
    """Reject calls at once while the dependency is down; try again with a few probes.

    An identity: share one instance between pipelines to share its state.  Thread- and task-safe.
    It trips on any condition that is configured.

    Args:
        failures: open after so many failures in a row; None to go by the rates alone.
        failure_rate: open when this share, in (0, 1], of the calls in the window failed.
        window: over what the rates are taken: a float is seconds, an int a number of calls.
        min_calls: the rates say nothing before this many calls are in the window.
        slow: a call that takes longer than this, in seconds, is slow.
        slow_rate: open when this share of the calls in the window was slow.
        open_for: how long it stays open, in seconds, before it lets probes through.
        open_growth: ``open_for`` is multiplied by this after each failed trial, ...
        open_cap: ... up to this many seconds; closing resets it.
        open_jitter: the share by which ``open_for`` is lengthened at random.
        probes: how many trial calls, all to succeed, half-open.
        probe_timeout: seconds after which a hung probe gives its place back; None for ``open_cap``.
        on: which outcomes are failures.
        ignore: which exceptions are neither failure nor success.
        name: for messages; by default the first pipeline's.
        rng: the source of the jitter; by default the process's.

    Raises:
        ConfigurationError: for a value outside its range.
        CircuitOpenError: (on calls) while it is open; `IsolatedError` while it is held open by hand.
    """

    __slots__ = ("_ignore", "_lock", "_rejected")
    kind = "circuit breaker"
    timed = True

    def __init__(
        self,
        *,
        failures: int | None = 5,
        failure_rate: float | None = None,
        window: float = 10.0,
        min_calls: int = 20,
        slow: float | None = None,
        slow_rate: float | None = None,
        open_for: float = 5.0,
        open_growth: float = 2.0,
        open_cap: float = 60.0,
        open_jitter: float = 0.1,
        probes: int = 3,
        probe_timeout: float | None = None,
        on: On = Exception,
        ignore: On = (),
        name: str | None = None,
        rng: Random | None = None,
    ) -> None:
        self._trip = new_trip(failures, failure_rate, window, min_calls, slow, slow_rate)
        self._slow = slow
        self._open_for = _validate.seconds("open_for", open_for)
        self._open_growth = _validate.number("open_growth", open_growth, low=1)
        self._open_cap = _validate.seconds("open_cap", open_cap)
        if open_cap < open_for:
            raise _validate.refuse(
                "open_cap", open_cap, f"it must be at least open_for={open_for!r}"
            )
        self._open_jitter = _validate.number("open_jitter", open_jitter, low=0, high=1)
        self._probes = _validate.count("probes", probes)
        timeout = _validate.optional_seconds("probe_timeout", probe_timeout)
        self._probe_timeout = self._open_cap if timeout is None else timeout
        self._on = condition("on", on)
        self._ignore: Condition = condition("ignore", ignore)
        if self._ignore.on_results:
            raise _validate.refuse("ignore", ignore, "it can name exceptions only, not results")
        if rng is not None and not callable(getattr(rng, "uniform", None)):
            raise _validate.refuse("rng", rng, "it must be a random.Random or None")
        self._rng = rng
        self._epoch = self._rejected = 0
        self._manual = None
        self._after_fork()
        super().__init__(name)

    def _after_fork(self) -> None:
        """Start afresh in a child process: its dependency may look different from there."""
        self._lock = threading.RLock()
        self._start()

    # -- the gate ------------------------------------------------------------------------------

    def enter(
        self, now: float, _args: Arguments, _kwargs: Keywords, site: Site = NOWHERE, /
    ) -> Any:
        """Return a permit, or raise `CircuitOpenError`."""
        if self._state is CLOSED and self._manual is not ISOLATED:
            return self._epoch if self._slow is None else (self._epoch, now)
        if self._manual is ISOLATED or (self._state is OPEN and now < self._reopen_at):
            raise self._rejection(now, site)
        with self._lock:
            permit, tellings = self._enter_locked(now)
        self._tell_all(tellings, now)
        if permit is None:
            raise self._rejection(now, site)
        return permit

    def succeeded(self, permit: Any, now: float, result: Any, /) -> None:
        """Count a call that returned, unless `on` says its result is a failure."""
        if self._quick:
            # A success alone trips nothing, so it is noted, not counted; ``list.append`` is atomic.
            # One that arrives in the very instant of a transition may count in the new state.
            epoch, began = permit if type(permit) is not int else (permit, now)
            if epoch == self._epoch and (self._slow is None or now - began <= self._slow):
                self._good.append(now)
                if len(self._good) >= BATCH:
                    with self._lock:
                        self._count_good_locked()
                return
        on = self._on
        failed = False
        if on.on_results and result is not NO_RESULT:
            try:
                failed = on.matches_result(result)
            except Exception:
                self.abandoned(permit, now)
                raise
        self._settle(permit, now, None, failed=failed)

    def failed(self, permit: Any, now: float, error: Exception, /) -> None:
        """Count a call that raised: a failure, a success, or neither.

        A rejection by a strategy further in is no outcome, unless `on` names its class: the
        function never ran.
        """
        rejected = isinstance(error, RejectedError) and not self._on.names_rejection(error)
        if rejected or self._ignore.matches(error):
            self.abandoned(permit, now)
        else:
            failed = self._on.matches(error, broken=True)
            self._settle(permit, now, error, failed=failed)

    def abandoned(self, permit: Any, _now: float, /) -> None:
        """Give a probe's place back; anything else leaves no trace."""
        if type(permit) is Probe:
            with self._lock:
                self._outstanding.pop(permit, None)

    def expired(self, _permit: Any, _now: float, /) -> None:
        """Nothing queues at a breaker."""

    def _settle(self, permit: Any, now: float, error: Exception | None, *, failed: bool) -> None:
        with self._lock:
            tellings = self._settle_locked(permit, now, error, failed=failed)
            epoch = self._epoch
        if tellings:
            if error is not None and tellings[0][0] == "BreakerOpened":
                cause = keepsake(error)
                with self._lock:
                    if epoch == self._epoch:
                        self._cause = cause
            self._tell_all(tellings, now)

    def _tell_all(self, tellings: Tellings, now: float) -> None:
        for event, details in tellings:
            self._tell(event, at=now, **details)

    def _rejection(self, now: float, site: Site) -> CircuitOpenError:
        self._rejected += 1  # outside the lock: a statistic, not a decision
        manual, state = self._manual, self._state
        error: CircuitOpenError = _new(IsolatedError if manual is ISOLATED else CircuitOpenError)
        error.pipeline = site.pipeline
        error.strategy = self.title
        error.retry_after = self._reopen_at - now if state is OPEN else None
        error.state = manual or state
        error.opened_at = self._opened_at
        error.after = None
        error.__cause__ = self._cause
        if world.listeners:
            site.refuse(error, now)
        return error

    # -- people --------------------------------------------------------------------------------

    def trip(self, reason: str = "tripped by hand") -> None:
        """Open now, for ``open_for``, as if a condition had been met."""
        now = current_instant()
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
        """Close it, forget all counts, and end `isolate` or `disable`."""
        with self._lock:
            self._manual = None
            self._failed_trials = 0
            self._become_locked(CLOSED, "")
        self._tell("BreakerClosed", reason="reset by hand")

    @property
    def state(self) -> str:
        """The state: "closed", "open", "half-open", or by hand "isolated" or "disabled"."""
        if self._manual is not None:
            return self._manual
        if self._state is OPEN and current_instant() >= self._reopen_at:
            return HALF_OPEN
        return self._state

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data, for people and machines."""
        now = current_instant()
        with self._lock:
            self._count_good_locked()
            window = self._trip.window
            if window is not None:
                window.advance(now)
            return {
                "strategy": self.kind, "name": self.name, "state": self.state, "epoch": self._epoch,
                "failures_in_a_row": self._trip.streak, "rejected": self._rejected,
                "calls": None if window is None else window.calls,
                "failures": None if window is None else window.failures,
                "slow_calls": None if window is None else window.slow,
                "probes_in_flight": len(self._outstanding), "probes_passed": self._passed,
                "reason": self._reason, "cause": None if self._cause is None else repr(self._cause),
                "retry_after": max(0.0, self._reopen_at - now) if self._state is OPEN else None,
            }  # fmt: skip

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        state = self.state
        left = self._reopen_at - current_instant()
        wait = f", {left:.2g} s left" if state is OPEN and left > 0 else ""
        return f"<CircuitBreaker{name} {state}{wait}>"
