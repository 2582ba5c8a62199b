"""A call that would wait for its own permit, for ever: an error in place of a hang.

Asked where a wait in a queue has no limit, right before it begins, so nobody else pays for it.  Who
holds the permits stands in the frames of the drivers: further up in the stack of the call that waits,
for a protected function that calls another one of the same gate; and, where the wait blocks a running
event loop, in the tasks of that loop, which will never go on.  A block (``with pipeline:``) keeps what
it holds by its owner: this task, the thread below its loop, and the tasks that stand still.  If all
permits are held by calls that wait for one of them, none will come free.

Attempts run on other stacks: a worker's, the task of a hedge or of a flight.  Whoever waits for one is
found from there, and looked at in the same way (a worker's caller only with the GIL, which keeps the
frames of other threads from going while they are read).  Not seen are other threads and tasks that a
call of yours has started and waits for.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from holdfast._one_go import current_frames
from holdfast._weakly import Weakly
from holdfast._world import has_gil, owner, renew_after_fork
from holdfast.errors import Misuse
from holdfast.shapes import Gate, Wait

DRIVERS = ("holdfast._drivers.aio", "holdfast._drivers.blocking")
WORKERS_FRAME = ("holdfast._runtimes.job", "run")
TASKS_FRAMES = (
    ("holdfast._runtimes.race_aio", "attempt"),
    ("holdfast._runtimes.share_aio", "_fly"),
)
"""The outermost frames of attempts; they know their `caller`."""
HELD_BY_BLOCKS: Weakly[Any] = Weakly()
"""Things with a `held_by` that tells what an owner's blocks hold."""


class OwnPermit(Misuse):
    """Internal: a call that would wait for its own permit.  Users see a `RuntimeError`."""

    shown = RuntimeError


class _Stuck:
    """How many permits of each gate are held by calls that wait, without a limit, for another one."""

    def __init__(self) -> None:
        renew_after_fork(self)
        self._after_fork()

    def _after_fork(self) -> None:
        self._held: dict[object, tuple[Any, int]] = {}
        """Gate and permits of each such call; no lock, for the collector may end one at any point."""

    def add(self, call: object, gate: Any, permits: int) -> int:
        """Count those of a call, and return how many there are of its gate."""
        self._held[call] = gate, permits
        return sum(held for other, held in list(self._held.values()) if other is gate)

    def forget(self, call: object) -> None:
        """Count those of a call no longer."""
        self._held.pop(call, None)


_stuck = _Stuck()


@contextmanager
def endless_wait(gate: Gate, permit: Any, pipeline: str, *, blocks: bool) -> Iterator[None]:
    """Run a wait that has no limit; ``blocks`` says whether it holds up its thread.

    Raises:
        OwnPermit: if it would have no end.
    """
    real = behind(gate, permit)
    tasks = _held_by_tasks(real) if blocks else 0
    own = tasks + _held_by_call(real)
    if not own:
        yield
        return
    call = object()
    try:
        stuck = _stuck.add(call, real, own)
        in_flight = getattr(real, "in_flight", None)
        if in_flight is not None and stuck >= in_flight:
            raise OwnPermit(_words(pipeline, real, in_flight, loop=tasks > 0))
        yield
    finally:
        _stuck.forget(call)


def _words(pipeline: str, gate: Any, in_flight: int, *, loop: bool) -> str:
    title = getattr(gate, "title", "gate")
    if loop:
        return (
            f"pipeline {pipeline!r}: this call would wait for ever: what is in flight in the {title} "
            f"({in_flight}) are tasks of the event loop that it blocks. Protect an 'async def' "
            "function, or call the blocking one with await asyncio.to_thread(...)"
        )
    return (
        f"pipeline {pipeline!r}: this call would wait for ever: all that is in flight in the {title} "
        f"({in_flight}) waits for it, its own caller included. Give the function inside a pipeline "
        "of its own, call the unprotected one, or set max_wait"
    )


def behind(gate: Any, permit: Any) -> Any:
    """Return the gate that gave a permit: of a `Keyed` it is the key's own."""
    find: Callable[[Any], Any] | None = getattr(gate, "behind", None)
    return gate if find is None else find(permit)


def _held_by_tasks(real: Any) -> int:
    still = _tasks_of_this_loop()
    return _held(real, _frames(still)) + _held_in_blocks(real, map(id, still))


def _held_by_call(real: Any) -> int:
    frames, owners = _call()
    return _held(real, frames) + _held_in_blocks(real, owners)


def _held(real: Any, frames: Iterable[FrameType]) -> int:
    count = 0
    for frame in frames:
        if frame.f_globals.get("__name__") not in DRIVERS or frame.f_code.co_name != "step":
            continue
        found = frame.f_locals
        gate, permit = found.get("gate"), found.get("permit")
        if gate is not None and permit is not None and type(permit) is not Wait:
            count += behind(gate, permit) is real
    return count


def _held_in_blocks(real: Any, owners: Iterable[object]) -> int:
    blocks = list(HELD_BY_BLOCKS)
    return sum(one.held_by(who, real) for who in owners for one in blocks)


def _call() -> tuple[list[FrameType], set[object]]:
    """Return the frames of the call that waits and of all who wait for it, and whose they are."""
    owners = {owner(), threading.get_ident()}
    # from the caller's caller on: no frame that knows the list is in it, which would make a cycle
    frames = list(_outward(sys._getframe(2)))  # noqa: SLF001 - what warnings itself uses
    for frame in frames:  # it grows
        who, more = _waits_for(frame)
        if who is not None and who not in owners:
            owners.add(who)
            frames += more
    return frames, owners


def _outward(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _waits_for(frame: FrameType) -> tuple[object, Iterable[FrameType]]:
    """Return who waits for an attempt that begins in this frame, and its frames; None and none."""
    where = frame.f_globals.get("__name__"), frame.f_code.co_name
    if where == WORKERS_FRAME and has_gil():
        job = frame.f_locals["self"]
        if job.caller is None or not job.claim:  # nobody waits, or not any more
            return None, ()
        return job.caller, _outward(current_frames().get(job.caller))
    if where in TASKS_FRAMES:
        task = frame.f_locals["caller"]()
        return (None, ()) if task is None else (id(task), _frames([task]))
    return None, ()


def _tasks_of_this_loop() -> list[Any]:
    """Return the tasks that stand still while this thread waits."""
    asyncio = sys.modules.get("asyncio")
    loop = None if asyncio is None else asyncio._get_running_loop()  # noqa: SLF001 - public in all but its name
    if asyncio is None or loop is None:
        return []
    here = asyncio.current_task(loop)
    return [task for task in asyncio.all_tasks(loop) if task is not here]


def _frames(tasks: list[Any]) -> Iterator[FrameType]:
    for task in tasks:
        inner = task.get_coro()
        while inner is not None:
            frame = getattr(inner, "cr_frame", None)
            if frame is not None:
                yield frame
            inner = getattr(inner, "cr_await", None)
