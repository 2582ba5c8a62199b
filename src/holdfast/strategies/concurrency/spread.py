"""`spread`: queueing shifts latencies, a slower service stretches them: their spread tells which.

As TCP Vegas it keeps a small queue, estimated from how much longer calls take than the dependency's own
time.  What is new is where that time comes from.  The shortest latency seen is wrong as soon as the
dependency itself gets slower: Vegas then takes slowness for a queue and starves it (measured: 83 % of
the capacity that is left).  An average of a long time is wrong in a long overload: it learns the queue
(Gradient2).  A queue adds about the same wait to all calls, which moves their distribution and leaves
its width; a dependency at half speed doubles both.  With the ratio of mean to spread that was seen
without a queue,

    own = ratio * spread        the time the dependency itself takes now
    queued = N (1 - own / mean)                          (Little's law; N: the mean number in flight)
    L <- L + 0.5 (queue * sqrt(N - queued) - queued)

so the limit comes to rest where the queue is ``queue`` square roots of the calls in service: enough to
keep every worker busy through the gaps between arrivals (square-root staffing: A. K. Erlang; Halfin
and Whitt, "Heavy-Traffic Limits for Queues with Many Exponential Servers", 1981).

The spread is the mean absolute deviation, which a few stragglers move less than a variance.  Where
there is hardly any, it cannot be compared; so it is taken as sqrt(spread^2 + (0.3 own)^2), and a
dependency of constant duration is treated as Vegas would.

The ratio is learnt

* while the limit is not in use (fewer than half of it in flight on average): towards lower values
  quickly, towards higher ones slowly, for somebody else may have filled the queue;
* in a lasting overload by a probe: the limit is halved for a window, after a short one in which the
  queue drains (as BBR and Envoy do).  The first probe comes after 5 windows; each
  that meets an idle worker doubles the time to the next, up to 160, and one that does not, because
  the queue is longer than thought, makes it an eighth.  One comes soon where the throughput is
  suddenly less than 0.6 of its average, or more than 1/0.6: the dependency is not what it was.

Nothing grows while the limit is not in use: with half of it never in flight at once, latencies say
nothing about what more calls would do.
"""

from __future__ import annotations

from math import hypot, sqrt

from holdfast import _validate
from holdfast.strategies.concurrency.windowed import Windowed, WindowedOptions

GAIN = 0.5
"""The part of a deviation that one window corrects."""

STIFFNESS = 0.3
"""Below this share of a dependency's own time a spread says little."""

SLOWLY, QUICKLY = 0.05, 0.2
"""Weights of a window without a queue, where it shows longer and shorter own times."""

SOON, SELDOM = 5, 160
"""Windows between two probes."""

CALMED = 3
"""Windows after a change that its probe comes."""

AT_ONCE = 1e-9
"""An instant that has passed."""

DEPTH = 0.5
"""What a probe multiplies the limit by."""

LATELY, ON_AVERAGE = 0.5, 0.05
"""Weights of a window in the two averages of the throughput ..."""

CHANGED = 0.6
"""... and the ratio of the lower to the higher one that calls for a probe."""

UNHARMED = 0.85
"""The share of the throughput that a probe must cost less than, to prove a queue."""


class spread(WindowedOptions):  # noqa: N801 - reads as a word: concurrency.spread()
    """Keep ``queue`` square roots of the calls in service in the queue, told by the latencies' spread.

    Args:
        queue: how many square roots; more for throughput, fewer for latency; greater than 0.
        loss: the share of lost calls, in (0, 1], above which a loss shrinks the limit at once.
        backoff: what such a loss multiplies it by, in (0, 1]; 1 ignores losses.

    Raises:
        ConfigurationError: for a value outside its range.
    """

    __slots__ = ("queue",)
    _options = ("queue", "loss", "backoff")
    queue: float

    def __init__(self, queue: float = 1.5, loss: float = 0.5, backoff: float = 0.9) -> None:
        self._set(queue=_validate.number("queue", queue, low=0, above=True))
        self._set_losses(loss, backoff)

    def search(self, low: float = 1, high: int = 200, initial: int | None = None) -> SpreadSearch:
        """Start a search within [low, high], at ``initial``; None: at 20."""
        return SpreadSearch(self, low, high, initial)


class SpreadSearch(Windowed):
    """The search of one limiter."""

    __slots__ = ("_base", "_known", "_lately", "_pause", "_queue", "_rate", "_ratio", "_since")

    def __init__(self, options: spread, low: float, high: int, initial: int | None) -> None:
        super().__init__(options, low, high, initial)
        self._queue = options.queue
        self._known = self._ceiling
        """The limit outside of probes."""
        self._base = 0.0
        """The mean duration without a queue, when it was last known, ..."""
        self._ratio = 1.0
        """... and what it was in spreads."""
        self._pause = SOON
        self._since = 0
        self._rate = self._lately = 0.0

    def _learn(self, times: list[float], in_flight: float, peak: int) -> None:
        mean = sum(times) / len(times)
        if mean <= 0:
            return
        width = sum([abs(one - mean) for one in times]) / len(times)
        if not self._base:
            self._unqueued(mean, width, 1.0, 1.0)
        self._since += 1
        if self._since == self._pause + 1:
            return  # the queue drains
        if self._since > self._pause:
            self._probed(mean, width, in_flight / mean)
        elif in_flight * 2 < self._known:
            self._unqueued(mean, width, SLOWLY, QUICKLY)
            self._since, self._pause = 0, min(SELDOM, self._pause * 2)
            self._rate = self._lately = in_flight / mean
            self._step(mean, width, in_flight, peak)
        else:
            self._watch(in_flight / mean)
            self._step(mean, width, in_flight, peak)

    def _step(self, mean: float, width: float, in_flight: float, peak: int) -> None:
        """Move the limit towards the queue that is wanted, or halve it for a probe."""
        own = min(mean, self._ratio * self._stiff(width))
        queued = in_flight * (1 - own / mean)
        missing = self._queue * sqrt(max(1.0, in_flight - queued)) - queued
        if missing < 0:
            self._know(min(self._known, peak) + GAIN * missing)
        elif peak * 2 >= self._known:
            self._know(self._known + GAIN * missing)
        if self._since >= self._pause:
            self._found(self._known * DEPTH)
            self._due = AT_ONCE  # the draining ends with as many calls as were in flight
        else:
            self._found(self._known)

    def _watch(self, rate: float) -> None:
        """Have a probe made at once where the throughput has changed: the dependency may have, too."""
        if not self._rate:
            self._rate = self._lately = rate
        self._lately += LATELY * (rate - self._lately)
        self._rate += ON_AVERAGE * (rate - self._rate)
        if not CHANGED < self._lately / self._rate < 1 / CHANGED:
            self._since = max(self._since, self._pause - CALMED)

    def _probed(self, mean: float, width: float, rate: float) -> None:
        """Take what a probe has shown for the truth, the first ones wholly."""
        weight = max(0.5, SOON / self._pause)
        self._unqueued(mean, width, weight, weight)
        harmed = rate < UNHARMED * self._lately
        self._pause = min(SELDOM, self._pause * 2) if harmed else max(SOON, self._pause // 8)
        self._since, self._rate = 0, self._lately
        self._found(self._known)

    def _unqueued(self, mean: float, width: float, longer: float, shorter: float) -> None:
        """Learn the dependency's own time from a window without a queue."""
        if not self._base:
            self._base = mean
        self._base += (longer if mean > self._base else shorter) * (mean - self._base)
        ratio = mean / self._stiff(width)
        self._ratio += (longer if ratio > self._ratio else shorter) * (ratio - self._ratio)

    def _stiff(self, width: float) -> float:
        return hypot(width, STIFFNESS * self._base)

    def _know(self, limit: float) -> None:
        self._known = min(max(limit, self.low), self.high)
