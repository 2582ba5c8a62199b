"""Where waiting really happens: one runtime for threads, one for asyncio.

asyncio is imported with the first async function that is decorated: it costs more than all the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from holdfast._runtimes.threads import Threads
from holdfast._world import world

_threads = Threads()
_asyncio: Any = None


def blocking() -> Threads:
    """Return the runtime for blocking code."""
    return _threads


def aio() -> Any:
    """Return the runtime for asyncio code."""
    global _asyncio  # noqa: PLW0603 - made once, when first needed
    if _asyncio is None:
        from holdfast._runtimes.aio import Asyncio

        _asyncio = Asyncio()
    return _asyncio


DEFAULTS: dict[str, Callable[[], Any]] = {"blocking": blocking, "asyncio": aio}
world.runtimes.update(DEFAULTS)
