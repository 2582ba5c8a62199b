"""The users of a scenario: when each comes, to which process, and what they ask for."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import accumulate
from random import Random

from holdfast.simulation.scenario.faults import Fault, load_at
from holdfast.simulation.scenario.load import OpenLoad
from holdfast.simulation.scenario.scenario import Scenario
from holdfast.simulation.world.request import Request

Streams = Callable[[str], Random]


class Users:
    """Makes requests; each of its choices has random numbers of its own, the same for every policy.

    Attributes:
        number: how many requests there have been.
    """

    def __init__(self, scenario: Scenario, stream: Streams) -> None:
        clients, self._shards = scenario.clients, scenario.servers.shards
        self._service = scenario.servers.service
        self._count = clients.count
        self._keys = _choice(clients.keys or self._shards, clients.zipf)
        self._critical = clients.critical
        self._sheddable = clients.critical + clients.sheddable
        self._by_place = stream("places of the users")
        self._by_key = stream("keys of the users")
        self._by_work = stream("service")
        self._by_priority = stream("priorities of the users")
        self.number: int = 0

    def request(self, instant: float) -> Request:
        """Return what the user who comes at ``instant`` asks for."""
        number, self.number = self.number, self.number + 1
        client = int(self._by_place.random() * self._count)
        key = self._keys(self._by_key)
        return Request(
            number,
            instant,
            client,
            key,
            self._service.draw(self._by_work),
            shard=key % self._shards,
            priority=self._priority(),
        )

    def _priority(self) -> str:
        if not self._sheddable:
            return "default"
        chance = self._by_priority.random()
        if chance < self._critical:
            return "critical"
        return "sheddable" if chance < self._sheddable else "default"


def _choice(keys: int, zipf: float) -> Callable[[Random], int]:
    """Return what draws a key: all alike, or by Zipf's law."""
    if keys == 1:
        return lambda _rng: 0
    if not zipf:
        return lambda rng: int(rng.random() * keys)
    bounds = list(accumulate(rank**-zipf for rank in range(1, keys + 1)))
    return lambda rng: min(bisect_right(bounds, rng.random() * bounds[-1]), keys - 1)


def arrivals(
    load: OpenLoad, seconds: float, faults: tuple[Fault, ...], stream: Streams
) -> Iterator[float]:
    """Yield the instants at which users come, more or less of them where a fault has a ``load``.

    Those who would come without the faults are the first to come with them: a load of 2.5 adds one
    and a half times as many who come by themselves, and 0.5 leaves every second one out, by chance.
    """
    surges = [fault for fault in faults if fault.load is not None]
    if not surges:
        return load.arrivals(stream("arrivals"), seconds)
    changes = [instant for fault in surges for instant in (fault.at, fault.until)]
    most = max(load_at(surges, instant) for instant in (0.0, *changes))
    return heapq.merge(
        *(_crowd(load, seconds, surges, stream, number) for number in range(math.ceil(most)))
    )


def _crowd(
    load: OpenLoad, seconds: float, surges: list[Fault], stream: Streams, number: int
) -> Iterator[float]:
    """Yield the arrivals of the users who are there when the load is greater than ``number``."""
    name = f"arrivals {number}" if number else "arrivals"
    chances = stream(f"{name} in a surge")
    for instant in load.arrivals(stream(name), seconds):
        if chances.random() < load_at(surges, instant) - number:
            yield instant
