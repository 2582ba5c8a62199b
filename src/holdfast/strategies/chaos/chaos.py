"""`Chaos`: faults on purpose, to see whether the rest of the pipeline does what it is there for.

It stands innermost, where the dependency is, and makes some calls slow, fail, or return what it is
told to; the layers around it see what they would see if the dependency were ill.  So an injected error
is the user's own exception, not a rejection, and injected latency is cut by a timeout or a deadline as a
hung dependency would be, not refused in advance.

A call is chosen in this order: it is enabled, the time is in ``between``, ``when`` says so, and the dice
fall under ``rate``.  What is chosen waits first, if there is a ``latency``, and then fails or is
answered, if there is an ``error`` or a ``result``; the function does not run then.

Off, which is the default, it is at rest: calls pass without asking it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast._counter import Counter
from holdfast._world import now as current_instant
from holdfast._world import reseed_after_fork, world
from holdfast.errors import RejectedError
from holdfast.shapes import NOWHERE, Arguments, Instead, Keywords, Site, Ticket, Wait
from holdfast.strategies.chaos.faults import NOTHING, Faults, Injected, faults, window
from holdfast.strategies.identity import Identity
from holdfast.strategies.options import Option, Shown

if TYPE_CHECKING:
    from datetime import timedelta
    from random import Random

PASSED = object()
"""The permit of a call that is left alone."""

CLOSE = 1e-6
"""Timers may fire this much early, in seconds."""


class Chaos(Identity):
    """Make a share of the calls slow, fail, or return something else.

    An identity: share one instance between pipelines to switch their faults together.  Thread- and
    task-safe; everything but the kinds of faults can be switched while calls run.

    Args:
        rate: the share of calls, in [0, 1], that it happens to.
        latency: seconds to wait before the function runs, or a function that draws them from the
            random source: ``lambda rng: rng.lognormvariate(0, 1)``.
        error: what to raise: an exception class, an exception (a fresh copy each time), or a
            function of the call's arguments that returns one, or None for none.
        result: what to return in place of the function's result: a value, or a function of the
            call's arguments (it may be a coroutine function where an async function is protected).
        when: takes the call's arguments and returns whether it may happen to this call.
        between: when it happens, ``(start, end)`` in seconds after it was enabled, or a function of
            those seconds.  One that is made enabled counts from its first call.
        enabled: whether it is on, or a function that is asked for each call.
        rng: the source of the dice; by default the process's.
        name: for messages; by default the first pipeline's.

    Raises:
        ConfigurationError: for a value outside its range, or no fault at all.
    """

    __slots__ = (
        "_began", "_delayed", "_failed", "_faults", "_inside", "_rate", "_replaced", "_rng", "_switch",
        "_when", "resting",
    )  # fmt: skip
    kind = "chaos"
    rate: Option[float] = Option()
    when: Option[Callable[..., bool] | None] = Option()
    delayed: Shown[int] = Shown("_delayed.total")
    """How many calls it has made wait."""
    failed_calls: Shown[int] = Shown("_failed.total")
    """How many calls it has made fail."""
    replaced: Shown[int] = Shown("_replaced.total")
    """How many results it has replaced."""
    timed = True

    def __init__(
        self,
        rate: float = 0.01,
        *,
        latency: float | timedelta | Callable[[Random], float | timedelta] | None = None,
        error: Exception | type[Exception] | Callable[..., Exception | None] | None = None,
        result: Any = NOTHING,
        when: Callable[..., bool] | None = None,
        between: tuple[float | timedelta, float | timedelta]
        | Callable[[float], bool]
        | None = None,
        enabled: bool | Callable[[], bool] = False,
        rng: Random | None = None,
        name: str | None = None,
    ) -> None:
        self._rate: float = _validate.number("rate", rate, low=0, high=1)
        self._faults: Faults = faults(latency, error, result)
        if when is not None:
            _validate.plain_callable("when", when)
        self._when: Callable[..., bool] | None = when
        self._inside = window(between)
        if rng is not None and not callable(getattr(rng, "random", None)):
            raise _validate.refuse("rng", rng, "it must be a random.Random or None")
        self._rng = rng
        reseed_after_fork(rng)
        self._delayed, self._failed, self._replaced = Counter(), Counter(), Counter()
        if not isinstance(enabled, bool):
            _validate.plain_callable("enabled", enabled)
        self._switch: bool | Callable[[], bool] = enabled
        self._began: float | None = None
        self.resting: Any = PASSED if enabled is False else None
        super().__init__(name)

    def _after_fork(self) -> None:
        """Go on as before: there is no lock, and nothing that a call holds."""

    # -- the switch ----------------------------------------------------------------------------

    def enable(self) -> None:
        """Begin, and count the time of ``between`` from now."""
        self._began = current_instant()
        self._switch = True
        self.resting = None

    def disable(self) -> None:
        """End.  Calls that wait already go on waiting."""
        self._switch = False
        self.resting = PASSED

    @property
    def enabled(self) -> bool:
        """Whether it is on, whatever ``between`` and ``when`` say."""
        return bool(self._switch() if callable(self._switch) else self._switch)

    @enabled.setter
    def enabled(self, _value: bool) -> None:
        raise AttributeError("Chaos.enabled can only be read; enable() and disable() switch it")

    # -- the gate ------------------------------------------------------------------------------

    def enter(self, now: float, args: Arguments, kwargs: Keywords, site: Site = NOWHERE, /) -> Any:
        """Let a call pass, wait, be answered, or raise the error that it is to meet."""
        if not self._chosen(now, args, kwargs):
            return PASSED
        injected = self._faults.draw(self._rng or world.rng, args, kwargs)
        if injected is None:
            return PASSED
        self._count(injected, now, site)
        if injected.delay > 0:
            until = now + injected.delay
            permit = until if injected.make is None else Instead(injected.make, until)
            return Wait(permit, injected.delay, Ticket())
        if injected.error is not None:
            raise injected.error
        return PASSED if injected.make is None else Wait(Instead(injected.make))

    def _chosen(self, now: float, args: Arguments, kwargs: Keywords) -> bool:
        if not self.enabled:
            self._began = None
            return False
        began = self._began
        if began is None:
            began = self._began = now
        if self._inside is not None and not self._inside(now - began):
            return False
        if self._when is not None and not self._when(*args, **kwargs):
            return False
        return self._rate > 0 and (self._rng or world.rng).random() < self._rate

    def _count(self, injected: Injected, now: float, site: Site) -> None:
        """Count and tell a fault."""
        if injected.delay > 0:
            next(self._delayed)
        if injected.error is not None:
            next(self._failed)
        if injected.replaced:
            next(self._replaced)
        if world.listeners:
            from holdfast import events

            events.emit(events.FaultInjected(
                pipeline=site.pipeline, strategy=self._title, at=now, delay=injected.delay,
                error=injected.error, replaced=injected.replaced,
            ))  # fmt: skip

    def expired(self, permit: Any, now: float, /) -> RejectedError | None:
        """Let a call that has waited its time go on; None says that it may.

        One whose deadline came first gets the error of the deadline, as with any slow dependency.
        """
        until = permit.subject if type(permit) is Instead else permit
        if now >= until - CLOSE:
            return None
        return RejectedError(
            "the deadline came before injected latency ended", strategy=self._title
        )

    def succeeded(self, _permit: Any, _now: float, _result: Any, /) -> None:
        """Nothing is held, ..."""

    def failed(self, _permit: Any, _now: float, _error: Exception, /) -> None:
        """... so nothing is ..."""

    def abandoned(self, _permit: Any, _now: float, /) -> None:
        """... given back."""

    # -- people --------------------------------------------------------------------------------

    @property
    def injected(self) -> int:
        """How many faults there were: delays, errors and results."""
        return self.delayed + self.failed_calls + self.replaced

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "strategy": self.kind, "name": self.name, "enabled": self.enabled, "rate": self.rate,
            "injected": self.injected, "delayed": self.delayed, "failed": self.failed_calls,
            "replaced": self.replaced,
        }  # fmt: skip

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        state = f"{self.rate:.3g} of calls" if self.enabled else "off"
        return f"<Chaos{name} {state}, {self.injected} injected>"
