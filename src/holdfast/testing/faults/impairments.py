"""What a `FaultProxy` does to the traffic of one direction, as frozen values.

They are what Toxiproxy calls toxics, in seconds and bytes: `Latency` and `Bandwidth` as there, `Slice`
is its slicer, `Cut` its limit_data, `BlackHole` its timeout of 0.  `Stall` differs from that: nothing
is lost.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from holdfast import _validate
from holdfast.testing.faults._shown import Shown


@dataclass(frozen=True, slots=True, repr=False)
class Impairment(Shown):
    """What all of them have in common."""


@dataclass(frozen=True, slots=True, repr=False)
class Latency(Impairment):
    """Everything arrives later, in order, and no slower.

    Args:
        seconds: how much later.
        jitter: up to so many seconds are added or taken away at random, by the proxy's seed.
    """

    seconds: float
    _: KW_ONLY
    jitter: float = 0.0

    def __post_init__(self) -> None:
        self._set(
            seconds=_validate.seconds("seconds", self.seconds, positive=False),
            jitter=_validate.seconds("jitter", self.jitter, positive=False),
        )


@dataclass(frozen=True, slots=True, repr=False)
class Bandwidth(Impairment):
    """No more than so many bytes a second, on each connection."""

    rate: float

    def __post_init__(self) -> None:
        self._set(rate=_validate.number("rate", self.rate, low=0, above=True))


@dataclass(frozen=True, slots=True, repr=False)
class Slice(Impairment):
    """Pieces of at most ``size`` bytes, ``every`` so many seconds: to a reader, a message in parts."""

    size: int
    _: KW_ONLY
    every: float = 0.0

    def __post_init__(self) -> None:
        _validate.count("size", self.size)
        self._set(every=_validate.seconds("every", self.every, positive=False))


@dataclass(frozen=True, slots=True, repr=False)
class Stall(Impairment):
    """Traffic stops, and so does the news that a connection has ended; both go on after ``heal()``.

    In one direction only, the connection is half-open.
    """


@dataclass(frozen=True, slots=True, repr=False)
class BlackHole(Impairment):
    """Traffic is read and lost.

    Towards the server, a new connection is accepted, and none is made to the server, even later.
    The news that a connection has ended waits for ``heal()``.
    """


@dataclass(frozen=True, slots=True, repr=False)
class Cut(Impairment):
    """Each connection ends, both ways, when ``after`` more bytes have passed in this direction.

    Args:
        after: bytes, counted from now on, or from the beginning of a new connection; with 0 the end
            comes when there is something to pass.
        reset: end it with RST instead of FIN.
    """

    after: int
    _: KW_ONLY
    reset: bool = False

    def __post_init__(self) -> None:
        _validate.count("after", self.after, low=0)
