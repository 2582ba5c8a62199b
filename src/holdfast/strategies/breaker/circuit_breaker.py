"""`CircuitBreaker`: stop calling what is down, and find out gently when it is back.

::

                     a condition of `Trip` is met
          closed ---------------------------------> open <---------------+
            ^                                         |                  |
            |  `probes` successes                     | open_for passes  | a probe fails, or a
            +------------------------- half-open <----+                  | condition is met while
            |                              |                             | ramping: open_for grows
            |  `ramp` passes               |  `probes` successes,        |
            +----------------- ramping <---+  with a `ramp`              |
                                  +------------------------------------- +

Every change of state bumps the *epoch*, but for the end of a ramp: the same calls count before and
after it.  A permit carries the epoch in which it was given out, and an outcome of an older one changes
nothing: a slow call from before the breaker opened can neither close it nor open it again.  The lock
guards arithmetic only; the user's code never runs under it, and events are emitted after it.

Half-open, `probes` in flight plus `probes` succeeded never exceed ``probes``, whatever the number of
threads and tasks that arrive together.  A probe holds a lease: one that is cancelled gives its place
back at once, one that hangs after ``probe_timeout``; should it end after all it still counts as
evidence, if the state is still the same.  With ``probe``, a health check, no call is a probe: one
check at a time runs in the background, under the same lease.

Reads outside the lock (`enter`, `resting`): a stale one admits or rejects at most the calls that
arrive in the same instant as the transition.

One file because it is what calls, a check and people do under one lock; the states are a `Machine`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from holdfast import _validate
from holdfast._value import Value
from holdfast._world import now as current_instant
from holdfast._world import world
from holdfast.classify import Condition, On, condition
from holdfast.deadline import detached
from holdfast.errors import CircuitOpenError, IsolatedError
from holdfast.shapes import NO_RESULT, NOWHERE, Arguments, Keywords, Site
from holdfast.strategies.breaker.keepsake import keepsake
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
from holdfast.strategies.breaker.probe import Probe, answered
from holdfast.strategies.breaker.recovery import Recovery
from holdfast.strategies.breaker.trip import new_trip
from holdfast.strategies.identity import Guard
from holdfast.strategies.options import Option, Shown

if TYPE_CHECKING:
    from datetime import timedelta
    from random import Random

    from holdfast.strategies.breaker.slowness import learnt

State = Literal["closed", "open", "half-open", "ramping", "isolated", "disabled"]

BATCH = 64
"""Good outcomes are counted this many at a time."""

EARLIER = -1
"""The epoch of a call that shadow mode let pass: older than any, so its outcome changes nothing."""

_new: Any = Exception.__new__  # rejections must be cheap: no constructor in Python


class CircuitBreaker(Guard):
    """Reject calls at once while the dependency is down; try again with a few probes.

    An identity: share one instance between pipelines to share its state.  Thread- and task-safe.
    It trips on any condition that is configured.

    Args:
        failures: open after so many failures in a row; None to go by the rates alone.
        failure_rate: open when this share, in (0, 1], of the calls in the window failed.
        window: over what the rates are taken, in seconds; by default 10, ...
        window_calls: ... or over so many of the last calls.
        min_calls: the rates say nothing before this many calls are in the window.
        confidence: a share below 1, such as 0.99, to tell an outage from background noise and from
            chance: more than ``failures`` in a row are needed where single failures are usual, and
            a rate must be exceeded for sure (the Wilson bound), however few the calls.
        slow: a call that takes longer than this, in seconds, is slow; `learnt` learns it.
        slow_rate: open when this share of the calls in the window was slow.
        open_for: how long it stays open, in seconds, before it lets probes through.
        open_growth: ``open_for`` is multiplied by this after each failed trial, ...
        open_cap: ... up to this many seconds; closing resets it.  None for 60, or for ``open_for``
            where that is longer.
        open_jitter: the share by which ``open_for`` is lengthened at random.
        open_calls: how many calls it rejects at least, once it has opened, before the first trial,
            as long as no call has ever succeeded: where calls are rare, each would be a trial otherwise.
        probes: how many trial calls, all to succeed, half-open.
        probe_timeout: seconds after which a hung probe gives its place back; None for ``open_cap``.
        probe: a health check without arguments, sync or async, that is asked in place of the users'
            calls, in the background; what it raises says that the dependency is still down.
        ramp: seconds in which the share of calls that pass grows from none to all, after the probes.
        on: which outcomes are failures.
        ignore: which exceptions are neither failure nor success.
        shadow: open and close as ever and tell what would be rejected, but let every call pass.
        name: for messages; by default the first pipeline's.
        rng: the source of the jitter and of the ramp's choice; by default the process's.

    Raises:
        ConfigurationError: for a value outside its range.
        CircuitOpenError: (on calls) while it is open; `IsolatedError` while it is held open by hand.
    """

    __slots__ = ("_check", "_ignore", "_lock", "_machine", "_on")
    kind = "circuit breaker"
    timed = True
    failures: Option[int | None] = Option("_machine._trip.failures")
    failure_rate: Option[float | None] = Option("_machine._trip.failure_rate")
    window: Option[float | None] = Option(None)
    window_calls: Option[int | None] = Option(None)
    min_calls: Option[int] = Option("_machine._trip.min_calls")
    confidence: Option[float | None] = Option(None)
    slow: Option[float | learnt | None] = Option("_machine._slow")
    slow_rate: Option[float | None] = Option("_machine._trip.slow_rate")
    open_for: Option[float] = Option("_machine._recovery.open_for")
    """Of one that is open already it changes for how long, counted from when it opened."""
    open_growth: Option[float] = Option("_machine._recovery.growth")
    open_cap: Option[float] = Option("_machine._recovery.cap")
    open_jitter: Option[float] = Option("_machine._recovery.jitter")
    open_calls: Option[int] = Option("_machine._recovery.calls")
    probes: Option[int] = Option("_machine._recovery.probes")
    probe_timeout: Option[float | None] = Option(None)
    probe: Shown[Callable[[], Any] | None] = Shown("_check")
    ramp: Option[float | None] = Option("_machine._recovery.ramp")
    on: Option[On] = Option(None)
    ignore: Option[On] = Option(None)

    def __init__(
        self,
        *,
        failures: int | None = 5,
        failure_rate: float | None = None,
        window: float | timedelta | None = None,
        window_calls: int | None = None,
        min_calls: int = 20,
        confidence: float | None = None,
        slow: float | timedelta | learnt | None = None,
        slow_rate: float | None = None,
        open_for: float | timedelta = 5.0,
        open_growth: float = 2.0,
        open_cap: float | timedelta | None = None,
        open_jitter: float = 0.1,
        open_calls: int = 0,
        probes: int = 3,
        probe_timeout: float | timedelta | None = None,
        probe: Callable[[], Any] | None = None,
        ramp: float | timedelta | None = None,
        on: On = Exception,
        ignore: On = (),
        shadow: bool = False,
        name: str | None = None,
        rng: Random | None = None,
    ) -> None:
        if not isinstance(slow, Value):
            slow = _validate.optional_seconds("slow", slow)
        trip = new_trip(
            failures, failure_rate, window, window_calls, min_calls, slow,
            slow_rate=slow_rate, confidence=confidence,
        )  # fmt: skip
        recovery = Recovery(
            open_for=open_for, open_growth=open_growth, open_cap=open_cap, open_jitter=open_jitter,
            open_calls=open_calls, probes=probes, probe_timeout=probe_timeout, ramp=ramp, rng=rng,
        )  # fmt: skip
        if probe is not None and not callable(probe):
            raise _validate.refuse(
                "probe", probe, "it must be a function without arguments or None"
            )
        self._check = probe
        self._on: Condition = condition("on", on)
        self._ignore: Condition = condition("ignore", ignore)
        if self._ignore.on_results:
            raise _validate.refuse("ignore", ignore, "it can name exceptions only, not results")
        self._machine = Machine(
            trip, recovery, slow, judges=bool(self._on.on_results), checked=probe is not None
        )
        self._after_fork()
        super().__init__(name, shadow=shadow)

    def _after_fork(self) -> None:
        """Start afresh in a child process: its dependency may look different from there."""
        self._lock = threading.RLock()
        self._machine.start()
        self.resting: Any = self._machine.resting

    # -- the gate ------------------------------------------------------------------------------

    def enter(
        self, now: float, _args: Arguments, _kwargs: Keywords, site: Site = NOWHERE, /
    ) -> Any:
        """Return a permit, or raise `CircuitOpenError`."""
        machine = self._machine
        epoch = machine.epoch  # before the state: at worst an older one, whose outcome is ignored
        state = machine.state
        if state is CLOSED and machine.manual is not ISOLATED:
            return epoch if machine.slow_after is None else (epoch, now)
        if machine.manual is not ISOLATED and (state is not OPEN or now >= machine.reopen_at):
            permit = self._admitted(now, site)
            if permit is not None:
                return permit
        # Made by a helper: kept in this frame, the error would be part of a cycle with its traceback.
        if not self._shadow:
            next(self._enforced or self._first("_enforced"))
            raise self._rejection(now, site)
        self._noted(enforced=False)
        self._rejection(now, site)
        return EARLIER

    def _admitted(self, now: float, site: Site) -> Any:
        """Return a permit or None where it takes the lock to know."""
        permit = self._asked(now)
        if type(permit) is Probe and self._check is not None:
            if self._machine.unheard:
                self._machine.unheard = False
                return permit
            self._ask(self._check, permit, site)
            return None
        return permit

    def _asked(self, now: float) -> Any:
        """Return the machine's permit or None, and tell what there is to tell."""
        machine = self._machine
        with self._lock:
            permit, tellings = machine.enter(now, self._refusals())
            self.resting = machine.resting
        self._tell_all(tellings, now)
        return permit

    def succeeded(self, permit: Any, now: float, result: Any, /) -> None:
        """Count a call that returned, unless `on` says its result is a failure."""
        machine = self._machine
        if now < machine.quick_until:
            # It trips nothing, so it is noted, not counted; ``list.append`` is atomic.
            # One that arrives in the very instant of a transition may count in the new state.
            epoch, began = permit if type(permit) is not int else (permit, now)
            limit = machine.slow_after
            if epoch == machine.epoch and (limit is None or now - began <= limit):
                machine.good.append(now)
                if machine.usual is not None:
                    machine.usual.noted.append(now - began)
                if len(machine.good) >= BATCH:
                    with self._lock:
                        machine.count_good(now)
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
        function never ran.  Nor is the end of a deadline that left it too little time, unless it
        was slow by then.
        """
        try:
            slow = self._machine.is_slow(permit, now)
            neutral = self._on.passes_over(error, slow=slow) or self._ignore.matches(error)
            failed = not neutral and self._on.matches(error, broken=True)
        except RecursionError:  # no stack is left to ask
            self.abandoned(permit, now)
            raise
        if neutral:
            self.abandoned(permit, now)
        else:
            self._settle(permit, now, error, failed=failed)

    answered: ClassVar[Callable[..., Any]] = staticmethod(answered)  # of a stream

    def abandoned(self, permit: Any, _now: float, /) -> None:
        """Give a probe's place back; anything else leaves no trace."""
        if type(permit) is Probe:
            with self._lock:
                self._machine.abandon(permit)

    def expired(self, _permit: Any, _now: float, /) -> None:
        """Nothing queues at a breaker."""

    def _settle(self, permit: Any, now: float, error: Exception | None, *, failed: bool) -> None:
        machine = self._machine
        with self._lock:
            tellings = machine.settle(permit, now, error, self._refusals(), failed=failed)
            self.resting = machine.resting
            epoch = machine.epoch
        if tellings:
            if error is not None and tellings[0][0] == "BreakerOpened":
                cause = keepsake(error)
                with self._lock:
                    if epoch == machine.epoch:
                        machine.cause = cause
            self._tell_all(tellings, now)

    def _refusals(self) -> int:
        """Return how many calls were refused, where the machine goes by that: a look takes a lock."""
        return self.detected if self._machine.counts else 0

    def _tell_all(self, tellings: Tellings, now: float) -> None:
        for event, details in tellings:
            self._tell(event, at=now, **details)

    def _rejection(self, now: float, site: Site) -> CircuitOpenError:
        machine = self._machine
        state, manual = machine.state, machine.manual
        if manual is None and (state is OPEN or state is RAMPING):
            error: CircuitOpenError = _new(CircuitOpenError)
            wait = machine.reopen_at - now
            left: float | None = wait if wait > 0.0 else 0.0  # noqa: FURB136 - max() is a call
        else:  # half-open, even where it has closed just now: for so long it would be open ...
            error = _new(IsolatedError if manual is ISOLATED else CircuitOpenError)
            state = manual or HALF_OPEN
            left = machine.lasts if manual is None else None  # ... if the probes failed now
        error.__dict__ = {  # in one step: each assignment is a search for the attribute
            "retry_after": left, "state": state, "pipeline": site.pipeline,
            "strategy": self._title, "opened_at": machine.opened_at,
        }  # fmt: skip
        error.__cause__ = machine.cause
        if world.listeners:
            site.refuse(error, now, enforced=not self._shadow)
        return error

    # -- the health check ----------------------------------------------------------------------

    def _ask(self, check: Callable[[], Any], probe: Probe, site: Site) -> None:
        """Start the health check elsewhere, without the deadline of whoever happened to call."""
        with detached():
            try:
                site.background(check, lambda error: self._answered(check, probe, site, error))
            except Exception as error:  # noqa: BLE001 - no thread to be had: not the caller's trouble
                self._answered(check, probe, site, error)

    def _answered(
        self, check: Callable[[], Any], probe: Probe, site: Site, error: BaseException | None
    ) -> None:
        """Count a health check; after a good one comes the next, until there are enough.

        One that was cancelled has no outcome.  Its event loop may live no longer than one call, and
        so would all others: the next call is a probe itself.  One that was refused, as where there is
        no thread for it, has not asked the dependency: the next call starts another.
        """
        now = current_instant()
        if isinstance(error, Exception) and self._on.passes_over(error):
            self.abandoned(probe, now)
            return
        if error is not None and not isinstance(error, Exception):
            self._machine.unheard = probe[0] == self._machine.epoch
            self.abandoned(probe, now)
            return
        self._settle(probe, now, error, failed=error is not None)
        if self._machine.state is HALF_OPEN:
            permit = self._asked(now)
            if type(permit) is Probe:
                self._ask(check, permit, site)

    def _adopt(self, twin: CircuitBreaker, changed: frozenset[str]) -> None:
        """Go by other options; the state stays, and what has been counted by the same window."""
        self._shadow, self._on, self._ignore = twin._shadow, twin._on, twin._ignore
        self._machine.adopt(twin._machine, changed, current_instant())
        self.resting = self._machine.resting

    # -- people --------------------------------------------------------------------------------

    def trip(
        self, reason: str = "tripped by hand", *, open_for: float | timedelta | None = None,
        now: float | None = None,
    ) -> None:  # fmt: skip
        """Open now, or at the instant ``now``, as if a condition had been met.

        For ``open_for`` seconds, or as long as it would by itself.  One that is open already is so
        from now on; that is no news, so nothing is told.

        Raises:
            ConfigurationError: if ``open_for`` is not a finite positive number.
        """
        now = current_instant() if now is None else now
        lasts = _validate.optional_seconds("open_for", open_for)
        with self._lock:
            tellings = self._machine.trip(now, reason, self._refusals(), lasts)
            self.resting = self._machine.resting
        self._tell_all(tellings, now)

    def isolate(self) -> None:
        """Hold it open, whatever happens, until `reset`."""
        self._override(ISOLATED)

    def disable(self) -> None:
        """Hold it closed, whatever happens, until `reset`; outcomes are still counted."""
        self._override(DISABLED)

    def _override(self, state: str) -> None:
        with self._lock:
            tellings = self._machine.override(state)
            self.resting = self._machine.resting
        self._tell_all(tellings, current_instant())

    def reset(self) -> None:
        """Close it, forget all counts and all that was learnt, and end `isolate` or `disable`."""
        with self._lock:
            tellings = self._machine.reset()
            self.resting = self._machine.resting
        self._tell_all(tellings, current_instant())

    @property
    def state(self) -> State:
        """The state: "closed", "open", "half-open", "ramping", or by hand "isolated" or "disabled"."""
        return cast("State", self._machine.seen(current_instant(), self._refusals()))

    def busy(self, now: float) -> bool:
        """Return whether it still keeps calls away, for `Keyed`, which must not forget it then.

        One whose ``open_for`` is over may go: the next call would be a probe anyhow.
        """
        return self._machine.busy(now)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data, for people and machines."""
        with self._lock:
            state = self._machine.snapshot(current_instant(), self._refusals())
        return {
            "strategy": self.kind, "name": self.name, **state,
            "shadow": self.shadow, "detected": self.detected, "enforced": self.enforced,
            "options": self._options(),
        }  # fmt: skip

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        state = self.state
        left = self._machine.reopen_at - current_instant()
        wait = f", {left:.2g} s left" if state in (OPEN, RAMPING) and left > 0 else ""
        return f"<CircuitBreaker{name} {state}{wait}>"
