"""One attempt for several callers, in threads: the first caller makes it, in its own thread.

The others wait, each as long as its own deadline allows.  A blocking call cannot be cancelled, so the
attempt goes on when all others have left, and its caller can leave only through a `Timeout` outside,
whose worker thread then goes on for those who still wait.  An interruption (`KeyboardInterrupt`) hands
over to one of them, who makes a new attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.deadline import ambient
from holdfast.shapes import Arguments, Keywords, Site, Wait
from holdfast.strategies.coalesce import GONE, Coalesce, Seat, inside

if TYPE_CHECKING:
    from holdfast._runtimes.port import BlockingRuntime as Runtime
    from holdfast._runtimes.port import BlockingStep as Step


def shared(runtime: Runtime, coalesce: Coalesce, inner: Step, site: Site) -> Step:
    """Return a step in which concurrent calls of one key share one run of ``inner``."""
    now, skip, scope = runtime.now, site.skip, object()
    gate: Any = coalesce  # as far as a wait needs one

    def step(args: Arguments, kwargs: Keywords) -> Any:
        key = coalesce.key_of(scope, args, kwargs, skip)
        while True:
            seat, leads = coalesce.board(key)
            if seat is None:
                return inner(args, kwargs)
            if leads:
                return _fly(coalesce, seat, inner, args, kwargs)
            coalesce.tell(seat)
            runtime.wait(gate, Wait(seat, None, seat), site)
            if coalesce.again(seat, now()):
                continue
            result, error, trace = seat.take()
            if error is None:
                return result
            try:
                raise error.with_traceback(trace)
            finally:
                del error, trace  # no cycle from its traceback through this frame

    return step


def _fly(coalesce: Coalesce, seat: Seat, inner: Step, args: Arguments, kwargs: Keywords) -> Any:
    """Make the attempt, and tell those who wait how it ended."""
    flight, seat.flight = seat.flight, GONE
    token, around = inside.set((*inside.get(), flight.mark)), ambient.set(flight.bound)
    try:
        result = inner(args, kwargs)
    except Exception as error:
        coalesce.land(flight, None, error)
        raise
    except BaseException:
        coalesce.lose(flight)
        raise
    else:
        coalesce.land(flight, result, None)
        return result
    finally:
        inside.reset(token)
        ambient.reset(around)
        del flight  # no cycle from an exception's traceback through this frame
