"""The bodies of responses: they end in time, and tell when they end.

A body is read after the transport has returned, so no strategy stands around it.  It looks at the time
itself: the blocking one between two chunks, and through the socket's timeout, which is set to what is
left when the reading begins; so it ends at most one ``read`` timeout late.  The async one ends exactly
in time.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any, Protocol

from holdfast._world import now
from holdfast.errors import HoldfastError
from holdfast.integrations._lifetime import SHORTEST, Lasting

DRAIN = 65_536
"""Bytes of a failed response that are read at once, so that its connection is free for others."""

DRAIN_TIME = 1.0
"""Seconds that this may take, or half of what is left of the attempt: the status is what matters."""

DRAIN_HEDGED = 1_048_576
"""The same where a request is hedged: its failed responses are kept side by side, not one by one."""


class Owner(Protocol):
    """What a body asks of the request that it belongs to."""

    @property
    def due(self) -> float:
        """The instant at which the reading must end."""

    def late(self) -> Exception:
        """Return the error for a body that took too long."""

    def stalled(self) -> Exception:
        """Return the error for the body of a failed answer that did not come."""

    @property
    def timeouts(self) -> type[Exception]:
        """The client's own timeouts."""


class _Body(Lasting):
    """What the two have in common."""

    def __init__(self, stream: Any, owner: Owner) -> None:
        super().__init__()
        self._stream = stream
        self._owner = owner
        self._head: list[bytes] = []
        self._kept = 0
        self._rest: Any = None
        self._broken: Exception | None = None
        """What went wrong while it was read in advance."""

    def _broke(self, error: Exception) -> None:
        """Note that it broke, or stalled, while it was read in advance: its reader hears of it."""
        self._broken = self._owner.stalled() if isinstance(error, HoldfastError) else error

    def _check(self, slack: float = 0.0, cause: Exception | None = None) -> None:
        if now() >= self._owner.due - slack:
            raise self._owner.late() from cause

    def _keep(self, chunk: bytes, limit: int) -> bool:
        """Keep a chunk that was read in advance; return whether there is room for another one."""
        self._head.append(chunk)
        self._kept += len(chunk)
        return self._kept < limit


class BlockingBody(_Body):
    """For `httpx.Client`; combined with its ``SyncByteStream``."""

    def __iter__(self) -> Iterator[bytes]:
        yield from self._head
        if self._broken is not None:
            raise self._broken
        while self.open and (chunk := self._next()) is not None:
            yield chunk

    def drain(self, limit: int) -> None:
        """Read a small body to its end, so that its connection is free; keep what was read.

        Whatever goes wrong with it: the answer stands, and its connection is closed.
        """
        try:
            while (chunk := self._next()) is not None and self._keep(chunk, limit):
                pass
        except Exception as error:  # noqa: BLE001 - a client's own transport may raise anything
            self._broke(error)
            with suppress(Exception):
                self.close()

    def _next(self) -> bytes | None:
        """Return the next chunk in time; close, and return None, at the end."""
        if self._rest is None:
            self._rest = iter(self._stream)
        try:
            chunk: bytes | None = next(self._rest, None)
        except self._owner.timeouts as error:
            self._check(SHORTEST, error)
            raise
        if chunk is None:
            self.close()
        else:
            self._check()
        return chunk

    def close(self) -> None:
        """Give the connection and the room back."""
        if self.open:
            self.open = False
            try:
                self._stream.close()
            finally:
                self._ended()


class AsyncBody(_Body):
    """For `httpx.AsyncClient`; combined with its ``AsyncByteStream``."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for kept in self._head:
            yield kept
        if self._broken is not None:
            raise self._broken
        while self.open and (chunk := await self._next()) is not None:
            yield chunk

    async def drain(self, limit: int) -> None:
        """Read a small body to its end, so that its connection is free; keep what was read.

        Whatever goes wrong with it: the answer stands, and its connection is closed.
        """
        try:
            while (chunk := await self._next()) is not None and self._keep(chunk, limit):
                pass
        except Exception as error:  # noqa: BLE001 - a client's own transport may raise anything
            self._broke(error)
            with suppress(Exception):
                await self.aclose()

    async def _next(self) -> bytes | None:
        """Return the next chunk in time; close, and return None, at the end."""
        if self._rest is None:
            self._rest = aiter(self._stream)
        self._check()
        chunk = await self._in_time()
        if chunk is None:
            await self.aclose()
        return chunk

    async def _in_time(self) -> bytes | None:
        due = self._owner.due
        if due == math.inf:
            return await self._awaited()
        import asyncio  # those who have no async client need not pay for it

        try:
            async with asyncio.timeout(due - now()) as scope:
                return await self._awaited()
        except TimeoutError as error:
            if scope.expired() and not isinstance(error, HoldfastError):
                raise self._owner.late() from error
            raise

    async def _awaited(self) -> bytes | None:
        try:
            chunk: bytes = await anext(self._rest)
        except StopAsyncIteration:
            return None
        except self._owner.timeouts as error:
            self._check(SHORTEST, error)
            raise
        return chunk

    async def aclose(self) -> None:
        """Give the connection and the room back."""
        if self.open:
            self.open = False
            try:
                await self._stream.aclose()
            finally:
                self._ended()
