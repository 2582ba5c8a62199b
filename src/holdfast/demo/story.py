"""The story: calm, payments hang, payments recover. Played unprotected, then with Holdfast.

Both runs get fresh processes, the same users at the same instants, and the same faults.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from holdfast.demo.load import ask
from holdfast.demo.measure import Record, Run, Sample
from holdfast.demo.processes import START_WITHIN, Child, ChildFailed, Message, running
from holdfast.demo.settings import HANG, NOTIFICATION, PATIENCE, PAYMENT, WARM_UP, Phase, Settings
from holdfast.demo.shop import Setup

TICK = 0.25  # seconds between two looks of the view
LEAD = 0.1  # seconds between giving the start and the first user


class View(Protocol):
    """Who shows the story. Called on the event loop, so it must be quick."""

    def update(self, progress: Progress) -> None:
        """The run goes on: called every `TICK` seconds."""

    def ended(self, run: Run) -> None:
        """The run is over."""


@dataclass(slots=True)
class Progress:
    """One run while it is played. `at` is in seconds from the end of the warm-up."""

    settings: Settings
    protected: bool
    at: float = 0.0
    start: float = 0.0
    finished: bool = False
    records: list[Record] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    latest: dict[str, dict[str, Any]] = field(default_factory=dict)  # figures by process

    @property
    def phase(self) -> Phase | None:
        """Where the story is; None before it, and while the last users wait."""
        return next(
            (phase for phase in self.settings.phases if phase.start <= self.at < phase.end), None
        )

    def hear(self, who: str, message: Message) -> None:
        """Take in what a child says."""
        self.records += [Record(*record) for record in message.get("records", ())]
        self.finished |= "finished" in message
        if "figures" in message:
            self.latest[who] = message["figures"]
            if who == "shop" and self.start:
                self._sample(message["at"] - self.start)

    def run(self) -> Run:
        """What was measured."""
        shop, payments, notifications = (
            self._of(who) for who in ("shop", "payments", "notifications")
        )
        peaks = {
            "workers": shop.get("workers_peak", 0),
            "payments": shop.get("payments_peak", 0),
            "notifications": shop.get("notifications_peak", 0),
            "payment_sockets": payments.get("sockets_peak", 0),
            "notification_sockets": notifications.get("sockets_peak", 0),
        }
        return Run(
            protected=self.protected,
            phases=self.settings.phases,
            records=sorted(self.records),
            samples=self.samples,
            peaks=peaks,
        )

    def _of(self, who: str) -> dict[str, Any]:
        return self.latest.get(who, {})

    def _sample(self, at: float) -> None:
        shop = self._of("shop")
        sample = Sample(
            at,
            shop["workers"],
            shop["payments"],
            shop["notifications"],
            self._of("payments").get("sockets", 0),
            self._of("notifications").get("sockets", 0),
            shop["breakers"].get("payments", ""),
        )
        self.samples.append(sample)


async def play(settings: Settings, view: View) -> tuple[Run, Run]:
    """Both runs: unprotected, with Holdfast."""
    bare = await play_run(settings, view, protected=False)
    held = await play_run(settings, view, protected=True)
    return bare, held


async def play_run(settings: Settings, view: View, *, protected: bool) -> Run:
    """One run, from the start of its processes to their end."""
    progress = Progress(settings, protected, at=-settings.real(WARM_UP))
    view.update(progress)
    async with _cast(progress) as (payments, *others):
        start = progress.start = time.monotonic() + LEAD + settings.real(WARM_UP)
        others[-1].send(start=start)
        loop = asyncio.get_running_loop()
        _, fault, _ = settings.phases
        for instant, hang in ((fault.start, True), (fault.end, False)):
            loop.call_later(start + instant - time.monotonic(), partial(payments.send, hang=hang))
        while not progress.finished:
            await asyncio.sleep(TICK)
            progress.at = time.monotonic() - start
            view.update(progress)
            if not progress.finished:
                for child in (payments, *others):
                    child.check()
    run = progress.run()
    view.ended(run)
    return run


@asynccontextmanager
async def _cast(progress: Progress) -> AsyncIterator[tuple[Child, Child, Child, Child]]:
    """The four processes of one run: payment service, notification service, shop, users."""
    settings = progress.settings

    def hear(who: str) -> Any:
        return lambda message: progress.hear(who, message)

    async with AsyncExitStack() as stack:
        times = {"payments": PAYMENT, "notifications": NOTIFICATION}
        payments, notifications = [
            await stack.enter_async_context(
                running(
                    "service",
                    str(settings.real(seconds)),
                    str(settings.real(HANG)),
                    hear=hear(name),
                )
            )
            for name, seconds in times.items()
        ]
        setup = Setup(
            settings=settings,
            protected=progress.protected,
            payments=payments.url,
            notifications=notifications.url,
        )
        shop = await stack.enter_async_context(
            running(f"shop_{settings.world}", setup.to_json(), hear=hear("shop"))
        )
        users = await stack.enter_async_context(
            running("load", settings.to_json(), str(shop.port), hear=hear("users"))
        )
        await _ready(shop, settings)
        yield payments, notifications, shop, users


async def _ready(shop: Child, settings: Settings) -> None:
    """Wait until the shop answers both pages, which takes all three servers."""
    until = time.monotonic() + START_WITHIN
    for page in ("/pay", "/notify"):
        while not await _answers(shop.port, page):
            shop.check()
            if time.monotonic() > until:
                raise ChildFailed(f"the shop's {page} gave no answer within {START_WITHIN:g} s")
            await asyncio.sleep(settings.real(PATIENCE) / 10)


async def _answers(port: int, page: str) -> bool:
    try:
        async with asyncio.timeout(START_WITHIN):
            outcome, _ = await ask(port, page)
    except (OSError, EOFError):  # among the OSErrors: TimeoutError
        return False
    return outcome == "ok"
