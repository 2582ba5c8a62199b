"""One attempt for several callers, in asyncio: it runs in a task of its own.

So it belongs to none of its callers, and each of them can leave.  The last one to leave cancels the task
and, in the same event loop, waits until it has ended, as if it had run the attempt itself.

An event loop that ends properly cancels its tasks, so callers in other loops learn that the flight is
lost.  One that is closed over its tasks' heads tells nobody; who waits in another loop therefore
looks once a second whether the loop of the flight is still open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import ref

from holdfast._cut import message_of
from holdfast._runtimes.loop import running_loop
from holdfast.deadline import ambient, current
from holdfast.shapes import Arguments, Keywords, Site, Wait
from holdfast.strategies.coalesce import Coalesce, Flight, Seat, inside, scope_of

if TYPE_CHECKING:
    from holdfast._runtimes.port import AsyncRuntime as Runtime
    from holdfast._runtimes.port import AsyncStep as Step

Loop = asyncio.AbstractEventLoop
Caller = Callable[[], "asyncio.Task[Any] | None"]

LOOK_AROUND = 1.0
"""How often a caller looks whether another event loop is still open, in seconds."""


def shared(runtime: Runtime, coalesce: Coalesce, inner: Step, site: Site) -> Step:
    """Return a step in which concurrent calls of one key share one run of ``inner``."""
    now, skip = runtime.now, site.skip
    scope = scope_of(runtime, "asyncio", site)

    async def step(args: Arguments, kwargs: Keywords) -> Any:
        loop = running_loop()  # before it boards a flight that it could not fly
        key = coalesce.key_of(scope, args, kwargs, skip)
        while True:
            flight = Flight(key, current())
            try:
                seat, leads = coalesce.board(key, flight)
                if leads:
                    _take_off(loop, coalesce, flight, inner, args, kwargs)
            except BaseException:
                coalesce.lose(flight)  # whatever came, nobody shall wait for it
                raise
            finally:
                del flight  # no cycle from an exception's traceback through this frame
            if seat is None:
                return await inner(args, kwargs)
            if not leads:
                coalesce.tell(seat)
            await _sit(loop, runtime, coalesce, seat, site)
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


def _take_off(
    loop: Loop, coalesce: Coalesce, flight: Flight, inner: Step, args: Arguments, kwargs: Keywords
) -> None:
    """Start the attempt, in a copy of this caller's context."""
    leader = asyncio.current_task(loop)
    caller: Caller = (lambda: None) if leader is None else ref(leader)
    attempt = _fly(coalesce, flight, inner, args, kwargs, caller)
    try:
        task = loop.create_task(attempt, name="holdfast-coalesce")
    except BaseException:
        attempt.close()  # or asyncio says that nobody awaited it
        raise

    def cancel() -> None:
        with suppress(RuntimeError):  # the loop is closed: it will never run again anyhow
            loop.call_soon_threadsafe(lambda: task.cancel(flight.why))

    task.add_done_callback(lambda _: coalesce.lose(flight))  # if it was cancelled before it began
    flight.task = task
    flight.cancel = cancel
    flight.alive = lambda: not loop.is_closed()


async def _fly(
    coalesce: Coalesce,
    flight: Flight,
    inner: Step,
    args: Arguments,
    kwargs: Keywords,
    caller: Caller,  # noqa: ARG001 - who looks at this frame reads it, see `own_permits`
) -> None:
    """Make the attempt, and tell those who wait how it ended."""
    inside.set((*inside.get(), flight.mark))
    ambient.set(flight.bound)
    try:
        result = await inner(args, kwargs)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        coalesce.lose(flight)
        raise
    except asyncio.CancelledError as error:
        if _is_being_cancelled():  # by the last caller, or with its event loop
            coalesce.lose(flight)
            raise
        coalesce.land(flight, None, error)  # an outcome of the function, as odd as it is
    except BaseException as error:  # noqa: BLE001 - it belongs to the callers, whatever it is
        coalesce.land(flight, None, error)
    else:
        coalesce.land(flight, result, None)
    finally:
        del flight  # the frames of an error know the one that called them, this one


def _is_being_cancelled() -> bool:
    # asked apart from `_fly`, whose frame a task's exception keeps: it must not know the task
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def _sit(loop: Loop, runtime: Runtime, coalesce: Coalesce, seat: Seat, site: Site) -> None:
    """Wait for the end of the flight, or leave it."""
    flight = seat.flight
    task = flight.task
    here = task is not None and task.get_loop() is loop
    gate: Any = coalesce  # as far as a wait needs one
    wait = Wait(seat, None if here else LOOK_AROUND, seat)
    try:
        while not seat.granted:
            if not flight.alive():
                coalesce.lose(flight)
            await runtime.wait(gate, wait, site)
    except (Exception, asyncio.CancelledError) as error:
        flight.why = message_of(error)
        if seat.last and here:
            await asyncio.wait([task])
        raise
    finally:
        del task, flight  # no cycle from an exception's traceback through this frame
