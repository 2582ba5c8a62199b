"""When users come: models of load.  Frozen values.

Open models don't care how the service is doing: users keep coming, which is what lets a storm go on.
In a closed one, each user waits for the answer before the next request (Schroeder, Wierman and
Harchol-Balter, "Open Versus Closed", NSDI 2006).

Where the rate varies, arrivals are drawn by thinning (Lewis and Shedler, "Simulation of Nonhomogeneous
Poisson Processes by Thinning", Naval Research Logistics 26(3), 1979): users come at the highest rate,
and each is kept with the probability of the rate at that instant over the highest.

Every open model has ``arrivals(rng, seconds)``, the instants within so many seconds, and every model
``rate_at(instant)``, users a second, for plots.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Annotated, ClassVar, Literal

from holdfast import _validate
from holdfast.simulation.scenario.distributions import FORBID, Constant, Distribution, recorded
from holdfast.simulation.scenario.kinds import BY_KIND


@dataclass(frozen=True, slots=True, kw_only=True)
class Poisson:
    """Independent users, ``rate`` a second on average."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    kind: Literal["poisson"] = "poisson"
    rate: float

    def __post_init__(self) -> None:
        _validate.number("rate", self.rate, low=0.0, above=True)

    def rate_at(self, instant: float) -> float:  # noqa: ARG002 - a load among others
        """Return the rate, in users a second."""
        return self.rate

    def arrivals(self, rng: Random, seconds: float) -> Iterator[float]:
        """Yield the instants of the arrivals within ``seconds``."""
        return steady(rng, 0.0, seconds, self.rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bursty:
    """Users who come in bursts: a Markov-modulated Poisson process of two states.

    Args:
        calm_rate: users a second between the bursts; 0 for an on/off process.
        burst_rate: users a second in a burst.
        calm: how long it is calm, in seconds on average.
        burst: how long a burst is, in seconds on average.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    kind: Literal["bursty"] = "bursty"
    calm_rate: float = 0.0
    burst_rate: float
    calm: float
    burst: float

    def __post_init__(self) -> None:
        _validate.number("calm_rate", self.calm_rate, low=0.0)
        _validate.number("burst_rate", self.burst_rate, low=0.0, above=True)
        _validate.seconds_of(self, "calm")
        _validate.seconds_of(self, "burst")

    def rate_at(self, instant: float) -> float:  # noqa: ARG002 - a load among others
        """Return the mean rate in the long run, in users a second: bursts come by chance."""
        users = self.calm_rate * self.calm + self.burst_rate * self.burst
        return users / (self.calm + self.burst)

    def arrivals(self, rng: Random, seconds: float) -> Iterator[float]:
        """Yield the instants of the arrivals within ``seconds``."""
        begins, bursts = 0.0, False
        while begins < seconds:
            ends = begins + waiting(rng, 1 / (self.burst if bursts else self.calm))
            rate = self.burst_rate if bursts else self.calm_rate
            if rate > 0:
                yield from steady(rng, begins, min(ends, seconds), rate)
            begins, bursts = ends, not bursts


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """A rate that goes evenly from ``start`` to ``end``, between two instants.

    Args:
        start: users a second up to ``begins``.
        end: users a second from ``ends`` on.
        begins: when it starts to change, in seconds.
        ends: when it has changed.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    kind: Literal["ramp"] = "ramp"
    start: float
    end: float
    begins: float = 0.0
    ends: float

    def __post_init__(self) -> None:
        _validate.number("start", self.start, low=0.0)
        _validate.number("end", self.end, low=0.0)
        _validate.seconds_of(self, "begins", positive=False)
        _validate.seconds_of(self, "ends")
        if self.ends <= self.begins:
            raise _validate.refuse("ends", self.ends, f"it must be after begins={self.begins!r}")

    def rate_at(self, instant: float) -> float:
        """Return the rate, in users a second."""
        passed = (instant - self.begins) / (self.ends - self.begins)
        return self.start + (self.end - self.start) * min(max(passed, 0.0), 1.0)

    def arrivals(self, rng: Random, seconds: float) -> Iterator[float]:
        """Yield the instants of the arrivals within ``seconds``."""
        return thinned(rng, seconds, self.rate_at, max(self.start, self.end))


@dataclass(frozen=True, slots=True, kw_only=True)
class Diurnal:
    """A rate that goes up and down like a day: a sine wave, which begins at its mean and rises.

    Args:
        rate: users a second on average.
        swing: how far it goes up and down, as a share of ``rate``, from 0 to 1.
        period: how long a day is, in seconds; a short one saves simulated time.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    kind: Literal["diurnal"] = "diurnal"
    rate: float
    swing: float = 0.5
    period: float = 86_400.0

    def __post_init__(self) -> None:
        _validate.number("rate", self.rate, low=0.0, above=True)
        _validate.number("swing", self.swing, low=0.0, high=1.0)
        _validate.seconds_of(self, "period")

    def rate_at(self, instant: float) -> float:
        """Return the rate, in users a second."""
        return self.rate * (1 + self.swing * math.sin(2 * math.pi * instant / self.period))

    def arrivals(self, rng: Random, seconds: float) -> Iterator[float]:
        """Yield the instants of the arrivals within ``seconds``."""
        return thinned(rng, seconds, self.rate_at, self.rate * (1 + self.swing))


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """A rate that jumps: ``steps=[(0, 100), (60, 500), (70, 100)]`` is a spike from 60 to 70 s.

    Args:
        steps: from when on, in seconds, there are how many users a second; in the order of time.
            Before the first one nobody comes.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    kind: Literal["steps"] = "steps"
    steps: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if not self.steps:
            raise _validate.refuse("steps", self.steps, "it must have at least one step")
        for begins, rate in self.steps:
            _validate.seconds("steps", begins, positive=False)
            _validate.number("steps", rate, low=0.0)
        instants = [begins for begins, _ in self.steps]
        if instants != sorted(set(instants)):
            raise _validate.refuse("steps", self.steps, "they must be in the order of time")

    def rate_at(self, instant: float) -> float:
        """Return the rate, in users a second."""
        place = bisect_right(self.steps, (instant, math.inf)) - 1
        return self.steps[place][1] if place >= 0 else 0.0

    def arrivals(self, rng: Random, seconds: float) -> Iterator[float]:
        """Yield the instants of the arrivals within ``seconds``."""
        return thinned(rng, seconds, self.rate_at, max(rate for _, rate in self.steps))


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A fixed number of users, each of whom waits for the answer, thinks, and asks again.

    Args:
        users: how many there are.
        think: how long each waits before its first request, and after every answer.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    kind: Literal["closed"] = "closed"
    users: int
    think: Distribution = field(default_factory=lambda: Constant(value=1.0))

    def __post_init__(self) -> None:
        _validate.count("users", self.users)
        if self.think.mean <= 0:
            raise _validate.refuse(
                "think", self.think, "users who don't think ask for ever within no time"
            )

    def rate_at(self, instant: float) -> float:  # noqa: ARG002 - a load among others
        """Return the highest rate, in users a second: what they ask for if answers take no time."""
        return self.users / self.think.mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Users who come at recorded instants.

    Args:
        path: a CSV file of instants, in seconds since the beginning, in any order; in a scenario file,
            relative to that file.
        column: which column of it; the first by default.
        instants: the instants themselves, instead of a file.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    kind: Literal["replay"] = "replay"
    path: str | None = None
    column: str | None = None
    instants: tuple[float, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        instants = sorted(recorded(self.path, self.column, self.instants))
        object.__setattr__(self, "instants", tuple(instants))

    def rate_at(self, instant: float) -> float:
        """Return how many come within half a second of ``instant``."""
        return float(
            bisect_right(self.instants, instant + 0.5) - bisect_right(self.instants, instant - 0.5)
        )

    def arrivals(self, rng: Random, seconds: float) -> Iterator[float]:  # noqa: ARG002 - as above
        """Yield the instants of the arrivals within ``seconds``."""
        return (instant for instant in self.instants if instant < seconds)


OpenLoad = Poisson | Bursty | Ramp | Diurnal | Steps | Replay
"""Users who come whatever happens."""

Load = Annotated[OpenLoad | Closed, BY_KIND]
"""Any of them; each has ``kind`` and ``rate_at(instant)``."""


def waiting(rng: Random, rate: float) -> float:
    """Return the time to the next event of a Poisson process."""
    return -math.log(1.0 - rng.random()) / rate


def steady(rng: Random, begins: float, ends: float, rate: float) -> Iterator[float]:
    """Yield the instants of a Poisson process of one rate, between two instants."""
    instant = begins + waiting(rng, rate)
    while instant < ends:
        yield instant
        instant += waiting(rng, rate)


def thinned(
    rng: Random, seconds: float, rate_at: Callable[[float], float], highest: float
) -> Iterator[float]:
    """Yield the instants of a Poisson process whose rate varies, up to ``highest``."""
    if highest > 0:
        for instant in steady(rng, 0.0, seconds, highest):
            if rng.random() * highest < rate_at(instant):
                yield instant
