"""One direction of the proxy's traffic, and of one connection through it.

A connection's pipe is a delay line: one task reads and notes when each piece is due, another one waits
until then and passes it on, in order, and last the news of how it ended.  What a direction does (`Lane`)
can change between any two pieces; what was held back by what is gone then goes on at once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from typing import Any, TypeVar

from holdfast import _validate
from holdfast.testing.faults._stream import Stream
from holdfast.testing.faults.impairments import (
    Bandwidth,
    BlackHole,
    Cut,
    Impairment,
    Latency,
    Slice,
    Stall,
)

I = TypeVar("I", bound=Impairment)  # noqa: E741 - one of the impairments

PIECES = 64
"""How many pieces, of up to 64 KiB, are under way at most; beyond that the sender has to wait."""
STEP = 0.01
"""A limited bandwidth sends what is due every so many seconds."""


News = bytes | OSError
"""What a source said: some bytes, an end (no bytes), or a reset."""


class Severed(Exception):
    """The connection has reached its `Cut`."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self.reset: bool = reset


class Lane:
    """What happens in one direction, on all connections; for one event loop."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._present: dict[type[Impairment], Impairment] = {}
        self._changed = asyncio.Event()
        self.version: int = 0
        self.bytes: int = 0

    def set(self, impairments: dict[type[Impairment], Impairment]) -> None:
        """Put others in the place of the present ones."""
        self._present = impairments
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def get(self, kind: type[I]) -> I | None:
        """Return the one of this kind, if there is one."""
        return self._present.get(kind)  # type: ignore[return-value] # by_kind() made the dict

    async def rest(self, seconds: float) -> None:
        """Return after so many seconds, or as soon as there are other impairments."""
        if seconds <= 0.0:
            await asyncio.sleep(0.0)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def wait_while(self, *kinds: type[Impairment]) -> None:
        """Return when there is none of ``kinds``."""
        while any(kind in self._present for kind in kinds):
            await self._changed.wait()

    def delay(self) -> float:
        """Return the latency of a piece that arrives now, in seconds."""
        latency = self.get(Latency)
        if latency is None:
            return 0.0
        jitter = self._rng.uniform(-latency.jitter, latency.jitter) if latency.jitter else 0.0
        return max(0.0, latency.seconds + jitter)

    def most(self) -> int | None:
        """Return how many bytes may be sent at once."""
        bandwidth, sliced = self.get(Bandwidth), self.get(Slice)
        limits = [max(1, int(bandwidth.rate * STEP))] if bandwidth is not None else []
        limits += [sliced.size] if sliced is not None else []
        return min(limits, default=None)

    def takes(self, sent: int) -> float:
        """Return how long so many bytes occupy the line, in seconds."""
        bandwidth = self.get(Bandwidth)
        return 0.0 if bandwidth is None else sent / bandwidth.rate

    def gap(self) -> float:
        """Return how long to wait at least between two pieces, in seconds."""
        sliced = self.get(Slice)
        return 0.0 if sliced is None else sliced.every


class Pipe:
    """Passes on what ``source`` sends to ``target``."""

    def __init__(self, source: Stream, target: Stream, lane: Lane) -> None:
        self._source = source
        self._target = target
        self._lane = lane
        self._loop = asyncio.get_running_loop()
        self._under_way: asyncio.Queue[tuple[float, int, News]] = asyncio.Queue(PIECES)
        self._version = lane.version
        self._passed = 0
        self._free = 0.0
        self._done = asyncio.Event()

    async def read(self) -> None:
        """Read to the end, be it one in order or a reset."""
        due, version = 0.0, self._lane.version
        news: News = b"..."
        while news and isinstance(news, bytes):
            try:
                news = await self._source.receive()
            except OSError as error:
                news = error
            if version != self._lane.version:  # what is under way need not be waited for any more
                due, version = 0.0, self._lane.version
            due = max(due, self._loop.time() + self._lane.delay())
            await self._under_way.put((due, version, news))

    async def write(self, back: Pipe) -> None:
        """Pass on what was read, when it is due, and then the news of the end.

        If the target is gone, that is news for ``back``, the other direction, after all that was said.
        """
        try:
            end = await self._pass_all_on()
        except OSError:
            await back.ended()
            raise
        await self._lane.wait_while(Stall, BlackHole)
        if isinstance(end, OSError):
            raise end
        self._target.half_close()
        self._done.set()

    async def ended(self) -> None:
        """Return when everything was passed on, with the news of an end in order."""
        await self._done.wait()

    async def _pass_all_on(self) -> News:
        while True:
            due, version, news = await self._under_way.get()
            if version == self._lane.version:
                await self._lane.rest(due - self._loop.time())
            if not news or isinstance(news, OSError):
                return news
            await self._pass_on(news)

    async def _pass_on(self, data: bytes) -> None:
        while data:
            await self._lane.wait_while(Stall)
            if self._lane.get(BlackHole) is not None:
                return
            piece = data[: self._room()]
            data = data[len(piece) :]
            self._passed += len(piece)
            self._lane.bytes += len(piece)  # before anybody can see that they have come
            await self._target.send(piece)
            cut = self._lane.get(Cut) if self._version == self._lane.version else None
            if cut is not None and self._passed >= cut.after:
                raise Severed(reset=cut.reset)
            await self._lane.rest(self._pause(len(piece)))

    def _pause(self, sent: int) -> float:
        """Return how long to wait before the next piece; a timer that was late is made up for."""
        now = self._loop.time()
        begun = self._free if self._free > now - STEP else now
        self._free = begun + self._lane.takes(sent)
        return max(self._free - now, self._lane.gap())

    def _room(self) -> int | None:
        """Return how much may be sent at once, up to a cut."""
        if self._version != self._lane.version:
            self._version, self._passed, self._free = self._lane.version, 0, 0.0
        size, cut = self._lane.most(), self._lane.get(Cut)
        if cut is None:
            return size
        left = cut.after - self._passed
        return left if size is None else min(size, left)


def by_kind(impairments: Iterable[Any]) -> dict[type[Impairment], Impairment]:
    """Return the impairments by kind; there may be one of each."""
    found: dict[type[Impairment], Impairment] = {}
    for one in impairments:
        if not isinstance(one, Impairment):
            allowed = "it must be Latency(0.1), Bandwidth(1000), Stall() or another impairment"
            raise _validate.refuse("impairments", one, allowed)
        if type(one) in found:
            raise _validate.refuse("impairments", one, f"there is {found[type(one)]!r} already")
        found[type(one)] = one
    return found
