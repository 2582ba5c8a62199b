"""Finds out who blocks the loop: watches from another thread, in real time, whether steps are made."""

from __future__ import annotations

import _thread
import ctypes
import signal
import threading
from types import TracebackType
from typing import Any, Self

from holdfast._one_go import current_frames
from holdfast.simulation.engine.errors import Blocked
from holdfast.simulation.engine.loop import SimulatedLoop
from holdfast.simulation.engine.names import place

LOOKS = 5
"""How often it looks within its patience."""


class Watchdog:
    """Interrupts the simulation's thread when one step of ``loop`` takes more than ``patience`` s.

    A process that was started in the background by a script ignores Ctrl-C; not while it is watched.
    It watches within ``with``, which may be entered many times, one at a time; `stop` ends its thread.
    The main thread is interrupted by the signal of Ctrl-C, which ends a wait for a lock, too; another
    thread by an exception, which it gets when it runs Python code the next time.
    """

    def __init__(self, loop: SimulatedLoop, patience: float) -> None:
        self._loop = loop
        self._patience = patience
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._watched: int | None = None
        self._stretch = 0
        self._found: str | None = None
        self._deaf: Any = None

    def __enter__(self) -> Self:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._watch, name="holdfast-watchdog", daemon=True
            )
            self._thread.start()
        self._deaf = _listen()
        self._stretch += 1
        self._watched = threading.get_ident()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._watched = None
        if self._deaf is not None:
            signal.signal(signal.SIGINT, self._deaf)
        if isinstance(error, KeyboardInterrupt) and self._found is not None:
            raise Blocked(self._found) from None

    def stop(self) -> None:
        """End its thread, at once."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        seen, looks = (0, 0), 0
        while not self._over.wait(self._patience / LOOKS):
            watched, state = self._watched, (self._stretch, self._loop.steps)
            looks = looks + 1 if state == seen and watched is not None else 0
            seen = state
            if watched is not None and looks >= LOOKS:
                looks = 0
                self._found = self._found or self._where(watched)
                _interrupt(watched)

    def _where(self, watched: int) -> str:
        frame = current_frames().get(watched)
        return (
            f"the event loop is blocked: one step has taken over {self._patience:g} s of real time, in "
            f"{place(frame)}"
        )


def _listen() -> Any:
    """Let Ctrl-C's signal interrupt the main thread; return what it did before, if not that."""
    if threading.current_thread() is not threading.main_thread():
        return None
    before = signal.getsignal(signal.SIGINT)
    if before not in (signal.SIG_IGN, signal.SIG_DFL):
        return None
    return signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(thread: int) -> None:
    if thread != threading.main_thread().ident:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt)
        )
    elif hasattr(signal, "pthread_kill"):
        signal.pthread_kill(thread, signal.SIGINT)
    else:
        _thread.interrupt_main()
