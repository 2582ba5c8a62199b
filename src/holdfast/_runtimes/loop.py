"""The event loop that runs here, for whatever waits in asyncio."""

from __future__ import annotations

import asyncio

from holdfast.errors import Misuse

WORDS = (
    "no asyncio event loop is running here, and an async pipeline waits and times out on one; other "
    "libraries, such as trio, are not supported yet: use asyncio.run(...), or anyio with its asyncio "
    "backend"
)


class NoLoop(Misuse):
    """Internal: something async that does not run on asyncio.  Users see a `RuntimeError`."""

    shown = RuntimeError


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the loop that runs in this thread, or say that there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise NoLoop(WORDS) from None
