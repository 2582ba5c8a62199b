"""The runtime for blocking code on a `VirtualClock`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast._cut import NEARLY, Cut, Late, hurried
from holdfast._runtimes.abandon import Discard, ended_late, holders_of
from holdfast._runtimes.limits import (
    converted,
    deadline_error,
    exceeded,
    patience,
    timed_out,
    too_short,
    usual,
    waited_too_long,
)
from holdfast._runtimes.threads import Threads
from holdfast._stopping import bed, sleepers, waking
from holdfast._world import world
from holdfast.deadline import OVER, RAN_OUT, ambient, current, inside, left, restore
from holdfast.errors import AttemptTimeout, DeadlineExceeded
from holdfast.shapes import Arguments, Gate, Keywords, Site, Wait, told
from holdfast.strategies.bulkhead import Bulkhead
from holdfast.testing._agenda import Cut as Unwound
from holdfast.testing._agenda import Scope

if TYPE_CHECKING:
    from holdfast._runtimes.port import BlockingStep as Step
    from holdfast.strategies.hedge import Hedge
    from holdfast.strategies.timeout import AdaptiveTimeout, Limit, Timeout
    from holdfast.testing._clockwork import Clockwork


LATE = object()


class VirtualThreads(Threads):
    """`Threads` in which time is a number: no worker threads, no real waiting."""

    def __init__(self, clock: Clockwork) -> None:
        super().__init__(now=clock.now, sleep=clock.sleep)
        self.clock = clock

    def sleep(self, delay: float) -> None:
        """Let ``delay`` seconds pass on the clock: no event loop stands still for them."""
        if world.stopping is None:
            self.clock.sleep(delay)

    def overseen(self, gate: Gate, _site: Site) -> Gate:
        """Return a gate as a driver shall see it: a call whose time is up is unwound at once."""
        return gate

    def wait(self, gate: Gate, wait: Wait, site: Site) -> Any:
        """Wait as the gate asked, and return the permit; leave the queue however it ends."""
        ticket = wait.ticket
        if ticket is None:
            return super().wait(gate, wait, site)
        wakes: list[Callable[[], Any]] = []
        woken: list[bool] = []

        def wake() -> bool:
            woken.append(True)
            for one in wakes:
                one()
            return True

        limit = patience(wait, self.now())
        until = math.inf if limit is None else self.now() + limit
        ticket.wake = wake
        came_back, own = False, bed(ticket)
        try:
            sleepers[own] = waking(wake)
            if world.stopping is not None:
                wake()
            self.clock.wait(until, lambda: ticket.granted or ticket.over or bool(woken), wakes)
            came_back = True
        finally:
            if not came_back:
                gate.abandoned(wait.permit, self.now())
            sleepers.pop(own, None)
        if not ticket.granted:
            error = gate.expired(wait.permit, self.now())
            if error is not None:
                raise waited_too_long(error, site, self.now())
        return wait.permit

    def items(self, _timeout: Timeout, _site: Site) -> None:
        """Draw them as any limited step is drawn."""

    def race(self, hedge: Hedge, inner: Step, site: Site) -> Step:
        """Return a step that runs ``inner`` more than once where it is slow; the first success wins."""
        from holdfast.testing._race import raced

        return raced(self.clock, hedge, inner, site)

    def background(
        self,
        fn: Callable[[], Any],
        done: Callable[[BaseException | None], None],
        _pipeline: str = "",
    ) -> None:
        """Run ``fn()`` here and now, and tell its end."""
        try:
            _finished(fn())
        except Exception as error:  # noqa: BLE001 - it belongs to whoever asked
            done(error)
        else:
            done(None)

    def adaptive(self, timeout: AdaptiveTimeout, inner: Step, site: Site) -> Step:
        """Return a step that gives up on ``inner`` in a time that is learnt from its durations."""
        from holdfast._runtimes.adaptive_threads import adapted

        return adapted(self, timeout, inner, site, timed=self._timed)

    def _timed(
        self, now: Callable[[], float], timeout: AdaptiveTimeout, limit: Limit, inner: Step
    ) -> Step:
        """Do as if an attempt that was cut replied when the sleep that was cut would have ended."""
        from holdfast._runtimes.adaptive_threads import timed

        start, step = now(), timed(now, timeout, limit, inner)

        def cuttable(args: Arguments, kwargs: Keywords) -> Any:
            try:
                return step(args, kwargs)
            except Unwound as cut:
                end = cut.until
                if end < math.inf:
                    self.clock.call_at(end, lambda: timeout.succeeded(limit, end - start, end))
                raise

        return cuttable

    def cutting(self, timeout: Timeout | AdaptiveTimeout, site: Site) -> Unwinding:
        """Return what ends calls in time: a sleep on the clock stands for the wait on a socket."""
        return Unwinding(self, timeout, site)

    def in_worker(
        self, seconds: float, inner: Step, site: Site, discard: Discard | None = None
    ) -> Step:
        """Return a step that unwinds ``inner`` in time, and does as if it went on in a worker."""
        return self.unwinding(seconds, inner, site, discard, leaves=True)

    def unwinding(
        self,
        seconds: float,
        inner: Step,
        site: Site,
        discard: Discard | None,
        *,
        leaves: bool,
        hands_over: bool = False,
    ) -> Step:
        """Return a step that unwinds ``inner`` in time.

        Args:
            seconds: the limit.
            inner: what is limited.
            site: where it stands.
            discard: what is given a result that nobody gets.
            leaves: do as if it went on in a worker.
            hands_over: have the caller get a result that is late because nothing slept on the clock.
        """
        now, expected = self.now, usual(site, seconds)
        around = holders_of(site) if leaves else _nobody

        def step(args: Arguments, kwargs: Keywords) -> Any:
            outer, start = current(), now()
            if outer[0] <= start:
                raise too_short(site, outer, start)
            holders = around(args, kwargs)
            for bulkhead in holders:
                bulkhead.check_room(site)
            own = inside(outer, start + seconds, seconds)
            theirs = outer[0] <= start + seconds
            token = ambient.set(own)
            scope = self.clock.entered_scope(own[0])
            rushed = theirs and own[0] - start < NEARLY * expected
            up = (
                deadline_error(site.pipeline, outer, rushed=rushed)
                if theirs
                else converted(site.pipeline, seconds)
            )
            scope.message = Cut(up)
            try:
                result = self._until_cut(
                    scope, inner, args, kwargs, discard, up if hands_over else None
                )
            except (Exception, Unwound) as error:
                hurried(error, now() - start, expected)
                raise
            finally:
                self.clock.left_scope(scope)
                left(own, OVER if now() < scope.due else RAN_OUT)
                restore(token)
            if result is not LATE:
                return result
            if isinstance(scope.cause, DeadlineExceeded) and scope.cause.at == own[0]:
                if theirs:
                    raise scope.cause
                raise converted(site.pipeline, seconds) from scope.cause
            abandoned = leaves and scope.runs_until > scope.due
            if abandoned:
                self._run_on(holders, site.pipeline, scope)
            if theirs:
                raise exceeded(
                    site.pipeline, outer, now(), abandoned=abandoned, rushed=rushed
                ) from scope.cause
            raise timed_out(site.pipeline, seconds, now(), abandoned=abandoned) from scope.cause

        return step

    def _until_cut(
        self,
        scope: Scope,
        inner: Step,
        args: Arguments,
        kwargs: Keywords,
        discard: Discard | None,
        late: AttemptTimeout | None,
    ) -> Any:
        """Return what ``inner`` returns, if that is in time, and `LATE` otherwise."""
        try:
            result = inner(args, kwargs)
        except Unwound as cut:
            if cut.scope is not scope:
                raise
            scope.runs_until = cut.until
        except Exception as error:
            if self.now() < scope.due:
                raise
            scope.cause = error
        else:
            if self.now() < scope.due:
                return result
            if late is not None:
                raise Late(result, late)
            if discard is not None:
                told(discard, result)
        return LATE

    def _run_on(self, holders: tuple[Bulkhead, ...], pipeline: str, scope: Scope) -> None:
        """Do as if a worker thread were still busy with the sleep that was cut."""
        for bulkhead in holders:
            bulkhead.hold()

        def ended() -> None:
            ended_late(holders, (pipeline, "timeout"), scope.runs_until, scope.due)

        if scope.runs_until < math.inf:
            self.clock.call_at(scope.runs_until, ended)


class Unwinding:
    """Steps of one timeout that unwind their calls in the caller's own thread."""

    def __init__(
        self, runtime: VirtualThreads, timeout: Timeout | AdaptiveTimeout, site: Site
    ) -> None:
        self._runtime = runtime
        self._timeout = timeout
        self._site = site

    def within(self, seconds: float, inner: Step) -> Step:
        """Return a step that ends ``inner`` after ``seconds``."""
        timeout = self._timeout
        return self._runtime.unwinding(
            seconds, inner, self._site, timeout.discard,
            leaves=False, hands_over=timeout.late == "return",
        )  # fmt: skip

    def bounded(self, seconds: float, inner: Step, args: Arguments, kwargs: Keywords) -> Any:
        """Run ``inner`` for ``seconds``."""
        return self.within(seconds, inner)(args, kwargs)


def _nobody(_args: Arguments, _kwargs: Keywords) -> tuple[Bulkhead, ...]:
    return ()


def _finished(made: Any) -> None:
    """Run a coroutine to its end, if it is one, on a loop that shares the clock."""
    if not hasattr(type(made), "__await__"):
        return
    from holdfast.testing.loop import run  # it imports asyncio

    async def awaited() -> None:
        await made

    run(awaited())
