"""`VirtualClock`: blocking code on virtual time, where an hour of outage takes no time at all.

Time stands still while code runs, and moves only when somebody sleeps, waits or calls `advance`: it
then jumps to the end of the sleep, and what the agenda holds up to there happens on the way, in order.

**Timeouts.**  A function that sleeps past the limit of an enclosing `Timeout` is cut: the clock stops
exactly at the limit and the sleep raises `Cut`, which is no `Exception`, so that no ``except Exception``
stops it on its way to the timeout.  A function that swallows it all the same, or that takes the clock
past its limit with `advance`, has timed out nevertheless: its outcome comes too late to count.

Where this differs from real threads: there, nothing interrupts the function.  An abandoned worker
runs on, and what is *inside* the timeout sees its true end.  Here the function is unwound, and what
is inside is told that the call was abandoned, as it is in asyncio.  Bulkheads *outside* the timeout
behave as they do with real threads: they keep one more permit until the sleep that was cut would have
ended, which for a sleep of infinite length is never.  The limit of the worker pool is not simulated.

**Threads.**  `together` runs several functions in threads of their own of which only one moves at a
time, so what happens is the same in each run.  They change places only when they sleep or wait on the
clock; a `VirtualLoop` that runs in one of them takes turns with the others.  If all of them wait and
nothing is due, they are unwound, and `together` raises `DeadlockError`, which names them; so it does,
after some real seconds, if one of them blocks on something else, such as another one's lock.

Other threads may use the clock too, less predictably: a sleep, or a wait in a queue, in a thread that
has not entered the clock lasts until somebody else moves the time past its end; if nobody does so for
``grace`` real seconds, it moves the time itself.  What such a thread does once it is awake takes real
time, and the time on the clock may move on meanwhile.  A thread that has entered the clock and queues
for a permit gives them a moment to release one, if they have slept on the clock before.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from holdfast import _validate
from holdfast.testing._agenda import PATIENCE, Agenda, Cut, Scope, Scopes, deadlock
from holdfast.testing._members import Member, in_step
from holdfast.testing._seams import Layer, put_on, take_off
from holdfast.testing._threads import VirtualThreads

if TYPE_CHECKING:
    from datetime import timedelta


class VirtualClock:
    """Virtual time for blocking code: ``with VirtualClock() as clock: ...``.

    While it is entered, everything in Holdfast that reads a clock, sleeps, waits in a queue or times
    out does so on this clock.  Async code needs a `VirtualLoop` for that: on an ordinary event loop
    breakers and the like decide on this clock, and what would have to wait for it raises
    `RuntimeError`.  May be entered again while it is entered.  Thread-safe, within the limits that
    the module describes.

    Args:
        start: the first instant, in seconds; at least 0, as everywhere since boot.
        grace: after how many real seconds a sleeping thread that did not enter the clock moves the
            time by itself.

    Raises:
        ConfigurationError: if ``start`` is negative, or no finite number.
    """

    def __init__(self, start: float = 1000.0, *, grace: float = 1.0) -> None:
        self._grace = grace
        self._agenda = Agenda(_validate.seconds("start", start, positive=False))
        self._scopes = Scopes()
        self._drivers: list[int] = []
        """The threads that have entered the clock, once for each time."""
        self._layers: list[Layer] = []
        self._guests: set[threading.Thread] = set()
        """The other threads that have slept on it."""
        self._local = threading.local()
        self._runtime = VirtualThreads(self)

    def __enter__(self) -> Self:
        from holdfast.testing._on_clock import ON_CLOCK  # it imports asyncio

        layer = Layer(clock=self.now, overrides={"blocking": self._runtime, "asyncio": ON_CLOCK})
        self._drivers.append(threading.get_ident())
        self._layers.append(layer)
        _entered.append(self)
        put_on(layer)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        take_off(self._layers.pop())
        innermost = next(n for n in reversed(range(len(_entered))) if _entered[n] is self)
        del _entered[innermost]  # another clock may have been entered in between
        me = threading.get_ident()
        self._drivers.remove(me if me in self._drivers else self._drivers[-1])

    def now(self) -> float:
        """Return the instant, in seconds."""
        return self._agenda.now

    def sleep(self, seconds: float | timedelta) -> None:
        """Let ``seconds`` pass; a function under test takes its time with this.

        Raises:
            ValueError: for a negative duration.
            DeadlockError: for an infinite one that no timeout ends.
        """
        length = _validate.span("seconds", seconds)
        if length < 0:
            raise ValueError(f"sleep length must be non-negative, not {seconds!r}")
        until = self._after(length)
        scope = self._scopes.next()
        if scope is not None and until >= scope.due:
            self._park(scope.due)
            raise Cut(scope, until)
        if until == math.inf:
            raise deadlock("an endless sleep, and no timeout around it")
        self._park(until)

    def _after(self, seconds: float) -> float:
        """Return the instant in ``seconds``: a later one, however short they are.

        Else code that waits for what rounding has left would wait so for ever.
        """
        now = self.now()
        return max(now + seconds, math.nextafter(now, math.inf)) if seconds else now

    def advance(self, seconds: float | timedelta) -> None:
        """Move the time on by ``seconds`` and cut nobody; for tests, from outside."""
        length = seconds if isinstance(seconds, int | float) else seconds.total_seconds()
        if not 0 <= length < math.inf:
            raise ValueError(f"seconds={seconds!r} must be a finite duration of at least 0")
        self._agenda.run_to(self.now() + length)

    def together(self, *functions: Callable[[], Any]) -> list[Any]:
        """Run ``functions`` at the same (virtual) time, each in a thread, and return their results.

        An `Exception` that one raises takes the place of its result.  Each starts in the order given,
        in a copy of the caller's context, and runs until it sleeps or waits.

        Raises:
            RuntimeError: if called by one of such functions itself.
            DeadlockError: if they wait for what can never come, once all of them are unwound.
        """
        if self._member() is not None:
            raise RuntimeError("together() cannot be nested: give all functions to the outer one")
        return in_step(functions, self._agenda, self._local)

    def _member(self) -> Member | None:
        member: Member | None = getattr(self._local, "member", None)
        return member

    # -- for the runtimes ----------------------------------------------------------------------

    def next_event(self) -> float:
        """Return the next instant at which something happens by itself, ``inf`` for none."""
        return self._agenda.next_instant()

    def guests_asleep(self) -> int:
        """Return how many threads that have not entered the clock sleep on it."""
        return self._agenda.strangers()

    def call_at(self, instant: float, action: Callable[[], object]) -> None:
        """Have ``action()`` called when the time reaches ``instant``."""
        self._agenda.add(instant, action)

    def run_to(self, instant: float) -> None:
        """Move the time on to ``instant``."""
        self._agenda.run_to(instant)

    def in_step(self) -> bool:
        """Return whether this thread is one of several of which only one moves at a time."""
        return self._member() is not None

    def park_loop(self, until: float, awake: Callable[[Callable[[], Any]], bool]) -> None:
        """Let the others in step move until then, or until the loop of this thread is woken.

        ``awake(wake)`` is told what wakes it, and says whether it is awake already.
        """
        member = self._member()
        if member is not None and not awake(member.wake):
            self._in_step(member, until, lambda: True)

    def entered_scope(self, due: float) -> Scope:
        """Cut this thread's sleeps at ``due`` from here on; leave with `left_scope`."""
        return self._scopes.push(due)

    def left_scope(self, scope: Scope) -> None:
        """Take back `entered_scope`."""
        self._scopes.remove(scope)

    def wait(
        self, until: float, granted: Callable[[], bool], wakes: list[Callable[[], Any]]
    ) -> None:
        """Return when ``granted()``, or at the instant ``until``.

        Whoever grants it calls ``wakes[0]``, which is set before ``granted`` is asked again.
        """
        member = self._member()
        if member is not None:
            wakes.append(member.wake)
            if not granted():
                self._in_step(member, until, granted)
            return
        if threading.get_ident() not in self._drivers:
            self._follow(until, granted, wakes)
            return
        signal = threading.Event()
        wakes.append(signal.set)
        while not granted() and self.now() < until:
            if self._agenda.next_instant() < until:
                entry = self._agenda.run_next()
                if entry is not None and entry.stranger:
                    signal.wait(self._grace / 10)
            elif self._others_may_come(until) and signal.wait(self._grace / 10):
                continue
            elif until == math.inf:
                raise deadlock("a wait without limit, and nobody to end it")
            else:
                self._agenda.run_to(until)

    def _others_may_come(self, until: float) -> bool:
        """Return whether a thread that runs freely may end a wait."""
        if until == math.inf:
            from holdfast.testing._stuck import others_may_act

            return others_may_act()
        self._guests = {guest for guest in self._guests if guest.is_alive()}
        return bool(self._guests)

    def _park(self, until: float) -> None:
        """Return when the time has come to ``until``."""
        member = self._member()
        if member is not None:
            self._in_step(member, until, lambda: False)
        elif threading.get_ident() in self._drivers:
            self._agenda.run_to(until)
        else:
            self._follow(until, lambda: False, [])

    def _in_step(self, member: Member, until: float, done: Callable[[], bool]) -> None:
        """Let the others move until the time has come to ``until``, or it was woken and is done."""
        entry = None if until == math.inf else self._agenda.add(until, member.wake)
        try:
            member.park()
            while not done() and self.now() < until:  # woken for a wait that is long over
                member.park()
        finally:
            if entry is not None:
                entry.cancel()

    def _follow(
        self, until: float, done: Callable[[], bool], wakes: list[Callable[[], Any]]
    ) -> None:
        """Sleep or wait in a thread that has not entered the clock, while others move the time."""
        self._guests.add(threading.current_thread())
        while not done() and self.now() < until:
            signal = threading.Event()
            entry = self._agenda.add(until, signal.set, stranger=True)
            # who is woken counts as awake at once, however late the system lets it run
            wakes[:] = [entry.cancel, signal.set]
            try:
                if not done():
                    self._sleep(signal, until)
            finally:
                entry.cancel()

    def _sleep(self, signal: threading.Event, until: float) -> None:
        """Return when woken; move the time if nobody else does."""
        seen, idle = self.now(), 0.0
        while not signal.wait(self._grace):
            idle = idle + self._grace if self.now() == seen else 0.0
            seen = self.now()
            if not idle or self._agenda.next_instant() < until:
                continue
            if until < math.inf:
                self._agenda.run_to(until)
            elif idle >= PATIENCE:
                raise deadlock("a thread waits without limit, and nobody moves the time")


_entered: list[VirtualClock] = []


def clock_in_force() -> VirtualClock | None:
    """Return the clock that was entered last and is not left yet."""
    return _entered[-1] if _entered else None
