"""An event loop in a thread of its own, so that blocking and async tests are alike to what runs on it.

The loop is asyncio's plain one whatever is installed or virtual elsewhere, and its time is real.
Everything of a server happens in this one thread: there is nothing to lock.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from holdfast._world import renew_after_fork

T = TypeVar("T")

STOPPED = "it has been stopped meanwhile, by another thread"


class Background:
    """Runs callbacks and tasks; `stop` ends them all.  Thread-safe."""

    def __init__(self, name: str) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.SelectorEventLoop)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._loop = self._runner.get_loop()
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopped = False
        self._after_fork()
        renew_after_fork(self)
        self._thread.start()

    def _after_fork(self) -> None:
        self._lock = threading.RLock()

    def _run(self) -> None:
        with self._runner:  # which cancels, at the end, all tasks that are left
            self._runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        await self._stopping.wait()

    def call(self, function: Callable[[], T]) -> T:
        """Run ``function`` on the loop, and return its result or raise its exception."""

        async def called() -> T:
            return function()

        return self.run(called())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run ``coroutine`` on the loop to its end.

        Raises:
            RuntimeError: if another thread stops the loop before that.
        """
        with self._lock:  # so the loop either ends what it was given, or is never given it
            if self._stopped:
                coroutine.close()
                raise RuntimeError(STOPPED)
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except CancelledError:
            raise RuntimeError(STOPPED) from None

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task; on the loop only."""
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def stop(self, last: Callable[[], object] | None = None) -> None:
        """Call ``last()`` on the loop, cancel all tasks, and wait until the thread has ended."""
        with self._lock:
            self._stopped = True
            if last is not None:
                self._loop.call_soon_threadsafe(last)
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
