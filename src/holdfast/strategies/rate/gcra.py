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

Who waits keeps the instant that it was told, and asks once more when it wakes (`begin`).  If that is
late, because its loop, its thread or the whole process stood still, then its start is booked anew,
and those of all behind it: who was kept from starting in time must not start together with the
others.  `base` is the state after the last who did start, `at` and `levels` are the state after the
last in line; when one leaves, or a cost turns out to be another, the starts of the others are
played again from `base`, which gives exactly what would be there without it.

Who doesn't wake at all (its loop is closed, its thread hangs) holds up nobody: some time after its
start it is taken for one that has started; should it wake after all, it finds its old place in the
line.

One file because it is one thing: the buckets, and the line before them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import repeat
from math import inf

ROUNDING = 1e-8
"""Seconds: a call may start so much early, for instants are rounded."""

LATE = 1e-3
"""Seconds: who wakes so much late, or less, is in time."""

GRACE = 5.0
"""Seconds after its start at which nobody waits any more for a call to wake."""

Costs = tuple[float, ...]
Levels = list[float]
State = tuple[float, Levels]


class Turn:
    """A call that was let in: from when, what it takes from each limit, whether it still waits."""

    __slots__ = ("before", "costs", "lost", "number", "start", "told", "waits")
    before: State
    """The state to which it was added when it began to wait."""
    lost: bool
    """Whether it is in line no more, because it did not wake."""
    number: int
    """Its place in the order of arrival."""
    told: float
    """The instant at which it was told to wake."""

    def __init__(self, start: float, costs: Costs) -> None:
        self.start: float = start
        self.costs: Costs = costs
        self.waits: bool = False


class Meter:
    """The buckets of one limiter, and who waits for them."""

    __slots__ = (
        "_arrivals", "_base", "_begun", "_gone", "_rooms", "_stale", "at", "bursts", "levels", "rates",
        "scarce", "turns",
    )  # fmt: skip

    def __init__(self, rates: Sequence[float], bursts: Sequence[float]) -> None:
        self.at: float = 0.0
        self.levels: Levels = [0.0] * len(rates)
        self.scarce: int = 0
        """The place of the limit by which `wait` was the longest."""
        self.turns: deque[Turn] = deque()
        self._base: State = (self.at, self.levels)
        self._arrivals = 0
        self._begun: Levels = []
        """How full the buckets were at the beginning, if they were not empty."""
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

    def begin_with(self, left: Sequence[float], now: float) -> None:
        """Have so much left of each burst at ``now``, the beginning."""
        self.at = now
        self.levels = [burst - one for burst, one in zip(self.bursts, left, strict=True)]
        self._begun = self.levels.copy()

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
        for place, cost in enumerate(costs):
            if cost > self._rooms[place]:
                self.scarce = place
                return inf
        if now < self.at and self.levels == self._begun:
            self.at = now  # it was made on another clock
        first = max(self.at, now)
        longest = self._longest((self.at, self.levels), first, costs)
        if longest <= 0.0 and not self.turns:
            return 0.0
        return max(0.0, longest) + first - now

    def append(self, turn: Turn) -> None:
        """Let a call start at ``turn.start``, which is `wait` seconds from now."""
        if not self.turns:
            self._base = self.at, self.levels
        self._arrivals += 1
        turn.number, turn.told = self._arrivals, turn.start
        turn.waits, turn.lost = True, False
        turn.before = self.at, self.levels
        self.turns.append(turn)
        self.at, self.levels = self._after(turn.before, turn.start, turn.costs)

    def begin(self, turn: Turn, now: float) -> float:
        """Let a call that has woken start, or return the seconds that it has to wait on.

        In time it starts as it was told; late, as far as there is room after those before it.
        """
        if not turn.waits:
            return 0.0
        self.settle(now)
        if turn.lost:
            self._rejoin(turn)
        if now > turn.start + LATE:
            self._rebook(now, turn.number)
        if turn.start > now + ROUNDING:
            turn.told = turn.start
            return turn.start - now
        self.started(turn)
        return 0.0

    def started(self, turn: Turn) -> None:
        """Count a call that waited as started, at the instant that is its own."""
        turn.waits = False
        if turn in self.turns:  # not in a child that was forked while it waited; mostly the first
            self.turns.remove(turn)
            self._base = self._after(self._base, turn.start, turn.costs)
            self._note_empty()

    def _rejoin(self, turn: Turn) -> None:
        """Put a call that wakes after all where it was in line."""
        turn.lost = False
        place = sum(1 for other in self.turns if other.number < turn.number)
        turn.before = (
            self.turns[place].before if place < len(self.turns) else (self.at, self.levels)
        )
        if not self.turns:
            self._base = self.at, self.levels
        self.turns.insert(place, turn)

    def _rebook(self, now: float, number: int) -> None:
        """Move the starts that have passed to what is possible now, and those behind accordingly.

        All up to that number; those after it only as far as they have to move.
        """
        state = self._base
        for turn in self.turns:
            if not turn.waits:
                continue
            start = max(turn.start, now, state[0])
            start += max(0.0, self._longest(state, start, turn.costs))
            if (
                turn.number > number
                and start == turn.start
                and self._no_fuller(state, turn.before, start)
            ):
                return  # all is as it was from here on
            turn.before, turn.start = state, start
            state = self._after(state, start, turn.costs)
        self.at, self.levels = state

    def _no_fuller(self, state: State, other: State, now: float) -> bool:
        ours, theirs = (
            self._after(state, now, repeat(0.0))[1],
            self._after(other, now, repeat(0.0))[1],
        )
        return all(one <= two + ROUNDING for one, two in zip(ours, theirs, strict=True))

    def _longest(self, state: State, now: float, costs: Iterable[float]) -> float:
        """Return for how long after ``now`` a call has no room; less than 0 where it has more.

        One that has become too big for a burst has room in an empty bucket.
        """
        longest, levels = -inf, state[1]
        passed = max(0.0, now - state[0])
        for place, cost in enumerate(costs):
            if cost:
                rate, burst = self.rates[place], self.bursts[place]
                level = max(0.0, levels[place] - passed * rate)
                delay = (level + min(cost, burst) - burst) / rate
                if delay > longest:
                    longest, self.scarce = delay, place
        return longest

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
        """Forget who should have woken long ago; let the places of those who left be taken again."""
        self._give_up(now)
        while self._gone and not self._stale and self.turns and not self.turns[-1].waits:
            # The last in line: under overload that is nearly everybody who leaves, at once, because
            # the turn comes after the deadline.
            self._gone -= 1
            self.at, self.levels = self.turns.pop().before
            self._note_empty()
        if self._gone or self._stale:
            self._gone, self._stale = 0, False
            self.turns = deque(turn for turn in self.turns if turn.waits)
            state = self._base
            for turn in self.turns:
                turn.before = state
                state = self._after(state, turn.start, turn.costs)
            self.at, self.levels = state

    def _give_up(self, now: float) -> None:
        turns, latest = self.turns, now - GRACE
        while turns and turns[0].told < latest:
            turn = turns.popleft()
            if turn.waits:
                turn.lost = True
                self._base = self._after(self._base, turn.start, turn.costs)
            else:
                self._gone, self._stale = max(0, self._gone - 1), True
            self._note_empty()

    def _note_empty(self) -> None:
        if not self.turns:
            self.at, self.levels = self._base
            self._gone, self._stale = 0, False

    def _drained(self, now: float) -> State:
        """Return the state at ``now``, without those who wait."""
        self._give_up(now)
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
