"""How long to wait before the next attempt.

Small frozen values with one method, ``delay(attempt, previous, rng)``: the number of the attempt
that failed (from 1), the delay before it, and the source of randomness.  All times are in seconds.

**Jitter survives the cap.**  Where a jittered delay is clamped onto the cap (Polly, resilience4j,
tower, cockatiel), 79-100 % of the callers sleep exactly the cap after five to nine retries, so they
come back together just when the outage is long.  Here it is drawn below the cap, or after it.

Sources: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015 (full, equal,
decorrelated); Polly.Contrib.WaitAndRetry, DecorrelatedJitterBackoffV2 (smooth).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal, Protocol, runtime_checkable

from holdfast import _validate
from holdfast._value import spelt

Jitter = Literal["full", "equal", "proportional", "decorrelated", "smooth"] | None
JITTERS = ("full", "equal", "proportional", "decorrelated", "smooth", None)


@runtime_checkable
class Backoff(Protocol):
    """How long to wait before the next attempt."""

    def delay(self, attempt: int, previous: float | None, rng: Random, /) -> float:
        """Return the delay in seconds after failed attempt number ``attempt`` (from 1)."""


def _spread(delay: float, jitter: Jitter, amplitude: float, rng: Random) -> float:
    """Return ``delay`` with jitter of a kind that looks at nothing else."""
    if jitter == "full":
        return rng.uniform(0.0, delay)
    if jitter == "equal":
        return delay / 2 + rng.uniform(0.0, delay / 2)
    if jitter == "proportional":
        return delay + rng.uniform(0.0, amplitude * delay)
    return delay


@dataclass(frozen=True, slots=True, repr=False)
class Exponential:
    """``base * factor ** (attempt - 1)``, at most ``cap``, spread by ``jitter``; see `exponential`."""

    base: float = 1.0
    factor: float = 2.0
    cap: float = 30.0
    jitter: Jitter = "full"
    amplitude: float = 0.5

    def __post_init__(self) -> None:
        _validate.seconds("base", self.base, positive=False)
        _validate.number("factor", self.factor, low=1)
        _validate.seconds("cap", self.cap, positive=False)
        _validate.one_of("jitter", self.jitter, JITTERS)
        _validate.number("amplitude", self.amplitude, low=0)
        if self.cap < self.base:
            raise _validate.refuse("cap", self.cap, f"it must be at least base={self.base!r}")

    def delay(self, attempt: int, previous: float | None, rng: Random, /) -> float:
        """Return the delay in seconds after failed attempt number ``attempt``."""
        if self.jitter == "decorrelated":
            longest = 3 * (self.base if previous is None else previous)
            return rng.uniform(self.base, max(self.base, min(self.cap, longest)))
        if self.jitter == "smooth":
            return self._smooth(attempt, rng)
        return _spread(self._plain(attempt), self.jitter, self.amplitude, rng)

    def _plain(self, attempt: int) -> float:
        if self.base == 0:
            return 0.0
        # compared as logarithms: factor ** 5000 overflows
        steps = attempt - 1
        if steps * math.log(self.factor) >= math.log(self.cap / self.base):
            return self.cap if self.factor > 1 else self.base
        return float(self.base * self.factor**steps)

    def _smooth(self, attempt: int, rng: Random) -> float:
        """Polly's curve ``2**t * tanh(sqrt(4 t))``, stepped at random t, so no two callers align."""
        if self._plain(attempt) >= self.cap:
            return rng.uniform(self.cap / 2, self.cap)

        def curve(t: float) -> float:
            return float(self.factor**t * math.tanh(math.sqrt(4.0 * t)))

        step = curve(attempt - 1 + rng.random())
        before = curve(attempt - 2 + rng.random()) if attempt > 1 else 0.0
        drawn = max(0.0, step - before) * self.base / 1.4
        return drawn if drawn <= self.cap else rng.uniform(self.cap / 2, self.cap)

    def __repr__(self) -> str:
        return "backoff." + spelt(self).replace("Exponential", "exponential", 1)


@dataclass(frozen=True, slots=True, repr=False)
class Constant:
    """The same delay each time, spread by ``jitter``; see `constant`."""

    seconds: float = 1.0
    jitter: Jitter = None
    amplitude: float = 0.5

    def __post_init__(self) -> None:
        _validate.seconds("seconds", self.seconds, positive=False)
        _validate.one_of("jitter", self.jitter, ("full", "equal", "proportional", None))
        _validate.number("amplitude", self.amplitude, low=0)

    def delay(self, _attempt: int, _previous: float | None, rng: Random, /) -> float:
        """Return the delay in seconds."""
        return _spread(self.seconds, self.jitter, self.amplitude, rng)

    def __repr__(self) -> str:
        return "backoff." + spelt(self, "seconds").replace("Constant", "constant", 1)


@dataclass(frozen=True, slots=True, repr=False)
class Linear:
    """``base + step * (attempt - 1)``, at most ``cap``, spread by ``jitter``; see `linear`."""

    base: float = 1.0
    step: float = 1.0
    cap: float = 30.0
    jitter: Jitter = "full"
    amplitude: float = 0.5

    def __post_init__(self) -> None:
        _validate.seconds("base", self.base, positive=False)
        _validate.seconds("step", self.step, positive=False)
        _validate.seconds("cap", self.cap, positive=False)
        _validate.one_of("jitter", self.jitter, ("full", "equal", "proportional", None))
        _validate.number("amplitude", self.amplitude, low=0)

    def delay(self, attempt: int, _previous: float | None, rng: Random, /) -> float:
        """Return the delay in seconds after failed attempt number ``attempt``."""
        plain = min(self.cap, self.base + self.step * (attempt - 1))
        return _spread(plain, self.jitter, self.amplitude, rng)

    def __repr__(self) -> str:
        return "backoff." + spelt(self).replace("Linear", "linear", 1)


@dataclass(frozen=True, slots=True, repr=False)
class Fibonacci:
    """``base`` times 1, 1, 2, 3, 5, 8, ..., at most ``cap``, spread by ``jitter``; see `fibonacci`."""

    base: float = 1.0
    cap: float = 30.0
    jitter: Jitter = "full"
    amplitude: float = 0.5

    def __post_init__(self) -> None:
        _validate.seconds("base", self.base, positive=False)
        _validate.seconds("cap", self.cap, positive=False)
        _validate.one_of("jitter", self.jitter, ("full", "equal", "proportional", None))
        _validate.number("amplitude", self.amplitude, low=0)

    def delay(self, attempt: int, _previous: float | None, rng: Random, /) -> float:
        """Return the delay in seconds after failed attempt number ``attempt``."""
        small, large = 0, 1
        for _ in range(min(attempt, 90) - 1):  # the 90th number is past any cap
            small, large = large, small + large
        return _spread(min(self.cap, self.base * large), self.jitter, self.amplitude, rng)

    def __repr__(self) -> str:
        return "backoff." + spelt(self).replace("Fibonacci", "fibonacci", 1)


@dataclass(frozen=True, slots=True)
class Custom:
    """A backoff made of a function of the attempt's number."""

    function: Callable[[int], float]

    def delay(self, attempt: int, _previous: float | None, _rng: Random, /) -> float:
        """Return what the function says, if it is a duration."""
        return _validate.seconds("backoff", self.function(attempt), positive=False)


def exponential(
    base: float = 1.0,
    factor: float = 2.0,
    cap: float = 30.0,
    jitter: Jitter = "full",
    amplitude: float = 0.5,
) -> Exponential:
    """Return the usual backoff: d = min(cap, base * factor ** (attempt - 1)), then jitter.

    Args:
        base: the first delay, in seconds.
        factor: what each delay is multiplied by.
        cap: the longest delay, in seconds, before "proportional" jitter.
        jitter: "full" U(0, d); "equal" d/2 + U(0, d/2); "proportional" d + U(0, amplitude * d);
            "decorrelated" U(base, min(cap, 3 * previous)); "smooth", Polly's decorrelated V2;
            None, which lets all clients come back together.
        amplitude: for "proportional" only.

    Raises:
        ConfigurationError: for a negative or non-finite duration, a factor below 1, a cap below base.
    """
    return Exponential(base, factor, cap, jitter, amplitude)


def constant(seconds: float = 1.0, jitter: Jitter = None, amplitude: float = 0.5) -> Constant:
    """Return a backoff of always ``seconds``, spread by "full", "equal" or "proportional" jitter."""
    return Constant(seconds, jitter, amplitude)


def linear(
    base: float = 1.0,
    step: float = 1.0,
    cap: float = 30.0,
    jitter: Jitter = "full",
    amplitude: float = 0.5,
) -> Linear:
    """Return a backoff of min(cap, base + step * (attempt - 1)) seconds, then jitter."""
    return Linear(base, step, cap, jitter, amplitude)


def fibonacci(
    base: float = 1.0, cap: float = 30.0, jitter: Jitter = "full", amplitude: float = 0.5
) -> Fibonacci:
    """Return a backoff of base times the Fibonacci numbers, at most ``cap`` seconds, then jitter."""
    return Fibonacci(base, cap, jitter, amplitude)


def of(value: Backoff | Callable[[int], float]) -> Backoff:
    """Return ``value`` as a `Backoff`: one already, or a function of the attempt's number."""
    if isinstance(value, type) or value in FACTORIES:
        raise _validate.refuse("backoff", value, "call it, to make the backoff")
    if isinstance(value, Backoff):
        return value
    _validate.plain_callable("backoff", value)
    return Custom(value)


FACTORIES: tuple[object, ...] = (exponential, constant, linear, fibonacci)
