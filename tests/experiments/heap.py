"""A bare event heap, and what the experiments share: servers, arrivals, counts of users served.

The strategies are used as they are, without drivers: an experiment plays the driver itself, on
virtual time, with seeded randomness, so each figure is exact from run to run.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from random import Random

Action = Callable[[], object]


class Event:
    """Something that happens at an instant, unless it is cancelled."""

    __slots__ = ("action", "at")

    def __init__(self, at: float, action: Action) -> None:
        self.at = at
        self.action: Action | None = action

    def cancel(self) -> None:
        self.action = None


class Heap:
    """What happens when; `now` is the instant, in seconds, and starts away from zero."""

    def __init__(self, start: float = 1000.0) -> None:
        self.now = self.start = start
        self._events: list[tuple[float, int, Event]] = []
        self._numbers = itertools.count()

    def at(self, instant: float, action: Action) -> Event:
        event = Event(max(instant, self.now), action)
        heapq.heappush(self._events, (event.at, next(self._numbers), event))
        return event

    def after(self, delay: float, action: Action) -> Event:
        return self.at(self.now + delay, action)

    def run(self, until: float) -> None:
        """Let happen what is due up to ``until`` seconds after the start."""
        end = self.start + until
        while self._events and self._events[0][0] <= end:
            instant, _, event = heapq.heappop(self._events)
            self.now = instant
            if event.action is not None:
                event.action()
        self.now = end


def poisson(rate: float, seconds: float, rng: Random) -> Iterator[float]:
    """Yield the instants of independent arrivals at ``rate`` a second, from 0 on."""
    instant = rng.expovariate(rate)
    while instant < seconds:
        yield instant
        instant += rng.expovariate(rate)


class Server:
    """``workers`` that serve first come, first served; ``service()`` draws a duration at speed 1.

    Work is not cancelled when its caller gives up.  `speed` 0 is a stall: nothing is begun, and
    what is under way ends as it would have.
    """

    def __init__(self, heap: Heap, workers: int, service: Callable[[], float]) -> None:
        self.heap = heap
        self.workers = workers
        self.service = service
        self.speed = 1.0
        self.busy = 0
        self.served = 0
        self.queue: deque[Action] = deque()

    def submit(self, done: Action) -> None:
        """Serve one request, some time, and then call ``done()``."""
        self.queue.append(done)
        self._begin()

    def set_speed(self, speed: float) -> None:
        self.speed = speed
        self._begin()

    def _begin(self) -> None:
        while self.queue and self.busy < self.workers and self.speed > 0:
            self.busy += 1
            done = self.queue.popleft()
            self.heap.after(self.service() / self.speed, lambda done=done: self._end(done))

    def _end(self, done: Action) -> None:
        self.busy -= 1
        self.served += 1
        done()
        self._begin()


class Seconds:
    """Users' successes and failures, by the second of their arrival."""

    def __init__(self) -> None:
        self.good: dict[int, int] = {}
        self.bad: dict[int, int] = {}

    def count(self, arrived: float, *, good: bool) -> None:
        counts = self.good if good else self.bad
        counts[int(arrived)] = counts.get(int(arrived), 0) + 1

    def between(self, start: int, end: int) -> tuple[int, int]:
        """Return the successes and failures of the seconds [start, end)."""
        seconds = range(start, end)
        return sum(self.good.get(s, 0) for s in seconds), sum(self.bad.get(s, 0) for s in seconds)

    def share(self, start: int, end: int) -> float:
        good, bad = self.between(start, end)
        return good / (good + bad) if good + bad else 1.0

    def recovered(self, after: int, last: int, *, share: float = 0.99) -> int | None:
        """Return how long after second ``after`` each 5 s window for 20 s has that share of successes.

        None if that does not come before second ``last`` (the TTR of the scenario bench).
        """
        for second in range(after, last - 25):
            if all(self.share(s, s + 5) >= share for s in range(second, second + 20)):
                return second - after
        return None
