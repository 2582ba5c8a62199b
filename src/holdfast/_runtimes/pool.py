"""A kept, bounded pool of worker threads with a cheap hand-over, for timeouts of blocking functions.

A hand-over is two lock releases: the caller wakes one idle worker, the worker wakes the caller.  The
worker that was used last is used next, while its stack is warm.  A worker puts itself back before it
wakes its caller, so a caller in a loop meets the same worker again.

Worker and caller race for a job's single *claim* (``list.pop`` is atomic): if the worker takes it the
outcome counts, however late the caller wakes; if the caller takes it, the job is abandoned, the
worker goes on to its end alone and is counted in `abandoned` until then.  A function that raises
`TimeoutError` of its own is an outcome like any other and harms no worker.

Workers are daemons: a hung dependency must not keep the interpreter from exiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from holdfast import _validate
from holdfast._world import renew_after_fork
from holdfast.errors import BulkheadFullError

IDLE = 30.0
"""Seconds after which an idle worker ends."""

Function = Callable[[Any, Any], Any]


class Job:
    """One call on its way through a worker."""

    __slots__ = (
        "args", "claim", "context", "done", "error", "function", "given", "kwargs", "late", "result",
        "returned",
    )  # fmt: skip

    def __init__(
        self, function: Function, args: Any, kwargs: Any, late: Callable[[Job], None]
    ) -> None:
        self.function: Function = function
        self.args: Any = args
        self.kwargs: Any = kwargs
        self.context: Context = copy_context()
        self.claim: list[bool] = [True]
        self.done: threading.Lock = threading.Lock()
        self.done.acquire()
        self.late: Callable[[Job], None] = late
        """Called in the worker, with the job, when it ends although its caller has left."""
        self.given: bool = False
        """Whether a worker has it."""
        self.result: Any = None
        self.returned: bool = False
        """Whether it has ended with a result."""
        self.error: BaseException | None = None

    def run(self) -> bool:
        """Run the function; return whether the caller still wants the outcome."""
        try:
            self.result = self.context.run(self.function, self.args, self.kwargs)
            self.returned = True
        except BaseException as error:  # noqa: BLE001 - it belongs to the caller
            self.error = error
        return self.take()

    def take(self) -> bool:
        """Claim the job; True for exactly one of worker and caller."""
        try:
            self.claim.pop()
        except IndexError:
            return False
        return True


class Worker(threading.Thread):
    """A thread that waits for a job, runs it, and puts itself back."""

    def __init__(self, pool: WorkerPool, number: int) -> None:
        super().__init__(name=f"holdfast-worker-{number}", daemon=True)
        self.pool = pool
        self.job: Job | None = None
        self.wake: threading.Lock = threading.Lock()
        self.wake.acquire()

    def run(self) -> None:
        """Serve jobs until idle for too long."""
        while self.wake.acquire(timeout=IDLE) or not self.pool.dismiss(self):
            job, self.job = self.job, None
            if job is None:  # woken by nobody: dismissed and hired in the same instant
                continue
            wanted = job.run()
            self.pool.put_back(self, abandoned=not wanted)
            if wanted:
                job.done.release()
            else:
                try:
                    job.late(job)
                finally:
                    job.error = (
                        None  # no cycle: its traceback keeps this frame, which keeps the job
                    )
            del job


class WorkerPool:
    """Worker threads, at most ``limit``, started when needed.  Thread-safe."""

    limit: int
    threads: int
    abandoned: int

    def __init__(self, limit: int = 512) -> None:
        self.limit = limit
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._started = 0
        self.threads = 0
        self.abandoned = 0

    def resize(self, limit: int) -> None:
        """Allow ``limit`` threads from now on; those above it end when they are idle."""
        self.limit = _validate.count("limit", limit)

    def start(self, job: Job) -> None:
        """Give ``job`` to a worker, or raise `BulkheadFullError` at the limit."""
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = self._hire()
        worker.job = job
        worker.wake.release()
        job.given = True

    def _hire(self) -> Worker:
        with self._lock:
            if self.threads >= self.limit:
                raise BulkheadFullError(
                    f"all {self.limit} worker threads are busy, {self.abandoned} of them with calls "
                    "that nobody waits for any more; give blocking calls timeouts of their own, or "
                    "use Timeout(..., sync='cooperative')",
                    strategy="worker pool",
                )
            self.threads += 1
            self._started += 1
            number = self._started
        worker = Worker(self, number)
        try:
            worker.start()
        except BaseException:
            with self._lock:
                self.threads -= 1
            raise
        return worker

    def put_back(self, worker: Worker, *, abandoned: bool) -> None:
        """Make a worker available again."""
        if abandoned:
            with self._lock:
                self.abandoned -= 1
        self._idle.append(worker)

    def gave_up(self) -> None:
        """Count one more job whose caller has left."""
        with self._lock:
            self.abandoned += 1

    def took_back(self) -> None:
        """Uncount it: the worker had ended in the same instant."""
        with self._lock:
            self.abandoned -= 1

    def dismiss(self, worker: Worker) -> bool:
        """Let an idle worker go; False if somebody has just taken it."""
        with self._lock:
            try:
                self._idle.remove(worker)
            except ValueError:
                return False
            self.threads -= 1
            return True

    def snapshot(self) -> dict[str, int]:
        """Return the state as plain data."""
        idle = len(self._idle)
        return {
            "threads": self.threads, "idle": idle, "busy": max(0, self.threads - idle),
            "abandoned": self.abandoned, "limit": self.limit,
        }  # fmt: skip


pool = WorkerPool()
"""The process's pool."""
