"""A server's cache: full, it spares most of the work; empty, none."""

from __future__ import annotations

from random import Random

from holdfast.simulation.scenario.scenario import Cache


class Store:
    """What a cache holds at the moment.  See `Cache` for the model.

    Attributes:
        stored: how many of its items it holds.
    """

    __slots__ = ("_rng", "_spec", "stored")

    def __init__(self, spec: Cache, rng: Random) -> None:
        self._spec = spec
        self._rng = rng
        self.stored: int = spec.items if spec.warm else 0

    def hit(self) -> float | None:
        """Return the seconds of work of a request that is found in it, None for one that isn't."""
        spec = self._spec
        if self._rng.random() * spec.items < spec.hit_rate * self.stored:
            return spec.hit.draw(self._rng)
        return None

    def fill(self) -> None:
        """Store what was missed."""
        if self.stored < self._spec.items:
            self.stored += 1

    def empty(self) -> None:
        """Forget everything."""
        self.stored = 0
