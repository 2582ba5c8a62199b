"""The users: they arrive on schedule, whatever becomes of those before them.

Latency counts from the instant at which a user meant to ask, not from when the generator got round to
it; so a generator that is late, or a shop that doesn't accept connections, can't hide what users feel
("coordinated omission"). A user who has no answer after the patience gives up, and that is a failure.

``python -m holdfast.demo.load SETTINGS PORT``, then the command ``{"start": monotonic seconds}``.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from holdfast.demo.measure import Record
from holdfast.demo.schedule import Arrival, arrivals
from holdfast.demo.serving import settled
from holdfast.demo.settings import PATIENCE, SHARE_OF_PAYMENTS, WARM_UP, Settings
from holdfast.demo.wire import REPORT_EVERY, Wire


async def ask(port: int, page: str) -> tuple[str, str]:
    """One exchange on a connection of its own, as another user would; returns (outcome, why).

    Spelt out instead of done by a client library: the generator shares the machine with what it
    measures, and this takes it a fraction of a millisecond.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {page} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    finally:
        writer.close()
    fields = [line.partition(":") for line in head.splitlines()[1:]]
    headers = {name.lower(): value.strip() for name, _, value in fields}
    return headers.get("x-outcome", "failed"), headers.get("x-why", "")


class Users:
    """All users of one run."""

    def __init__(self, settings: Settings, port: int, start: float) -> None:
        self._port = port
        self._start = start
        self._patience = settings.real(PATIENCE)
        self._schedule = arrivals(
            rate=settings.rate,
            share_of_payments=SHARE_OF_PAYMENTS,
            start=-settings.real(WARM_UP),
            end=settings.phases[-1].end,
            seed=settings.seed,
        )
        self._done: list[Record] = []

    async def play(self) -> None:
        """Send every user on time; return when the last has an answer, or has given up."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as visits:

            def send(arrival: Arrival) -> None:
                visits.create_task(self._visit(arrival))

            await asyncio.to_thread(
                self._pace, lambda arrival: loop.call_soon_threadsafe(send, arrival)
            )

    def take(self) -> list[Record]:
        """The records since the last `take`."""
        done, self._done = self._done, []
        return done

    def _pace(self, send: Callable[[Arrival], object]) -> None:
        """Send on time. A thread wakes within 0.1 ms, asyncio's timers within one or two."""
        for arrival in self._schedule:
            time.sleep(max(0.0, self._start + arrival.at - time.monotonic()))
            send(arrival)

    async def _visit(self, arrival: Arrival) -> None:
        intended = self._start + arrival.at
        late = time.monotonic() - intended
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(
                loop.time() + intended + self._patience - time.monotonic()
            ):
                outcome, why = await ask(self._port, arrival.page)
        except TimeoutError:
            outcome, why = "failed", "user gave up"
        except (OSError, EOFError) as error:
            outcome, why = "failed", type(error).__name__
        self._done.append(
            Record(arrival.at, arrival.page, outcome, why, time.monotonic() - intended, late)
        )


async def main(settings: Settings, port: int) -> None:
    """Wait for the start, play all users, and hand the records on as they come."""
    wire, loop = Wire(), asyncio.get_running_loop()
    start: asyncio.Future[float] = loop.create_future()

    def obey(command: Mapping[str, Any]) -> None:
        loop.call_soon_threadsafe(start.set_result, command["start"])

    wire.hear(obey)
    wire.say(ready=True)
    settled()
    users = Users(settings, port, await start)
    playing = asyncio.create_task(users.play())
    while not playing.done():
        await asyncio.wait([playing], timeout=REPORT_EVERY)
        wire.say(records=users.take())
    playing.result()
    wire.say(finished=True)


if __name__ == "__main__":
    asyncio.run(main(Settings.from_json(sys.argv[1]), int(sys.argv[2])))
