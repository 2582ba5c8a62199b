"""The runtime for asyncio while a `VirtualClock` holds the time: each loop gets what it can do.

On a `VirtualLoop` everything happens on the time of that loop, whichever clock was entered last.

Any other loop lives in real time, and nobody can make it jump: its selector really waits, and what
the code under test has set on it (an ``asyncio.sleep``, a ``call_later``) would stay in real time
whatever we did.  So decisions are made on the clock there (a breaker that ``clock.advance(30.0)`` has
taken to its next probe lets calls pass), but nothing can wait for the clock.  What would have to
raises `RuntimeError`, at once, with the remedy: never is there real time where virtual time was asked
for.  It passes the layers of the pipeline as an interruption does, so that no fallback answers in its
place; outside it is an `Exception`, for a web framework's test client shows no others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast._runtimes.aio import Asyncio
from holdfast._runtimes.caller import asking
from holdfast._world import world
from holdfast.errors import Misuse
from holdfast.testing._clockwork import Clockwork, OnVirtualTime

if TYPE_CHECKING:
    from holdfast._runtimes.port import AsyncStep as Step
    from holdfast.shapes import Arguments, Keywords, Site, Ticket
    from holdfast.strategies.hedge import Hedge
    from holdfast.strategies.timeout import AdaptiveTimeout, Timeout

REMEDY = (
    "Run it on a loop that shares the clock: holdfast.testing.run(main()), "
    "asyncio.Runner(loop_factory=VirtualLoop), @pytest.mark.holdfast_virtual on an async test, or "
    'TestClient(app, backend_options={"loop_factory": VirtualLoop}) of Starlette and FastAPI'
)


class WrongLoop(Misuse):
    """Internal: something would wait for the clock on a loop that lives in real time."""

    shown = RuntimeError


def _clock_here() -> Clockwork | None:
    """Return the clock of the virtual loop that runs in this thread, None without one."""
    loop: Any = asyncio._get_running_loop()  # noqa: SLF001 - public in all but its name
    return loop.clock if isinstance(loop, OnVirtualTime) else None


def _instant() -> float:
    """Return the instant of the virtual loop that runs here, or else of the clock in force."""
    loop: Any = asyncio._get_running_loop()  # noqa: SLF001 - as above
    if isinstance(loop, OnVirtualTime):  # in one frame: whoever gives back may have no more stack
        return loop.clock._agenda.now  # noqa: SLF001 - ours
    return world.clock()


class OnClock(Asyncio):
    """`Asyncio` on virtual time; one for all clocks and loops."""

    def __init__(self) -> None:
        super().__init__(now=_instant)

    def check_loop(self, what: str, who: str = "") -> None:
        """Refuse ``what`` would wait for the clock on a loop that lives in real time.

        Raises:
            WrongLoop: which users see as a `RuntimeError`.
        """
        if _clock_here() is None:
            loop = type(asyncio.get_running_loop()).__name__
            raise WrongLoop(
                f"{who or asking()}{what} would have to wait for the VirtualClock that is in force, but "
                f"the event loop that runs here, a {loop}, lives in real time. {REMEDY}"
            )

    async def sleep(self, delay: float) -> None:
        """Wait for ``delay`` seconds of the loop's time, if it is virtual."""
        if delay > 0:
            self.check_loop(f"a delay of {delay:.3g} s")
        await super().sleep(delay)

    async def _granted(self, ticket: Ticket, limit: float | None) -> None:
        if limit and not (ticket.granted or ticket.over):
            self.check_loop(f"a turn in a queue within {limit:.3g} s")
        await super()._granted(ticket, limit)

    def within(self, timeout: Timeout, inner: Step, site: Site) -> Step:
        """Return a step that gives up on ``inner`` in time."""
        return self._checked(super().within(timeout, inner, site), repr(timeout), site)

    def adaptive(self, timeout: AdaptiveTimeout, inner: Step, site: Site) -> Step:
        """Return a step that gives up on ``inner`` in a time that is learnt from its durations."""
        return self._checked(super().adaptive(timeout, inner, site), repr(timeout), site)

    def items(self, _timeout: Timeout, _site: Site) -> None:
        """Draw them as any limited step is drawn."""

    def race(self, hedge: Hedge, inner: Step, site: Site) -> Step:
        """Return a step that runs ``inner`` more than once where it is slow; the first success wins."""
        return self._checked(super().race(hedge, inner, site), repr(hedge), site)

    def _checked(self, step: Step, what: str, site: Site) -> Step:
        """Return ``step``, which sets a timer, for loops on which the timer would ever ring."""
        who = f"pipeline {site.pipeline!r}: "

        async def checked(args: Arguments, kwargs: Keywords) -> Any:
            self.check_loop(what, who)
            return await step(args, kwargs)

        return checked


ON_CLOCK = OnClock()


def check_loop(what: str) -> None:
    """Refuse what would wait on this thread's loop in real time, if a clock holds the time."""
    check: Callable[[str], None] | None = getattr(world.runtime("asyncio"), "check_loop", None)
    if check is not None:
        check(what)
