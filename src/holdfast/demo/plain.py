"""The view without a terminal: one line per second of the story, and one per bar at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, TextIO

from holdfast.demo.bars import Bar
from holdfast.demo.glance import TITLES, milliseconds, rows
from holdfast.demo.measure import Run
from holdfast.demo.settings import Settings
from holdfast.demo.story import Progress


class Plain:
    """Prints to `out` as the story goes."""

    def __init__(self, settings: Settings, out: TextIO) -> None:
        self._out = out
        self._second = -1
        self._told: tuple[bool, str] | None = None
        self._say("\n".join(f"{what}: {how_much}" for what, how_much in settings.sizes()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, progress: Progress) -> None:
        """Tell of a new phase, and each second how it goes."""
        phase = (
            progress.phase.name
            if progress.phase
            else "warm-up"
            if progress.at < 0
            else "last answers"
        )
        if (progress.protected, phase) != self._told:
            self._told = (progress.protected, phase)
            self._say(f"{TITLES[progress.protected]}: {phase}")
        second = int(progress.at * progress.settings.speed)
        if second != self._second and progress.at > 0:
            self._second = second
            self._say(_line(progress))

    def ended(self, run: Run) -> None:
        """Nothing to add: the verdicts come at the end."""

    def verdicts(self, bars: Sequence[Bar]) -> None:
        """The bars, one per line."""
        for bar in bars:
            verdict = "met    " if bar.met else "NOT MET"
            self._say(
                f"{verdict}  {bar.figure}: unprotected {bar.unprotected}, "
                f"with Holdfast {bar.holdfast}  [{bar.limit}]"
            )
        met = sum(bar.met for bar in bars)
        self._say(f"{met} of {len(bars)} bars are met")

    def note(self, text: str) -> None:
        """A remark."""
        self._say(text)

    def _say(self, text: str) -> None:
        print(text, file=self._out, flush=True)


def _line(progress: Progress) -> str:
    shop, payments, notifications = rows(progress)
    latencies = (f"{row.name} {milliseconds(row.p99)}" for row in (payments, notifications))
    return (
        f"  {progress.at:5.1f} s"
        f"  done {shop.done:3.0f}/s  queued {shop.fallback:3.0f}/s  failed {shop.failed:3.0f}/s"
        f"  p99 {', '.join(latencies)}"
        f"  in use {shop.in_use}, {payments.in_use} to payments"
        f"  breaker {payments.breaker}"
    )
