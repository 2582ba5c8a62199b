"""A limit with a timer of its own, in asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast._cut import NEARLY, Cut, hurried
from holdfast._runtimes.limits import converted, deadline_error, exceeded, timed_out, too_short
from holdfast._runtimes.loop import running_loop
from holdfast.deadline import Ambient, ambient, restore
from holdfast.errors import DeadlineExceeded

if TYPE_CHECKING:
    from holdfast._runtimes.port import AsyncStep as Step
    from holdfast.shapes import Arguments, Keywords, Site


async def alone(
    inner: Step,
    args: Arguments,
    kwargs: Keywords,
    site: Site,
    now: Callable[[], float],
    limit: Ambient,
    expected: float,
    *,
    ours: bool,
) -> Any:
    """Run ``inner`` until ``limit`` with a timer of its own.

    For the caller's deadline, which comes at any time, and for a call inside the same call.
    """
    start = now()
    if limit[0] <= start:
        raise too_short(site, limit, start)
    loop = running_loop()
    task = asyncio.current_task(loop)
    if task is None:
        raise RuntimeError("a Timeout needs a task to cancel: run the call in a task")
    before, fired = task.cancelling(), []
    rushed = not ours and limit[0] - start < NEARLY * expected

    def fire(task: asyncio.Task[Any] = task) -> None:
        fired.append(True)
        told = deadline_error(site.pipeline, limit, rushed=rushed)
        task.cancel(Cut(converted(site.pipeline, limit[1]) if ours else told))

    timer = loop.call_later(limit[0] - start, fire)
    token = ambient.set(limit)
    try:
        result = await inner(args, kwargs)
    except BaseException as error:
        restore(token)
        timer.cancel()
        alone = bool(fired) and task.uncancel() <= before
        del task, fire, timer  # a task keeps its exception, whose traceback keeps this frame
        if alone and isinstance(error, asyncio.CancelledError):
            if ours:
                raise timed_out(site.pipeline, limit[1], now()) from error
            raise exceeded(site.pipeline, limit, now(), rushed=rushed) from error
        if ours and isinstance(error, DeadlineExceeded) and error.at == limit[0]:
            raise converted(site.pipeline, limit[1]) from error
        hurried(error, now() - start, expected)
        raise
    restore(token)
    timer.cancel()
    if fired:
        task.uncancel()
    return result
