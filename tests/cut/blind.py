"""A watcher that the kernel doesn't answer, so that all it has are the frames."""

import sys
import threading
import time
from contextlib import contextmanager

from holdfast._runtimes.cutting.watcher import Watcher
from holdfast._runtimes.threads import Threads
from holdfast._world import world

LIMIT = 0.1
SOON = 2.0
"""A call that was cut has ended by then, in seconds, on however busy a machine."""


class Blind(Watcher):
    """Looks at frames only; its thread ends with `close`."""

    closed = False

    def _turn(self):
        self._eyes._kernel = None
        if self.closed:
            raise SystemExit
        return super()._turn()

    def close(self):
        self.closed = True
        self.arm(self._nobodys, self._now())


@contextmanager
def blind():
    """Have all blocking calls watched by a blind watcher meanwhile."""
    watcher = Blind()
    before = dict(world.overrides)
    world.overrides["blocking"] = Threads(watcher=watcher)
    world.refresh()
    try:
        yield watcher
    finally:
        world.overrides.clear()
        world.overrides.update(before)
        world.refresh()
        watcher.close()


def until(condition):
    """Wait until something in another thread has happened."""
    for _ in range(5000):
        if condition():
            return
        time.sleep(0.001)
    raise AssertionError(f"{condition} has not come true")


class Blocked:
    """A thread that runs a function; `frame` is its innermost one as soon as that is ``place``'s."""

    def __init__(self, function, *args):
        self.outcome = None
        self._thread = threading.Thread(target=self._run, args=(function, *args), daemon=True)
        self._thread.start()

    def _run(self, function, *args):
        try:
            self.outcome = function(*args)
        except BaseException as error:
            self.outcome = error

    def frame(self):
        """Return the innermost frame, None if the thread is over."""
        return sys._current_frames().get(self._thread.ident)

    def ended(self):
        """Return the outcome of a thread that has to end."""
        self._thread.join(10)
        assert not self._thread.is_alive(), "the thread hangs"
        return self.outcome
