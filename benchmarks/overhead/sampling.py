"""Samples in turn: the method of `benchmarks.overhead`, for any callables ``calls -> seconds``."""

import gc
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from statistics import median
from typing import TypeVar

from benchmarks.overhead.candidates import Statistic

Sampler = Callable[[int], float]
K = TypeVar("K", bound=Hashable)

FEW = 20
MANY = 2_000_000


def calibrated(sample: Sampler, seconds: float) -> int:
    """How many calls make a sample of about this length."""
    count = FEW
    while True:
        spent = quietly(sample, count)
        if spent >= seconds / 2 or count >= MANY:
            return max(1, min(MANY, round(count * seconds / max(spent, 1e-9))))
        count = int(count * min(10.0, max(2.0, seconds / max(spent, 1e-9))))


def quietly(sample: Sampler, count: int) -> float:
    """One sample with the garbage collector off."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        return sample(count)
    finally:
        if was_on:
            gc.enable()


def rotations(names: Sequence[K], rounds: int) -> Iterator[list[K]]:
    """All names in every round, beginning at another one each time."""
    for number in range(rounds):
        start = number % len(names)
        yield [*names[start:], *names[:start]]


def interleaved(samplers: Mapping[K, Sampler], rounds: int, seconds: float) -> dict[K, list[float]]:
    """Seconds per call of each sampler in each round, samples taken in turn."""
    if not samplers:
        return {}
    counts = {name: calibrated(sample, seconds) for name, sample in samplers.items()}
    taken: dict[K, list[float]] = {name: [] for name in samplers}
    for order in rotations(list(samplers), rounds):
        for name in order:
            taken[name].append(quietly(samplers[name], counts[name]) / counts[name])
        gc.collect()
    return taken


def figure(samples: Sequence[float], statistic: Statistic) -> float:
    """The samples as one number."""
    return min(samples) if statistic == "minimum" else median(samples)


def overhead(samples: Sequence[float], bare: Sequence[float] | None, statistic: Statistic) -> float:
    """What the protection adds to the bare call, by the same statistic on both sides."""
    if bare is None:
        return figure(samples, statistic)
    return figure(samples, statistic) - figure(bare, statistic)
