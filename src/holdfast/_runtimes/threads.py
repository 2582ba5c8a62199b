"""The runtime for blocking code: real time, real threads.

One file because it is one port, whose verbs are short.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from holdfast._cut import NEARLY, cut_off, hurried, under_cut
from holdfast._runtimes.abandon import Discard, abandon, ended_late, holders_of, told_where
from holdfast._runtimes.caller import in_loop, warn_if_in_loop
from holdfast._runtimes.errands import in_worker
from holdfast._runtimes.job import LONGEST, Job
from holdfast._runtimes.limits import (
    check_stopping,
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
from holdfast._runtimes.own_permits import endless_wait
from holdfast._runtimes.pool import WorkerPool, pool
from holdfast._stopping import bed, sleepers, waking
from holdfast._world import has_gil, world
from holdfast.deadline import NOTHING, OVER, RAN_OUT, ambient, current, inside, live
from holdfast.errors import BulkheadFullError, ConfigurationError, DeadlineExceeded
from holdfast.shapes import Arguments, Attempt, Gate, Instead, Keywords, Site, Wait
from holdfast.strategies.inside import unless_inside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast._runtimes.cutting.watcher import Watcher
    from holdfast._runtimes.port import BlockingStep as Step
    from holdfast._runtimes.port import Cuts, Items
    from holdfast.strategies.coalesce import Coalesce
    from holdfast.strategies.hedge import Hedge
    from holdfast.strategies.retry import Retry
    from holdfast.strategies.timeout import AdaptiveTimeout, Sync, Timeout


def pause(delay: float) -> None:
    """Sleep, but no longer than until `holdfast.stop`; or as somebody else has `time.sleep` do it."""
    if delay <= 0 or getattr(time.sleep, "__self__", None) is not time:  # it is a patched one
        time.sleep(delay)
        return
    signal = threading.Lock()
    signal.acquire()
    own = bed(signal)
    sleepers[own] = signal.release
    try:
        if world.stopping is None:
            signal.acquire(timeout=min(delay, LONGEST))
    finally:
        sleepers.pop(own, None)


class Threads:
    """Waiting blocks the thread.  One for the process; safe in any thread."""

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = pause,
        workers: WorkerPool = pool,
        watcher: Watcher | None = None,
    ) -> None:
        self.now = now
        self._sleep = sleep
        self.workers = workers
        self._watcher = watcher

    @property
    def watcher(self) -> Watcher:
        """What ends calls in their own thread: the process's, unless it was given another."""
        if self._watcher is None:
            from holdfast._runtimes.cutting.watcher import watcher

            self._watcher = watcher
        return self._watcher

    def sleep(self, delay: float) -> None:
        """Block the thread for ``delay`` seconds."""
        if delay > 0:
            warn_if_in_loop("a pause")
        self._sleep(delay)

    def overseen(self, gate: Gate, site: Site) -> Gate:
        """Return a gate as a driver shall see it: in a worker it hears when its caller leaves."""
        return overseen(gate, site)

    def wait(self, gate: Gate, wait: Wait, site: Site) -> Any:
        """Wait as the gate asked, and return the permit; leave the queue however it ends."""
        ticket, own = wait.ticket, bed(wait.ticket)
        try:
            if ticket is None:
                return self._turn(gate, wait, site)
            signal = threading.Lock()
            signal.acquire()

            def wake() -> bool:
                if signal.locked():  # who was interrupted while waking others does it once more
                    signal.release()
                return True

            ticket.wake = wake
            limit = patience(wait, self.now())
            sleepers[own] = waking(wake)
            if not (ticket.granted or ticket.over or world.stopping):
                warn_if_in_loop("a wait for its turn")
                if limit is None and ticket.lends:
                    with endless_wait(gate, wait.permit, site.pipeline, blocks=True):
                        signal.acquire()
                else:
                    signal.acquire(timeout=LONGEST if limit is None else min(limit, LONGEST))
        except BaseException:
            gate.abandoned(wait.permit, self.now())
            raise
        finally:
            sleepers.pop(own, None)
        if not ticket.granted:
            error = gate.expired(wait.permit, self.now())
            if error is not None:
                raise waited_too_long(error, site, self.now())
        if current()[0] <= self.now():  # granted in the instant in which nobody waits any more
            gate.abandoned(wait.permit, self.now())
            raise exceeded(site.pipeline, current(), self.now(), rushed=True)
        return wait.permit

    def _turn(self, gate: Gate, wait: Wait, site: Site) -> Any:
        """Sleep until a turn that is known, or what it becomes for who wakes late; return the permit."""
        delay = wait.delay
        while True:
            self.sleep(check_turn(gate, delay, site, self.now()))
            check_stopping(site, self.now())
            delay = next_turn(gate, wait, site, self.now())
            if delay is None:
                return wait.permit

    def within(self, timeout: Timeout, inner: Step, site: Site) -> Step:
        """Return a step that gives up on ``inner`` in time."""
        if timeout.sync == "cut":
            step = self.cutting(timeout, site).within(timeout.seconds, inner)
            return step if has_gil() else self._unless_in_loop(timeout.seconds, step, inner, site)
        if self.needs_worker(timeout.sync, site):
            return self.in_worker(timeout.seconds, inner, site, timeout.discard)
        return self.cooperative(timeout.seconds, inner, site)

    def _unless_in_loop(self, seconds: float, step: Step, inner: Step, site: Site) -> Step:
        """Return ``step`` for threads without an event loop; without the GIL the watcher can't tell."""
        here = self.cooperative(seconds, inner, site)

        def chosen(args: Arguments, kwargs: Keywords) -> Any:
            return here(args, kwargs) if in_loop() else step(args, kwargs)

        return chosen

    def cutting(self, timeout: Timeout | AdaptiveTimeout, site: Site) -> Cuts:
        """Return what ends calls in their own thread."""
        from holdfast._runtimes.cutting.step import Cutting

        return Cutting(self.now, self.watcher, timeout, site)

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
            if outer is not NOTHING and outer[3]:
                outer = live(outer)
            at = start + seconds
            if outer[0] <= start:
                raise too_short(site, outer, start)
            own: Any = [at, seconds, None, None, outer]  # an `Ambient`; making one takes longer
            if outer is not NOTHING and (outer[0] <= at or outer[2] is not None):
                own = inside(outer, at, seconds)
            token = None
            try:
                token = ambient.set(own)
                return inner(args, kwargs)
            except DeadlineExceeded as error:
                if error.at != at:
                    hurried(error, now() - start, expected)
                    raise
                own[3] = RAN_OUT
                raise converted(pipeline, seconds) from error
            finally:
                # in place, not in a function: there may be no stack left for a call
                if own[3] != RAN_OUT:
                    own[3] = OVER
                if token is not None:  # None if a signal's exception came before
                    ambient.reset(token)
                if outer is not NOTHING and outer[3]:
                    own[4] = live(outer)  # no chain of calls that are over

        return step

    def in_worker(
        self, seconds: float, inner: Step, site: Site, discard: Discard | None = None
    ) -> Step:
        """Return a step that runs ``inner`` in a worker, and leaves it alone in time."""
        now, workers, pipeline = self.now, self.workers, site.pipeline
        around, names = holders_of(site), (site.pipeline, "timeout")
        watches, expected = oversees(site), usual(site, seconds)
        share = workers.share(pipeline)

        def step(args: Arguments, kwargs: Keywords) -> Any:
            outer, start = current(), now()
            if outer[0] <= start:
                raise too_short(site, outer, start)
            holders = around(args, kwargs)
            for bulkhead in holders:
                bulkhead.check_room(site)
            at = start + seconds
            own = inside(outer, at, seconds)
            board = Board() if watches else None
            run = running(board, inner)
            late = lambda job: ended_late(holders, names, now(), own[0], job, discard)  # noqa: E731
            job = Job(run, args, kwargs, late, share, own, threading.get_ident())
            try:
                workers.start(job)
                job.wait(own, now)
            except BulkheadFullError as error:
                site.refuse(error, start)
                raise
            except BaseException:
                if job.given:
                    abandon(job, workers, holders)
                raise
            if abandon(job, workers, holders):
                end = now()
                if own[0] != at or at == outer[0]:
                    rushed = own[0] - start < NEARLY * expected
                    raise told(
                        board,
                        told_where(
                            job, exceeded(pipeline, own, end, abandoned=True, rushed=rushed)
                        ),
                        end,
                    )
                raise told(
                    board, told_where(job, timed_out(pipeline, seconds, end, abandoned=True)), end
                )
            hurried(job.error, now() - start, expected)
            return _outcome(job, at, lambda: converted(pipeline, seconds))

        return unless_inside(site.inside, step, self.cooperative(seconds, inner, site))

    def adaptive(self, timeout: AdaptiveTimeout, inner: Step, site: Site) -> Step:
        """Return a step that gives up on ``inner`` in a time that is learnt from its durations."""
        from holdfast._runtimes.adaptive_threads import adapted

        return adapted(self, timeout, inner, site)

    def items(self, timeout: Timeout, site: Site) -> Items | None:
        """Return what makes what draws the items of a stream under limits, if there is a quick way."""
        if timeout.sync != "cut" or not has_gil():
            return None
        from holdfast._runtimes.cutting.items import drawing
        from holdfast._runtimes.cutting.step import Cutting

        return partial(drawing, Cutting(self.now, self.watcher, timeout, site))

    def race(self, hedge: Hedge, inner: Step, site: Site) -> Step:
        """Return a step that runs ``inner`` more than once where it is slow; the first success wins."""
        from holdfast._runtimes.race_threads import raced

        return raced(self, hedge, inner, site)

    def share(self, coalesce: Coalesce, inner: Step, site: Site) -> Step:
        """Return a step in which concurrent calls of one key share one run of ``inner``."""
        from holdfast._runtimes.share_threads import shared

        return shared(self, coalesce, inner, site)

    def background(
        self,
        fn: Callable[[], Any],
        done: Callable[[BaseException | None], None],
        pipeline: str = "",
    ) -> None:
        """Run ``fn()`` in a worker, and tell its end."""
        in_worker(fn, done, self.workers, pipeline)

    def answer(self, verdict: Instead) -> Any:
        """Return what the verdict makes; refuse what would have to be awaited."""
        try:
            made = verdict.make(verdict.subject)
        except Exception as fault:
            in_context(fault, verdict.subject)
            if under_cut:
                cut_off(fault)
            raise
        if under_cut:
            cut_off(None, made)
        if not hasattr(type(made), "__await__"):
            return made
        close = getattr(made, "close", None)
        if close is not None:
            close()
        refused = ConfigurationError(
            f"what {verdict.make!r} returned must be awaited, and the pipeline is blocking: give it a "
            "plain function"
        )
        in_context(refused, verdict.subject)
        raise refused

    def attempts(self, retry: Retry) -> Iterator[Attempt]:
        """Return the loop over a retry's attempts."""
        from holdfast.attempts import BlockingAttempts

        retry.check_blocking()
        return BlockingAttempts(retry, self)


def _outcome(job: Job, at: float, ours: Callable[[], Exception]) -> Any:
    job.bring_back_context()
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
