"""Event loops in threads of their own, and patience, for the tests that mix threads and loops."""

import asyncio
import sys
import threading
import time

import pytest

PATIENCE = 20.0

EAGER = ["eager tasks"] if sys.version_info >= (3, 12) else []
LOOPS = ["asyncio", "uvloop", *EAGER]
"""The kinds of loop that async code runs on."""


def loop_factory(kind):
    """Return what makes a loop of that kind; skip the test where it is not to be had."""
    if kind == "uvloop":
        return pytest.importorskip("uvloop").new_event_loop
    return eager_loop if kind == "eager tasks" else asyncio.new_event_loop


def eager_loop():
    """Return a loop whose tasks begin at once, within the call that makes them."""
    loop = asyncio.new_event_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    return loop


def until(condition):
    """Wait until something in another thread has happened."""
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, "it never happened"
        time.sleep(0.0005)


class LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self, kind: str = "asyncio") -> None:
        self.loop = loop_factory(kind)()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def submit(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def close(self):
        """End the loop without a word to its tasks; a second time does nothing."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(PATIENCE)
            self.loop.close()
