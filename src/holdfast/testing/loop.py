"""`VirtualLoop`: asyncio on virtual time.

The loop's selector never really waits: when nothing is ready, the time jumps to the next timer.  So
``asyncio.sleep``, ``asyncio.timeout``, ``call_later`` and everything of Holdfast run through an hour
in the time that it takes to run their callbacks.

With nothing ready and no timer the loop can only wait for ever, so it raises `DeadlockError` instead,
which names each task that waits, where, and for what.

**Where the real world comes in.**  Time must not jump while a thread or a socket is about to answer,
and nobody can know how long that will be.  So before a jump the loop waits really, for up to
``PATIENCE_WITH_THREADS`` seconds while a call of `run_in_executor` or `asyncio.to_thread` is under way
and does not sleep on the clock itself (or where it would otherwise raise, and other threads are
alive), and for up to ``PATIENCE_WITH_SOCKETS`` while a socket or pipe is registered; after that much
silence it jumps.  Real I/O on this loop is possible, then, but how long it takes depends on the
machine, and whether it is in time does too: better to script it.  Without a timer to jump to, sockets
on which nothing comes for ``PATIENCE_WITH_SILENCE`` seconds are a deadlock, too.
"""

from __future__ import annotations

import asyncio
import logging
import math
import selectors
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

from holdfast import _validate
from holdfast.testing._agenda import DEADLOCK, DeadlockError
from holdfast.testing._clockwork import OnVirtualTime
from holdfast.testing._stuck import listed, others_may_act, stuck_tasks
from holdfast.testing.clock import VirtualClock, clock_in_force

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

PATIENCE_WITH_THREADS = 1.0
PATIENCE_WITH_SOCKETS = 0.05
PATIENCE_WITH_SILENCE = 10.0
POLL = 0.005
NANOSECOND = 1e-9
ROUNDS_AT_ONE_INSTANT = 1000
"""How often timers may ring that were set in the instant in which they are due."""
MOST_DOUBLINGS = 40


class _Selector(selectors.DefaultSelector):
    """Asks the loop how long it may really wait."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready, and let virtual time pass where nothing is."""
        ready = self.loop.let_time_pass(self, timeout)
        self.loop.adapt_resolution()
        return ready

    def really(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Select in real time."""
        return super().select(timeout)


class VirtualLoop(OnVirtualTime, asyncio.SelectorEventLoop):
    """An event loop on virtual time: ``asyncio.Runner(loop_factory=VirtualLoop)``.

    While it runs, everything in Holdfast, async or blocking, is on its time.  It shares the
    `VirtualClock` that is entered when it is made, or when it begins to run: a fixture's, say, that is
    younger than the loop.  Without one it has a clock of its own, `clock`.

    Args:
        clock: the clock to run on, and to keep to.
        limit: after how many seconds of its time the loop raises `TimeoutError`, and names the tasks
            that have not ended; none by default.  For tests of code that never comes to rest.

    Raises:
        ConfigurationError: if ``limit`` is no number greater than 0.
    """

    _closed = True  # until it is made: asyncio looks, even where an argument is refused

    def __init__(self, clock: VirtualClock | None = None, *, limit: float = math.inf) -> None:
        if limit != math.inf:
            limit = _validate.seconds("limit", limit)
        self._keeps = clock is not None
        self.clock: VirtualClock = clock or clock_in_force() or VirtualClock()
        self._limit = limit
        self._ends = self.clock.now() + limit
        self._silent_since = math.inf
        self._wake_member: Callable[[], Any] | None = None
        self._woken = False
        self._in_executor = 0
        self._rounds_at = -math.inf
        self._rounds = 0
        selector = _Selector()
        super().__init__(selector)
        self._own_files = len(selector.get_map())
        selector.loop = self

    def time(self) -> float:
        """Return the virtual instant, in seconds."""
        return self.clock.now()

    def run_forever(self) -> None:
        """Run until `stop` is called, with Holdfast on this loop's time."""
        self._share_clock()
        with self.clock:
            super().run_forever()

    def _share_clock(self) -> None:
        """Go over to the clock in force; what is to come stays as far away as it is."""
        clock = clock_in_force()
        if self._keeps or clock is None or clock is self.clock:
            return
        difference = clock.now() - self.clock.now()
        for timer in self._timers():
            timer._when += difference  # type: ignore[attr-defined] # noqa: SLF001 - in all alike: a heap stays one
        self._ends += difference
        self.clock = clock

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
        if self._wake_member is not None:
            self._wake_member()

    def let_time_pass(
        self, selector: _Selector, timeout: float | None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now, or jump; the selector's part of one turn of the loop."""
        files = len(selector.get_map()) > self._own_files
        if timeout is not None and timeout <= 0:
            self._leave_instant()
        if timeout is not None and timeout <= 0 and not (files or self._woken):
            return []
        self._woken = False
        ready = selector.really(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.clock.in_step() and not self._in_executor:
            self.clock.park_loop(self._checked(self._next_timer(timeout)), self._parked)
            return selector.really(0)
        target = self._next_instant(timeout)
        if files or self._in_executor or target == math.inf:
            ready = self._wait_really(selector, target, files=files)
            target = self._next_instant(timeout)  # other threads may have slept meanwhile
        if ready:
            self._silent_since = math.inf
        elif target < math.inf:
            self._silent_since = math.inf
            self.clock.run_to(self._checked(target))
        elif self.clock.guests_asleep() >= self._in_executor:
            self._check_silence(files=files)
        return ready

    def _leave_instant(self) -> None:
        """Let a little time pass where timers are due again and again in the same instant.

        Code that computes how long to wait may be left with less than a float of the instant can show,
        so that its timer is due at once, and the next one too.  On a real loop time passes meanwhile.
        So it does here after many rounds, and more with every thousand, for a ``limit`` to be reached.
        """
        now, timers = self.time(), self._timers()
        if not timers or timers[0].when() >= now + self._clock_resolution:
            return
        self._rounds = self._rounds + 1 if self._rounds_at == now else 1
        self._rounds_at = now
        thousands = self._rounds // ROUNDS_AT_ONE_INSTANT
        if thousands:
            step = self._clock_resolution * 2.0 ** min(thousands - 1, MOST_DOUBLINGS)
            self.clock.run_to(self._checked(now + step))
            self._rounds_at = self.time()  # it counts as the same instant

    def adapt_resolution(self) -> None:
        """Let asyncio see that a timer is due: it looks up to this far ahead, and floats are coarse.

        With the nanosecond of the system's clock, no timer would ever be due from 2**24 s (194 days) on.
        """
        self._clock_resolution = max(NANOSECOND, math.ulp(self.clock.now()))

    def _wait_really(
        self, selector: _Selector, target: float, *, files: bool
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Give threads and sockets the real time that they may need before a jump."""
        if self._in_executor:
            return self._give_threads_time(selector)
        if target == math.inf and others_may_act():
            return selector.really(PATIENCE_WITH_THREADS)
        return selector.really(PATIENCE_WITH_SOCKETS) if files else []

    def _checked(self, target: float) -> float:
        """Return the instant to jump to, if that is within the limit."""
        if self._ends < target < math.inf:
            raise _told(TimeoutError(
                f"after {self._limit:,.12g} virtual seconds, its limit, the loop still has work to do:"
                f"{listed(stuck_tasks(self))}"
            ))  # fmt: skip
        return target

    def _check_silence(self, *, files: bool) -> None:
        """Raise, now that nothing is ready and no timer is set; with sockets open only after a while."""
        why = "no task is ready and no timer is set"
        if files:
            now = time.monotonic()
            self._silent_since = min(self._silent_since, now)
            if now - self._silent_since < PATIENCE_WITH_SILENCE:
                return
            why += f", and nothing has come on a socket for {PATIENCE_WITH_SILENCE:g} real seconds"
        raise _told(DeadlockError(f"{DEADLOCK}: {why}{listed(stuck_tasks(self))}"))

    def _parked(self, wake: Callable[[], Any]) -> bool:
        """Keep what wakes this loop while other functions move; say whether it is awake already."""
        self._wake_member = wake
        return self._woken

    def _give_threads_time(self, selector: _Selector) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait until something is ready, or all calls in threads sleep on the clock."""
        limit = time.monotonic() + PATIENCE_WITH_THREADS
        while self.clock.guests_asleep() < self._in_executor and time.monotonic() < limit:
            ready = selector.really(POLL)
            if ready:
                return ready
        return []

    def _next_instant(self, timeout: float | None) -> float:
        """Return the instant to jump to, ``inf`` for none."""
        return min(self.clock.next_event(), self._next_timer(timeout))

    def _next_timer(self, timeout: float | None) -> float:
        """Return the instant of this loop's next timer, ``inf`` for none."""
        if timeout is None:
            return math.inf
        timers = self._timers()
        return timers[0].when() if timers else self.time() + timeout

    def _timers(self) -> list[asyncio.TimerHandle]:
        timers: list[asyncio.TimerHandle] = getattr(self, "_scheduled", [])
        return timers


def _told(error: BaseException) -> BaseException:
    """Return ``error``; log it where a thread may end with it unheard, as a test client's does."""
    if threading.current_thread() is not threading.main_thread():
        logging.getLogger("holdfast").error("the virtual loop of this thread ends with %s", error)
    return error


def run(coroutine: Coroutine[Any, Any, T], *, limit: float = math.inf) -> T:
    """Run ``coroutine`` on a `VirtualLoop` of its own and return its result.

    Args:
        coroutine: what to run.
        limit: after how many virtual seconds to give up; see `VirtualLoop`.

    Raises:
        DeadlockError: if it waits for what can never come.
        TimeoutError: if it goes on past the ``limit``.
        RuntimeError: if a loop runs already in this thread: there, ``await`` it.
    """
    if asyncio._get_running_loop() is not None:  # noqa: SLF001 - public in all but its name
        coroutine.close()
        raise RuntimeError(
            "run() is for code outside of async functions; inside, await the coroutine"
        )
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(limit=limit)) as runner:
        return runner.run(coroutine)
