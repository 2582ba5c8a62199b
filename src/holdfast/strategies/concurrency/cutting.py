"""Whether it does any good to hold calls back: if it does, those that are let in are answered sooner.

With twice the usual number in flight latency is, by Little's law, twice the normal one times what is
usually served over what is served now.  So where it stays above `HIGH` = 8 times the normal one, no more
than a quarter is served.  A dependency may be able to do no more than that; but then many of the calls
are lost as well, unless their timeout is far above that latency (where this goes wrong: decision 0024).
Where hardly any is, there is room, and the dependency is slow for another reason.  From then on, until
latency has been normal, calls are held back again only when so many are lost that it is worth it.
"""

from __future__ import annotations

ENOUGH = 5
"""So many calls that began since calls were held back tell whether it helps ..."""

RARELY = 1
"""... if no more than so many of them were lost ..."""

HIGH = 8.0
"""... and on average they took longer than this multiple of what is normal."""

WORTH = 0.2
"""What share of the calls must be lost, for each that would be held back."""


class Cutting:
    """What became of the calls since others were held back; its owner's lock guards it."""

    __slots__ = ("_ended", "_lost", "_seconds", "_since", "vain")

    def __init__(self) -> None:
        self.vain: bool = False
        """Whether it was in vain, since latency was last normal."""
        self.begin(0.0)

    def begin(self, now: float) -> None:
        """Begin to watch: from ``now`` on calls are held back."""
        self._since = now
        self._ended = self._lost = 0
        self._seconds = 0.0

    def in_vain(self, now: float, took: float, normal: float, *, lost: bool) -> bool:
        """Count a call that has ended; return whether holding others back turns out to be in vain."""
        if now - took < self._since:  # it has waited behind those that came before
            return False
        self._ended += 1
        self._lost += lost
        self._seconds += took
        if self._ended < ENOUGH:
            return False
        useless = self._lost <= RARELY and self._seconds > HIGH * normal * self._ended
        self.vain |= useless
        self.begin(self._since)
        return useless

    def worth(self, lost: float, held_back: float) -> bool:
        """Return whether so large a share of lost calls is a reason to hold back that share of calls."""
        return not self.vain or lost >= WORTH * held_back
