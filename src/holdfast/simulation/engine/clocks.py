"""The module `time` on a simulation's clock, and `random` on its seed, for policies of other libraries.

Holdfast itself takes time and randomness from its own seams.  Other libraries read `time.monotonic`
and the like; the functions of those names go by the simulation's clock while it runs, in its thread
only.  Nothing else is patched: a library that reads `datetime.now` sees real time.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn, SupportsIndex

from holdfast.simulation.engine.errors import Blocked
from holdfast.simulation.engine.loop import SimulatedLoop
from holdfast.simulation.engine.names import place

READERS = ("time", "monotonic", "perf_counter")


class Clocks:
    """Puts the simulation's clock in place of the process's, and takes it away again."""

    def __init__(self, loop: SimulatedLoop, seed: str, fail: Callable[[Blocked], object]) -> None:
        self._loop = loop
        self._fail = fail
        self._seed = seed
        self._saved: dict[str, Callable[..., Any]] = {}
        self._random: Any = None
        self._thread = 0

    def put_on(self) -> None:
        """Let this thread's time be the simulation's."""
        self._thread = threading.get_ident()
        self._random = random.getstate()
        random.seed(self._seed)
        self._saved = {name: getattr(time, name) for name in (*READERS, "sleep")}
        for name in READERS:
            setattr(time, name, self._reader(self._saved[name], 1))
            self._saved[f"{name}_ns"] = getattr(time, f"{name}_ns")
            setattr(time, f"{name}_ns", self._reader(self._saved[f"{name}_ns"], 1_000_000_000))
        time.sleep = self._sleep

    def take_off(self) -> None:
        """Let it be real again."""
        for name, function in self._saved.items():
            setattr(time, name, function)
        random.setstate(self._random)

    def _reader(self, real: Callable[[], float], unit: int) -> Callable[[], float]:
        loop, thread, who = self._loop, self._thread, threading.get_ident

        def read() -> float:
            if who() != thread:
                return real()
            return loop.now if unit == 1 else int(loop.now * unit)

        return read

    def _sleep(self, seconds: float | SupportsIndex, /) -> None:
        if threading.get_ident() != self._thread:
            self._saved["sleep"](seconds)
            return
        self._refuse(seconds)

    def _refuse(self, seconds: float | SupportsIndex) -> NoReturn:
        # who called sleep
        caller = sys._getframe(2)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        where = place(caller)
        blocked = Blocked(
            f"the event loop is blocked: time.sleep({seconds!r}) was called in {where}; "
            f"in async code use 'await asyncio.sleep({seconds!r})'"
        )
        self._fail(blocked)  # a retry may take what is raised here for a failed attempt
        raise blocked
