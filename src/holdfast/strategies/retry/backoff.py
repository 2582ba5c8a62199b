"""How long to wait before the next attempt.

Small frozen values with one method, ``delay(attempt, previous, rng)``: the number of the attempt
that failed (from 1), the delay before it, and the source of randomness.  All times are in seconds.

**Jitter survives the cap.**  Where a jittered delay is clamped onto the cap (Polly, resilience4j,
tower, cockatiel), 79-100 % of the callers sleep exactly the cap after five to nine retries, so they
come back together just when the outage is long.  Here it is drawn below the cap, or after it.

One file because the schedules are one family, to be compared line by line: they share cap and jitter.

Sources: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015 (full, equal,
decorrelated); Polly.Contrib.WaitAndRetry, DecorrelatedJitterBackoffV2 (smooth).

One file because they are one table: what is said of one kind is said in comparison with the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from holdfast import _validate
from holdfast._value import Value

if TYPE_CHECKING:
    from datetime import timedelta
    from random import Random

    from holdfast.shapes import History

Jitter = Literal["full", "equal", "proportional", "decorrelated", "smooth", "steady"] | None
PLAIN = ("full", "equal", "proportional", None)
"""The kinds of jitter that look at nothing but the delay."""

TWO = 2
VARARGS = 0x04
"""A flag of code objects, see `inspect.CO_VARARGS`."""

LARGE = 700.0
"""The logarithm of about the largest float."""

STEADY = 0.8
"""The share of the cap that a "steady" delay is at least, once the callers are spread."""


@runtime_checkable
class Backoff(Protocol):
    """How long to wait before the next attempt."""

    def delay(self, attempt: int, previous: float | None, rng: Random, /) -> float:
        """Return the delay in seconds after failed attempt number ``attempt`` (from 1)."""


class _Jittered(Value):
    """A backoff with a jitter of a plain kind."""

    __slots__ = ("amplitude", "jitter")
    _prefix = "backoff."
    jitter: Jitter
    amplitude: float

    def _check_jitter(self, jitter: Jitter, amplitude: float, *more: Jitter) -> None:
        _validate.one_of("jitter", jitter, (*PLAIN[:-1], *more, None))
        self._set(jitter=jitter, amplitude=_validate.number("amplitude", amplitude, low=0))

    def _spread(self, delay: float, rng: Random) -> float:
        if self.jitter == "full":
            return rng.uniform(0.0, delay)
        if self.jitter == "equal":
            return delay / 2 + rng.uniform(0.0, delay / 2)
        if self.jitter == "proportional":
            return delay + rng.uniform(0.0, self.amplitude * delay)
        return delay


class exponential(_Jittered):  # noqa: N801 - reads as a word: backoff.exponential(base=0.1)
    """The usual backoff: d = min(cap, base * factor ** (attempt - 1)), then jitter.

    Args:
        base: the first delay, in seconds.
        factor: what each delay is multiplied by.
        cap: the longest delay, in seconds, before "proportional" jitter.
        jitter: "full" U(0, d); "equal" d/2 + U(0, d/2); "proportional" d + U(0, amplitude * d);
            "decorrelated" U(base, min(cap, 3 * previous)); "smooth", by the formula of
            Polly's decorrelated V2, each delay with a draw of its own;
            "steady", full up to the cap, then U(0.8 * cap, cap);
            None, which lets all clients come back together.
        amplitude: for "proportional" only.

    Raises:
        ConfigurationError: for a negative or non-finite duration, a factor below 1, a cap below base.
    """

    __slots__ = ("base", "cap", "factor")
    _options = ("base", "factor", "cap", "jitter", "amplitude")
    base: float
    factor: float
    cap: float

    def __init__(
        self,
        base: float | timedelta = 1.0,
        factor: float = 2.0,
        cap: float | timedelta = 30.0,
        jitter: Jitter = "full",
        amplitude: float = 0.5,
    ) -> None:
        self._check_jitter(jitter, amplitude, "decorrelated", "smooth", "steady")
        self._set(
            base=_validate.seconds("base", base, positive=False),
            factor=_validate.number("factor", factor, low=1),
            cap=_validate.seconds("cap", cap, positive=False),
        )
        if self.cap < self.base:
            raise _validate.refuse(
                "cap", cap, f"it must be at least base={base!r}, and is 30 s where it is not given"
            )

    def delay(self, attempt: int, previous: float | None, rng: Random, /) -> float:
        """Return the delay in seconds after failed attempt number ``attempt``."""
        if self.jitter == "decorrelated":
            longest = 3 * (self.base if previous is None else previous)
            return rng.uniform(self.base, max(self.base, min(self.cap, longest)))
        if self.jitter == "smooth":
            return self._smooth(attempt, rng)
        if self.jitter == "steady":
            return self._steady(attempt, rng)
        return self._spread(self._plain(attempt), rng)

    def _plain(self, attempt: int) -> float:
        if self.base == 0:
            return 0.0
        # compared as logarithms: factor ** 5000 overflows, and so does cap / 5e-324
        steps = attempt - 1
        growth = steps * math.log(self.factor)
        if growth >= math.log(self.cap) - math.log(self.base):
            return self.cap if self.factor > 1 else self.base
        if growth > LARGE:
            return math.exp(math.log(self.base) + growth)
        return float(self.base * self.factor**steps)

    def _steady(self, attempt: int, rng: Random) -> float:
        """Spread the callers over the cap, then keep each of them in its place.

        Delays that vary much let some callers come back several times while others sleep: more
        calls, and a long tail of late ones.  Once the callers are spread there is no need for that.
        """
        plain = self._plain(attempt)
        spread = attempt > 1 and self._plain(attempt - 1) >= self.cap
        return rng.uniform(STEADY * self.cap if spread else 0.0, plain)

    def _smooth(self, attempt: int, rng: Random) -> float:
        """Polly's curve ``2**t * tanh(sqrt(4 t))``, stepped at random t, so no two callers align."""
        if self._plain(attempt) >= self.cap or attempt * math.log(self.factor) > LARGE:
            return rng.uniform(self.cap / 2, self.cap)

        def curve(t: float) -> float:
            return float(self.factor**t * math.tanh(math.sqrt(4.0 * t)))

        step = curve(attempt - 1 + rng.random())
        before = curve(attempt - 2 + rng.random()) if attempt > 1 else 0.0
        drawn = max(0.0, step - before) * self.base / 1.4
        return drawn if drawn <= self.cap else rng.uniform(self.cap / 2, self.cap)


class constant(_Jittered):  # noqa: N801 - reads as a word
    """Always ``seconds``, spread by "full", "equal" or "proportional" jitter.

    Raises:
        ConfigurationError: for a negative or non-finite duration, or another kind of jitter.
    """

    __slots__ = ("seconds",)
    _options = ("seconds", "jitter", "amplitude")
    seconds: float

    def __init__(
        self, seconds: float | timedelta = 1.0, jitter: Jitter = None, amplitude: float = 0.5
    ) -> None:
        self._check_jitter(jitter, amplitude)
        self._set(seconds=_validate.seconds("seconds", seconds, positive=False))

    def delay(self, _attempt: int, _previous: float | None, rng: Random, /) -> float:
        """Return the delay in seconds."""
        return self._spread(self.seconds, rng)


class linear(_Jittered):  # noqa: N801 - reads as a word
    """min(cap, base + step * (attempt - 1)) seconds, then "full", "equal" or "proportional" jitter.

    Raises:
        ConfigurationError: for a negative or non-finite duration, or another kind of jitter.
    """

    __slots__ = ("base", "cap", "step")
    _options = ("base", "step", "cap", "jitter", "amplitude")
    base: float
    step: float
    cap: float

    def __init__(
        self,
        base: float | timedelta = 1.0,
        step: float | timedelta = 1.0,
        cap: float | timedelta = 30.0,
        jitter: Jitter = "full",
        amplitude: float = 0.5,
    ) -> None:
        self._check_jitter(jitter, amplitude)
        self._set(
            base=_validate.seconds("base", base, positive=False),
            step=_validate.seconds("step", step, positive=False),
            cap=_validate.seconds("cap", cap, positive=False),
        )

    def delay(self, attempt: int, _previous: float | None, rng: Random, /) -> float:
        """Return the delay in seconds after failed attempt number ``attempt``."""
        return self._spread(min(self.cap, self.base + self.step * (attempt - 1)), rng)


class fibonacci(_Jittered):  # noqa: N801 - reads as a word
    """``base`` times 1, 1, 2, 3, 5, 8, ... seconds, at most ``cap``, then jitter as for `linear`.

    Raises:
        ConfigurationError: for a negative or non-finite duration, or another kind of jitter.
    """

    __slots__ = ("base", "cap")
    _options = ("base", "cap", "jitter", "amplitude")
    base: float
    cap: float

    def __init__(
        self,
        base: float | timedelta = 1.0,
        cap: float | timedelta = 30.0,
        jitter: Jitter = "full",
        amplitude: float = 0.5,
    ) -> None:
        self._check_jitter(jitter, amplitude)
        self._set(
            base=_validate.seconds("base", base, positive=False),
            cap=_validate.seconds("cap", cap, positive=False),
        )

    def delay(self, attempt: int, _previous: float | None, rng: Random, /) -> float:
        """Return the delay in seconds after failed attempt number ``attempt``."""
        small, large = 0, 1
        for _ in range(min(attempt, 90) - 1):  # the 90th number is past any cap
            small, large = large, small + large
        return self._spread(min(self.cap, self.base * large), rng)


DelayFunction = (
    Callable[[int], "float | timedelta"] | Callable[[int, "History"], "float | timedelta"]
)
"""A function of the attempt's number, and perhaps of what is known about the call."""


class _Custom:
    """A backoff made of a function: of the attempt's number, and of the call if it takes two."""

    __slots__ = ("function", "of_call")

    def __init__(self, function: Callable[..., float]) -> None:
        self.function = function
        self.of_call: bool = _takes_two(function)
        """Whether it wants to know what went wrong, so that it can't be asked beforehand."""

    def delay(self, attempt: int, _previous: float | None, _rng: Random, /) -> float:
        """Return what the function says, if it is a duration."""
        return _validate.seconds("backoff", self.function(attempt), positive=False)

    def after(self, history: History) -> float:
        """Return what the function says about a call, if it is a duration."""
        said = self.function(history.attempt, history)
        return _validate.seconds("backoff", said, positive=False)


def of(value: Any) -> Backoff:
    """Return ``value`` as a `Backoff`: one already, or a function of the attempt's number."""
    if isinstance(value, type):
        raise _validate.refuse("backoff", value, "call it, to make the backoff")
    if isinstance(value, Backoff) and not (
        callable(value) and not hasattr(value.__class__, "delay")
    ):
        return value  # what is a function, and has a `delay` as it has everything, is a mock
    if not callable(value):
        how = (
            f"backoff.constant({value!r})"
            if isinstance(value, int | float)
            else "backoff.exponential()"
        )
        raise _validate.refuse(
            "backoff",
            value,
            f"it must be a backoff such as {how}, or a function of the attempt's number",
        )
    _validate.plain_callable("backoff", value)
    return _Custom(value)


def after(meant: Backoff, history: History) -> float:
    """Return the delay after the attempt that has just ended."""
    if isinstance(meant, _Custom) and meant.of_call:
        return meant.after(history)
    return meant.delay(history.attempt, history.previous, history.rng)


def _takes_two(function: Any) -> bool:
    """Return whether a function demands two arguments (a default is not demanded), or takes any."""
    demanded, any_number = _of_code(function) or _of_signature(function)
    return demanded >= TWO or (any_number and demanded <= TWO)


def _of_code(function: Any) -> tuple[int, bool] | None:
    """Return how many arguments a plain function demands, and whether it takes any number."""
    plain = function.__func__ if isinstance(function, MethodType) else function
    if not isinstance(plain, FunctionType) or plain.__dict__:  # perhaps a decorator has made it
        return None
    code, bound = plain.__code__, plain is not function
    demanded = code.co_argcount - len(plain.__defaults__ or ()) - bound
    return demanded, bool(code.co_flags & VARARGS)


def _of_signature(function: Any) -> tuple[int, bool]:
    """Return the same for any other callable: partials, objects, and what a decorator has made."""
    from inspect import Parameter, signature  # imported here: it takes ten milliseconds

    try:
        parameters = signature(function).parameters.values()
    except (TypeError, ValueError):  # of something built in
        return 1, False
    places = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    demanded = sum(one.kind in places and one.default is one.empty for one in parameters)
    return demanded, any(one.kind is one.VAR_POSITIONAL for one in parameters)
