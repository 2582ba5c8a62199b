"""`Timeout.adaptive`: a limit that is learnt from how long the attempts take.

    limit = margin x quantile of the successes' durations, between floor and ceiling

The quantile is that of the successes alone; the timeouts themselves must not be forgotten, though, or
a slow-down locks the limit in: what is slower than it can never be learnt from.  (Counting them as if
they had ended at the limit, as others do, drives the limit to its ceiling as soon as a hundredth of
the attempts hangs.)  Two things see beyond the limit:

* Late replies.  In blocking code an attempt that was given up on goes on in its worker, and tells how
  long it took when it ends after all.
* Trials, where nothing is left to listen to.  A few attempts may take up to the ceiling.  One that
  succeeds beyond the usual limit stands for all those that were not given the time, so it counts as
  often as trials are rare (inverse-probability weighting: Horvitz and Thompson, 1952; for censored
  durations: Robins and Rotnitzky, 1992).  Trials are as rare as they are dear: if everything hangs,
  they make the waiting a quarter longer.

While nothing answers the estimate freezes: the window stretches to keep its samples.  Nor is the
limit worth waiting for then: after a number of timeouts in a row, with no answer in between, only one
attempt at a time gets all of it, and the others an eighth, until something answers again.

Figures and alternatives: docs/explanation/decisions/0015-adaptive-timeout.md.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast._world import now as current_instant
from holdfast._world import world
from holdfast.errors import AttemptTimeout, DeadlineExceeded
from holdfast.strategies.identity import Identity
from holdfast.strategies.options import Option, Shown
from holdfast.strategies.quantile import Quantiles
from holdfast.strategies.timeout.sync import Sync, WhenLate, checked, when_late
from holdfast.verdict import control_flow, refusal_in

if TYPE_CHECKING:
    from datetime import timedelta
    from types import ModuleType

    from holdfast.shapes import Site

SILENCE = 10
"""So many timeouts in a row, with no answer in between, are a silence."""

HUSHED = 1 / 8
"""What share of the limit an attempt gets in a silence, while another one is given all of it."""

DEARER = 0.25
"""By how much trials may lengthen the mean wait for what never answers."""

HEAVIEST = 1 / 2
"""What share of the samples beyond the quantile one trial may count for: it takes several to move it."""

EARLY = 1e-6
"""Timers may fire this much early, in seconds."""

NOTICEABLE = 0.1
"""By what share the limit must have moved to be told."""


class Limit:
    """What one attempt is given: ``seconds``.

    A success that took longer than ``usual`` counts ``weight`` times.
    """

    __slots__ = ("seconds", "usual", "weight")

    def __init__(self, seconds: float, usual: float, weight: int = 1) -> None:
        self.seconds: float = seconds
        self.usual: float = usual
        self.weight: int = weight


class AdaptiveTimeout(Identity):
    """Give up on what is inside after a time that follows how long it usually takes.

    Made by `Timeout.adaptive`, which has the options.  An identity: the pipelines that share one
    learn together.  Thread- and task-safe.
    """

    __slots__ = (
        "_begun", "_ceiling", "_discard", "_estimate", "_floor", "_hushed", "_late", "_lock", "_margin",
        "_min_samples", "_patient", "_quantile", "_quantiles", "_row", "_sync", "_timeouts", "_told",
        "_trial", "_trial_at", "_usual", "_window",
    )  # fmt: skip
    kind = "adaptive timeout"
    quantile: Option[float] = Option()
    margin: Option[float] = Option()
    floor: Option[float] = Option()
    ceiling: Option[float] = Option()
    min_samples: Option[int] = Option()
    window: Option[float] = Option()
    sync: Shown[Sync] = Shown()
    late: Shown[WhenLate] = Shown()
    discard: Shown[Callable[[Any], object] | None] = Shown()
    estimate: Shown[float | None] = Shown()
    """The quantile, in seconds; None before `min_samples`."""
    timeouts: Shown[int] = Shown()
    """How many attempts have been given up on; a statistic."""

    def __init__(
        self,
        *,
        quantile: float = 0.99,
        margin: float = 2.0,
        floor: float | timedelta = 0.05,
        ceiling: float | timedelta = 5.0,
        min_samples: int = 100,
        window: float | timedelta = 60.0,
        sync: Sync = "cut",
        late: WhenLate = "return",
        discard: Callable[[Any], object] | None = None,
        name: str | None = None,
    ) -> None:
        self._quantile: float = _validate.number("quantile", quantile, low=0.5, high=0.9999)
        self._margin: float = _validate.number("margin", margin, low=1.0)
        self._ceiling: float = _validate.seconds("ceiling", ceiling)
        least = _validate.seconds("floor", floor, positive=False)
        self._floor: float = _validate.number("floor", least, low=0, high=self._ceiling)
        self._min_samples: int = _validate.count("min_samples", min_samples)
        self._sync: Sync = checked(sync)
        self._late: WhenLate = when_late(late)
        if discard is not None:
            _validate.plain_callable("discard", discard)
        self._discard: Callable[[Any], object] | None = discard
        self._quantiles = Quantiles(window, least=self._min_samples)
        self._window: float = self._quantiles.window
        self._estimate: float | None = None
        self._timeouts: int = 0
        self._row = 0
        self._begun = count()
        self._patient = -inf
        self._told = self._ceiling
        self._set(None)
        self._after_fork()
        super().__init__(name)

    def _after_fork(self) -> None:
        """Renew the lock; what has been learnt holds in the child process, too."""
        self._lock = threading.RLock()

    def attach(self, _driver: ModuleType, inner: Any, runtime: Any, site: Site) -> Any:
        """Return the runtime's step around ``inner``."""
        return runtime.adaptive(self, inner, site)

    # -- an attempt ----------------------------------------------------------------------------

    def begin(self, now: float, *, late: bool = False) -> Limit:
        """Return the limit for an attempt; ``late`` where late replies are heard without trials."""
        if self._row >= SILENCE:
            return self._in_silence(now, late=late)
        if late:
            return self._usual
        number = next(self._begun)
        return self._usual if number < self._trial_at else self._tried(number)

    def succeeded(self, limit: Limit, took: float, now: float) -> None:
        """Learn from an attempt that returned after ``took`` seconds, in time or late."""
        with self._lock:
            self._row = 0
            quantiles = self._quantiles
            weight = 1
            if took > limit.usual and limit.weight > 1:
                beyond = (1 - self._quantile) * quantiles.count(now)
                weight = max(1, min(limit.weight, int(HEAVIEST * beyond)))
            quantiles.add(took, now, weight)
            estimate = quantiles.quantile(self._quantile, now)
            if estimate != self._estimate and quantiles.count(now) >= self._min_samples:
                self._set(estimate)
            before, after = self._told, self._usual.seconds
            moved = abs(after - before) >= NOTICEABLE * before
            if moved:
                self._told = after
        if moved:
            self._tell("TimeoutChanged", at=now, before=before, after=after)

    def failed(self, limit: Limit, took: float, error: Exception) -> None:
        """Note an attempt that raised: no sample, and in most cases an answer.

        Not where the caller's deadline or a task's own time limit cut it, or a strategy further in gave
        up: that says nothing.
        """
        if isinstance(error, DeadlineExceeded) or control_flow[type(error)] or refusal_in(error):
            return
        with self._lock:
            if took >= limit.seconds - EARLY:
                self._row += 1
                self._timeouts += 1
            elif not isinstance(error, AttemptTimeout):
                self._row = 0

    # -- the limit -----------------------------------------------------------------------------

    @property
    def limit(self) -> float:
        """What an attempt is given, in seconds, as long as it is neither a trial nor in a silence."""
        return self._usual.seconds

    @property
    def silent(self) -> bool:
        """Whether so many attempts in a row were given up on that most get an eighth of `limit`."""
        return self._row >= SILENCE

    def _set(self, estimate: float | None) -> None:
        """Reckon the limits; called under the lock."""
        first, self._estimate = self._estimate is None, estimate
        usual = self._ceiling if estimate is None else self._margin * estimate
        usual = min(max(usual, self._floor), self._ceiling)
        hushed = max(HUSHED * usual, self._floor)
        self._usual = Limit(usual, usual)
        self._trial = Limit(self._ceiling, usual, round(self._ceiling / (DEARER * usual)))
        if first:
            self._trial_at = next(self._begun) + self._trial.weight
        self._hushed = Limit(hushed, usual)

    def _tried(self, number: int) -> Limit:
        """Return a trial's limit, and draw how many attempts later the next one comes."""
        trial = self._trial
        if self._estimate is None:
            return self._usual
        drawn = world.rng.random()
        with self._lock:
            if number < self._trial_at:  # another attempt was faster
                return self._usual
            self._trial_at = number + 1 + int(drawn * (2 * trial.weight - 1))
        return trial

    def _in_silence(self, now: float, *, late: bool) -> Limit:
        """Return all of the limit for one attempt at a time, so for the probe of a breaker too."""
        if not late and world.rng.random() * self._trial.weight < 1:
            return self._trial
        usual = self._usual
        with self._lock:  # of two attempts in the same instant one gets it
            if self._estimate is None or now >= self._patient:
                self._patient = now + usual.seconds
                return usual
        return self._hushed

    def _adopt(self, twin: AdaptiveTimeout, changed: frozenset[str]) -> None:
        """Go by other options, and what they make of what has been learnt."""
        super()._adopt(twin, changed)
        self._quantiles.stretch(self._window, self._min_samples)
        now, known = current_instant(), self._quantiles
        enough = known.count(now) >= self._min_samples
        self._set(known.quantile(self._quantile, now) if enough else self._estimate)

    # -- what it looks like --------------------------------------------------------------------

    def spelt(self) -> str:
        """Return the call that made it, such as ``"Timeout.adaptive(ceiling=2.0)"``."""
        usual = AdaptiveTimeout.__init__.__kwdefaults__ or {}
        given = [f"{name}={value!r}" for name, value in self._given if usual[name] != value]
        return f"Timeout.adaptive({', '.join(given)})"

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        with self._lock:
            samples = self._quantiles.held
        return {
            "strategy": self.kind, "name": self.name, "limit": self.limit,
            "estimate": self._estimate, "samples": samples, "timeouts": self._timeouts,
            "silent": self.silent, "quantile": self._quantile, "margin": self._margin,
            "floor": self._floor, "ceiling": self._ceiling, "min_samples": self._min_samples,
            "window": self._window, "sync": self._sync,
        }  # fmt: skip

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<AdaptiveTimeout{name} {self.limit:.3g} s, {self._timeouts} timeouts>"
