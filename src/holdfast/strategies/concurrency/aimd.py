"""`aimd`: one more for each limit-ful of successes, a tenth less for each loss.

Additive increase, multiplicative decrease: D.-M. Chiu, R. Jain, "Analysis of the Increase and Decrease
Algorithms for Congestion Avoidance in Computer Networks", 1989; here per call, as TCP's congestion
avoidance counts (RFC 5681, section 3.1).  Netflix' concurrency-limits has the same rule once per
window of a second, with 20 as the least.

It knows nothing but losses, so it fills whatever queue the dependency has until calls time out, and
then oscillates.  In exchange no latency can deceive it, which suits a client far from its dependency.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import _validate
from holdfast._value import Value
from holdfast.strategies.concurrency.protocol import start

if TYPE_CHECKING:
    from datetime import timedelta


class aimd(Value):  # noqa: N801 - reads as a word: concurrency.aimd()
    """L + increase / L after a success if at least half of L was in use, L * backoff after a loss.

    Args:
        increase: how many more after as many successes as the limit; greater than 0.
        backoff: what a loss multiplies the limit by, in (0, 1]; 1 ignores losses.
        slow: seconds from which a success counts as a loss; None: never.

    Raises:
        ConfigurationError: for a value outside its range.
    """

    __slots__ = _options = ("increase", "backoff", "slow")
    _prefix = "concurrency."
    increase: float
    backoff: float
    slow: float | None

    def __init__(
        self, increase: float = 1.0, backoff: float = 0.9, slow: float | timedelta | None = None
    ) -> None:
        self._set(
            increase=_validate.number("increase", increase, low=0, above=True),
            backoff=_validate.share("backoff", backoff),
            slow=_validate.optional_seconds("slow", slow),
        )

    def search(self, low: float = 1, high: int = 200, initial: int | None = None) -> AimdSearch:
        """Start a search within [low, high], at ``initial``; None: at 20."""
        return AimdSearch(self, low, high, initial)


class AimdSearch:
    """The search of one limiter."""

    __slots__ = ("_backoff", "_increase", "_slow", "high", "limit", "low")

    def __init__(self, options: aimd, low: float, high: int, initial: int | None) -> None:
        self._increase = options.increase
        self._backoff = options.backoff
        self._slow = float("inf") if options.slow is None else options.slow
        self.low: float = low
        self.high: int = high
        self.limit: float = start(low, high, initial)

    def sample(self, _now: float, rtt: float, in_flight: int, dropped: bool, /) -> float:  # noqa: FBT001 - see `Search`
        """Learn from a call that has just ended; return the limit."""
        limit = self.limit
        if dropped or rtt >= self._slow:
            self.limit = limit = max(self.low, limit * self._backoff)
        elif in_flight * 2 >= limit and limit < self.high:
            self.limit = limit = min(self.high, limit + self._increase / limit)
        return limit
