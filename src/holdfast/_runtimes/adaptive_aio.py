"""A limit that is learnt, in asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast._runtimes.alone_aio import alone
from holdfast._runtimes.limits import usual
from holdfast.deadline import current

if TYPE_CHECKING:
    from holdfast._runtimes.port import AsyncRuntime as Runtime
    from holdfast._runtimes.port import AsyncStep as Step
    from holdfast.shapes import Arguments, Keywords, Site
    from holdfast.strategies.timeout import AdaptiveTimeout


def adapted(runtime: Runtime, timeout: AdaptiveTimeout, inner: Step, site: Site) -> Step:
    """Return a step that gives up on ``inner`` in time, and tells ``timeout`` how long it took.

    What is cancelled from outside is told to nobody: its duration says nothing.
    """
    now, around = runtime.now, usual(site)

    async def step(args: Arguments, kwargs: Keywords) -> Any:
        start = now()
        limit = timeout.begin(start)
        try:
            expected = min(limit.seconds, limit.usual, around)
            result = await alone(inner, args, kwargs, site, now, limit.seconds, current(), expected)
        except Exception as error:
            timeout.failed(limit, now() - start, error)
            raise
        end = now()
        timeout.succeeded(limit, end - start, end)
        return result

    return step
