"""`seeded`: the same jitter in every run."""

from __future__ import annotations

import random
from collections.abc import Generator
from contextlib import contextmanager

from holdfast.testing._seams import Layer, put_on, take_off


@contextmanager
def seeded(seed: float | str | bytes = 0) -> Generator[random.Random]:
    """Draw all of Holdfast's random numbers from one generator, ``random.Random(seed)``.

    Strategies that were given an ``rng`` of their own keep it; the module `random` is left alone.
    """
    rng = random.Random(seed)
    layer = Layer(rng=rng)
    put_on(layer)
    try:
        yield rng
    finally:
        take_off(layer)
