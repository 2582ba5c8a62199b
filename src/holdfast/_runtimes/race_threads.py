"""Hedges in blocking code: every attempt runs in a worker of the bounded pool, the first one too.

It has to: a blocking call cannot be interrupted, so the only way to leave a slow one for another is
not to be in it.  A loser is abandoned as a `Timeout` abandons its attempt: it is counted, and holds a
permit of each enclosing bulkhead until it ends.  The watcher cuts the socket that it waits for, so that
is soon.  The caller stops waiting at its deadline.
"""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from holdfast._cut import NEARLY, Late
from holdfast._runtimes.abandon import (
    Discard,
    abandon,
    drop_result,
    ended_late,
    has_room,
    holders_of,
)
from holdfast._runtimes.cutting.watcher import Watcher, watcher
from holdfast._runtimes.job import Job, Share
from holdfast._runtimes.limits import exceeded, too_short, usual
from holdfast._runtimes.overseen import Board, oversees, running, told
from holdfast._runtimes.pool import WorkerPool
from holdfast.deadline import Ambient, current
from holdfast.errors import AttemptTimeout, BulkheadFullError
from holdfast.strategies.bulkhead import Bulkhead
from holdfast.strategies.hedge import NEXT, Race
from holdfast.strategies.inside import unless_inside

if TYPE_CHECKING:
    from holdfast._runtimes.port import BlockingStep as Step
    from holdfast._runtimes.port import ThreadRuntime as Runtime
    from holdfast.shapes import Arguments, Keywords, Site
    from holdfast.strategies.hedge import Hedge


class Lanes(Protocol):
    """Where the attempts of one race run."""

    board: Board | None
    """Where their gates are noted, if they have to be told that time is up."""

    def room(self) -> bool:
        """Return whether another attempt may run."""

    def start(self, number: int) -> None:
        """Begin an attempt."""

    def next(self, until: float) -> tuple[int, Job] | None:
        """Return the next attempt that has ended, with its outcome; None at the instant ``until``."""

    def leave(self) -> bool:
        """Abandon whatever runs; return whether anything did."""


Call = tuple["Step", "Arguments", "Keywords"]
MakeLanes = Callable[[Call, tuple[Bulkhead, ...]], Lanes]


def raced(runtime: Runtime, hedge: Hedge, inner: Step, site: Site) -> Step:
    """Return a step that runs ``inner`` more than once where it is slow; the first success wins."""
    now, workers, names = runtime.now, runtime.workers, (site.pipeline, hedge.title)
    share, watches = workers.share(site.pipeline), oversees(site)
    watcher = runtime.watcher  # now: at the interpreter's end nothing can be imported any more

    def lanes(call: Call, holders: tuple[Bulkhead, ...]) -> Lanes:
        board = Board() if watches else None
        return Workers(
            call, holders, names, workers, now, hedge.discard,
            share=share, board=board, watcher=watcher,
        )  # fmt: skip

    return racing(hedge, inner, site, now, lanes)


def racing(
    hedge: Hedge, inner: Step, site: Site, now: Callable[[], float], make_lanes: MakeLanes
) -> Step:
    """Return the step that directs the attempts, wherever they run."""
    around, earns, expected = holders_of(site), hedge.earns(site), usual(site)

    def step(args: Arguments, kwargs: Keywords) -> Any:
        outer, began = current(), now()
        if outer[0] <= began:
            raise too_short(site, outer, began)
        holders = around(args, kwargs)
        for bulkhead in holders:
            bulkhead.check_room(site)
        race, lanes = Race(hedge, site, began, outer[0]), make_lanes((inner, args, kwargs), holders)
        race.earns, race.room = earns, lanes.room
        error: BaseException | None = None
        late: AttemptTimeout | None = None
        try:
            try:
                lanes.start(1)
            except BulkheadFullError as full:
                site.refuse(full, began)
                raise
            while race.verdict is None:
                ended, at = lanes.next(min(race.due, outer[0])), now()
                if ended is not None:
                    follow(race, lanes, ended, at)
                elif at >= outer[0]:
                    rushed = at - began < NEARLY * expected < math.inf
                    abandoned = lanes.leave()
                    late = exceeded(site.pipeline, outer, at, abandoned=abandoned, rushed=rushed)
                    raise told(lanes.board, late, at)
                elif at >= race.due and race.tick(at):
                    start(race, lanes, at)
            result, error = race.verdict
            if error is not None:
                raise error
            race.handed = True
            return result
        finally:
            error = late = None  # no cycle from its traceback through this frame back to it
            lanes.leave()
            race.forget()

    return unless_inside(site.inside, step, inner)


def follow(race: Race, lanes: Lanes, ended: tuple[int, Job], now: float) -> None:
    """Judge an attempt that has ended, and start the next one if that is what follows."""
    number, job = ended
    error, job.error = job.error, None
    if isinstance(error, Late):  # an answer all the same, and the race is told of it in time
        error = None
    what = (
        race.returned(number, job.result, now) if error is None else race.raised(number, error, now)
    )
    if error is None and race.verdict is not None:
        job.bring_back_context()
    del error
    if what == NEXT:
        start(race, lanes, now)


def start(race: Race, lanes: Lanes, now: float) -> None:
    """Begin the newest attempt; without a worker it counts as rejected."""
    try:
        lanes.start(race.attempts)
    except BulkheadFullError as error:
        full = BulkheadFullError(str(error), strategy="worker pool")
        if race.raised(race.attempts, full, now) == NEXT:
            start(race, lanes, now)


class Bell:
    """What a worker releases when it has ended: all attempts of a race ring in one queue."""

    __slots__ = ("_answers", "_number")

    def __init__(self, answers: queue.SimpleQueue[int], number: int) -> None:
        self._answers = answers
        self._number = number

    def release(self) -> None:
        """Ring."""
        self._answers.put(self._number)


class Workers:
    """Lanes that are workers of the pool."""

    def __init__(
        self,
        call: Call,
        holders: tuple[Bulkhead, ...],
        names: tuple[str, str],
        workers: WorkerPool,
        now: Callable[[], float],
        discard: Discard | None,
        *,
        share: Share | None = None,
        board: Board | None = None,
        watcher: Watcher = watcher,
    ) -> None:
        self.board = board
        self._watcher = watcher
        self._discard = discard
        self._call = (running(board, call[0]), *call[1:])
        self._workers = workers
        self._share = share
        self._holders = holders
        self._now = now
        self._names = names
        self._running: dict[int, Job] = {}
        self._answers: queue.SimpleQueue[int] = queue.SimpleQueue()  # gevent may patch it late
        self._left_at = 0.0

    def room(self) -> bool:
        """Return whether no abandoned worker has overdrawn a bulkhead."""
        return has_room(self._holders)

    def start(self, number: int) -> None:
        """Give the attempt to a worker."""
        outer = current()  # a loser goes on to its own end, and is bound until then
        limit = Ambient(outer[0], outer[1], outer[2], None, outer)
        job = Job(*self._call, self._ended_late, self._share, limit, threading.get_ident())
        job.done = Bell(self._answers, number)  # type: ignore[assignment] # all that a worker does is release it
        self._running[number] = job
        try:
            self._workers.start(job)
        except BulkheadFullError:
            del self._running[number]
            raise

    def next(self, until: float) -> tuple[int, Job] | None:
        """Wait for the next attempt that ends."""
        patience = min(max(0.0, until - self._now()), threading.TIMEOUT_MAX)
        try:
            number = self._answers.get(timeout=patience)
        except queue.Empty:
            return None
        return number, self._running.pop(number)

    def leave(self) -> bool:
        """Abandon whatever runs."""
        self._left_at = self._now()
        jobs, self._running = self._running.values(), {}
        left = [job.given and abandon(job, self._workers, self._holders) for job in jobs]
        for job, abandoned in zip(jobs, left, strict=True):
            if abandoned:
                self._watcher.end(job)
        for job, abandoned in zip(jobs, left, strict=True):
            if not abandoned:
                job.error = None  # it has ended in this instant, too late to count
                drop_result(job, self._discard)
        return any(left)

    def _ended_late(self, job: Job) -> None:
        self._watcher.forget(job)
        ended_late(self._holders, self._names, self._now(), self._left_at, job, self._discard)
