"""`instant` and `off`: for tests of code that uses Holdfast and that are not about Holdfast."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from holdfast.shapes import Attempt, Gate, Site, Wait
from holdfast.testing._seams import Layer, put_on, take_off

if TYPE_CHECKING:
    from holdfast.strategies.retry import Retry


class _Over:
    """A runtime on top of another one: what it doesn't change is that of the one below."""

    within: Any
    answer: Any

    def __init__(self, below: Any) -> None:
        self._below = below

    @property
    def now(self) -> Callable[[], float]:
        """The clock of the runtime below."""
        now: Callable[[], float] = self._below.now
        return now

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)


class _InstantBlocking(_Over):
    def sleep(self, _delay: float) -> None:
        """Return at once."""

    def wait(self, gate: Gate, wait: Wait, site: Site) -> Any:
        """Wait for a ticket; a delay alone is over at once."""
        return self._below.wait(gate, wait if wait.ticket else Wait(wait.permit), site)

    def attempts(self, retry: Retry) -> Iterator[Attempt]:
        """Return the loop over a retry's attempts."""
        from holdfast.attempts import BlockingAttempts

        return BlockingAttempts(retry, self)


class _InstantAsyncio(_Over):
    async def sleep(self, _delay: float) -> None:
        """Let other tasks have a turn."""
        await self._below.sleep(0.0)

    async def wait(self, gate: Gate, wait: Wait, site: Site) -> Any:
        """Wait for a ticket; a delay alone is over at once."""
        return await self._below.wait(gate, wait if wait.ticket else Wait(wait.permit), site)

    def attempts(self, retry: Retry) -> AsyncIterator[Attempt]:
        """Return the loop over a retry's attempts."""
        from holdfast.attempts import AsyncAttempts

        return AsyncAttempts(retry, self)


def _once(retry: Retry) -> Retry:
    return type(retry)(1, on=())


class _OffBlocking(_Over):
    def attempts(self, retry: Retry) -> Iterator[Attempt]:
        """Return a loop of one attempt, whose exception passes."""
        once: Iterator[Attempt] = self._below.attempts(_once(retry))
        return once


class _OffAsyncio(_Over):
    def attempts(self, retry: Retry) -> AsyncIterator[Attempt]:
        """Return a loop of one attempt, whose exception passes."""
        once: AsyncIterator[Attempt] = self._below.attempts(_once(retry))
        return once


@contextmanager
def instant() -> Generator[None]:
    """Make all delays of retries (and of limiters) take no time, on whatever clock is in force.

    Nothing else changes: attempts, budgets and breakers count as ever, timeouts are what they were,
    and a caller that queues for a permit waits until it gets it.
    """
    with _layer(_InstantBlocking, _InstantAsyncio):
        yield


@contextmanager
def off() -> Generator[None]:
    """Let protected functions run as if they were not: every strategy is bypassed.

    Retry loops make one attempt, and ``with pipeline:`` asks nobody.
    """
    with _layer(_OffBlocking, _OffAsyncio, bypass=True):
        yield


@contextmanager
def _layer(blocking: type[_Over], aio: type[_Over], *, bypass: bool = False) -> Generator[None]:
    layer = Layer(bypass=bypass, wrappers={"blocking": blocking, "asyncio": aio})
    put_on(layer)
    try:
        yield
    finally:
        take_off(layer)
