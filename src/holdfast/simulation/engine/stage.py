"""`Simulation`: one run on virtual time, with its own clock, randomness and event loop.

The stage on which models play: servers, networks, clients and faults are plain objects that schedule
themselves on it.  Everything of Holdfast, and the functions of the module `time`, go by its clock while
it is entered, so that the policies that it plays are those that run in production, unchanged.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextvars import Context
from random import Random
from types import TracebackType
from typing import Any, Self

from holdfast import _validate
from holdfast._runtimes.aio import Asyncio
from holdfast.simulation.engine.clocks import Clocks
from holdfast.simulation.engine.errors import BadPolicy, SimulationError
from holdfast.simulation.engine.loop import START, SimulatedLoop, Timer
from holdfast.simulation.engine.watchdog import Watchdog
from holdfast.testing._seams import Layer, put_on, take_off

MOST_STEPS = 200_000_000

ROUNDS = 1000
"""Turns in which tasks can end when a simulation does."""


class Simulation:
    """Virtual time, seeded randomness and an event loop: ``with Simulation(seed=1) as simulation: ...``.

    Equal seeds give equal runs, to the byte, on every version of Python.  Not thread-safe; one at a
    time in a process.

    Args:
        seed: of all random numbers.
        most_steps: the simulation is ended with `Endless` after so many steps of its loop.
        patience: real seconds that one step may take; a policy that blocks the loop for longer is
            ended with `Blocked`, which names it.

    Attributes:
        context: for callbacks that are nobody's: no deadline, no priority.
        kept: tasks under way, which would be garbage while they wait for what never comes; who puts
            one there by a key of its own takes it out again.

    Raises:
        ConfigurationError: for a value outside its range.
        RuntimeError: when it is entered within another one, or for the second time.
    """

    def __init__(
        self, seed: float | str = 0, *, most_steps: int = MOST_STEPS, patience: float = 5.0
    ) -> None:
        self.seed: float | str = seed
        self.loop: SimulatedLoop = SimulatedLoop(_validate.count("most_steps", most_steps))
        self._watchdog = Watchdog(self.loop, _validate.seconds("patience", patience))
        self._streams: dict[str, Random] = {}
        self.kept: dict[object, asyncio.Task[Any]] = {}
        self.context: Context = Context()
        self._clocks = Clocks(self.loop, f"{seed} module random", self.fail)
        self._layer = Layer(
            clock=self.loop.time,
            rng=self.stream("policies"),
            overrides={"asyncio": Asyncio(now=self.loop.time)},
        )
        self._entered = self._over = False

    def __enter__(self) -> Self:
        _occupy(self)
        put_on(self._layer)
        self._clocks.put_on()
        self._entered = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._entered, self._over = False, True
        try:
            self._end()
        finally:
            self._watchdog.stop()
            self._clocks.take_off()
            take_off(self._layer)
            _leave()

    @property
    def now(self) -> float:
        """Seconds since the simulation began."""
        return self.loop.now - START

    def stream(self, name: str) -> Random:
        """Return the random numbers for one purpose.

        Each purpose has its own, so that a policy that makes more calls changes nobody's arrivals.
        """
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = Random(f"{self.seed} {name}")
        return stream

    def at(self, instant: float, action: Callable[..., object], *args: Any) -> Timer:
        """Have ``action(*args)`` called ``instant`` seconds after the beginning."""
        return self.loop.call_at(START + instant, action, *args)

    def after(self, delay: float, action: Callable[..., object], *args: Any) -> Timer:
        """Have ``action(*args)`` called in ``delay`` seconds."""
        return self.loop.call_later(delay, action, *args)

    @property
    def over(self) -> bool:
        """Whether it has ended, and what still runs is being cancelled."""
        return self._over

    def spawn(
        self, coroutine: Coroutine[Any, Any, Any], *, context: Context | None = None
    ) -> asyncio.Task[Any]:
        """Run ``coroutine`` beside all else; what it raises is for whoever looks at the task."""
        task = self.loop.create_task(coroutine, context=context)
        self.kept[task] = task
        task.add_done_callback(self.kept.pop)
        return task

    def watched(self) -> Watchdog:
        """Return what finds out, within ``with``, that code outside of the loop blocks."""
        return self._watchdog

    def fail(self, error: SimulationError) -> None:
        """End the run, which raises ``error``."""
        self.loop.fail(error)

    def run(self, until: float) -> None:
        """Let everything happen up to ``until`` seconds after the beginning.  May be called again.

        Raises:
            Blocked: for a policy that blocks the loop, by its name.
            BadPolicy: for a policy that ends the process, or stops the loop.
            Endless: after ``most_steps``.
            RuntimeError: outside of ``with``.
        """
        if not self._entered:
            raise RuntimeError(
                "a simulation runs inside 'with Simulation(...) as simulation:' only"
            )
        end = self.at(until, self.loop.stop)
        try:
            with self._watchdog:
                self.loop.run_forever()
        except SystemExit as error:
            raise BadPolicy(f"it ends the whole process, by {error!r}") from error
        finally:
            end.cancel()
        if self.loop.failure is not None:
            raise self.loop.failure
        if self.loop.now < START + until:
            raise BadPolicy(f"it stopped the event loop, after {self.now:.3f} simulated seconds")

    def _end(self) -> None:
        """Cancel what is under way, let it end at this instant if it can, and close the loop."""
        tasks = list(self.kept.values())
        tasks += sorted(asyncio.all_tasks(self.loop), key=_name)
        for task in tasks:
            task.cancel()
        for _ in range(ROUNDS):
            self.loop.turn()
            if all(task.done() for task in tasks):
                break
        self.loop.close()


_stage = threading.Lock()


def _name(task: asyncio.Task[Any]) -> str:
    return task.get_name()


def _occupy(simulation: Simulation) -> None:
    if simulation.over:
        raise RuntimeError("a simulation runs once: make a new Simulation(...)")
    if not _stage.acquire(blocking=False):
        raise RuntimeError(
            "another simulation is running in this process, and there is one clock only: end it first, "
            "or run it in another process"
        )


def _leave() -> None:
    _stage.release()
