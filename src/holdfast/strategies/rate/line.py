"""A line of callers before a rate that moves: tokens come at the rate of the moment, one for each call.

Nobody in it is promised an instant.  Who wakes asks how many tokens there are and how many are ahead,
so a rate that has moved meanwhile holds for all of them, and nothing has to be booked anew.  Who
should have woken and has not (its thread hangs) is overtaken.

Not locked: the owner's lock guards it.  `leave` only notes: the garbage collector may end a coroutine
that waits in the middle of anything here.
"""

from __future__ import annotations

from collections import deque
from math import inf

ROUNDING = 1e-8
"""Seconds: a call may start so much early, for instants are rounded."""

LATE = 0.005
"""Seconds after its turn at which nobody waits any more for a call to wake."""

GRACE = 5.0
"""Seconds after which it is taken for one that has left; should it wake, it is the first."""

SLICE = 0.5
"""The longest sleep, in seconds: the rate may have risen meanwhile."""

BURST = 0.05
"""Seconds whose tokens are kept while nobody wants them."""


class Place:
    """A call in line."""

    __slots__ = ("number", "told", "waits")

    def __init__(self) -> None:
        self.number: int = 0
        self.told: float = 0.0
        """The instant at which it was told to wake."""
        self.waits: bool = False


class Line:
    """Tokens, and who waits for them."""

    __slots__ = ("_at", "_gone", "_last", "_places", "_rate", "_tokens")

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._at = -inf
        self._tokens = 0.0
        self._places: deque[Place] = deque()
        self._last = 0
        self._gone = 0
        """How many are in line who have left."""

    def __len__(self) -> int:
        return sum(place.waits for place in self._places)

    def pace(self, rate: float, resume: float, now: float) -> None:
        """Let tokens come at another rate, from ``resume`` on."""
        self._flow(now)
        self._rate = rate
        if resume > now:
            self._at, self._tokens = resume, min(self._tokens, 1.0)
        elif self._at > now:
            self._at = now

    def passes(self, now: float) -> bool:
        """Take a token for a call that can start at once; else return False."""
        self._flow(now)
        self._settle(now)
        if self._places or now < self._at or self._tokens < 1.0 - self._rate * ROUNDING:
            return False
        self._tokens -= 1.0
        return True

    def wait(self, now: float) -> float:
        """Return the seconds after which one that came now could start."""
        self._flow(now)
        self._settle(now)
        return self._until(len(self._places), now)

    def join(self, place: Place, now: float) -> float:
        """Stand behind all others; return the seconds until it should ask."""
        wait = min(SLICE, self.wait(now))
        self._last += 1
        place.number, place.waits, place.told = self._last, True, now + wait
        self._places.append(place)
        return wait

    def begin(self, place: Place, now: float) -> float:
        """Take a token for one that has woken, or return the seconds until it should ask again."""
        if not place.waits:
            return 0.0
        wait = self.until(place, now)
        if wait > ROUNDING:
            wait = min(SLICE, wait)
            place.told = now + wait
            return wait
        self._tokens -= 1.0
        self.leave(place)
        return 0.0

    def until(self, place: Place, now: float) -> float:
        """Return the seconds until one in line may start, at the rate of the moment."""
        self._flow(now)
        self._settle(now)
        places, late = self._places, 0
        for other in places:
            if other is place or other.told >= now - LATE:
                break
            late += 1
        ahead = max(0, place.number - places[0].number - late) if places else 0
        return self._until(ahead, now)

    def leave(self, place: Place) -> None:
        """Be in line no more."""
        if place.waits:
            place.waits = False
            self._gone += 1

    def _until(self, ahead: int, now: float) -> float:
        short = ahead + 1.0 - self._tokens
        return max(0.0, self._at - now) + (short / self._rate if short > 0.0 else 0.0)

    def _flow(self, now: float) -> None:
        passed = now - self._at
        if passed > 0.0:
            burst = max(1.0, self._rate * BURST)
            self._tokens = max(self._tokens, min(burst, self._tokens + passed * self._rate))
            self._at = now

    def _settle(self, now: float) -> None:
        """Close up: those who have left, or hang, are ahead of nobody."""
        places = self._places
        while places and (not places[0].waits or places[0].told < now - GRACE):
            self._gone -= not places.popleft().waits
        if self._gone > 0 and places:
            self._gone = 0
            self._places = deque(place for place in places if place.waits)
            for number, place in enumerate(self._places, self._places[0].number):
                place.number = number
            self._last = self._places[-1].number
        elif not places:
            self._gone = 0
