"""A kept, bounded pool of worker threads with a cheap hand-over, for timeouts of blocking functions.

A hand-over is two lock releases: the caller wakes one idle worker, the worker wakes the caller.  The
worker that was used last is used next, while its stack is warm.  A worker puts itself back before it
wakes its caller, so a caller in a loop meets the same worker again.

Worker and caller race for a job's single *claim* (``list.pop`` is atomic): if the worker takes it the
outcome counts, however late the caller wakes; if the caller takes it, the job is abandoned, the
worker goes on to its end alone and is counted in `abandoned` until then.  A function that raises
`TimeoutError` of its own is an outcome like any other and harms no worker.

No lock is held anywhere: what is counted are the entries of lists, which change atomically.  A finaliser
or a signal handler may make a call of its own at any point here.

One pipeline gets at most a share of the workers (`WorkerPool.share`), so that a dependency that hangs
uses up its own, and the others have theirs.

Workers are daemons: a hung dependency must not keep the interpreter from exiting.  Where daemons are
forbidden, in a subinterpreter, they are not, and end soon after their last job.  Where the interpreter
itself is ending there are no more threads, and a job runs in the thread of its caller.
"""

from __future__ import annotations

import itertools
import sys
import threading
from typing import Any
from weakref import WeakValueDictionary

from holdfast import _validate
from holdfast._runtimes.job import Job, Share
from holdfast._runtimes.places import Places
from holdfast._world import renew_after_fork, world
from holdfast.errors import BulkheadFullError

IDLE = 30.0
"""Seconds after which an idle worker ends, ..."""

BRIEF = 0.1
"""... and after which one does that its interpreter would wait for."""

SHARE = 0.25
"""The part of the workers that one pipeline may have."""


class Worker(threading.Thread):
    """A thread that waits for a job, runs it, and puts itself back."""

    def __init__(self, pool: WorkerPool, number: int, place: object) -> None:
        name = f"holdfast-worker-{number}"
        try:
            super().__init__(name=name, daemon=True)
        except RuntimeError:  # forbidden in this interpreter
            super().__init__(name=name, daemon=False)
        self.pool = pool
        self.place = place
        self.job: Job | None = None
        self.wake: threading.Lock = threading.Lock()
        self.wake.acquire()

    def run(self) -> None:
        """Serve jobs until idle for too long."""
        while self._woken():
            job, self.job = self.job, None
            if job is None:  # whoever had started this thread did not wait for it
                return
            wanted = job.run()
            job.leave()
            self.pool.put_back(self, abandoned=not wanted)
            if wanted:
                job.done.release()
            else:
                try:
                    job.late(job)
                finally:  # no cycle: its traceback keeps this frame, which keeps the job
                    job.error = None
            del job

    def _woken(self) -> bool:
        """Wait to be woken; False after too long a time in which nobody wanted it.

        One that is hired in that very instant is about to be woken: only then it may look at its job.
        """
        while not self.wake.acquire(timeout=IDLE if self.daemon else BRIEF):
            if self.pool.dismiss(self):
                return False
        return True


class WorkerPool:
    """Worker threads, at most ``limit``, started when needed.  Thread-safe, and free of locks.

    Args:
        limit: how many there may be.
        share: the part of them, in (0, 1], that the calls of one pipeline may have.
    """

    def __init__(self, limit: int = 512, share: float = 1.0) -> None:
        self._places = Places(_validate.count("limit", limit))
        self._share: float = _validate.share("share", share)
        self._shares: WeakValueDictionary[str, Share] = WeakValueDictionary()
        self._allotted: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._idle: list[Worker] = []
        self._abandoned: list[None] = []
        for places in (self._places, *self._known()):
            places.clear()

    @property
    def limit(self) -> int:
        """How many workers there may be."""
        return self._places.size

    @property
    def threads(self) -> int:
        """How many workers there are."""
        return self._places.taken

    @property
    def abandoned(self) -> int:
        """How many of them run a call that nobody waits for any more."""
        return len(self._abandoned)

    def resize(self, limit: int, *, share: float | None = None) -> None:
        """Allow ``limit`` threads from now on; those above it end when they are idle.

        Args:
            limit: how many there may be.
            share: the part of them that one pipeline may have; None leaves it as it is.

        Raises:
            ConfigurationError: for a value outside its range.
        """
        limit = _validate.count("limit", limit)
        if share is not None:
            self._share = _validate.share("share", share)
        with world.changing:
            self._places.resize(limit)
            for one in self._known():
                one.resize(self._size_of(one.pipeline))

    def allot(self, pipeline: str, workers: int | None) -> None:
        """Let the pipeline of that name have so many workers, whatever its share; None ends that.

        Raises:
            ConfigurationError: for less than 1.
        """
        if workers is not None:
            _validate.count("workers", workers)
        with world.changing:
            self._allotted.pop(pipeline, None)
            if workers is not None:
                self._allotted[pipeline] = workers
            self.share(pipeline).resize(self._size_of(pipeline))

    def share(self, pipeline: str) -> Share:
        """Return the share of the pipelines of that name; for whoever makes jobs."""
        made = Share(pipeline, self._size_of(pipeline))
        with world.changing:
            return self._shares.setdefault(pipeline, made)

    def _known(self) -> list[Share]:
        """Return the shares there are; in one step, for they come and go."""
        return [one for ref in self._shares.valuerefs() if (one := ref()) is not None]

    def _size_of(self, pipeline: str) -> int:
        usual = max(1, int(self.limit * self._share))
        return min(self.limit, self._allotted.get(pipeline, usual))

    def start(self, job: Job) -> None:
        """Give ``job`` to a worker, or raise `BulkheadFullError` where there is none to be had."""
        share = job.share
        if share is not None:
            job.place = share.take()
            if job.place is None:
                raise self._share_is_full(share)
        try:
            worker = None if sys.is_finalizing() else self._worker()
        except BaseException:
            job.leave()
            raise
        if worker is None:  # and there will be none any more
            job.run_here()
            return
        worker.job = job
        worker.wake.release()
        job.given = True

    def _worker(self) -> Worker | None:
        """Return a worker, a new one if need be; None where the interpreter is ending."""
        try:
            return self._idle.pop()
        except IndexError:
            pass
        place = self._places.take()
        if place is None:
            raise self._full()
        worker = None
        try:
            worker = Worker(self, next(self._numbers), place)
            worker.start()
        except BaseException as error:
            self._places.give_back(place)
            if worker is not None:
                worker.wake.release()  # if it runs all the same, it goes home
            if not isinstance(error, RuntimeError):
                raise
            if is_ending():
                return None
            raise self._no_thread(error) from error
        return worker

    def put_back(self, worker: Worker, *, abandoned: bool) -> None:
        """Make a worker available again."""
        if abandoned:
            self.took_back()
        self._idle.append(worker)

    def gave_up(self) -> None:
        """Count one more job whose caller has left."""
        self._abandoned.append(None)

    def took_back(self) -> None:
        """Uncount it: the worker has ended."""
        del self._abandoned[-1:]  # none in a child that was forked in the worker

    def dismiss(self, worker: Worker) -> bool:
        """Let an idle worker go; False if somebody has just taken it."""
        try:
            self._idle.remove(worker)
        except ValueError:
            return False
        self._places.give_back(worker.place)
        return True

    def _full(self) -> BulkheadFullError:
        return BulkheadFullError(
            f"all {self.limit} worker threads are busy, {self.abandoned} of them with calls "
            "that nobody waits for any more; give blocking calls timeouts of their own, or "
            "leave sync='thread' out",
            strategy="worker pool",
        )

    def _share_is_full(self, share: Share) -> BulkheadFullError:
        return BulkheadFullError(
            f"all its worker threads are busy, {share.size} of the {self.limit} of all pipelines; give "
            "its blocking calls timeouts of their own, leave sync='thread' out, or "
            f"allow it more with holdfast.extend.worker_pool().allot({share.pipeline!r}, ...)",
            strategy="worker pool",
        )

    def _no_thread(self, error: RuntimeError) -> BulkheadFullError:
        return BulkheadFullError(
            f"the system starts no thread beside the {self.threads} workers ({error}); raise its "
            "limit on threads, or leave sync='thread' out",
            strategy="worker pool",
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data; ``pipelines`` has those that have workers now."""
        threads, idle = self.threads, len(self._idle)
        shares = sorted(self._known(), key=lambda one: one.pipeline)
        return {
            "threads": threads, "idle": idle, "busy": max(0, threads - idle),
            "abandoned": self.abandoned, "limit": self.limit, "share": self._share,
            "pipelines": {
                one.pipeline: {"busy": one.taken, "limit": one.size} for one in shares if one.taken
            },
        }  # fmt: skip


def is_ending() -> bool:
    """Return whether the interpreter is about to end, so that it starts no more threads."""
    return sys.is_finalizing() or not threading.main_thread().is_alive()


pool = WorkerPool(share=SHARE)
"""The process's pool."""
