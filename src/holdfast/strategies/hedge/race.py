"""`Race`: what is known about the attempts of one hedged call, and what follows.

Told what happened and when, it says what to do; the runtimes do it.  One for each call; not locked,
since it lives in one task or thread.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from holdfast._shown import quoted
from holdfast._world import world
from holdfast.classify import add_note
from holdfast.shapes import told
from holdfast.verdict import refusal_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.shapes import Site
    from holdfast.strategies.hedge.hedge import Hedge

WAIT, NEXT, OVER = "wait", "next", "over"
"""What to do: go on waiting; start attempt number `Race.attempts`; take the `verdict`."""

Outcome = tuple[Any, "BaseException | None"]
"""A result, or an error."""


class Race:
    """One call and its attempts, which are numbered from 1.

    Attributes of the class are what most races never change: the first attempt answers, and that is all.
    """

    attempts: int = 1
    """How many have been started."""
    running: tuple[int, ...] = (1,)
    late: bool = False
    """Whether the delay has passed."""
    earns: bool = True
    """Whether a prompt success is credited; see `Hedge.earns`."""
    verdict: Outcome | None = None
    handed: bool = False
    """Whether the caller gets its result."""
    room: Callable[[], bool] | None = None
    """Whether there is a place for another attempt to run."""
    _failed: dict[int, Outcome] | None = None

    def __init__(self, hedge: Hedge, site: Site, began: float, deadline: float) -> None:
        self.hedge = hedge
        self.site = site
        self.began = began
        self.deadline = deadline
        delay = hedge._learning.delay  # noqa: SLF001 - as quick as it gets
        self.due: float = inf if delay is None else began + delay
        """The instant at which another attempt is due."""

    def tick(self, now: float) -> bool:
        """Return whether another attempt is to be started, now that one is due."""
        self.late = True
        return self._another(now, None)

    def returned(self, number: int, result: Any, now: float) -> str:
        """Take note that an attempt has returned."""
        self._left(number)
        try:
            failed = self.hedge.fails_with(result)
        except Exception as fault:  # noqa: BLE001 - the user's predicate; the caller gets to see it
            return self._over((None, fault))
        if failed:
            return self._lost(number, (result, None), None, now)
        return self._won(number, (result, None), now)

    def raised(self, number: int, error: BaseException, now: float) -> str:
        """Take note that an attempt has raised."""
        self._left(number)
        if not isinstance(error, Exception):
            return self._over((None, error))
        hedge, outcome = self.hedge, (None, error)
        if number == 1 and isinstance(error, TimeoutError):
            hedge._learning.going(now - self.began, now)  # noqa: SLF001 - as quick as it gets
        refusal = refusal_in(error)
        if refusal is not None and not hedge.names_rejection(refusal):
            self._keep(number, outcome)
            return WAIT if self.running else self._give_up()
        if not hedge.fails(error):
            self._tell_of_others(error)
            return self._won(number, outcome, now)
        return self._lost(number, outcome, error, now)

    def cancelled(self, number: int, error: BaseException) -> str:
        """Take note that an attempt was cancelled, by whomever: no outcome, and no next one."""
        self._left(number)
        return WAIT if self.running else self._over((None, error))

    def forget(self) -> None:
        """Let go of the outcomes: their tracebacks keep the frames that keep this race."""
        nobodys = [] if self._failed is None else list(self._failed.values())
        if self.verdict is not None and not self.handed:
            nobodys.append(self.verdict)
        self.verdict = self._failed = None
        for result, error in nobodys:
            if error is None:
                self.drop(result)
        nobodys.clear()

    def drop(self, result: Any) -> None:
        """Hand a result that is nobody's to `Hedge.discard`."""
        if self.hedge.discard is not None:
            told(self.hedge.discard, result)

    def _left(self, number: int) -> None:
        self.running = tuple(one for one in self.running if one != number)

    def _keep(self, number: int, outcome: Outcome) -> None:
        if self._failed is None:
            self._failed = {}
        self._failed[number] = outcome

    def _over(self, outcome: Outcome) -> str:
        self.verdict = outcome
        self.due = inf
        return OVER

    def _won(self, number: int, outcome: Outcome, now: float) -> str:
        hedge, seconds = self.hedge, now - self.began
        if number > 1:
            if 1 in self.running:
                hedge._learning.going(seconds, now)  # noqa: SLF001 - as quick as it gets
            hedge.note_won()
            self._tell("HedgeWon", now, attempt=number, duration=seconds)
        elif outcome[1] is not None:
            pass  # an answer, but a call that fails says nothing of how long one takes that succeeds
        elif self.late or self.attempts > 1:
            hedge._learning.ended(seconds, now)  # noqa: SLF001 - as quick as it gets
        else:
            hedge.answered(seconds, now, earns=self.earns)
        return self._over(outcome)

    def _lost(self, number: int, outcome: Outcome, error: Exception | None, now: float) -> str:
        self._keep(number, outcome)
        if self._another(now, error):
            return NEXT
        return WAIT if self.running else self._give_up()

    def _another(self, now: float, error: Exception | None) -> bool:
        """Count another attempt as started, if everything allows it; otherwise there is none at all."""
        hedge, delay = self.hedge, self.hedge._learning.delay  # noqa: SLF001 - as quick as it gets
        self.due = inf
        if self.attempts > hedge._max_hedges or (self.room is not None and not self.room()):  # noqa: SLF001 - as quick as it gets
            return False
        if not hedge.allows(now, self.deadline, error):
            return False
        self.attempts += 1
        self.running = (*self.running, self.attempts)
        if delay is not None and self.attempts <= hedge._max_hedges:  # noqa: SLF001 - as quick as it gets
            self.due = now + delay
        self._tell("HedgeStarted", now, attempt=self.attempts, delay=now - self.began, error=error)
        return True

    def _tell(self, event: str, now: float, **details: Any) -> None:
        if world.listeners:
            from holdfast import events

            events.emit(
                getattr(events, event)(
                    pipeline=self.site.pipeline, strategy=self.hedge.title, at=now, **details
                )
            )

    def _give_up(self) -> str:
        """Let the first outcome of the function itself stand, and tell of the others."""
        failed = self._failed or {}
        own = [number for number in failed if refusal_in(failed[number][1]) is None]
        chosen = failed.pop(min(own or failed))
        if chosen[1] is not None:
            self._tell_of_others(chosen[1])
        return self._over(chosen)

    def _tell_of_others(self, error: BaseException) -> None:
        if not self._failed:
            return
        others = [
            f"attempt {number} {'returned a bad result' if other is None else f'raised {quoted(other)}'}"
            for number, (_, other) in sorted(self._failed.items())
        ]
        start = f"holdfast: pipeline {self.site.pipeline!r} hedged this call: "
        add_note(error, start + ", ".join(others), start)
