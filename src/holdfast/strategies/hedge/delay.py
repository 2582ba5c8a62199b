"""When to hedge: after how long without an answer another attempt is worth its load.

`quantile` is the rule of "The Tail at Scale" (Dean and Barroso, CACM 2013), Finagle's
``BackupRequestFilter`` and failsafe-go: hedge what is slower than, say, 95 % of the calls.  The right
percentage depends on how many stragglers there are, which nobody knows: with 5 % of them p95 comes too
late (it lies among them) and p90 too early (every second hedge is for a call that was about to end).

`knee` looks for the place instead.  The hazard h(t) = f(t) / S(t) is the rate at which calls that have
waited t end; 1 / h(t) is how long such a call is expected to go on at that rate.  Within the body of
the distribution that is shorter than a fresh attempt would take; past the body only stragglers are
left, and it jumps.  The delay is where it first exceeds ``factor`` medians: from there on a fresh
attempt is the better bet.

**Censoring.**  Of a first attempt that lost to its hedge only a lower bound is known.  Left out, only
the quick ones would count, and the delay would shrink with each round; taken for a duration, calls would
seem to end in numbers just when hedges win.  So the shares S(t) of calls that are longer than t come
from the estimator of Kaplan and Meier (JASA 1958), which takes each lower bound for just what it says:
that call was still going on then.  Cancelled calls and failures are no
samples; a timeout is a lower bound.
"""

from __future__ import annotations

import threading
from math import inf, log
from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast._value import Value
from holdfast.strategies.quantile import Quantiles

if TYPE_CHECKING:
    from datetime import timedelta

REFRESH = 1.0
"""Seconds for which a delay is kept: reckoning one takes some 100 microseconds."""

FLOOR = 0.001
"""Seconds; as in Finagle: below it timers and threads cost more than waiting."""

SLOW = 2.0
"""How many times its usual self the median must be for everything to count as slow."""

FORGET = 600.0
"""Seconds after which the usual median has doubled, if it can: a new normal is accepted in the end."""

ERROR = 0.02
"""The relative error of the sketches, ..."""

BUCKET = (1.0 - ERROR) / (1.0 + ERROR)
"""... and the ratio of a bucket's edges that follows from it."""

Survival = list[tuple[float, float]]
"""(duration, share of calls that are longer), ascending."""


def edges(sketch: Quantiles, now: float) -> list[tuple[float, int]]:
    """Return what a sketch holds by the upper edges of its buckets: no call shall be longer than it."""
    return [(value / (1.0 - ERROR), count) for value, count in sketch.buckets(now)]


def survival(ended: list[tuple[float, int]], going: list[tuple[float, int]]) -> Survival:
    """Return the shares of calls that last longer, by Kaplan and Meier.

    Args:
        ended: how long calls took, and how many of them; ascending.
        going: how long calls had been going on when their end ceased to matter; ascending.
    """
    at_risk = sum(count for _, count in ended) + sum(count for _, count in going)
    curve: Survival = []
    share, place = 1.0, 0
    for duration, count in ended:
        while place < len(going) and going[place][0] < duration:
            at_risk -= going[place][1]
            place += 1
        share *= 1.0 - count / at_risk
        at_risk -= count
        curve.append((duration, share))
    return curve


def exceeded_by(curve: Survival, share: float) -> float:
    """Return the duration that at most ``share`` of the calls exceed, or the longest one known."""
    for duration, longer in curve:
        if longer <= share:
            return duration
    return curve[-1][0]


class Fixed:
    """A delay that was given; only the quickest answer is learnt, for the deadline's sake."""

    __slots__ = ("delay", "quick", "slow")

    def __init__(self, delay: float) -> None:
        self.delay: float | None = delay
        self.quick: float = inf
        self.slow: bool = False

    def after_fork(self) -> None:
        """Nothing to do: there is no lock."""

    def ended(self, seconds: float, _now: float) -> None:
        """Learn that a first attempt took ``seconds``."""
        if seconds < self.quick:  # noqa: PLR1730 - min() takes twice as long
            self.quick = seconds

    def going(self, seconds: float, now: float) -> None:
        """Learn that a first attempt took more than ``seconds``."""

    def snapshot(self, _now: float) -> dict[str, Any]:
        """Return what is known as plain data: nothing."""
        return {}


class Learning:
    """What the first attempts of one `Hedge` have taken, and the delay that follows.  Thread-safe.

    It also tells whether everything is slow, not only some stragglers: whether the median is more than
    twice what it used to be.  Then the dependency is in trouble, and more load is what it needs least.
    """

    __slots__ = (
        "_due", "_ended", "_going", "_lock", "_rule", "_usual", "delay", "median", "quick", "slow",
    )  # fmt: skip

    def __init__(self, rule: quantile | knee) -> None:
        self._rule = rule
        self._ended: Quantiles = Quantiles(rule.window, ERROR)
        self._going: Quantiles = Quantiles(rule.window, ERROR)
        self._due: float | None = None
        self._usual: float = inf
        self.delay: float | None = None
        """In seconds; None until enough is known."""
        self.median: float | None = None
        self.quick: float = 0.0
        """What 95 % of the calls take longer than, in seconds."""
        self.slow: bool = False
        self.after_fork()

    def after_fork(self) -> None:
        """Take a new lock: the old one may be held by a thread that the child doesn't have."""
        self._lock = threading.RLock()

    def ended(self, seconds: float, now: float) -> None:
        """Learn that a first attempt took ``seconds``."""
        with self._lock:
            self._ended.add(seconds, now)
            if self._due is None or now >= self._due:
                self._reckon_locked(now)

    def going(self, seconds: float, now: float) -> None:
        """Learn that a first attempt took more than ``seconds``."""
        with self._lock:
            self._going.add(seconds, now)

    def _reckon_locked(self, now: float) -> None:
        ended = self._ended.count(now)
        if ended + self._going.count(now) < self._rule.min_samples:
            return  # what is known stays
        curve = survival(edges(self._ended, now), edges(self._going, now))
        median = exceeded_by(curve, 0.5)
        elapsed = REFRESH if self._due is None else now - self._due + REFRESH
        self._usual = min(median, self._usual * (1.0 + elapsed / FORGET))
        self._due = now + REFRESH
        self.slow = median > SLOW * self._usual
        self.median = median
        self.quick = exceeded_by(curve, 0.95)
        self.delay = max(self._rule.floor, self._rule.of(curve))

    def snapshot(self, now: float) -> dict[str, Any]:
        """Return what is known as plain data."""
        with self._lock:
            return {
                "samples": self._ended.count(now), "censored": self._going.count(now),
                "median": self.median, "slow": self.slow,
            }  # fmt: skip


class quantile(Value):  # noqa: N801 - reads as a word: Hedge(after=quantile(0.95))
    """Hedge what is slower than a share ``q`` of the calls: at most 1 - ``q`` are hedged.

    A value; each `Hedge` that gets it learns for itself.

    Args:
        q: the share of calls that end before, greater than 0 and less than 1.
        floor: the shortest delay, in seconds.
        window: for how long a call counts, in seconds.
        min_samples: how many calls must be known before any is hedged.

    Raises:
        ConfigurationError: for a value outside its range.
    """

    __slots__ = _options = ("q", "floor", "window", "min_samples")
    q: float
    floor: float
    window: float
    min_samples: int

    def __init__(
        self,
        q: float = 0.95,
        *,
        floor: float | timedelta = FLOOR,
        window: float | timedelta = 30.0,
        min_samples: int = 100,
    ) -> None:
        if _validate.number("q", q, low=0, high=1, above=True) == 1:
            raise _validate.refuse("q", q, "it must be a number greater than 0 and less than 1")
        self._set(
            q=float(q), floor=_validate.seconds("floor", floor),
            window=_validate.seconds("window", window),
            min_samples=_validate.count("min_samples", min_samples),
        )  # fmt: skip

    def of(self, curve: Survival) -> float:
        """Return the delay for a distribution, in seconds."""
        return exceeded_by(curve, 1.0 - self.q)


class knee(Value):  # noqa: N801 - reads as a word: Hedge(after=knee())
    """Hedge just past the body of the distribution: where an answer is no longer about to come.

    Where there is no such place (everything is equally quick, or the tail is an even one) the delay
    lies beyond almost every call.  A value; each `Hedge` that gets it learns for itself.

    Args:
        factor: how many times the median a call must be expected to go on for; greater than 0.
        max_extra: the greatest share of calls to hedge, from above 0 to 1.
        floor: the shortest delay, in seconds.
        window: for how long a call counts, in seconds.
        min_samples: how many calls must be known before any is hedged.

    Raises:
        ConfigurationError: for a value outside its range.
    """

    __slots__ = _options = ("factor", "max_extra", "floor", "window", "min_samples")
    factor: float
    max_extra: float
    floor: float
    window: float
    min_samples: int

    def __init__(
        self,
        factor: float = 2.5,
        *,
        max_extra: float = 0.1,
        floor: float | timedelta = FLOOR,
        window: float | timedelta = 30.0,
        min_samples: int = 100,
    ) -> None:
        self._set(
            factor=_validate.number("factor", factor, low=0, above=True),
            max_extra=_validate.share("max_extra", max_extra),
            floor=_validate.seconds("floor", floor), window=_validate.seconds("window", window),
            min_samples=_validate.count("min_samples", min_samples),
        )  # fmt: skip

    def of(self, curve: Survival) -> float:
        """Return the delay for a distribution, in seconds."""
        median = exceeded_by(curve, 0.5)
        reach = median / 4  # the hazard is measured over twice this span, so that noise evens out
        for place, (duration, longer) in enumerate(curve):
            delay = duration + reach
            if longer == 0.0 or share_beyond(curve, delay, place) > self.max_extra:
                continue
            after = share_beyond(curve, delay + reach, place)
            if after > 0.0 and log(longer / after) / (2 * reach) * self.factor * median <= 1.0:
                return delay
        return curve[-1][0] + reach


def share_beyond(curve: Survival, duration: float, near: int) -> float:
    """Return the share that takes longer than ``duration``, which is not before the point ``near``.

    What a bucket holds is spread evenly over it; between two that are apart there is nothing.
    """
    while near + 1 < len(curve) and curve[near + 1][0] <= duration:
        near += 1
    left, more = curve[near]
    if near + 1 == len(curve):
        return more
    right, less = curve[near + 1]
    left = max(left, right * BUCKET)
    return more + (less - more) * max(0.0, duration - left) / (right - left)
