"""Keep all threads of this process on one core for a while.

Waking a thread on another core that has gone idle takes the system some 15-25 µs, more than the
hand-over itself, and whether it happens is the scheduler's whim. On one core it never does.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")


class Unsupported(Exception):
    """This system doesn't let a process choose its cores."""


@contextmanager
def one_core() -> Iterator[None]:
    """Run the block, and all threads there are and will be, on the lowest core we may use."""
    if not hasattr(os, "sched_setaffinity") or not _TASKS.is_dir():
        raise Unsupported("threads can't be bound to a core on this system")
    before = os.sched_getaffinity(0)
    _bind({min(before)})
    try:
        yield
    finally:
        _bind(before)


def _bind(cores: set[int]) -> None:
    for task in _TASKS.iterdir():
        with suppress(ProcessLookupError):  # the thread has just ended
            os.sched_setaffinity(int(task.name), cores)
