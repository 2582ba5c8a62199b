"""Retry as a loop, for code that is no function: ``for attempt in retry: with attempt: ...``.

The `with` block tells how the attempt ended, the loop waits before the next one.  Results can't be
seen from here, so conditions on results don't apply.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from math import inf
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

from holdfast._ambient import Scope, current, inside
from holdfast._drivers import aio, blocking
from holdfast._ongoing import leave, ongoing
from holdfast.errors import Misuse
from holdfast.shapes import Again, Earlier, History

if TYPE_CHECKING:
    from holdfast._runtimes.port import AsyncRuntime, BlockingRuntime
    from holdfast.strategies.retry import Retry

LOOP = "retry loop"
"""What stands for the pipeline's name in notes and events."""

FIRST = Again(0.0)


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
        self._loop.begun(sys._getframe(1))  # noqa: SLF001 - what warnings itself uses
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
        self._verdict: Again | None = FIRST
        """What leads to the next attempt; None when there is none."""
        self._entered = True
        self._tokens: list[Callable[[], object]] = []
        """What takes back the context variables that are set during an attempt."""

    def begun(self, frame: FrameType) -> None:
        """Take an attempt's beginning, in the user's frame."""
        self._entered = True
        retry = self._retry
        if retry.claims:
            scope = Scope()
            scope.set(inside(current(), inf, inf, LOOP))
            self._tokens.append(scope.take_back)
        if self._number > 1 or retry.attends:
            history = self._known()
            mine = history.begins()
            mine.place = id(frame)
            self._tokens.append(partial(leave, ongoing.set(mine)))

    def ended(self, error: BaseException | None) -> bool:
        """Take an attempt's end; return whether its exception is dealt with."""
        while self._tokens:
            self._tokens.pop()()
        self._verdict = None
        if not isinstance(error, Exception):
            self._left(well=error is None)
            return False
        history = self._known()
        if history.ongoing is not None:
            history.ongoing.over = True
        history.ended(self._now())
        verdict = self._retry.after_error(error, history)
        if isinstance(verdict, Again):
            self._verdict = verdict
            return True
        history.forget()
        if isinstance(verdict, Earlier):
            raise verdict.error
        return False

    def _left(self, *, well: bool) -> None:
        """Take the end of the loop: with success, or with an interruption."""
        history = self._history
        if well and self._retry.credit is not None:
            self._retry.credit()
        if history is None:
            return
        if well:
            history.ended(self._now())
            self._retry.recovered(history)
        history.forget()  # no cycle: an exception's traceback keeps the user's frame

    def _known(self) -> History:
        if self._history is None:
            self._history = History(LOOP, self._now(), self._started)
        return self._history

    def _due(self) -> Again | None:
        """Return what leads to the next attempt, None when the loop is over."""
        if not self._entered:
            raise TypeError(
                "an attempt of a retry loop was not used, so that nothing is retried: write 'with "
                "attempt:' around the code in the loop"
            )
        verdict, self._verdict = self._verdict, None
        return verdict

    def _halted(self) -> bool:
        """Return whether the loop is to end after all, or raise the error that is to stand."""
        history = self._history
        if history is None or not self._retry.halted(history):
            return False
        verdict = history.verdict
        history.forget()
        if isinstance(verdict, Earlier):
            raise verdict.error
        return True

    def _next(self, delay: float) -> Attempt:
        self._number += 1
        self._entered = False
        if self._history is not None:
            self._history.resumed(self._now(), delay)
        return Attempt(self, self._number)


class BlockingAttempts(_Attempts, Iterator[Attempt]):
    """``for attempt in retry``."""

    def __init__(self, retry: Retry, runtime: BlockingRuntime) -> None:
        super().__init__(retry, runtime)
        self._runtime = runtime

    def __next__(self) -> Attempt:
        verdict = self._due()
        if verdict is None:
            raise StopIteration
        if self._number:
            if verdict.before is not None:
                self._runtime.answer(verdict.before)
            blocking.paused(self._runtime, verdict)
            if self._halted():
                raise StopIteration
        return self._next(verdict.delay)


class AsyncAttempts(_Attempts, AsyncIterator[Attempt]):
    """``async for attempt in retry``."""

    def __init__(self, retry: Retry, runtime: AsyncRuntime) -> None:
        super().__init__(retry, runtime)
        self._runtime = runtime

    async def __anext__(self) -> Attempt:
        verdict = self._due()
        if verdict is None:
            raise StopAsyncIteration
        if self._number:
            if verdict.before is not None:
                await self._runtime.answer(verdict.before)
            try:
                await aio.paused(self._runtime, verdict)
            except Misuse as misuse:
                last = None if self._history is None else self._history.last
                raise misuse.shown(str(misuse)) from last
            if self._halted():
                raise StopAsyncIteration
        return self._next(verdict.delay)
