"""`gradient`: follow how the latest latency compares with the average of a long time.

Gradient2 of Netflix' concurrency-limits (`Gradient2Limit`): with the gradient
g = tolerance * long / short, held within [0.5, 1], the limit is 0.8 L + 0.2 (g L + queue).  The long
average is exponential over about 600 windows, and shrinks by 5 % where it is twice the short one: the
dependency has become quick again.

Where the load stays, the long average catches up with the queue it was meant to reveal: the limit
stands still at ``tolerance`` times the latency, and drifts upwards in a long overload.
"""

from __future__ import annotations

from holdfast import _validate
from holdfast.strategies.concurrency.windowed import Windowed, WindowedOptions

LONG = 600
"""Windows that the long average reaches back."""

WARM = 10
"""Windows whose plain mean begins the long average."""

SMOOTHING = 0.2


class gradient(WindowedOptions):  # noqa: N801 - reads as a word: concurrency.gradient()
    """Shrink where latencies exceed ``tolerance`` times their long average; grow otherwise.

    Args:
        tolerance: how many times the long average is still well; at least 1.
        queue: how many may queue beyond that.
        loss: the share of lost calls, in (0, 1], above which a loss shrinks the limit at once.
        backoff: what such a loss multiplies it by, in (0, 1]; 1 ignores losses.

    Raises:
        ConfigurationError: for a value outside its range.
    """

    __slots__ = ("queue", "tolerance")
    _options = ("tolerance", "queue", "loss", "backoff")
    tolerance: float
    queue: float

    def __init__(
        self, tolerance: float = 1.5, queue: float = 4.0, loss: float = 0.5, backoff: float = 0.9
    ) -> None:
        self._set(
            tolerance=_validate.number("tolerance", tolerance, low=1),
            queue=_validate.number("queue", queue, low=0, above=True),
        )
        self._set_losses(loss, backoff)

    def search(self, low: float = 1, high: int = 200, initial: int | None = None) -> GradientSearch:
        """Start a search within [low, high], at ``initial``; None: at 20."""
        return GradientSearch(self, low, high, initial)


class GradientSearch(Windowed):
    """The search of one limiter."""

    __slots__ = ("_long", "_queue", "_tolerance", "_windows")
    span: float = 1.0

    def __init__(self, options: gradient, low: float, high: int, initial: int | None) -> None:
        super().__init__(options, low, high, initial)
        self._tolerance = options.tolerance
        self._queue = options.queue
        self._long = 0.0
        self._windows = 0

    def _learn(self, times: list[float], _in_flight: float, peak: int) -> None:
        short, limit = sum(times) / len(times), self._ceiling
        self._windows += 1
        weight = 1 / self._windows if self._windows <= WARM else 2 / (LONG + 1)
        self._long += weight * (short - self._long)
        if self._long > 2 * short:
            self._long *= 0.95
        if peak * 2 >= limit:
            slope = max(0.5, min(1.0, self._tolerance * self._long / short)) if short > 0 else 1.0
            self._found(limit + SMOOTHING * (limit * slope + self._queue - limit))
