"""Errands: functions that run elsewhere, for nobody who waits; whoever asked is told how they ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from holdfast._runtimes.job import Job
from holdfast._runtimes.pool import WorkerPool, pool
from holdfast.errors import BulkheadFullError


def in_worker(
    fn: Callable[[], Any],
    done: Callable[[BaseException | None], None],
    workers: WorkerPool = pool,
    pipeline: str = "",
) -> None:
    """Run ``fn()`` in a worker, then call ``done`` with its error or None; at once if none is free."""

    def run(_args: Any, _kwargs: Any) -> None:
        try:
            finished(fn())
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever asked
            done(error)
        else:
            done(None)

    try:
        workers.start(Job(run, (), {}, lambda _: None, workers.share(pipeline)))
    except BulkheadFullError as error:
        done(error)


def finished(made: Any) -> Any:
    """Return what a function returned; what is to be awaited runs to its end, in a loop of its own."""
    if not hasattr(type(made), "__await__"):
        return made
    import asyncio

    async def run() -> Any:
        return await made

    return asyncio.run(run())
