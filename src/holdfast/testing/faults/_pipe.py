"""One direction of the proxy's traffic, and of one connection through it.

A connection's pipe is a delay line: one task reads and notes when each piece is due, another one waits
until then and passes it on.  What a direction does (`Lane`) can change between any two pieces.
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

    def pause(self, sent: int) -> float:
        """Return how long to wait after a piece of so many bytes, in seconds."""
        bandwidth, sliced = self.get(Bandwidth), self.get(Slice)
        return max(
            0.0 if bandwidth is None else sent / bandwidth.rate,
            0.0 if sliced is None else sliced.every,
        )


class Pipe:
    """Passes on what ``source`` sends to ``target``."""

    def __init__(self, source: Stream, target: Stream, lane: Lane) -> None:
        self._source = source
        self._target = target
        self._lane = lane
        self._under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(PIECES)
        self._version = lane.version
        self._passed = 0

    async def read(self) -> None:
        """Read to the end."""
        loop, due = asyncio.get_running_loop(), 0.0
        data = b"..."
        while data:
            data = await self._source.receive()
            due = max(due, loop.time() + self._lane.delay())
            await self._under_way.put((due, data))

    async def write(self) -> None:
        """Pass on what was read, when it is due, and then the news of the end."""
        loop = asyncio.get_running_loop()
        while True:
            due, data = await self._under_way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                break
            await self._pass_on(data)
        await self._lane.wait_while(Stall, BlackHole)
        self._target.half_close()

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
            cut = self._lane.get(Cut)
            if cut is not None and self._passed >= cut.after:
                raise Severed(reset=cut.reset)
            await asyncio.sleep(self._lane.pause(len(piece)))

    def _room(self) -> int | None:
        """Return how much may be sent at once, up to a cut."""
        if self._version != self._lane.version:
            self._version, self._passed = self._lane.version, 0
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
