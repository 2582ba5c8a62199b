"""Hedges of blocking functions on a `VirtualClock`.

Each attempt runs in a thread of its own, of which only one moves at a time, as with `together`; so
what happens is the same in each run.  A loser is unwound at once, as a function whose time is up: its
sleep raises `Cut`.  Bulkheads outside keep one more permit until that sleep would have ended.
"""

from __future__ import annotations

import contextvars
import math
from collections import deque
from typing import TYPE_CHECKING

from holdfast._runtimes.abandon import ended_late, has_room
from holdfast._runtimes.job import Job
from holdfast._runtimes.race_threads import racing
from holdfast.testing._agenda import Cut, Scope, deadlock
from holdfast.testing._members import Member

if TYPE_CHECKING:
    from holdfast._runtimes.overseen import Board
    from holdfast._runtimes.port import BlockingStep as Step
    from holdfast._runtimes.race_threads import Call, Lanes
    from holdfast.shapes import Site
    from holdfast.strategies.bulkhead import Bulkhead
    from holdfast.strategies.hedge import Hedge
    from holdfast.testing._clockwork import Clockwork


def raced(clock: Clockwork, hedge: Hedge, inner: Step, site: Site) -> Step:
    """Return a step that runs ``inner`` more than once where it is slow; the first success wins."""
    names = site.pipeline, hedge.title

    def lanes(call: Call, holders: tuple[Bulkhead, ...]) -> Lanes:
        return VirtualLanes(clock, call, holders, names)

    return racing(hedge, inner, site, clock.now, lanes)


class Runner(Member):
    """A thread that runs one attempt, and can be made to end at its next wait."""

    number: int
    job: Job
    left: bool = False
    """Whether its race is over, so that it is to be unwound."""

    def park(self) -> None:
        """Let the others move; unwind once the race is over."""
        if not self.left:
            super().park()
        if self.left:
            raise Cut(Scope(0.0), 0.0)


class VirtualLanes:
    """Lanes that are threads of a `VirtualClock`, directed by the caller or by its `together`."""

    board: Board | None = None
    """They are unwound at once, which tells their gates that they were left."""

    def __init__(
        self,
        clock: Clockwork,
        call: Call,
        holders: tuple[Bulkhead, ...],
        names: tuple[str, str],
    ) -> None:
        self._clock = clock
        self._call = call
        self._holders = holders
        self._names = names
        self._local = clock._local  # noqa: SLF001 - a part of the clock
        self._agenda = clock._agenda  # noqa: SLF001 - likewise
        self._caller: Member | None = getattr(self._local, "member", None)
        own: deque[Member] = deque()
        self._ready = own if self._caller is None else self._caller._ready  # noqa: SLF001 - likewise
        self._running: list[Runner] = []
        self._ended: deque[Runner] = deque()

    def room(self) -> bool:
        """Return whether no abandoned attempt has overdrawn a bulkhead."""
        return has_room(self._holders)

    def start(self, number: int) -> None:
        """Begin an attempt in a thread of its own."""
        job = Job(*self._call, lambda _: None)

        def run() -> None:
            scope = self._clock.entered_scope(math.inf)  # in which an endless sleep is possible
            job.run()
            self._clock.left_scope(scope)
            self._ended.append(runner)
            if self._caller is not None:
                self._caller.wake()

        name = f"attempt {number} of pipeline {self._names[0]!r}"
        runner = Runner(run, self._ready, contextvars.copy_context(), self._local, name)
        runner.number, runner.job = number, job
        self._running.append(runner)
        runner.start()
        self._ready.append(runner)

    def next(self, until: float) -> tuple[int, Job] | None:
        """Let time pass until an attempt ends."""
        while not self._ended and self._clock.now() < until:
            if self._caller is None:
                self._direct(until)
            else:
                self._wait(self._caller, until)
        if not self._ended:
            return None
        runner = self._ended.popleft()
        self._running.remove(runner)
        return runner.number, runner.job

    def _wait(self, caller: Member, until: float) -> None:
        entry = None if until == math.inf else self._agenda.add(until, caller.wake)
        try:
            caller.park()
        finally:
            if entry is not None:
                entry.cancel()

    def _direct(self, until: float) -> None:
        if self._ready:
            self._ready.popleft().move()
        elif until < math.inf and self._agenda.next_instant() >= until:
            self._agenda.run_to(until)
        elif self._agenda.run_next() is None:
            raise deadlock("all attempts of a hedge wait", self._running)

    def leave(self) -> bool:
        """Unwind whatever runs, and keep its permits until its sleep would have ended."""
        runners, self._running = self._running, []
        left = False
        for runner in runners:
            until = self._busy_until(runner)
            runner.left = True
            while not runner.ended:
                runner.move()
            runner.job.error = None
            if until > self._clock.now():
                left = True
                self._run_on(until)
        return left

    def _busy_until(self, runner: Runner) -> float:
        """Return when the sleep in which a thread is would have ended."""
        if runner.ended or runner in self._ready:
            return self._clock.now()
        entries = self._agenda._entries  # noqa: SLF001 - a part of the clock
        return min((one.at for one in entries if one.action == runner.wake), default=math.inf)

    def _run_on(self, until: float) -> None:
        left_at, holders, names = self._clock.now(), self._holders, self._names
        for bulkhead in holders:
            bulkhead.hold()

        def ended() -> None:
            ended_late(holders, names, until, left_at)

        if until < math.inf:
            self._clock.call_at(until, ended)
