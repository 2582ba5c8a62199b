"""One call on its way through a worker, and whose workers it counts to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from holdfast._cut import Late
from holdfast._runtimes.cutting.wheel import THREAD
from holdfast._runtimes.places import Places
from holdfast.deadline import NOTHING, OVER, RAN_OUT, Ambient, ambient, left, live

LONGEST = threading.TIMEOUT_MAX
Function = Callable[[Any, Any], Any]


class Share(Places):
    """The workers that one pipeline may have."""

    __slots__ = ("pipeline",)

    def __init__(self, pipeline: str, size: int) -> None:
        self.pipeline: str = pipeline
        super().__init__(size)


class Job:
    """One call on its way through a worker."""

    __slots__ = (
        "args", "caller", "claim", "context", "course", "done", "error", "function", "given", "kwargs",
        "late", "limit", "place", "result", "returned", "share", "thread",
    )  # fmt: skip

    def __init__(
        self,
        function: Function,
        args: Any,
        kwargs: Any,
        late: Callable[[Job], None],
        share: Share | None = None,
        limit: Ambient | None = None,
        caller: int | None = None,
    ) -> None:
        self.caller: int | None = caller
        """The thread that waits for it, if one does."""
        self.function: Function = function
        self.args: Any = args
        self.kwargs: Any = kwargs
        self.context: Context = copy_context()
        self.limit: Ambient | None = limit
        """What the function is bound to, which ends when it does: later than the call, if abandoned."""
        if limit is not None:
            self.context.run(ambient.set, limit)
        self.claim: list[bool] = [True]
        self.done: threading.Lock = threading.Lock()
        self.done.acquire()
        self.late: Callable[[Job], None] = late
        """Called in the worker, with the job, when it ends although its caller has left."""
        self.share: Share | None = share
        """Whose workers it counts to."""
        self.place: object = None
        """Its place there."""
        self.given: bool = False
        """Whether a worker has it."""
        self.thread: int = 0
        """The identity of the thread that runs it."""
        self.result: Any = None
        self.returned: bool = False
        """Whether it has ended with a result."""
        self.error: BaseException | None = None
        self.course: Any = [0.0, 0.0, None, None, NOTHING, 0, None]
        """For the watcher, as what a call in its own thread sets: its thread, and whether it is over."""

    def run(self) -> bool:
        """Run the function; return whether the caller still wants the outcome."""
        self.thread = self.course[THREAD] = threading.get_ident()
        try:
            self.result = self.context.run(self.function, self.args, self.kwargs)
            self.returned = True
        except BaseException as error:  # noqa: BLE001 - it belongs to the caller
            if isinstance(error, Late):
                self.result, self.returned = error.result, True
            self.error = error
        self.course[3] = OVER
        wanted = self.take()
        if self.limit is not None:
            left(self.limit, OVER if wanted else RAN_OUT)
        return wanted

    def wait(self, limit: Ambient, now: Callable[[], float]) -> None:
        """Return when it has ended, or at its limit, however that may change meanwhile."""
        while not self.done.acquire(timeout=min(max(0.0, limit[0] - now()), LONGEST)):
            at = limit[0]
            live(limit)
            if limit[0] <= at:
                return

    def bring_back_context(self) -> None:
        """Set the caller's context variables to what the function has left in its own."""
        for variable, value in self.context.items():
            if variable is not ambient and variable.get(self) is not value:
                variable.set(value)

    def run_here(self) -> None:
        """Run it in the thread of its caller, who so waits for its end."""
        self.run()
        self.leave()
        self.given = True
        self.done.release()

    def leave(self) -> None:
        """Give the place back."""
        if self.share is not None:
            self.share.give_back(self.place)

    def take(self) -> bool:
        """Claim the job; True for exactly one of worker and caller."""
        try:
            self.claim.pop()
        except IndexError:
            return False
        return True
