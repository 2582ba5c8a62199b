"""The runtime for blocking code: real time, real threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast._cut import NEARLY, hurried
from holdfast._runtimes.holders import holders_of
from holdfast._runtimes.limits import (
    check_turn,
    converted,
    exceeded,
    in_context,
    next_turn,
    patience,
    timed_out,
    too_short,
    usual,
    waited_too_long,
)
from holdfast._runtimes.overseen import Board, overseen, oversees, running, told
from holdfast._runtimes.pool import Job, WorkerPool, in_worker, pool
from holdfast._world import world
from holdfast.deadline import Ambient, ambient, restore
from holdfast.errors import BulkheadFullError, ConfigurationError, DeadlineExceeded
from holdfast.shapes import Arguments, Gate, Instead, Keywords, Site, Wait
from holdfast.strategies.bulkhead import Bulkhead

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast._runtimes.port import BlockingStep as Step
    from holdfast.attempts import Attempt
    from holdfast.strategies.coalesce import Coalesce
    from holdfast.strategies.hedge import Hedge
    from holdfast.strategies.retry import Retry
    from holdfast.strategies.timeout import AdaptiveTimeout, Sync, Timeout

LONGEST = threading.TIMEOUT_MAX


class Threads:
    """Waiting blocks the thread.  One for the process; safe in any thread."""

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        workers: WorkerPool = pool,
    ) -> None:
        self.now = now
        self.sleep = sleep
        self.workers = workers

    def overseen(self, gate: Gate, site: Site) -> Gate:
        """Return a gate as a driver shall see it: in a worker it hears when its caller leaves."""
        return overseen(gate, site)

    def wait(self, gate: Gate, wait: Wait, site: Site) -> Any:
        """Wait as the gate asked, and return the permit; leave the queue however it ends."""
        ticket = wait.ticket
        try:
            if ticket is None:
                delay = wait.delay
                while True:
                    self.sleep(check_turn(gate, delay, site, self.now()))
                    delay = next_turn(gate, wait, site, self.now())
                    if delay is None:
                        return wait.permit
            signal = threading.Lock()
            signal.acquire()

            def wake() -> bool:
                signal.release()
                return True

            ticket.wake = wake
            limit = patience(wait, self.now())
            if not (ticket.granted or ticket.over):
                signal.acquire(timeout=-1 if limit is None else min(limit, LONGEST))
        except BaseException:
            gate.abandoned(wait.permit, self.now())
            raise
        if not ticket.granted:
            error = gate.expired(wait.permit, self.now())
            if error is not None:
                raise waited_too_long(error, site, self.now())
        if ambient.get()[0] <= self.now():  # granted in the instant in which nobody waits any more
            gate.abandoned(wait.permit, self.now())
            raise exceeded(site.pipeline, ambient.get(), self.now(), rushed=True)
        return wait.permit

    def within(self, timeout: Timeout, inner: Step, site: Site) -> Step:
        """Return a step that gives up on ``inner`` in time."""
        if self.needs_worker(timeout.sync, site):
            return self.in_worker(timeout.seconds, inner, site)
        return self.cooperative(timeout.seconds, inner, site)

    def needs_worker(self, sync: Sync, site: Site) -> bool:
        """Return whether a timeout has to leave a thread behind to stop waiting.

        It has not where another one does so further in: that one stops in time anyhow, and all of
        ours in between obeys.
        """
        return sync == "thread" and all(getattr(one, "sync", "") != "thread" for one in site.inside)

    def cooperative(self, seconds: float, inner: Step, site: Site) -> Step:
        """Return a step that sets a deadline around ``inner``, and trusts that it is obeyed."""
        now, pipeline, expected = self.now, site.pipeline, usual(site, seconds)

        def step(args: Arguments, kwargs: Keywords) -> Any:
            outer, start = ambient.get(), now()
            at = start + seconds
            if outer[0] <= start:
                raise too_short(site, outer, start)
            token = ambient.set(outer if outer[0] <= at else Ambient(at, seconds, outer[2]))
            try:
                return inner(args, kwargs)
            except DeadlineExceeded as error:
                if error.at != at:
                    hurried(error, now() - start, expected)
                    raise
                raise converted(pipeline, seconds) from error
            finally:
                restore(token)

        return step

    def in_worker(self, seconds: float, inner: Step, site: Site) -> Step:
        """Return a step that runs ``inner`` in a worker, and leaves it alone in time."""
        now, workers, pipeline = self.now, self.workers, site.pipeline
        around, watches, expected = holders_of(site), oversees(site), usual(site, seconds)

        def step(args: Arguments, kwargs: Keywords) -> Any:
            outer, start = ambient.get(), now()
            at = start + seconds
            limited = outer[0] <= at
            if outer[0] <= start:
                raise too_short(site, outer, start)
            holders = around(args, kwargs)
            for bulkhead in holders:
                bulkhead.check_room(site)
            due = outer[0] if limited else at
            token = ambient.set(outer if limited else Ambient(at, seconds, outer[2]))
            board = Board() if watches else None
            run = running(board, inner)
            try:
                job = Job(run, args, kwargs, lambda: _ended_late(holders, pipeline, now, due))
            finally:
                restore(token)
            try:
                workers.start(job)
                job.done.acquire(timeout=min(due - start, LONGEST))
            except BulkheadFullError as error:
                site.refuse(error, start)
                raise
            except BaseException:
                if job.given:
                    _abandon(job, workers, holders)
                raise
            if _abandon(job, workers, holders):
                if limited:
                    rushed = due - start < NEARLY * expected
                    end = now()
                    raise told(
                        board, exceeded(pipeline, outer, end, abandoned=True, rushed=rushed), end
                    )
                raise told(board, timed_out(pipeline, seconds, now(), abandoned=True), now())
            hurried(job.error, now() - start, expected)
            return _outcome(job, at, lambda: converted(pipeline, seconds))

        return step

    def adaptive(self, timeout: AdaptiveTimeout, inner: Step, site: Site) -> Step:
        """Return a step that gives up on ``inner`` in a time that is learnt from its durations."""
        from holdfast._runtimes.adaptive_threads import adapted

        return adapted(self, timeout, inner, site)

    def race(self, hedge: Hedge, inner: Step, site: Site) -> Step:
        """Return a step that runs ``inner`` more than once where it is slow; the first success wins."""
        from holdfast._runtimes.race_threads import raced

        return raced(self, hedge, inner, site)

    def share(self, coalesce: Coalesce, inner: Step, site: Site) -> Step:
        """Return a step in which concurrent calls of one key share one run of ``inner``."""
        from holdfast._runtimes.share_threads import shared

        return shared(self, coalesce, inner, site)

    def background(
        self, fn: Callable[[], Any], done: Callable[[BaseException | None], None]
    ) -> None:
        """Run ``fn()`` in a worker, and tell its end."""
        in_worker(fn, done, self.workers)

    def answer(self, verdict: Instead) -> Any:
        """Return what the verdict makes; refuse what would have to be awaited."""
        try:
            made = verdict.make(verdict.subject)
        except Exception as fault:
            in_context(fault, verdict.subject)
            raise
        if not hasattr(type(made), "__await__"):
            return made
        close = getattr(made, "close", None)
        if close is not None:
            close()
        raise ConfigurationError(
            "the fallback of a blocking pipeline returned something to await: give it a plain function"
        )

    def attempts(self, retry: Retry) -> Iterator[Attempt]:
        """Return the loop over a retry's attempts."""
        from holdfast.attempts import BlockingAttempts

        return BlockingAttempts(retry, self)


def _abandon(job: Job, workers: WorkerPool, holders: tuple[Bulkhead, ...]) -> bool:
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


def _ended_late(
    holders: tuple[Bulkhead, ...], pipeline: str, now: Callable[[], float], due: float
) -> None:
    for bulkhead in holders:
        bulkhead.release()
    if world.listeners:
        from holdfast import events

        at = now()
        events.emit(events.AbandonedFinished(
            pipeline=pipeline, strategy="timeout", at=at, late=at - due
        ))  # fmt: skip


def _outcome(job: Job, at: float, ours: Callable[[], Exception]) -> Any:
    error = job.error
    if error is None:
        return job.result
    try:
        if isinstance(error, DeadlineExceeded) and error.at == at:
            raise ours() from error
        raise error
    finally:
        # no cycle from the exception's traceback through this frame back to the exception
        del error
        job.error = None
