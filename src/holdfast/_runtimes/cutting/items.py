"""The items of a stream, each drawn under a limit that is kept in the caller's own thread.

As a step of `Cutting` does it; in a frame of its own, for an item may cost little.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import TYPE_CHECKING, Any

from holdfast._runtimes.cutting.frames import STEPS
from holdfast._runtimes.cutting.step import OF_LIMITS
from holdfast._runtimes.cutting.wheel import OVERDUE
from holdfast.deadline import NOTHING, OVER, ambient

if TYPE_CHECKING:
    from holdfast._runtimes.cutting.step import Cutting

Draw = Callable[[Callable[[Any], Any], Any], Any]


def drawing(
    cutting: Cutting, between: float, until: float, whole: float, slowly: Draw
) -> tuple[Draw, Callable[[], None]]:
    """Return what draws an item within ``between`` seconds, and what ends that.

    Not after ``until``, which is the end of ``whole`` seconds.  Where more is around it, or nothing is
    left, it is drawn ``slowly``.
    """
    now, get_thread, wheel = cutting.now, get_ident, cutting.mixed()
    due, overdue = wheel.due, cutting.overdue

    def draw(how: Callable[[Any], Any], what: Any) -> Any:
        start = now()
        at, seconds = start + between, between
        if at > until:
            at, seconds = until, whole
        if ambient.get() is not NOTHING or start >= until:
            return slowly(how, what)
        own: Any = [at, seconds, None, None, NOTHING, get_thread(), None]  # as in `Cutting.within`
        key, late, token = id(own), None, None
        try:
            try:
                token = ambient.set(own)
                due[key] = own
                if not wheel.armed or at < wheel.until:
                    wheel.arm(at)
                drawn = how(what)
            finally:  # in place, not in a function: there may be no stack left for a call
                own[3] = OVER
                if due.pop(key, None) is None:
                    late, own[OVERDUE] = own[OVERDUE], None
                    overdue.pop(key, None)
                if token is not None:
                    ambient.reset(token)
        except BaseException as error:
            if late is not None or isinstance(error, OF_LIMITS):
                cutting.raised(own, at, start, late, error)
            raise
        return drawn if late is None else cutting.returned(own, at, start, late, drawn)

    STEPS.add(draw.__code__)
    return draw, _nothing


def _nothing() -> None:
    """Nothing is left behind."""
