"""A limit that is learnt, in blocking code."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast.strategies.inside import unless_inside

if TYPE_CHECKING:
    from holdfast._runtimes.port import BlockingStep as Step
    from holdfast._runtimes.port import ThreadRuntime as Runtime
    from holdfast.shapes import Arguments, Keywords, Site
    from holdfast.strategies.timeout import AdaptiveTimeout, Limit

    Clock = Callable[[], float]
    Timed = Callable[[Clock, AdaptiveTimeout, Limit, Step], Step]


def timed(now: Clock, timeout: AdaptiveTimeout, limit: Limit, inner: Step) -> Step:
    """Return a step, for one attempt that begins now, that tells ``timeout`` of its success.

    It runs in the worker, so a late reply is told like any other.
    """
    start = now()

    def step(args: Arguments, kwargs: Keywords) -> Any:
        result = inner(args, kwargs)
        end = now()
        timeout.succeeded(limit, end - start, end)
        return result

    return step


def adapted(
    runtime: Runtime, timeout: AdaptiveTimeout, inner: Step, site: Site, timed: Timed = timed
) -> Step:
    """Return a step that gives up on ``inner`` in time, and tells ``timeout`` how long it took."""
    now = runtime.now
    threaded = runtime.needs_worker(timeout.sync, site)
    cutting = runtime.cutting(timeout, site) if timeout.sync == "cut" else None

    def step(args: Arguments, kwargs: Keywords) -> Any:
        start = now()
        limit = timeout.begin(start, late=threaded)
        try:
            attempt = timed(now, timeout, limit, inner)
            if cutting is not None:
                return cutting.bounded(limit.seconds, attempt, args, kwargs)
            if threaded:
                within = runtime.in_worker(limit.seconds, attempt, site, timeout.discard)
                here = runtime.cooperative(limit.seconds, attempt, site)
                within = unless_inside([timeout], within, here)
            else:
                within = runtime.cooperative(limit.seconds, attempt, site)
            return within(args, kwargs)
        except Exception as error:
            timeout.failed(limit, now() - start, error)
            raise

    return step
