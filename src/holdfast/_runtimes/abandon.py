"""A call whose caller has left: until its worker ends, it holds a permit of each enclosing bulkhead."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast._one_go import current_frames
from holdfast._runtimes.job import Job
from holdfast._runtimes.pool import WorkerPool
from holdfast._world import has_gil, world
from holdfast.shapes import Arguments, Keywords, Site, told

if TYPE_CHECKING:
    from holdfast.errors import AttemptTimeout
    from holdfast.strategies.bulkhead import Bulkhead

Discard = Callable[[Any], object]
Holders = Callable[[Arguments, Keywords], "tuple[Bulkhead, ...]"]

DEEPEST, SHOWN = 100, 4
"""How much of the stack of an abandoned call is looked at; and how many places are shown, the first
ones in the user's code and the last."""


def holders_of(site: Site) -> Holders:
    """Return what tells the bulkheads around a call from its arguments: a keyed one has many."""
    fixed = tuple(one for one in site.enclosing if getattr(one, "kind", "") == "bulkhead")
    keyed = tuple(one.holder for one in site.enclosing if hasattr(one, "holder"))
    if not keyed:
        return lambda _args, _kwargs: fixed
    skip = site.skip

    def find(args: Arguments, kwargs: Keywords) -> tuple[Bulkhead, ...]:
        found = [holder(args[skip:], kwargs) for holder in keyed]
        return (*fixed, *(one for one in found if one is not None))

    return find


def has_room(holders: tuple[Bulkhead, ...]) -> bool:
    """Return whether no abandoned worker has overdrawn a bulkhead."""
    return all(one.in_flight <= one.size for one in holders)


def abandon(job: Job, workers: WorkerPool, holders: tuple[Bulkhead, ...]) -> bool:
    """Leave a job alone whose worker has not ended; False if it has, so that its outcome counts.

    The permits are held before the claim, so that a worker that ends right now can't release first.
    """
    if not job.claim:
        return False
    workers.gave_up()
    for bulkhead in holders:
        bulkhead.hold()
    if job.take():
        return True
    for bulkhead in holders:
        bulkhead.release()
    workers.took_back()
    return False


def told_where(job: Job, error: AttemptTimeout) -> AttemptTimeout:
    """Note on a timeout where the function is that goes on; in asyncio its cause tells that.

    Not without the GIL, where the frames of another thread can't be read safely.
    """
    if not has_gil():
        return error
    places: list[str] = []
    frame = current_frames().get(job.thread)
    while frame is not None and len(places) < DEEPEST:
        ours = str(frame.f_globals.get("__name__")).partition(".")[0] == "holdfast"
        if ours and places:
            break
        if not ours:
            code = frame.f_code
            places.append(f"{code.co_qualname} ({code.co_filename}:{frame.f_lineno})")
        frame = frame.f_back
    del frame
    if len(places) > SHOWN:
        places[1 : 1 - SHOWN] = ["..."]
    if places:
        error.add_note("holdfast: its worker is still in " + ", ".join(reversed(places)))
    return error


def ended_late(
    holders: tuple[Bulkhead, ...],
    names: tuple[str, str],
    now: float,
    left_at: float,
    job: Job | None = None,
    discard: Discard | None = None,
) -> None:
    """Give back what an abandoned attempt held, tell that it has ended, and discard its result.

    ``names`` are those of the pipeline and of what left it alone.
    """
    for bulkhead in holders:
        bulkhead.release()
    error = None if job is None or job.returned else job.error
    if world.listeners:
        from holdfast import events

        events.emit(events.AbandonedFinished(
            pipeline=names[0], strategy=names[1], at=now, late=now - left_at, error=error,
            result=None if job is None else job.result,
        ))  # fmt: skip
    if job is not None:
        drop_result(job, discard)


def drop_result(job: Job, discard: Discard | None) -> None:
    """Hand the result of a job, if it has one, to ``discard``: nobody else gets it."""
    if discard is not None and job.returned:
        told(discard, job.result)
