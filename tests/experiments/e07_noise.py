"""Experiment 7: an hour of background noise without an opening, and a hard stop found within a second.

100 calls a second, each fails with probability e, for an hour; then every call fails.  Bars: no false
opening for e = 1 to 30 %, open at most 1 s after the hard stop.

Designs, with what they did (e = 1, 5, 10, 15, 20, 30 %; false openings in 30 hours, 6 for those that
need every call; worst seconds to open at a hard stop):

* five failures in a row: 1,470, and 24 % of all calls blocked; 0.04 s;
* **a run that grows with the noise (`confidence`): none; 0.15 s**;
* Wilson's bound over 1 s, surely more than half failing: none; 0.7 s;
* Wilson's bound over 10 s: none; 5.1 s, since the good calls of before must be outweighed;
* CUSUM (Page 1954) of the likelihood ratio "90 % fail" to "the usual share fails": none; 0.15 s.  It
  also sees an outage that lets one call in ten through, but it must hear of every success to know the
  usual share; the run learns it from the failures alone, so the breaker rests between them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log
from random import Random

from holdfast import CircuitBreaker, CircuitOpenError

RATES = (0.01, 0.05, 0.10, 0.15, 0.20, 0.30)
DOWN = ConnectionError("down")
PATIENCE = 36_000.0
"""Seconds in which even one call a minute shows a hard stop."""

Row = tuple[str, str, str, bool]


class Cusum:
    """A sequential test in place of the run of failures, with the little of a breaker it needs.

    The sum of log-likelihood ratios, never below zero; the usual share is learnt from all outcomes,
    and the limit is as in `holdfast.strategies.noise`: so many restarts an hour, so much doubt.
    """

    resting = None
    _state = "closed"

    def __init__(self, doubt: float = 0.01, outage: float = 0.9) -> None:
        self.doubt, self.outage = doubt, outage
        self.calls, self.failures, self.sum = 20.0, 2.0, 0.0
        self.began: float | None = None
        self._epoch = 0

    def enter(self, now, args, kwargs):
        self.began = now if self.began is None else self.began
        return now

    def count(self, now, *, failed):
        usual = min(0.5, max(0.01, self.failures / self.calls))
        share = self.outage / usual if failed else (1 - self.outage) / (1 - usual)
        self.sum = max(0.0, self.sum + log(share))
        hourly = self.calls * 3600.0 / max(1.0, now - self.began)
        if self.sum >= log(hourly / self.doubt):
            self.sum = 0.0
            self._epoch += 1
        else:
            self.calls, self.failures = self.calls + 1, self.failures + failed

    def succeeded(self, permit, now, result):
        self.count(now, failed=False)

    def failed(self, permit, now, error):
        self.count(now, failed=True)


DESIGNS: dict[str, Callable[[], object]] = {
    "five in a row": lambda: CircuitBreaker(rng=Random(0)),
    "growing run": lambda: CircuitBreaker(confidence=0.99, rng=Random(0)),
    "Wilson, 1 s": lambda: CircuitBreaker(
        failures=None, failure_rate=0.5, window=1.0, min_calls=5, confidence=0.9999, rng=Random(0)
    ),
    "Wilson, 10 s": lambda: CircuitBreaker(
        failures=None, failure_rate=0.5, window=10.0, min_calls=5, confidence=0.9999, rng=Random(0)
    ),
    "CUSUM": Cusum,
}


@dataclass
class Told:
    """What happened in one run."""

    calls: int = 0
    blocked: int = 0
    opened: int = 0
    opened_after: float | None = None
    """Seconds from the hard stop to the opening."""


def play(breaker, error_rate: float, *, rate: float, seconds: float, seed: int) -> Told:
    """Call through ``breaker`` for so long, with that share of failures, then stop everything."""
    rng, told, now, step = Random(seed), Told(), 0.0, 1.0 / rate
    while now < seconds:
        if breaker.resting is not None:  # successes change nothing then: on to the next failure
            passed = int(log(1.0 - rng.random()) / log(1.0 - error_rate))
            told.calls += passed
            now += passed * step
            failed = True
        else:
            failed = rng.random() < error_rate
        now += step
        told.calls += 1
        _call(breaker, now, told, failed=failed)
    if breaker._state == "closed":
        stopped, opened = now, told.opened
        while told.opened == opened and now < stopped + PATIENCE:
            now += step
            _call(breaker, now, told, failed=True)
        told.opened_after = now - stopped
        told.opened = opened
    return told


def _call(breaker, now: float, told: Told, *, failed: bool) -> None:
    try:
        permit = breaker.enter(now, (), {})
    except CircuitOpenError:
        told.blocked += 1
        return
    if failed:
        epoch = breaker._epoch
        breaker.failed(permit, now, DOWN)
        told.opened += breaker._epoch > epoch
    elif permit is not breaker.resting:
        breaker.succeeded(permit, now, None)


def hours(design: str, *, seconds: float = 3600.0, seeds: int = 5, rate: float = 100.0) -> Told:
    """Play a design at each error rate with each seed; return the sums, and the worst delay."""
    total = Told(opened_after=0.0)
    for error_rate in RATES:
        for seed in range(seeds):
            told = play(DESIGNS[design](), error_rate, rate=rate, seconds=seconds, seed=seed)
            total.calls += told.calls
            total.blocked += told.blocked
            total.opened += told.opened
            if told.opened_after is not None:
                total.opened_after = max(total.opened_after, told.opened_after)
    return total


def report() -> list[Row]:
    """Return the figures at full length; designs that need every call are played with one seed."""
    rows: list[Row] = []
    for design in DESIGNS:
        seeds = 1 if "Wilson" in design or design == "CUSUM" else 5
        told = hours(design, seeds=seeds)
        ours = design == "growing run"
        opened = f"{told.opened} ({told.blocked / told.calls:.1%} blocked)"
        after = told.opened_after
        rows += [
            (
                f"{design}: false opens in {6 * seeds} h",
                opened,
                "0" if ours else "",
                told.opened == 0,
            ),
            (
                f"{design}: open after a hard stop",
                f"{after:.2f} s",
                "1 s" if ours else "",
                after <= 1,
            ),
        ]
    return rows + low_traffic()


def low_traffic(seeds: int = 5) -> list[Row]:
    """Return what a day brings at 1, 10 and 1,000 calls a minute of which 30 % fail."""
    rows: list[Row] = []
    for design in ("five in a row", "growing run"):
        for minutely in (1, 10, 1000):
            days = [
                play(DESIGNS[design](), 0.3, rate=minutely / 60, seconds=86_400.0, seed=seed)
                for seed in range(seeds)
            ]
            after = max((one.opened_after or 0.0 for one in days), default=0.0)
            figure = f"{sum(one.opened for one in days) / seeds:.1f}, {after:.1f} s"
            what = f"{design}, {minutely} a minute: false opens a day, open after a hard stop"
            rows.append((what, figure, "", True))
    return rows
