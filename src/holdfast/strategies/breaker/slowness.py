"""`learnt`: what is slow for this dependency, from what is usual for it."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from holdfast import _validate
from holdfast._value import Value
from holdfast.strategies.quantile import Quantiles

if TYPE_CHECKING:
    from datetime import timedelta


class learnt(Value):  # noqa: N801 - reads as a word: CircuitBreaker(slow=learnt(0.99), ...)
    """A limit for slow calls that is learnt: ``margin`` times a quantile of the usual duration.

    For ``CircuitBreaker(slow=learnt(), slow_rate=...)``.  The durations of the calls that succeed
    while the breaker is closed, and are not slow, are samples; nothing is slow before there are
    enough of them.  Slow calls are none, or an outage would be the new usual before it is noticed;
    where a dependency stays slow for good, the old usual is forgotten after ``window``.
    A value: the breaker keeps what it has learnt.

    Args:
        quantile: of the durations, from 0.5 to 1.
        margin: a call is slow that takes longer than the quantile times this; at least 1.
        window: how long a sample counts, in seconds.
        min_samples: how many samples it takes to know anything.

    Raises:
        ConfigurationError: for a value outside its range.
    """

    __slots__ = _options = ("quantile", "margin", "window", "min_samples")
    quantile: float
    margin: float
    window: float
    min_samples: int

    def __init__(
        self,
        quantile: float = 0.99,
        *,
        margin: float = 3.0,
        window: float | timedelta = 300.0,
        min_samples: int = 100,
    ) -> None:
        self._set(
            quantile=_validate.number("quantile", quantile, low=0.5, high=1),
            margin=_validate.number("margin", margin, low=1),
            window=_validate.seconds("window", window),
            min_samples=_validate.count("min_samples", min_samples),
        )

    def usual(self) -> Usual:
        """Return what one breaker learns by this rule: nothing yet."""
        return Usual(self)


class Usual:
    """The durations of one breaker's calls; its lock guards all but `noted`."""

    __slots__ = ("_quantiles", "_rule", "noted")

    def __init__(self, rule: learnt) -> None:
        self._rule = rule
        self.noted: list[float] = []
        """Durations that wait to be counted; appended to without the lock."""
        self._quantiles = Quantiles(rule.window)

    def limit(self, now: float) -> float:
        """Count what was noted, and return the limit in seconds; infinite while too little is known."""
        waiting = len(self.noted)  # others may append meanwhile
        for seconds in self.noted[:waiting]:
            self._quantiles.add(seconds, now)
        del self.noted[:waiting]
        if self._quantiles.count(now) < self._rule.min_samples:
            return inf
        usual = self._quantiles.quantile(self._rule.quantile, now)
        return inf if usual is None else usual * self._rule.margin
