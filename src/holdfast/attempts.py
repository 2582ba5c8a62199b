"""Retry as a loop, for code that is no function: ``for attempt in retry: with attempt: ...``.

The `with` block tells how the attempt ended, the loop waits before the next one.  Results can't be
seen from here, so conditions on results don't apply.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from holdfast.errors import Misuse
from holdfast.shapes import Again, Earlier, History

if TYPE_CHECKING:
    from holdfast._runtimes.port import AsyncRuntime, BlockingRuntime
    from holdfast.strategies.retry import Retry

LOOP = "retry loop"
"""What stands for the pipeline's name in notes and events."""


class Attempt:
    """One attempt of a retry loop; use it as ``with attempt:``, once.

    Attributes:
        number: from 1.
    """

    __slots__ = ("_loop", "number")

    def __init__(self, loop: _Attempts, number: int) -> None:
        self._loop = loop
        self.number: int = number

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return self._loop.ended(error)


class _Attempts:
    """What both loops share: all but the waiting."""

    def __init__(self, retry: Retry, runtime: AsyncRuntime | BlockingRuntime) -> None:
        self._retry = retry
        self._now = runtime.now
        self._history: History | None = None
        self._started = self._now()
        self._number = 0
        self._delay: float | None = 0.0
        """Before the next attempt, in seconds; None when there is none."""

    def ended(self, error: BaseException | None) -> bool:
        """Take an attempt's end; return whether its exception is dealt with."""
        self._delay = None
        if not isinstance(error, Exception):
            if self._history is not None:
                self._history.last = None  # no cycle: its traceback keeps the user's frame
            if error is None and self._retry.credit is not None:
                self._retry.credit()
            return False
        history = self._history
        if history is None:
            history = self._history = History(LOOP, self._now(), self._started)
        history.ended(self._now())
        verdict = self._retry.after_error(error, history)
        if isinstance(verdict, Again):
            self._delay = verdict.delay
            return True
        history.last = None
        if isinstance(verdict, Earlier):
            raise verdict.error
        return False

    def _due(self) -> float | None:
        """Return the delay before the next attempt, None when the loop is over."""
        delay, self._delay = self._delay, None
        return delay

    def _next(self, delay: float) -> Attempt:
        self._number += 1
        if self._history is not None:
            self._history.resumed(self._now(), delay)
        return Attempt(self, self._number)


class BlockingAttempts(_Attempts, Iterator[Attempt]):
    """``for attempt in retry``."""

    def __init__(self, retry: Retry, runtime: BlockingRuntime) -> None:
        super().__init__(retry, runtime)
        self._runtime = runtime

    def __next__(self) -> Attempt:
        delay = self._due()
        if delay is None:
            raise StopIteration
        if self._number:
            self._runtime.sleep(delay)
        return self._next(delay)


class AsyncAttempts(_Attempts, AsyncIterator[Attempt]):
    """``async for attempt in retry``."""

    def __init__(self, retry: Retry, runtime: AsyncRuntime) -> None:
        super().__init__(retry, runtime)
        self._runtime = runtime

    async def __anext__(self) -> Attempt:
        delay = self._due()
        if delay is None:
            raise StopAsyncIteration
        if self._number:
            try:
                await self._runtime.sleep(delay)
            except Misuse as misuse:
                last = None if self._history is None else self._history.last
                raise misuse.shown(str(misuse)) from last
        return self._next(delay)
