"""An event loop for simulations: no sockets, no threads, no waiting; time jumps to the next timer.

`holdfast.testing.VirtualLoop` is a whole asyncio loop whose time is virtual, for tests.  This one
leaves out all that a model doesn't need, and makes a call of a simulation about twice as quick.  What
runs at one instant runs in the order in which it was scheduled, in every version of Python.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from heapq import heappop, heappush
from typing import Any, NoReturn, TypeVar

from holdfast.simulation.engine.errors import Endless, NoTimePasses, SimulationError, Stuck
from holdfast.simulation.engine.names import busiest, place

T = TypeVar("T")

START = 1000.0
"""The first instant: far from zero, where code takes 0.0 for "never"; small, to be exact."""

MOST_AT_ONCE = 2_000_000
"""Steps at one instant, after which time is taken to stand still: a herd makes a few for each client."""

NOISE = (
    "Task exception was never retrieved",
    "Future exception was never retrieved",
    "Task was destroyed",
)
"""What asyncio has to say of things that are left behind when a simulation ends."""


class Timer:
    """Something that happens at an instant, unless it is cancelled."""

    __slots__ = ("args", "callback", "context", "instant")

    def __init__(
        self,
        instant: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context | None,
    ) -> None:
        self.instant: float = instant
        self.callback: Callable[..., object] | None = callback
        self.args: tuple[Any, ...] = args
        self.context: Context = copy_context() if context is None else context

    def cancel(self) -> None:
        """Let it not happen."""
        self.callback = None
        self.args = ()

    def cancelled(self) -> bool:
        """Return whether it was cancelled."""
        return self.callback is None

    def when(self) -> float:
        """Return its instant, in seconds."""
        return self.instant

    def run(self) -> None:
        """Let it happen."""
        if self.callback is not None:
            self.context.run(self.callback, *self.args)


class SimulatedLoop(asyncio.BaseEventLoop):
    """The loop on which a simulation's clients and servers run.

    Args:
        most_steps: after how many steps (a task's stretch between two awaits, or a timer) the
            simulation is taken for endless.

    Attributes:
        now: the instant, in seconds.
        steps: how many steps were made.
        failure: what has ended the simulation, if something has.
    """

    def __init__(self, most_steps: float = float("inf")) -> None:
        super().__init__()
        self.now: float = START
        self.steps: int = 0
        self.failure: SimulationError | None = None
        self._most_steps = most_steps
        self._limit = min(most_steps, MOST_AT_ONCE)
        self._soon: deque[Timer] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._number = 0
        self.set_exception_handler(_report)

    def __del__(self) -> None:
        """Nothing: it holds nothing that must be closed."""

    def time(self) -> float:
        """Return the instant, in seconds."""
        return self.now

    def create_task(  # type: ignore[override] # asyncio's, without its checks
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, **options: Any
    ) -> asyncio.Task[T]:
        """Run ``coro`` beside all else."""
        return asyncio.Task(coro, loop=self, name=name or "task", **options)

    def call_soon(  # type: ignore[override] # our own handle has all that a handle needs
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Timer:
        """Have ``callback(*args)`` called at this instant, after all that is due already."""
        timer = Timer(self.now, callback, args, context)
        self._soon.append(timer)
        return timer

    def call_at(  # type: ignore[override] # as above
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Timer:
        """Have ``callback(*args)`` called at the instant ``when``."""
        timer = Timer(when, callback, args, context)
        self._number += 1
        heappush(self._timers, (when, self._number, timer))
        return timer

    def call_later(  # type: ignore[override] # as above
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> Timer:
        """Have ``callback(*args)`` called in ``delay`` seconds."""
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_soon_threadsafe(  # type: ignore[override] # as above
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Timer:
        """Do as `call_soon`: there are no other threads in a simulation."""
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(  # type: ignore[override] # as above
        self,
        executor: Any,  # noqa: ARG002 - asyncio's
        func: Callable[..., Any],  # noqa: ARG002 - asyncio's
        *args: Any,  # noqa: ARG002 - asyncio's
    ) -> NoReturn:
        """Refuse: what a thread does, and when, is no part of a simulation.

        Raises:
            SimulationError: always, and it ends the simulation.
        """
        refusal = SimulationError(
            "a simulation has no threads: asyncio.to_thread or run_in_executor was called in "
            f"{place(sys._getframe(1))}, and would take real time"  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        )
        self.fail(refusal)  # a retry may take what is raised here for a failed attempt
        raise refusal

    def fail(self, error: SimulationError) -> None:
        """End the simulation with ``error``, if it is the first one."""
        self.failure = self.failure or error
        self.stop()

    def _run_once(self) -> None:
        """Run until the loop is stopped; asyncio calls this for one turn, and checks for a stop."""
        while not self._stopping:  # type: ignore[attr-defined] # asyncio's own
            try:
                self._run_on()
            except SimulationError:
                raise
            except Exception as error:  # noqa: BLE001 - as asyncio has it: a callback's own fault
                self.call_exception_handler({"message": "a callback failed", "exception": error})

    def _run_on(self) -> None:
        """Run what is due, and let time jump to the next timer, until the loop is stopped."""
        soon, timers = self._soon, self._timers
        while True:
            while soon:
                timer = soon.popleft()
                self.steps += 1
                callback = timer.callback
                if callback is not None:
                    timer.context.run(callback, *timer.args)  # not run(): a call less for each
                    if self.steps > self._limit:
                        self._refuse_more()
                if self._stopping:  # type: ignore[attr-defined] # asyncio's own
                    return
            if not timers:
                raise Stuck("the simulation is stuck: no task is ready and no timer is set")
            instant, _, timer = heappop(timers)
            if timer.callback is not None:
                if instant > self.now:
                    self.now = instant
                    self._limit = min(self.steps + MOST_AT_ONCE, self._most_steps)
                soon.append(timer)

    def turn(self) -> None:
        """Let all that is due have one step, however many there have been; no time passes."""
        self._limit = math.inf
        self.call_soon(self.stop)
        self.run_forever()

    def _refuse_more(self) -> NoReturn:
        instant = f"at {self.now - START:.3f} simulated seconds"
        where = busiest(asyncio.all_tasks(self))
        if self.steps > self._most_steps:
            raise Endless(
                f"the simulation was ended after {self.steps:,} steps, {instant}: the load is too large "
                f"for it, or something goes round; allow more steps if that is what you want{where}"
            )
        raise NoTimePasses(
            f"the simulation was ended after {MOST_AT_ONCE:,} steps at one instant, {instant}: "
            "something goes round without time passing, such as a retry without a delay, or "
            f"'await asyncio.sleep(0)' in a loop{where}"
        )

    def _write_to_self(self) -> None:
        """Nothing: nobody sleeps who must be woken."""

    def _process_events(self, event_list: list[Any]) -> None:
        """Nothing: there are no files."""


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not str(context.get("message")).startswith(NOISE):
        loop.default_exception_handler(context)
