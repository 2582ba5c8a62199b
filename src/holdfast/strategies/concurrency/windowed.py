"""What the searches by latency share: samples gathered to windows, and a quick answer to losses.

A window lasts half a second (`span`), and longer where fewer calls end in it than needed: ten, or as
many as were in flight at once in the window before.  So it grows with the concurrency and shrinks
with the rate: an estimate of a queue of some square roots of the calls in service needs about as many
samples as there are calls in service.
(Netflix' concurrency-limits and Envoy fix seconds and counts, for big servers.)

Losses don't wait for the window.  Where more than ``loss`` of the recent calls were lost (an average
with the weight 0.1 for the latest, so it takes seven in a row from health), each further loss
multiplies the limit by ``backoff``; each success gives one back, up to what the latencies allow.
"""

from __future__ import annotations

from holdfast import _validate
from holdfast._value import Value
from holdfast.strategies.concurrency.protocol import start

LEAST = 10
"""The fewest samples of a window."""

MOST = 2000
"""The most samples of a window, however short it is then."""

LATEST = 0.1
"""The weight of the latest call in the average of losses."""

FORGOTTEN = 0.001
"""An average below which the losses are long ago."""


LONGEST = 20.0
"""So many times as long as the median, and a call is another kind of call."""


def usual_ones(times: list[float]) -> list[float]:
    """Return the durations without those that are far longer than the others."""
    longest = LONGEST * sorted(times)[len(times) // 2]
    return times if max(times) <= longest else [one for one in times if one <= longest]


class WindowedOptions(Value):
    """What all of them can be told about losses."""

    __slots__ = ("backoff", "loss")
    _prefix = "concurrency."
    loss: float
    backoff: float

    def _set_losses(self, loss: float, backoff: float) -> None:
        self._set(loss=_validate.share("loss", loss), backoff=_validate.share("backoff", backoff))


class Windowed:
    """A search that is told by windows; subclasses have `_learn`, which calls `_found`."""

    __slots__ = (
        "_backoff", "_ceiling", "_due", "_in_flight", "_least", "_loss", "_lost", "_peak", "_times",
        "high", "limit", "low", "usual",
    )  # fmt: skip
    span: float = 0.5
    """The shortest window, in seconds."""

    def __init__(
        self, options: WindowedOptions, low: float, high: int, initial: int | None
    ) -> None:
        self._loss = options.loss
        self._backoff = options.backoff
        self._lost = 0.0
        self._due = 0.0
        self.low: float = low
        self.high: int = high
        self.limit: float = start(low, high, initial)
        self._ceiling: float = self.limit
        """What the latencies allow; the limit is below it after losses only."""
        self.usual: float = 0.0
        """How long calls took in the last window, on average; 0 while nothing is known."""
        self._peak = 0
        self._begin()

    def _begin(self) -> None:
        self._times: list[float] = []
        self._least = max(LEAST, self._peak)
        self._in_flight = self._peak = 0

    def sample(self, now: float, rtt: float, in_flight: int, dropped: bool, /) -> float:  # noqa: FBT001 - see `Search`
        """Learn from a call that has just ended; return the limit."""
        if dropped:
            self._lose()
            return self.limit
        if self._lost:
            self._win()
        times = self._times
        times.append(rtt)
        self._in_flight += in_flight
        if in_flight > self._peak:  # noqa: PLR1730 - max() takes thrice as long
            self._peak = in_flight
        if len(times) >= self._least and (now >= self._due or len(times) >= MOST):
            warm, self._due = self._due > 0, now + self.span
            if warm:
                seen = len(times)
                times = usual_ones(times)
                self.usual = sum(times) / len(times)
                self._learn(times, self._in_flight / seen, self._peak)
                self._begin()
        return self.limit

    def _lose(self) -> None:
        self._lost += LATEST * (1 - self._lost)
        if self._lost > self._loss:
            self.limit = max(self.low, self.limit * self._backoff)

    def _win(self) -> None:
        self._lost *= 1 - LATEST
        if self.limit < self._ceiling:
            self.limit = min(self.limit + 1, self._ceiling)
        elif self._lost < FORGOTTEN:
            self._lost = 0.0

    def _found(self, limit: float) -> None:
        """Set what the latencies allow; the limit follows, unless losses hold it down."""
        free = self.limit >= self._ceiling
        self._ceiling = min(max(limit, self.low), self.high)
        if free or self.limit > self._ceiling:
            self.limit = self._ceiling

    def _learn(self, times: list[float], in_flight: float, peak: int) -> None:
        """Learn from a window: the durations, the mean number in flight, and the highest."""
        raise NotImplementedError
