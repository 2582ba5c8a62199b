"""The watcher: the one thread of the process that ends blocking calls whose time is up.

It sleeps until the first limit.  Callers take no lock, and wake it only where it would come too late for
them: a wheel is armed once for all the calls that pass through it until its timer has come.
"""

from __future__ import annotations

import gc
import os
import time
from _thread import TIMEOUT_MAX, allocate_lock, get_ident, start_new_thread
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush
from itertools import chain, count
from math import inf
from typing import Any
from weakref import ref

from holdfast._cut import aside, under_cut
from holdfast._runtimes.cutting import elsewhere
from holdfast._runtimes.cutting.eyes import Eyes
from holdfast._runtimes.cutting.overdue import Overdue
from holdfast._runtimes.cutting.tally import Tally
from holdfast._runtimes.cutting.telling import overrun
from holdfast._runtimes.cutting.waiting import BUSY
from holdfast._runtimes.cutting.wheel import OVERDUE, Wheel
from holdfast._runtimes.job import Job
from holdfast._weakly import Weakly
from holdfast._world import renew_after_fork

HEAD_START = 0.002
"""What a client's own timer gets, in seconds: ``poll`` rounds up to the next millisecond."""

GRACE, RESPITE = 0.1, 0.25
"""So much beyond its limit is no overrun yet, in seconds; the second is for a call that was cut, or is
at work: on a busy machine it may be about to end, and wait for its turn."""

SOON, SELDOM = 0.005, 1.0
"""The shortest and the longest time from one look at an overdue call to the next, in seconds; ..."""
SHARE = 0.1
"""... in between it is this share of what it is over, and after a cut of its limit ..."""
REST = 5.0
"""... and no less than so many times what the look at all of them took ..."""
CLEANING = 0.05
"""... nor less than this: clean-up may use the network once more."""


class Watcher:
    """Ends calls in time.  Thread-safe, and free of locks."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._wheels: Weakly[Wheel] = Weakly()
        self._nobodys = Wheel(self.arm, "")
        self.cut: Tally = Tally()
        """How many calls were cut, by pipeline; each counts itself when it leaves."""
        self.overran: Tally = Tally()
        """How many could not be, and were told."""
        self.overdue: dict[int, Overdue] = {}
        """The calls that the watcher has taken from their wheels; one that ends takes itself out.

        What became of it stands in what it has set, whoever has taken it out of here.
        """
        self._hushed: tuple[int, ...] | None = None
        """What starts the collector elsewhere, while nothing does; see `_hush`."""
        self._begin()
        renew_after_fork(self)

    def _begin(self) -> None:
        self._inbox: deque[tuple[float, ref[Wheel]]] = deque()
        self._timers: list[tuple[float, int, ref[Wheel]]] = []
        self._numbers = count()
        self._bell = allocate_lock()
        self._bell.acquire()
        self._until = -inf
        self._started: list[None] = []
        self._natives: dict[int, int] = {}
        self._eyes: Any = None

    def _after_fork(self) -> None:
        """Start afresh in a child, where only the thread that forked is left."""
        there, here = self.overdue.copy(), get_ident()
        self.overdue.clear()
        self.cut.clear()
        self.overran.clear()
        if self._eyes is not None:
            self._eyes.close()
        self._begin()
        self._natives = {here: os.getpid()}  # `threading` goes on with the parent's
        for known in under_cut, aside:
            for thread in known.copy():
                if thread != here:  # a new one may get its identity
                    known.pop(thread, None)
        self._unhush()
        for one in there.values():
            if one.thread != here or one.is_job:
                continue
            if one.cut:  # it forks in its clean-up
                self.overdue[one.key] = one
                self.arm(one.wheel, self._now())
            else:
                one.own[OVERDUE] = None
                one.wheel.due[one.key] = one.own
        for wheel in self._wheels:
            wheel.forked(here)

    def wheel(self, pipeline: str, *, mixed: bool = False) -> Wheel:
        """Return a new wheel."""
        made = Wheel(self.arm, pipeline, mixed=mixed)
        self._wheels.add(made)
        return made

    def arm(self, wheel: Wheel, at: float) -> None:
        """Look at a wheel at the instant ``at``, and begin with that if it is the first."""
        if not self._started and not self._start():
            wheel.armed = False  # the next call tries again
            return
        self._inbox.append((at, ref(wheel)))
        if at < self._until:
            with suppress(RuntimeError):  # somebody else has rung
                self._bell.release()

    def end(self, job: Job) -> None:
        """Cut what a worker waits for whose job nobody wants any more."""
        now, own = self._now(), job.course
        own[0] = now
        self.overdue[id(own)] = one = Overdue(own, self._nobodys, now, is_job=True)
        self.arm(self._nobodys, now - HEAD_START)
        if one.over:
            self.forget(job)

    def forget(self, job: Job) -> None:
        """A worker's job has ended; what its thread does next is another one's."""
        one = self.overdue.pop(id(job.course), None)
        if one is None:
            return
        thread = one.thread
        if under_cut.get(thread) is one:
            under_cut.pop(thread, None)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data: how many are watched, and what became of others."""
        names = sorted({*self.cut, *self.overran})
        return {
            "watched": sum(len(wheel.due) for wheel in self._wheels), "overdue": len(self.overdue),
            "pipelines": {
                name: {"cut": self.cut.total(name), "overran": self.overran.total(name)}
                for name in names
            },
        }  # fmt: skip

    def _start(self) -> bool:
        """Begin, if that can be."""
        if elsewhere.hindrance():
            return False
        self._started.append(None)
        if len(self._started) > 1:  # another thread was faster
            return True
        try:
            start_new_thread(self._run, ())
        except RuntimeError:  # no more threads: the process has too many, or comes to its end
            self._started.clear()
        return bool(self._started)

    def _run(self) -> None:
        try:
            self._eyes = Eyes(self.overdue)
            self._go_on()
        finally:  # there is none any more, so that the next call starts another one
            self._started.clear()

    def _go_on(self) -> None:
        while True:
            self._until = -inf
            self._hush()
            try:
                until = self._turn()
            except Exception:
                import logging

                logging.getLogger("holdfast").exception("the watcher of blocking calls failed")
                until = self._now() + SELDOM
            self._until = until
            if self._inbox:
                continue
            left = until - self._now()
            patience = -1 if left > TIMEOUT_MAX else max(0.0, left)
            self._unhush()
            # nothing is allocated here any more: that might be what starts it
            self._bell.acquire(True, patience)  # noqa: FBT003 - named arguments would be

    def _hush(self) -> None:
        """Let the collector not start by itself, for as long as the watcher works.

        It runs where something is allocated, and finalisers with it: one that blocks would be the end
        of all cuts.  Not by `gc.disable`, which programs do themselves, and undo.
        """
        thresholds = gc.get_threshold()
        if thresholds[0]:
            self._hushed = thresholds
            gc.set_threshold(0, *thresholds[1:])

    def _unhush(self) -> None:
        """Let it start again, unless somebody has changed that meanwhile."""
        thresholds, self._hushed = self._hushed, None
        if thresholds is not None and not gc.get_threshold()[0]:
            gc.set_threshold(*thresholds)

    def _turn(self) -> float:
        """Do what is due; return when to come back."""
        now, timers = self._now(), self._timers
        while self._inbox:
            at, wheel = self._inbox.popleft()
            heappush(timers, (at + HEAD_START, next(self._numbers), wheel))
        while timers and timers[0][0] <= now:
            due = heappop(timers)[2]()
            if due is not None:  # else its pipeline is gone, and there can be no call in it
                self._collect(due, now)
        again = self._look(now) if self.overdue else inf
        return min(again, timers[0][0] if timers else inf)

    def _collect(self, wheel: Wheel, now: float) -> None:
        """Take the calls whose time is up out of a wheel; each is overdue before it is gone there."""
        there, wheel.armed = wheel.until, False
        for own in wheel.run_out(now - HEAD_START):
            key = id(own)
            own[OVERDUE] = self.overdue[key] = Overdue(own, wheel, now)
            if wheel.due.pop(key, None) is None:
                del self.overdue[key]  # it has ended in time
        at = wheel.next_due()
        if at < inf:
            wheel.armed, wheel.until = True, at
            if at != there or at + HEAD_START <= now:  # else its timer is there already
                heappush(self._timers, (at + HEAD_START, next(self._numbers), ref(wheel)))

    def _look(self, now: float) -> float:
        """Look at the calls that are overdue, and end those that can be; return when to look again."""
        threads: dict[int, list[Overdue]] = {}
        for key, one in self.overdue.copy().items():
            if one.over:
                self.overdue.pop(key, None)
            elif one.look_at <= now:
                threads.setdefault(one.thread, []).append(one)
        if threads:
            self._eyes.cut(threads, self._natives)
        rest = REST * (self._now() - now)
        for one in chain.from_iterable(threads.values()):
            over = self._now() - one.own[0]
            pause = max(SOON, SHARE * over)
            if not one.why_not:
                pause = max(CLEANING, SHARE * one.own[1])
            one.look_at = now + max(rest, min(pause, SELDOM))
            self._note(one, over)
        return min((one.look_at for one in self.overdue.copy().values()), default=inf)

    def _note(self, one: Overdue, over: float) -> None:
        """Tell once that a call can't be ended."""
        at_work = one.cut or one.why_not == BUSY
        enough = over >= (RESPITE if at_work else GRACE)
        if enough and one.why_not and not one.told and not one.over:
            one.told = True
            self.overran.one_more(one.wheel.pipeline)
            overrun(one, self._now())


watcher = Watcher()
"""The process's watcher."""
