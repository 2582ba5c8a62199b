"""How a circuit breaker comes back: for how long it is open, with how many trials, along which ramp."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import _validate
from holdfast._world import reseed_after_fork, world

if TYPE_CHECKING:
    from datetime import timedelta
    from random import Random


CAP = 60.0
"""The longest time to be open where none is given, in seconds; but for a longer `open_for`."""


class Recovery:
    """The options of a breaker that matter once it has opened; they never change."""

    __slots__ = ("calls", "cap", "growth", "jitter", "lease", "open_for", "probes", "ramp", "rng")

    def __init__(
        self,
        *,
        open_for: float | timedelta,
        open_growth: float,
        open_cap: float | timedelta | None,
        open_jitter: float,
        open_calls: int,
        probes: int,
        probe_timeout: float | timedelta | None,
        ramp: float | timedelta | None,
        rng: Random | None,
    ) -> None:
        self.open_for: float = _validate.seconds("open_for", open_for)
        self.growth: float = _validate.number("open_growth", open_growth, low=1)
        longest = _validate.optional_seconds("open_cap", open_cap)
        self.cap: float = max(CAP, self.open_for) if longest is None else longest
        if self.cap < self.open_for:
            raise _validate.refuse(
                "open_cap", open_cap, f"it must be at least open_for={open_for!r}"
            )
        self.jitter: float = _validate.number("open_jitter", open_jitter, low=0, high=1)
        self.calls: int = _validate.count("open_calls", open_calls, low=0)
        self.probes: int = _validate.count("probes", probes)
        timeout = _validate.optional_seconds("probe_timeout", probe_timeout)
        self.lease: float = self.cap if timeout is None else timeout
        self.ramp: float | None = _validate.optional_seconds("ramp", ramp)
        if rng is not None and not callable(getattr(rng, "uniform", None)):
            raise _validate.refuse("rng", rng, "it must be a random.Random or None")
        self.rng: Random | None = rng
        reseed_after_fork(rng)

    def opening(self, failed_trials: int) -> float:
        """Draw how long to stay open after so many trials have failed in a row, in seconds."""
        plain = opening(self.open_for, self.growth, self.cap, failed_trials)
        return plain * (self.rng or world.rng).uniform(1.0, 1.0 + self.jitter)

    def admits(self, left: float) -> bool:
        """Draw whether a call passes ``left`` seconds before the end of the ramp.

        Drawn, not counted out: every second call of two kinds in turn would always be of one kind.
        """
        drawn = (self.rng or world.rng).uniform(0.0, 1.0)
        return self.ramp is None or drawn * self.ramp >= left


def opening(open_for: float, growth: float, cap: float, failed_trials: int) -> float:
    """Return how long to stay open after so many trials have failed in a row, in seconds."""
    lasts = open_for
    for _ in range(failed_trials):
        lasts *= growth
        if lasts >= cap:
            return cap
    return lasts
