"""`demand`: as many in flight as the load needs at normal latency, and twice that at the very worst.

Made for clients, which see little: a fleet of 20 processes in front of one slow dependency has one or
two calls in flight in each.  Limits that creep up and down call by call are too slow there, and
limits made for servers never bind.  So this one does not creep; it is computed afresh each time::

    normal    mean latency of the calls that were answered, over `memory` seconds (and slower
              while latency is high, so that an overload is not taken for normal soon)
    load      calls in flight in normal times, by Little's law: their rate x their latency
    recent    mean latency over the last `samples` calls or so; lost calls count
    g         clamp(tolerance x normal / recent, 1/2, 1); where latencies vary much by nature, the
              tolerance is at least 1 + 3 standard errors of the recent mean
    limit     load / (1 - g)

High latency alone is no overload: a dependency that has become slower, or that some calls are heavier
for, serves all the same.  So g is 1 until calls are lost, more than is usual (`losses`), and for
`memory` seconds after such a loss.

With g = 1 there is no limit but a ceiling, which doubles as fast as TCP's slow start where it is used.
With g = 1/2, under overload, twice the load is let in flight: enough to keep all that is left of the
dependency busy, little enough that no long queue stands in front of it, and when latency falls again
the same limit already lets twice the usual rate through.  ``load / (1 - g)`` is where Gradient2's
recursion ``limit = limit * g + queue`` settles, with a queue that is scaled to the load.

A call that was lost after r seconds shows that nobody waits longer than r: while calls are lost, no
overload is taken for normal that would let recent latency pass r / 3, however long it lasts (unless
holding calls back was in vain).

Where those that are let in are hardly ever lost, and take more than eight times as long as usual, the
calls that are held back were not what made them slow: then all are let in again, see `cutting`.

An error that comes as quickly as an answer is no sign that anybody waits in vain: it lowers the ceiling,
to one call at the least, and that is all.  What took a few times longer than usual is a sign if none of
the last `RUN` losses was quick: where errors are independent of the load, half of them are.

A limit below 1 means one call at a time, with a rest after each, so that on average as many are in
flight: with 200 processes of one call a second each, a limit of one is no limit.

Sources: J. Little, "A Proof for the Queuing Formula L = λW", 1961; Netflix concurrency-limits,
Gradient2Limit; V. Jacobson, "Congestion Avoidance and Control", 1988 (slow start).
"""

from __future__ import annotations

from math import exp, inf, sqrt
from typing import TYPE_CHECKING

from holdfast import _validate
from holdfast._value import Value
from holdfast.strategies.concurrency.cutting import Cutting
from holdfast.strategies.concurrency.losses import Losses
from holdfast.strategies.concurrency.protocol import start

if TYPE_CHECKING:
    from datetime import timedelta

STEEPEST = 0.5
"""The least g, for a limit of twice the load."""

SURE = 3.0
"""How many standard errors above normal are no accident."""

STRESSED = 0.25
"""How much slower a new normal is learnt while latency is high."""

PATIENCE = 1 / 3
"""The share of the time after which calls are lost that latency is kept below."""

DOWN = 2.0
"""Good news is believed so much faster than bad news."""

BACKOFF = 0.9
"""What the ceiling is multiplied by for each lost call (as in Netflix's AIMDLimit)."""

WARM = 4
"""Nothing is limited but by the ceiling before this many times `samples` answers."""

RUN = 8
"""So many losses that were a little slow, and none that was quick, are no chance."""

QUICK = 1.1
"""Up to this multiple of the normal latency a loss is as quick as an answer."""

BATCH = 8
"""So many answers are taken into the averages of normal times at once."""

FINEST = 1e-6
"""Latencies below this, in seconds, are compared no further."""


class demand(Value):  # noqa: N801 - reads as a word: concurrency.demand()
    """Limit to what the load needs at normal latency, scaled by how far latency is above normal.

    Args:
        tolerance: up to this multiple of the normal latency all is well; greater than 1.
        samples: over about how many calls the recent latency is averaged; more where more are in
            flight.
        memory: over how many seconds the normal latency and load are averaged.

    Raises:
        ConfigurationError: for a value outside its range.
    """

    __slots__ = _options = ("tolerance", "samples", "memory")
    _prefix = "concurrency."
    tolerance: float
    samples: int
    memory: float

    def __init__(
        self, *, tolerance: float = 2.0, samples: int = 8, memory: float | timedelta = 60.0
    ) -> None:
        self._set(
            tolerance=_validate.number("tolerance", tolerance, low=1),
            samples=_validate.count("samples", samples),
            memory=_validate.seconds("memory", memory),
        )

    def search(self, low: float = 1, high: int = 200, initial: int | None = None) -> DemandSearch:
        """Start a search within [low, high], with a ceiling of ``initial``; None: of 20.

        ``low`` may be a fraction, for a limiter that rests between calls.
        """
        return DemandSearch(self, low, high, initial)


class DemandSearch:
    """The search of one limiter: plain arithmetic, guarded by the limiter's lock."""

    __slots__ = (
        "_calls", "_ceiling", "_cutting", "_elapsed", "_last", "_losses", "_lost_at", "_memory",
        "_options", "_patience", "_quick", "_recent", "_run", "_share", "_span", "_squares", "_target",
        "_time", "_times", "_warm", "high", "limit", "load", "low", "normal", "pressure",
    )  # fmt: skip

    def __init__(self, options: demand, low: float, high: float, initial: int | None) -> None:
        self._options = options
        self._memory = options.memory
        self.low: float = low
        self.high: float = high
        self.limit: float = start(low, high, initial)
        self._ceiling = self.limit
        self.pressure: float = 1.0
        """g: 1 while latency is normal, down to 1/2."""
        self.normal: float = 0.0
        """The mean latency in normal times, in seconds."""
        self.load: float = 0.0
        """The mean number in flight in normal times."""
        # of the answered calls, each with a weight that fades: number, durations, and their span
        self._calls = self._time = self._squares = self._span = 0.0
        self._warm = WARM * options.samples
        self._times: list[float] = []  # not yet among them, ...
        self._elapsed = 0.0  # ... and over how many seconds
        self._last = inf
        self._recent = 0.0
        self._target = inf
        """The recent latency above which the limit falls."""
        self._patience = inf
        self._run = 0
        """How many losses there were since the last quick one."""
        self._losses = Losses()
        self._cutting = Cutting()
        self._lost_at = -inf
        self._weigh()

    def sample(self, now: float, rtt: float, in_flight: int, dropped: bool, /) -> float:  # noqa: FBT001 - see `Search`
        """Learn from a call that has just ended; return the limit."""
        gap = now - self._last
        self._last = now
        if gap > 0.0:  # a pause says nothing about the load, but that it was a pause
            self._elapsed += min(gap, self._memory / 8)
        if rtt < 0.0:  # noqa: PLR1730 - max() is a call; a clock may be set back
            rtt = 0.0
        took = rtt
        if dropped:
            self._lose(now, rtt, in_flight)
            rtt = max(rtt, self._recent)  # a loss is no good news
        else:
            self._losses.answered()
            heard = min(rtt, self._target / STEEPEST)  # and one slow answer no overload
            self._times.append(rtt if self.pressure >= 1.0 else heard)
            rtt = heard
            if len(self._times) >= BATCH:
                self._learn(now)
        target, recent = self._target, self._recent
        recent += (self._share if rtt > recent else self._quick) * (rtt - recent)
        recent = min(recent, target / STEEPEST)  # more would change nothing but how long it lasts
        self._recent = recent
        if recent <= target:
            self._cutting.vain = False
        elif self._pressing(now, took, lost=dropped):
            g = self.pressure = max(STEEPEST, target / recent)
            self.limit = max(self.low, min(self._ceiling, self.load / (1.0 - g)))
            return self.limit
        self.pressure = 1.0
        if 2 * in_flight >= self._ceiling and not dropped:
            self._ceiling = min(self.high, self._ceiling + 1.0)
        self.limit = self._ceiling
        return self.limit

    def _pressing(self, now: float, took: float, *, lost: bool) -> bool:
        """Return whether calls are held back while latency is high: if others are lost, and it helps."""
        if now - self._lost_at > self._memory:
            return False
        if self.pressure >= 1.0:
            self._cutting.begin(now)
        elif self._cutting.in_vain(now, took, self.normal, lost=lost):
            self._lost_at = -inf
            return False
        return True

    def _lose(self, now: float, rtt: float, in_flight: int) -> None:
        """Lower the ceiling, and note how long a call may take before it is lost."""
        quick = rtt <= QUICK * self.normal
        least = min(1.0, self.high) if quick else self.low
        self._ceiling = min(self.high, max(self.load, least, self._ceiling * BACKOFF))
        self._run = 0 if quick else self._run + 1
        tolerated = self.normal * self._tolerance()
        if quick and self._patience < tolerated:
            self._patience = inf  # it was an error that took its time, nobody's patience
            self._lost_at = -inf
            self._target = tolerated if not self._warm else inf
        patience = PATIENCE * rtt
        if quick or not self._calls or (patience < tolerated and self._run < RUN):
            return
        self._patience = patience
        losses, least = self._losses, self.load / (1.0 - STEEPEST)
        unusual = losses.lost(usual=self.pressure >= 1.0)
        if unusual and self._cutting.worth(losses.recent, 1.0 - least / max(in_flight, least, 1.0)):
            self._lost_at = now
        if not self._warm:
            self._target = min(self._target, self._patience)

    def _learn(self, now: float) -> None:
        """Average the normal latency and load, slower while latency is high."""
        times, elapsed = self._times, self._elapsed
        self._times, self._elapsed = [], 0.0
        losing = now - self._lost_at <= self._memory
        if self.pressure >= 1.0 or not losing or self._target < self._patience:
            weight = 1.0 if self.pressure >= 1.0 else STRESSED
            fading = exp(-elapsed * weight / self._memory)
            self._calls = self._calls * fading + len(times) * weight
            self._time = self._time * fading + sum(times) * weight
            self._squares = self._squares * fading + sum([one * one for one in times]) * weight
            self._span = self._span * fading + self._memory * (1.0 - fading)
            self.normal = self._time / self._calls
            self.load = self._time / self._span if self._span else 0.0
            self._weigh()
        self._warm = max(0, self._warm - len(times))
        if not self._warm:
            tolerated = self.normal * self._tolerance()
            self._target = min(tolerated, self._patience) if losing else tolerated

    def _weigh(self) -> None:
        """Set the weight of the latest call: what is in flight at once counts as about one sample."""
        self._share = 2.0 / (max(self._options.samples, 2.0 * self.load) + 1.0)
        self._quick = min(1.0, DOWN * self._share)

    def _tolerance(self) -> float:
        """Return up to which multiple of the normal latency the recent one may be chance."""
        least = self._options.tolerance
        if self.normal < FINEST:
            return least
        variance = max(0.0, self._squares / self._calls / self.normal**2 - 1.0)
        return max(least, 1.0 + SURE * sqrt(variance * self._share / (2.0 - self._share)))
