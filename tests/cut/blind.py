"""A watcher that the kernel doesn't answer, so that it has the frames only; and how that comes about."""

import os
import shlex
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import cache

import pytest

from holdfast._runtimes.cutting.watcher import Watcher
from holdfast._runtimes.threads import Threads
from holdfast._world import world

ROOT = getattr(os, "geteuid", lambda: 0)() == 0
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


@cache
def namespace(mount):
    """Return what runs a command with something mounted over /proc, or skip and say why."""
    as_root = () if ROOT else ("--map-root-user",)
    before = (
        "unshare",
        "--mount",
        *as_root,
        "--pid",
        "--fork",
        "sh",
        "-c",
        f'{mount} && exec "$@"',
        "sh",
    )
    try:
        done = subprocess.run([*before, "true"], capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no unshare here: {error}")
    if done.returncode:
        pytest.skip(f"nothing may be mounted here: {shlex.join(before)}: {done.stderr.strip()}")
    return before


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
