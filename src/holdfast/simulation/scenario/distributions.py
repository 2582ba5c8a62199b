"""How long things take: distributions of durations, in seconds.  Frozen values.

Each draws with `random.Random.random` or ``normalvariate`` only, whose sequences are the same in every
version of Python.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Annotated, ClassVar, Literal

from holdfast import _validate
from holdfast.simulation.scenario.kinds import BY_KIND
from holdfast.simulation.scenario.recordings import column

FORBID: dict[str, str] = {"extra": "forbid"}
"""For scenario files: an unknown key is an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """Always ``value``."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    kind: Literal["constant"] = "constant"
    value: float

    def __post_init__(self) -> None:
        _validate.seconds_of(self, "value", positive=False)

    @property
    def mean(self) -> float:
        """The mean, in seconds."""
        return self.value

    def draw(self, rng: Random) -> float:  # noqa: ARG002 - a distribution among others
        """Return a duration."""
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential:
    """The exponential distribution: a standard deviation as large as the mean."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    kind: Literal["exponential"] = "exponential"
    mean: float

    def __post_init__(self) -> None:
        _validate.seconds_of(self, "mean")

    def draw(self, rng: Random) -> float:
        """Return a duration."""
        return -math.log(1.0 - rng.random()) * self.mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Lognormal:
    """The lognormal distribution, as latencies often have it: e to the power of N(ln median, sigma).

    Args:
        median: half of the durations are shorter.
        sigma: the standard deviation of their logarithms; 0.5 puts the p99 at 3.2 medians, 1 at 10.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    kind: Literal["lognormal"] = "lognormal"
    median: float
    sigma: float

    def __post_init__(self) -> None:
        _validate.seconds_of(self, "median")
        _validate.number("sigma", self.sigma, low=0.0)

    @classmethod
    def from_mean(cls, mean: float, deviation: float) -> Lognormal:
        """Return the one of that mean and that standard deviation, both in seconds.

        Raises:
            ConfigurationError: for a mean that is not positive, or a negative deviation.
        """
        _validate.seconds("mean", mean)
        _validate.seconds("deviation", deviation, positive=False)
        variance = math.log1p((deviation / mean) ** 2)
        return cls(median=mean * math.exp(-variance / 2), sigma=math.sqrt(variance))

    @property
    def mean(self) -> float:
        """The mean, in seconds."""
        return self.median * math.exp(self.sigma**2 / 2)

    def draw(self, rng: Random) -> float:
        """Return a duration."""
        return self.median * math.exp(rng.normalvariate(0.0, self.sigma))


@dataclass(frozen=True, slots=True, kw_only=True)
class Uniform:
    """Anything between ``low`` and ``high``, all equally likely."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    kind: Literal["uniform"] = "uniform"
    low: float = 0.0
    high: float

    def __post_init__(self) -> None:
        _validate.seconds_of(self, "low", positive=False)
        _validate.seconds_of(self, "high")
        if self.low > self.high:
            raise _validate.refuse("low", self.low, f"it must be at most high={self.high!r}")

    @property
    def mean(self) -> float:
        """The mean, in seconds."""
        return (self.low + self.high) / 2

    def draw(self, rng: Random) -> float:
        """Return a duration."""
        return self.low + (self.high - self.low) * rng.random()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pareto:
    """The Pareto distribution: a heavy tail, in which a few take most of the time.

    Args:
        shortest: none is shorter.
        shape: how light the tail is; greater than 1, or there would be no mean.  Below 2 the variance
            is infinite; 1.16 is the rule of 80 to 20.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    kind: Literal["pareto"] = "pareto"
    shortest: float
    shape: float

    def __post_init__(self) -> None:
        _validate.seconds_of(self, "shortest")
        _validate.number("shape", self.shape, low=1.0, above=True)

    @property
    def mean(self) -> float:
        """The mean, in seconds."""
        return self.shortest * self.shape / (self.shape - 1)

    def draw(self, rng: Random) -> float:
        """Return a duration."""
        return float(self.shortest * (1.0 - rng.random()) ** (-1 / self.shape))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stragglers:
    """Another distribution, of which a ``share`` takes ``times`` as long: a pause, a slow disk.

    Args:
        usual: how long the others take.
        share: how many are stragglers, from 0 to 1.
        times: how much longer those take.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    kind: Literal["stragglers"] = "stragglers"
    usual: Distribution
    share: float = 0.05
    times: float = 10.0

    def __post_init__(self) -> None:
        _validate.number("share", self.share, low=0.0, high=1.0)
        _validate.number("times", self.times, low=0.0)

    @property
    def mean(self) -> float:
        """The mean, in seconds."""
        return self.usual.mean * (1 + self.share * (self.times - 1))

    def draw(self, rng: Random) -> float:
        """Return a duration."""
        duration = self.usual.draw(rng)
        return duration * self.times if rng.random() < self.share else duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of the distributions of a `Mixture`; ``weight`` in comparison with the others' weights."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    weight: float
    of: Distribution

    def __post_init__(self) -> None:
        _validate.number("weight", self.weight, low=0.0, above=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """One of several distributions, by chance: cheap and expensive requests, hits and misses."""

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    kind: Literal["mixture"] = "mixture"
    parts: tuple[Part, ...]
    _bounds: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.parts:
            raise _validate.refuse("parts", self.parts, "it must have at least one part")
        object.__setattr__(self, "_bounds", tuple(accumulate(part.weight for part in self.parts)))

    @property
    def mean(self) -> float:
        """The mean, in seconds."""
        return math.fsum(part.weight * part.of.mean for part in self.parts) / self._bounds[-1]

    def draw(self, rng: Random) -> float:
        """Return a duration."""
        place = bisect_right(self._bounds, rng.random() * self._bounds[-1])
        return self.parts[min(place, len(self.parts) - 1)].of.draw(rng)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Durations that were measured, drawn again in any order: the empirical distribution.

    Args:
        path: a CSV file of durations in seconds; in a scenario file, relative to that file.
        column: which column of it; the first by default.
        values: the durations themselves, instead of a file.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    kind: Literal["recorded"] = "recorded"
    path: str | None = None
    column: str | None = None
    values: tuple[float, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", recorded(self.path, self.column, self.values))

    @property
    def mean(self) -> float:
        """The mean, in seconds."""
        return math.fsum(self.values) / len(self.values)

    def draw(self, rng: Random) -> float:
        """Return a duration."""
        return self.values[int(rng.random() * len(self.values))]


def recorded(path: str | None, name: str | None, values: tuple[float, ...]) -> tuple[float, ...]:
    """Return what a recording holds: the column of a file, or the values that were given.

    Raises:
        ConfigurationError: for neither, or for what is no number of at least 0.
    """
    if path is not None:
        return column(path, name)
    if not values:
        raise _validate.refuse("values", values, "give at least one, or path=... of a CSV file")
    return tuple(_validate.number("values", value, low=0.0) for value in values)


Distribution = Annotated[
    Constant | Exponential | Lognormal | Uniform | Pareto | Stragglers | Mixture | Recorded,
    BY_KIND,
]
"""Any of them; each has ``kind``, ``mean`` and ``draw(rng)``."""
