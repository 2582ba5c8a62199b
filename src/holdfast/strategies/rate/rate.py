"""`Rate`: one limit of a `RateLimiter`, as a value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast._value import Value
from holdfast.errors import RateLimitedError

if TYPE_CHECKING:
    from datetime import timedelta

Cost = float | Callable[..., float]
Actual = Callable[[Any], float | None]

BESIDE = ("max_wait", "shadow", "name")
"""The options of a limiter that do not describe a rate."""

SHORT = 1.0
TENTH = 0.1


class Rate(Value):
    """``limit`` tokens per ``per`` seconds, of which ``burst`` may be taken at once.

    A value: equal, hashable, frozen.  In any interval of t seconds at most
    ``burst + t * limit / per`` tokens are taken, so in one ``per`` at most ``limit + burst``.

    Args:
        limit: how many tokens per ``per``; greater than 0, and it need not be whole.
        per: seconds.
        burst: how many tokens can be taken at once; None for ``limit`` where ``per`` is at most a
            second or the cost `varies`, and else for a tenth of it, so that no
            ``per`` sees more than 1.1 times the limit; never less than a fixed ``cost``.
        initial: how many of them can be taken when the limiter is made, from 0 to ``burst``; None for
            all. What starts anew often, such as a process that crashes, begins with 0: else each
            start sends a burst more than the limit.
        cost: the tokens that a call takes: a number, or a callable of the call's arguments.
        actual: a callable of the result, of a stream's last item, that returns the tokens which the
            call has really taken; the difference is taken later, or given back.  None from it corrects
            nothing.

    Raises:
        ConfigurationError: for a value outside its range.
    """

    _options = ("limit", "per", "burst", "initial", "cost", "actual")
    __slots__ = (*_options, "_words")
    limit: float
    per: float
    burst: float | None
    initial: float | None
    cost: Cost
    actual: Actual | None
    _words: str

    def __init__(
        self,
        limit: float,
        per: float | timedelta = 1.0,
        *,
        burst: float | None = None,
        initial: float | None = None,
        cost: Cost = 1,
        actual: Actual | None = None,
    ) -> None:
        limit = _validate.number("limit", limit, low=0, above=True)
        per = _validate.seconds("per", per)
        if callable(cost):
            _validate.plain_callable("cost", cost)
        else:
            cost = _validate.number("cost", cost, low=0, above=True)
        if actual is not None:
            _validate.plain_callable("actual", actual)
        if burst is not None:
            least = 0.0 if callable(cost) else cost
            burst = _validate.number("burst", burst, low=least, above=not least)
        self._set(limit=limit, per=per, burst=burst, cost=cost, actual=actual, initial=initial)
        if initial is not None:
            self._set(initial=_validate.number("initial", initial, low=0, high=self.capacity))
        self._set(_words=f"{limit:,.12g} per {per:g} s")

    @property
    def capacity(self) -> float:
        """How many tokens can be taken at once: ``burst``, or what stands for None."""
        if self.burst is not None:
            return self.burst
        whole = self.varies or self.per <= SHORT
        least = 0.0 if callable(self.cost) else self.cost
        return max(least, self.limit if whole else self.limit * TENTH)

    @property
    def varies(self) -> bool:
        """Whether the cost differs from call to call, or is corrected."""
        return callable(self.cost) or self.actual is not None

    def refusal(self, title: str, cost: float, wait: float) -> RateLimitedError:
        """Return the error for a call of this cost that would have to wait so long, or for ever."""
        if wait < math.inf:
            words = f"{title} has reached its limit of {self._words}"
            return RateLimitedError(words, strategy=title, retry_after=wait)
        words = (
            f"{title}: a call that costs {cost:,.12g} can never pass, for at most {self.capacity:,.12g} "
            f"can be taken at once from {self}: raise burst=, or split the call"
        )
        return RateLimitedError(words, strategy=title)

    def __str__(self) -> str:
        return self._words


def speeds(rates: tuple[Rate, ...]) -> tuple[list[float], list[float]]:
    """Return the tokens per second, and the bursts."""
    return [rate.limit / rate.per for rate in rates], [rate.capacity for rate in rates]


def regiven(
    given: tuple[tuple[str, Any], ...], changes: dict[str, Any], number: int
) -> tuple[tuple[str, Any], ...]:
    """Return the arguments of a `RateLimiter` after the changes; ``number`` of rates there are."""
    left = dict(changes)
    if "rates" in left:
        rates = left.pop("rates")
        rates = several((rates,) if isinstance(rates, Rate) else rates)
        if len(rates) != number:
            raise _validate.refuse("rates", rates, f"as many as before: {number}")
        given = (*(("", rate) for rate in rates), *(one for one in given if one[0] in BESIDE))
    return (*(one for one in given if one[0] not in left), *left.items())


def several(rates: Any) -> tuple[Rate, ...]:
    """Return one `Rate` or more; refuse anything else."""
    found: tuple[Rate, ...] = tuple(rates) if isinstance(rates, list | tuple) else ()
    if not found or not all(isinstance(rate, Rate) for rate in found):
        ways = "RateLimiter(100, per=60) or RateLimiter(Rate(10), Rate(300, per=60))"
        raise _validate.refuse(
            "rates", rates, f"it must be one number, or one Rate or more: {ways}"
        )
    return found
