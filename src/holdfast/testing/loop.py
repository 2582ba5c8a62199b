"""`VirtualLoop`: asyncio on virtual time.

The loop's selector never really waits: when nothing is ready, the time jumps to the next timer.  So
``asyncio.sleep``, ``asyncio.timeout``, ``call_later`` and everything of Holdfast run through an hour
in the time that it takes to run their callbacks.

With nothing ready and no timer the loop can only wait for ever, so it raises `RuntimeError` instead.

**Where the real world comes in.**  Time must not jump while a thread or a socket is about to answer,
and nobody can know how long that will be.  So before a jump the loop waits really, for up to
``PATIENCE_WITH_THREADS`` seconds while a call of `run_in_executor` or `asyncio.to_thread` is under way
and does not sleep on the clock itself (or where it would otherwise raise, and other threads are
alive), and for up to ``PATIENCE_WITH_SOCKETS`` while a socket or pipe is registered; after that much
silence it jumps.  Real I/O on this loop is possible, then, but how long it takes depends on the
machine, and whether it is in time does too: better to script it.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

from holdfast._runtimes.aio import Asyncio
from holdfast.testing._seams import Layer, put_on, take_off
from holdfast.testing.clock import DEADLOCK, VirtualClock, clock_in_force

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PATIENCE_WITH_THREADS = 1.0
PATIENCE_WITH_SOCKETS = 0.05
POLL = 0.005


class _Selector(selectors.DefaultSelector):
    """Asks the loop how long it may really wait."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return self.loop.let_time_pass(self, timeout)

    def really(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Select in real time."""
        return super().select(timeout)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time: ``asyncio.Runner(loop_factory=VirtualLoop)``.

    While it runs, everything in Holdfast, async or blocking, is on its time.  It shares the clock of
    a `VirtualClock` that is entered when the loop is made; otherwise it has one of its own, `clock`.

    Args:
        clock: the clock to run on.
    """

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock: VirtualClock = clock or clock_in_force() or VirtualClock()
        self._runtime = Asyncio(now=self.clock.now)
        self._woken = False
        self._in_executor = 0
        selector = _Selector()
        super().__init__(selector)
        self._own_files = len(selector.get_map())
        selector.loop = self

    def time(self) -> float:
        """Return the virtual instant, in seconds."""
        return self.clock.now()

    def run_forever(self) -> None:
        """Run until `stop` is called, with Holdfast on this loop's time."""
        layer = Layer(overrides={"asyncio": self._runtime})
        with self.clock:
            put_on(layer)
            try:
                super().run_forever()
            finally:
                take_off(layer)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run ``func`` in a thread; the time stands still meanwhile, within reason."""
        future = super().run_in_executor(executor, func, *args)
        self._in_executor += 1
        future.add_done_callback(self._back_from_executor)
        return future

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """Wait until the threads have ended; newer Pythons limit that wait, in the loop's time."""
        self._in_executor += 1
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._in_executor -= 1

    def _back_from_executor(self, _future: Any) -> None:
        self._in_executor -= 1

    def _write_to_self(self) -> None:
        self._woken = True
        super()._write_to_self()  # type: ignore[misc] # asyncio's own, without a type

    def let_time_pass(
        self, selector: _Selector, timeout: float | None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now, or jump; the selector's part of one turn of the loop."""
        files = len(selector.get_map()) > self._own_files
        if timeout is not None and timeout <= 0 and not (files or self._woken):
            return []
        self._woken = False
        ready = selector.really(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        target = self._next_instant(timeout)
        if self._in_executor:
            ready = self._give_threads_time(selector)
        elif target is None and threading.active_count() > 1:
            ready = selector.really(PATIENCE_WITH_THREADS)
        elif files:
            ready = selector.really(PATIENCE_WITH_SOCKETS)
        target = self._next_instant(timeout)
        if ready:
            return ready
        if target is not None:
            self.clock.run_to(target)
        elif not files and not self._in_executor:
            raise RuntimeError(f"{DEADLOCK}: no task is ready and no timer is set")
        return []

    def _give_threads_time(self, selector: _Selector) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait until something is ready, or all calls in threads sleep on the clock."""
        limit = time.monotonic() + PATIENCE_WITH_THREADS
        while self.clock.guests_asleep() < self._in_executor and time.monotonic() < limit:
            ready = selector.really(POLL)
            if ready:
                return ready
        return []

    def _next_instant(self, timeout: float | None) -> float | None:
        """Return the instant to jump to, None for none."""
        target = self.clock.next_event()
        if timeout is not None:
            timers: list[asyncio.TimerHandle] = getattr(self, "_scheduled", [])
            target = min(target, timers[0].when() if timers else self.time() + timeout)
        return None if target == math.inf else target


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run ``coroutine`` on a `VirtualLoop` of its own and return its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
