"""`Throttle`: send a dependency that refuses much only a little more than it accepts.

Client-side adaptive throttling (Site Reliability Engineering, chapter 21, "Handling overload"): over a
window, with ``requests`` all that callers wanted and ``accepts`` what was answered, a call is rejected
here with the probability ::

    max(0, (requests - ratio * accepts) / (requests + 1))

so what is sent settles at ``ratio`` times what is accepted.  There is no state to trip and none to
recover: it follows the dependency up and down, which suits one that is partly overloaded; for one
that is down a circuit breaker is quicker.

Different from the book: the window is short, because the book's two minutes never recover from a stall
within four minutes in a retry storm, ten seconds and a ratio of 1.5 (as in go-zero) do in 44 seconds;
the probability has a ceiling (as in failsafe-go), so that some calls always find out how it is; below
``min_calls`` nothing is rejected; and calls in flight are judged late (see `accepts`).  After an outage
everything is sent again after about three windows: what is sent grows with what the last one accepted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast._world import now as current_instant
from holdfast._world import reseed_after_fork, world
from holdfast.classify import Condition, On, condition
from holdfast.errors import ThrottledError
from holdfast.shapes import NO_RESULT, NOWHERE, Arguments, Keywords, Site
from holdfast.strategies.identity import SHADOW, Guard
from holdfast.strategies.options import Option
from holdfast.strategies.throttle.accepts import Accepts, Bucket

if TYPE_CHECKING:
    from datetime import timedelta
    from random import Random

Settle = Callable[[Bucket, float], None]


class Throttle(Guard):
    """Reject a share of the calls, the more the fewer of them the dependency accepts.

    An identity: share one instance between pipelines of one dependency.  Thread- and task-safe.
    Place it outside of the timeout: a call that times out inside is refused, a cancelled one nothing.

    Args:
        ratio: how many requests are sent for each that is accepted, at least 1; a higher one sends
            more in vain and finds out sooner that the dependency is well again.
        window: over how many seconds; several times as long as a usual call.
        on: which outcomes are refusals; all others are accepts.
        ignore: which exceptions are neither.
        min_calls: nothing is rejected before this many calls are in the window.
        max_rejection: the highest probability of a rejection, below 1; the rest are probes.
        rng: the source of the chance; by default the process's.
        shadow: count and tell what would be rejected, but let it pass.
        name: for messages; by default the first pipeline's.

    Raises:
        ConfigurationError: for a value outside its range.
        ThrottledError: (on calls) for those that are rejected.
    """

    __slots__ = (
        "_accepts", "_ignore", "_lock", "_max_rejection", "_min_calls", "_on", "_ratio", "_rng",
        "_window",
    )  # fmt: skip
    kind = "throttle"
    timed = True
    ratio: Option[float] = Option()
    window: Option[float] = Option()
    """Another one begins empty."""
    min_calls: Option[int] = Option()
    max_rejection: Option[float] = Option()

    def __init__(
        self,
        ratio: float = 1.5,
        window: float | timedelta = 10.0,
        *,
        on: On = Exception,
        ignore: On = (),
        min_calls: int = 10,
        max_rejection: float = 0.9,
        rng: Random | None = None,
        shadow: bool = False,
        name: str | None = None,
    ) -> None:
        self._ratio: float = _validate.number("ratio", ratio, low=1)
        self._window: float = _validate.seconds("window", window)
        self._on = condition("on", on)
        self._ignore: Condition = condition("ignore", ignore)
        if self._ignore.on_results:
            raise _validate.refuse("ignore", ignore, "it can name exceptions only, not results")
        self._min_calls: int = _validate.count("min_calls", min_calls)
        self._max_rejection: float = _validate.share("max_rejection", max_rejection)
        if max_rejection == 1:
            raise _validate.refuse(
                "max_rejection", max_rejection, "it must be below 1, or no call could find out more"
            )
        if rng is not None and not callable(getattr(rng, "random", None)):
            raise _validate.refuse("rng", rng, "it must be a random.Random or None")
        self._rng = rng
        reseed_after_fork(rng)
        self.resting: Any = None  # never; in a slot, where reading it is quick
        self._after_fork()
        super().__init__(name, shadow=shadow)

    def _after_fork(self) -> None:
        """Start afresh: what is in flight belongs to the parent process."""
        self._lock = threading.RLock()
        self._accepts = Accepts(self._window)

    # -- the gate ------------------------------------------------------------------------------

    def enter(
        self, now: float, _args: Arguments, _kwargs: Keywords, site: Site = NOWHERE, /
    ) -> Any:
        """Return a permit, or raise `ThrottledError`."""
        draw: float | None = None
        if self._accepts.requests > self._ratio * self._accepts.accepts:  # a look without the lock
            draw = (self._rng or world.rng).random()
        with self._lock:
            likely = 0.0 if draw is None else self._likely_locked(now)
            if draw is None or draw >= likely:
                return self._accepts.begin(now)
            words = self._words_locked(likely)
            permit: Any = SHADOW
            if self._shadow:
                permit = self._accepts.begin(now)
            else:
                self._accepts.reject(now)
        return self._refused(ThrottledError(words, strategy=self._title), now, site, permit)

    def succeeded(self, permit: Any, now: float, result: Any, /) -> None:
        """Count an accept, unless `on` says the result is a refusal."""
        if type(permit) is Bucket and not self._on.on_results:
            with self._lock:
                self._accepts.accept(permit, now)
            return
        settle: Settle = self._accepts.forget  # if that raises
        try:
            refused = False
            if self._on.on_results and result is not NO_RESULT:
                refused = self._on.matches_result(result)
            settle = self._accepts.refuse if refused else self._accepts.accept
        finally:
            if type(permit) is Bucket:
                with self._lock:
                    settle(permit, now)

    def failed(self, permit: Any, now: float, error: Exception, /) -> None:
        """Count a refusal, an accept, or neither.

        A rejection by a strategy further in is neither, unless `on` names its class: the dependency
        was not asked.  Nor is the end of a deadline that left it too little time.
        """
        settle: Settle = self._accepts.forget
        try:
            if not self._on.passes_over(error) and not self._ignore.matches(error):
                refused = self._on.matches(error, broken=True)
                settle = self._accepts.refuse if refused else self._accepts.accept
        finally:  # no deeper than `enter` went: there may be no more stack
            if type(permit) is Bucket:
                with self._lock:
                    settle(permit, now)

    def abandoned(self, permit: Any, now: float, /) -> None:
        """Let the call never have been."""
        if type(permit) is Bucket:
            with self._lock:
                self._accepts.forget(permit, now)

    def expired(self, _permit: Any, _now: float, /) -> None:
        """Nothing queues at a throttle."""

    def _likely_locked(self, now: float) -> float:
        """Return the probability with which a call is rejected now."""
        accepts = self._accepts
        waiting = accepts.in_doubt(now)
        requests = accepts.requests - waiting
        if requests < self._min_calls:
            return 0.0
        likely = (requests - self._ratio * accepts.accepts) / (requests + 1)
        return min(self._max_rejection, max(0.0, likely))

    def _words_locked(self, likely: float) -> str:
        accepts = self._accepts
        return (
            f"{self._title} rejects {likely:.0%} of the calls, because the dependency accepted "
            f"{accepts.accepts} of {accepts.requests} in the last {self._window:g} s"
        )

    def _adopt(self, twin: Throttle, changed: frozenset[str]) -> None:
        super()._adopt(twin, changed)
        if "window" in changed:
            self._accepts = twin._accepts

    # -- people --------------------------------------------------------------------------------

    @property
    def rejecting(self) -> float:
        """The share of calls that are rejected now, from 0 to `max_rejection`."""
        with self._lock:
            return self._likely_locked(current_instant())

    def busy(self, now: float) -> bool:
        """Return whether it would reject calls now, so that a `Keyed` must not forget it."""
        with self._lock:
            return self._likely_locked(now) > 0.0

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        with self._lock:
            likely = self._likely_locked(current_instant())
            return {
                "strategy": self.kind, "name": self.name, "rejecting": likely,
                "requests": self._accepts.requests, "accepts": self._accepts.accepts,
                "ratio": self._ratio, "window": self._window, "shadow": self._shadow,
                "detected": self.detected, "enforced": self.enforced,
            }  # fmt: skip

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<Throttle{name} rejects {self.rejecting:.0%}>"
