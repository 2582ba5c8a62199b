"""`vegas`: a few calls in the queue, no more and no fewer, reckoned from the shortest latency seen.

TCP Vegas (L. S. Brakmo, L. L. Peterson, "TCP Vegas: End to End Congestion Avoidance on a Global
Internet", 1995), with the formulas of Netflix' concurrency-limits (`VegasLimit`): of L calls in flight
L * (1 - shortest / mean) stand in the queue.  Up to log10 L of them the limit grows by beta, up to
alpha by log10 L; above beta it shrinks by log10 L; alpha is 3 log10 L, beta 6 log10 L.

The shortest latency is measured anew after 30 windows per call of the limit.  Until then a dependency
that has become slower looks like one with a queue, and is given less than it could do.
"""

from __future__ import annotations

from math import ceil, inf, log10

from holdfast import _validate
from holdfast.strategies.concurrency.windowed import Windowed, WindowedOptions

ANEW = 0.75 * 30
"""Windows per call of the limit after which the shortest latency is measured anew; Netflix draws
between a half and one times 30."""


class vegas(WindowedOptions):  # noqa: N801 - reads as a word: concurrency.vegas()
    """Keep between alpha and beta times log10 of the limit in the queue.

    Args:
        alpha: grow while there are fewer in the queue than this times log10 L.
        beta: shrink while there are more than this times log10 L; at least ``alpha``.
        loss: the share of lost calls, in (0, 1], above which a loss shrinks the limit at once.
        backoff: what such a loss multiplies it by, in (0, 1]; 1 ignores losses.

    Raises:
        ConfigurationError: for a value outside its range.
    """

    __slots__ = ("alpha", "beta")
    _options = ("alpha", "beta", "loss", "backoff")
    alpha: float
    beta: float

    def __init__(
        self, alpha: float = 3.0, beta: float = 6.0, loss: float = 0.5, backoff: float = 0.9
    ) -> None:
        self._set(
            alpha=_validate.number("alpha", alpha, low=0, above=True),
            beta=_validate.number("beta", beta, low=alpha),
        )
        self._set_losses(loss, backoff)

    def search(self, low: float = 1, high: int = 200, initial: int | None = None) -> VegasSearch:
        """Start a search within [low, high], at ``initial``; None: at 20."""
        return VegasSearch(self, low, high, initial)


class VegasSearch(Windowed):
    """The search of one limiter."""

    __slots__ = ("_alpha", "_beta", "_shortest", "_since")
    span: float = 1.0

    def __init__(self, options: vegas, low: float, high: int, initial: int | None) -> None:
        super().__init__(options, low, high, initial)
        self._alpha = options.alpha
        self._beta = options.beta
        self._shortest = inf
        self._since = 0

    def _learn(self, times: list[float], _in_flight: float, peak: int) -> None:
        mean, limit = sum(times) / len(times), self._ceiling
        self._since += 1
        if mean < self._shortest or self._since >= ANEW * limit:
            self._shortest = mean
            self._since = 0
        elif peak * 2 >= limit:
            step = max(1.0, log10(limit))
            queue = ceil(limit * (1 - self._shortest / mean)) if mean > 0 else 0
            if queue <= step:
                self._found(limit + self._beta * step)
            elif queue < self._alpha * step:
                self._found(limit + step)
            elif queue > self._beta * step:
                self._found(limit - step)
