"""The arithmetic of rate limits: who may start when.  Pure; its owner's lock guards it.

Each limit is a bucket that a call fills by its cost and that drains at the limit's rate; a call may
start when the bucket has room for it.  That is the generic cell rate algorithm in its
continuous-state form (ITU-T I.371, annex A), the same as virtual scheduling with
``TAT = max(now, TAT) + cost * per / limit`` and ``now >= TAT - burst * per / limit`` (as in
`throttled/rate.go`), but exact for whole numbers, since no small interval is added to a large
instant.  In any interval of t seconds at most ``burst + rate * t`` starts.

Several limits share one order of starts: a call starts when all of them have room, and never before
one that came earlier.  Each bucket is filled at the instant of the start, not of the arrival, so
each limit is kept on its own, whichever of them made the call wait.

Who waits keeps the instant that it was told.  `base` is the state before the first who waits, `at` and
`levels` are the state after the last; when one leaves, or a cost turns out to be another, the starts of
the others are played again from `base`, which gives exactly what would be there without it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import repeat
from math import inf

ROUNDING = 1e-8
"""Seconds: a call may start so much early, for instants are rounded."""

Costs = tuple[float, ...]
Levels = list[float]
State = tuple[float, Levels]


class Turn:
    """A call that was let in: from when, what it takes from each limit, whether it still waits."""

    __slots__ = ("before", "costs", "start", "waits")
    before: State
    """The state to which it was added when it began to wait."""

    def __init__(self, start: float, costs: Costs) -> None:
        self.start: float = start
        self.costs: Costs = costs
        self.waits: bool = False


class Meter:
    """The buckets of one limiter, and who waits for them."""

    __slots__ = (
        "_base", "_gone", "_rooms", "_stale", "at", "bursts", "levels", "rates", "scarce", "turns",
    )  # fmt: skip

    def __init__(self, rates: Sequence[float], bursts: Sequence[float]) -> None:
        self.at: float = 0.0
        self.levels: Levels = [0.0] * len(rates)
        self.scarce: int = 0
        """The place of the limit by which `wait` was the longest."""
        self.turns: deque[Turn] = deque()
        self._base: State = (self.at, self.levels)
        self._gone = 0
        """How many are in line who have left."""
        self._stale = False
        """Whether the state is not what follows from `_base` and the line."""
        self._limit(rates, bursts)

    def _limit(self, rates: Sequence[float], bursts: Sequence[float]) -> None:
        self.rates: Sequence[float] = rates
        """Tokens that drain in a second."""
        self.bursts: Sequence[float] = bursts
        self._rooms = [burst + rate * ROUNDING for rate, burst in zip(rates, bursts, strict=True)]

    def passes(self, now: float, costs: Sequence[float]) -> bool:
        """Fill the buckets for a call that can start at once; else do nothing and return False.

        A call that costs nothing waits for nobody.
        """
        if self.turns:
            self.settle(now)
            if self.turns:
                return not any(costs)
        passed = now - self.at if now > self.at else 0.0
        levels: Levels = []
        for level, rate, room, cost in zip(self.levels, self.rates, self._rooms, costs):  # noqa: B905 - speed
            level -= passed * rate  # noqa: PLW2901 - a number
            full = level + cost if level > 0.0 else cost
            if full > room and cost:
                return False
            levels.append(full)
        self.levels = levels
        self.at += passed
        return True

    def wait(self, now: float, costs: Sequence[float]) -> float:
        """Return the seconds until a call of these costs may start, after all who wait; or inf."""
        if self.turns:
            self.settle(now)
        first = max(self.at, now)
        passed, longest = first - self.at, -inf
        for place, cost in enumerate(costs):
            if cost > self._rooms[place]:
                self.scarce = place
                return inf
            rate = self.rates[place]
            level = max(0.0, self.levels[place] - passed * rate)
            delay = (level + cost - self.bursts[place]) / rate
            if delay > longest and cost:
                longest, self.scarce = delay, place
        if longest <= 0.0 and not self.turns:
            return 0.0
        return max(0.0, longest) + first - now

    def append(self, turn: Turn) -> None:
        """Let a call start at ``turn.start``, which is `wait` seconds from now."""
        if not self.turns:
            self._base = self.at, self.levels
        turn.waits = True
        turn.before = self.at, self.levels
        self.turns.append(turn)
        self.at, self.levels = self._after(turn.before, turn.start, turn.costs)

    def leave(self, turn: Turn) -> None:
        """Let a call that waits not start at all.

        It is only noted: the garbage collector may end a coroutine that waits in the middle of this.
        """
        if turn.waits:
            turn.waits = False
            self._gone += bool(self.turns)  # none in a child that was forked while it waited

    def correct(self, turn: Turn, place: int, actual: float, now: float) -> None:
        """Let a call have taken so much from one limit, whatever it said before."""
        difference = actual - turn.costs[place]
        turn.costs = (*turn.costs[:place], actual, *turn.costs[place + 1 :])
        if turn.waits:
            self._stale = True
        else:
            self.adjust(place, difference, now)

    def adjust(self, place: int, difference: float, now: float) -> None:
        """Fill one bucket by so much more, or less, but to no less than empty."""
        if difference <= 0.0 and not self.turns:  # it makes no difference when it was given back
            self.levels[place] = max(0.0, self.levels[place] + difference)
            return
        at, levels = self._drained(now)
        levels[place] = max(0.0, levels[place] + difference)
        self._restart(at, levels)

    def change(self, rates: Sequence[float], bursts: Sequence[float], now: float) -> None:
        """Set other limits; the buckets stay as full as they are, and who waits keeps its start."""
        at, levels = self._drained(now)
        self._limit(rates, bursts)
        self._restart(at, levels)

    def left(self, now: float) -> Levels:
        """Return how much of each limit could be taken at once by a call that need not wait."""
        self.settle(now)
        _, levels = self._after((self.at, self.levels), now, repeat(0.0))
        return [max(0.0, burst - level) for burst, level in zip(self.bursts, levels, strict=True)]

    def full(self, now: float) -> bool:
        """Return whether all that there can be is left: it is as if nothing had ever been taken."""
        left = zip(self.left(now), self.bursts, self.rates, strict=True)
        return not self.turns and all(burst - one <= rate * ROUNDING for one, burst, rate in left)

    def settle(self, now: float) -> None:
        """Forget who has started by now; let the places of those who left be taken again."""
        self._start(now)
        while self._gone and not self._stale and self.turns and not self.turns[-1].waits:
            # The last in line: under overload that is nearly everybody who leaves, at once, because
            # the turn comes after the deadline.
            self._gone -= 1
            self.at, self.levels = self.turns.pop().before
        if self._gone or self._stale:
            self._gone, self._stale = 0, False
            self.turns = deque(turn for turn in self.turns if turn.waits)
            state = self._base
            for turn in self.turns:
                turn.before = state
                state = self._after(state, turn.start, turn.costs)
            self.at, self.levels = state

    def _start(self, now: float) -> None:
        turns, latest = self.turns, now + ROUNDING
        while turns and turns[0].start <= latest:
            turn = turns.popleft()
            if turn.waits:
                turn.waits = False
                self._base = self._after(self._base, turn.start, turn.costs)
            else:
                self._gone, self._stale = max(0, self._gone - 1), True

    def _drained(self, now: float) -> State:
        """Return the state at ``now``, without those who wait."""
        self._start(now)
        state = self._base if self.turns or self._stale else (self.at, self.levels)
        return self._after(state, now, repeat(0.0))

    def _restart(self, at: float, levels: Levels) -> None:
        """Go on from another state; those who wait are added to it when somebody asks."""
        self._base = self.at, self.levels = at, levels
        self._stale = bool(self.turns)

    def _after(self, state: State, start: float, costs: Iterable[float]) -> State:
        at, levels = state
        passed = max(0.0, start - at)
        filled = zip(levels, self.rates, costs, strict=False)
        return at + passed, [max(0.0, level - passed * rate) + cost for level, rate, cost in filled]


class Single(Meter):
    """The one bucket of a limiter with one limit: the same, quicker."""

    __slots__ = ()

    def passes(self, now: float, costs: Sequence[float]) -> bool:
        """Fill the bucket for a call that can start at once; else do nothing and return False."""
        if self.turns:
            self.settle(now)
            if self.turns:
                return not any(costs)
        levels = self.levels
        level = levels[0]
        passed = now - self.at
        if passed > 0.0:
            level -= passed * self.rates[0]
            if level < 0.0:  # noqa: PLR1730 - max() is a call
                level = 0.0
        level += costs[0]
        if level > self._rooms[0]:
            return not costs[0]
        levels[0] = level
        if passed > 0.0:
            self.at = now
        return True


def meter(rates: Sequence[float], bursts: Sequence[float]) -> Meter:
    """Return the buckets for so many limits."""
    return (Single if len(rates) == 1 else Meter)(rates, bursts)
