"""One attempt for several callers, in threads: the first caller makes it, in its own thread.

The others wait, each as long as its own deadline allows.  A blocking call cannot be cancelled, so the
attempt goes on when all others have left, and its caller can leave only through a `Timeout` outside,
whose worker thread then goes on for those who still wait.  An interruption (`KeyboardInterrupt`) hands
over to one of them, who makes a new attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast._cut import Late
from holdfast.deadline import ambient, current
from holdfast.shapes import Arguments, Keywords, Site, Wait
from holdfast.strategies.coalesce import GONE, Coalesce, Flight, Seat, inside, scope_of

if TYPE_CHECKING:
    from holdfast._runtimes.port import BlockingRuntime as Runtime
    from holdfast._runtimes.port import BlockingStep as Step


def shared(runtime: Runtime, coalesce: Coalesce, inner: Step, site: Site) -> Step:
    """Return a step in which concurrent calls of one key share one run of ``inner``."""
    now, skip = runtime.now, site.skip
    scope = scope_of(runtime, "blocking", site)
    gate: Any = coalesce  # as far as a wait needs one

    def step(args: Arguments, kwargs: Keywords) -> Any:
        key = coalesce.key_of(scope, args, kwargs, skip)
        while True:
            flight = Flight(key, current())
            # before it can be boarded: a signal handler must not wait for its own thread's flight
            token = inside.set((*inside.get(), flight.mark))
            try:
                seat, leads = coalesce.board(key, flight)
                if leads and seat is not None:
                    return _fly(coalesce, seat, inner, args, kwargs)
            except BaseException:
                coalesce.lose(
                    flight
                )  # if it has not ended: whatever came, nobody shall wait for it
                raise
            finally:
                inside.reset(token)
                del flight  # no cycle from an exception's traceback through this frame
            if seat is None:
                return inner(args, kwargs)
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
    around = ambient.set(flight.bound)
    try:
        result = inner(args, kwargs)
    except Exception as error:
        coalesce.land(flight, None, error)
        raise
    except Late as late:  # an answer all the same, for those whose time is not up
        coalesce.land(flight, late.result, None)
        raise
    else:
        coalesce.land(flight, result, None)
        return result
    finally:
        ambient.reset(around)
        del flight  # no cycle from an exception's traceback through this frame
