"""What goes wrong, when, and what several things that go wrong at once make of a service."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar

from holdfast import _validate
from holdfast.simulation.scenario.distributions import FORBID


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong for a while, and is well again afterwards.

    Several may overlap: speeds and loads are multiplied, the smallest number of workers counts, delays
    are added, and each error and each loss strikes by itself.

    Args:
        at: when it begins, in seconds since the beginning.
        lasts: how long, in seconds.
        speed: what becomes of the servers' speed; 0 is a stall, 0.4 a brownout.
        workers: what becomes of their number of workers.
        error_rate: what share of requests is answered with an error.
        refuses: whether connections are refused.
        hangs: whether requests are swallowed.
        delay: seconds that every message takes longer, one way.
        loss: the share of requests that are lost on the way.
        load: by what the number of users is multiplied.
        restart: whether servers begin anew when it is over: cold, and with an empty cache.
        shard: which of the servers has it; all by default.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = FORBID
    at: float
    lasts: float
    speed: float | None = None
    workers: int | None = None
    error_rate: float | None = None
    refuses: bool = False
    hangs: bool = False
    delay: float | None = None
    loss: float | None = None
    load: float | None = None
    restart: bool = False
    shard: int | None = None

    def __post_init__(self) -> None:
        _validate.seconds_of(self, "at", positive=False)
        _validate.seconds_of(self, "lasts")
        if self.speed is not None:
            _validate.number("speed", self.speed, low=0.0)
        if self.workers is not None:
            _validate.count("workers", self.workers, low=0)
        for name in ("error_rate", "loss"):
            if getattr(self, name) is not None:
                _validate.number(name, getattr(self, name), low=0.0, high=1.0)
        _validate.seconds_of(self, "delay", positive=False, optional=True)
        if self.load is not None:
            _validate.number("load", self.load, low=0.0)
        if self.shard is not None:
            _validate.count("shard", self.shard, low=0)

    @property
    def until(self) -> float:
        """When it ends, in seconds since the beginning."""
        return self.at + self.lasts


@dataclass(frozen=True, slots=True)
class Condition:
    """What the faults of one moment make of a server and the way to it."""

    speed: float = 1.0
    workers: int | None = None
    """None: all of them."""
    error_rate: float = 0.0
    refuses: bool = False
    hangs: bool = False
    delay: float = 0.0
    loss: float = 0.0


HEALTHY = Condition()


def condition(faults: Iterable[Fault]) -> Condition:
    """Return what ``faults``, at the same time, make of a server."""
    faults = tuple(faults)
    workers = [fault.workers for fault in faults if fault.workers is not None]
    return Condition(
        speed=math.prod(1.0 if fault.speed is None else fault.speed for fault in faults),
        workers=min(workers, default=None),
        error_rate=either(fault.error_rate or 0.0 for fault in faults),
        refuses=any(fault.refuses for fault in faults),
        hangs=any(fault.hangs for fault in faults),
        delay=math.fsum(fault.delay or 0.0 for fault in faults),
        loss=either(fault.loss or 0.0 for fault in faults),
    )


def either(chances: Iterable[float]) -> float:
    """Return the chance that at least one of several independent things happens."""
    return reduce(lambda one, other: one + other - one * other, chances, 0.0)


def load_at(faults: Iterable[Fault], instant: float) -> float:
    """Return by what ``faults`` multiply the number of users at an instant."""
    return math.prod(
        fault.load
        for fault in faults
        if fault.load is not None and fault.at <= instant < fault.until
    )
