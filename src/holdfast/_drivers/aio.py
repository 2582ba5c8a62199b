"""The asyncio driver.  Its twin is `blocking`: a test strips ``async`` and ``await`` and compares.

Each function here takes a strategy and the step inside it, and returns a step; `Pipeline` nests them
when a function is decorated.  Per call the closures run, and nothing is looked up or looped over.  A
step takes the call's arguments as a tuple and a dict.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any

from holdfast._cut import CutOff, Late, cut_by
from holdfast._drivers.dressing import dressed
from holdfast._drivers.watching import telling
from holdfast._ongoing import Call, Watched, full_name, ongoing, under_way
from holdfast._world import world
from holdfast.deadline import OVER, ambient, current, inside
from holdfast.errors import Misuse
from holdfast.shapes import (
    Again,
    Arguments,
    Earlier,
    Gate,
    History,
    Instead,
    Keywords,
    Reaction,
    Site,
    Wait,
)

if TYPE_CHECKING:
    from holdfast._runtimes.port import AsyncRuntime as Runtime
    from holdfast._runtimes.port import AsyncStep as Step
    from holdfast._runtimes.port import AsyncWay as Way

Function = Callable[..., Any]
Follow = Callable[[Arguments, Keywords, History], Any]

SLICE = 0.1
"""How often a pause that may be ended looks whether it is, in seconds."""

CLOSE = 1e-6
"""What is left of a pause and not worth another look, in seconds."""


def gated(gate: Gate, inner: Step, runtime: Runtime, site: Site) -> Step:
    """Ask the gate, and tell it how the call ended: exactly one of three ways."""
    enter, succeeded = gate.enter, gate.succeeded
    now, timed, skip = runtime.now, gate.timed, site.skip

    async def step(args: Arguments, kwargs: Keywords) -> Any:
        permit = gate.resting
        if permit is None:
            permit = enter(now() if timed else 0.0, args[skip:] if skip else args, kwargs, site)
            if type(permit) is Wait:
                permit = await runtime.wait(gate, permit, site)
                if type(permit) is Instead:
                    return await runtime.answer(permit)
        try:
            result = await inner(args, kwargs)
        except Exception as error:
            gate.failed(permit, now(), error)
            raise
        except BaseException as interruption:
            cut = cut_by(interruption)
            if cut is None:
                gate.abandoned(permit, now())
            else:
                gate.failed(permit, now(), cut)
            raise
        if permit is not gate.resting:
            succeeded(permit, now() if timed else 0.0, result)
        return result

    return step


def reacting(reaction: Reaction, inner: Step, runtime: Runtime, site: Site) -> Step:
    """Ask the reaction what follows an outcome, and do it."""
    now, timed, judges, credit = runtime.now, reaction.timed, reaction.judges, reaction.credit
    pipeline, skip, function = site.pipeline, site.skip, site.function
    if reaction.claims:
        inner = claimed(inner, site)
    follow = following(reaction, inner, runtime)
    if getattr(reaction, "attends", False):
        return attending(runtime, site, follow)

    async def step(args: Arguments, kwargs: Keywords) -> Any:
        started = now() if timed else None
        try:
            result = await inner(args, kwargs)
        except Exception as error:
            fn = args[0] if skip else function
            history = History(pipeline, now(), started, args[skip:], kwargs, fn)
            if history.stands(reaction.after_error(error, history)):
                raise
        else:
            if not judges:
                if credit is not None:
                    credit()
                return result
            fn = args[0] if skip else function
            history = History(pipeline, now(), started, args[skip:], kwargs, fn)
            if history.stands(reaction.after_result(result, history)):
                return result
        return await follow(args, kwargs, history)

    return step


def attending(runtime: Runtime, site: Site, follow: Follow) -> Step:
    """Do as `reacting`, for a reaction that wants to know what others do in the first attempt, too."""
    now, pipeline, skip, function = runtime.now, site.pipeline, site.skip, site.function

    async def step(args: Arguments, kwargs: Keywords) -> Any:
        start = now()
        fn = args[0] if skip else function
        return await follow(args, kwargs, History(pipeline, start, start, args[skip:], kwargs, fn))

    return step


def numbered(inner: Step) -> Follow:
    """Return a step that makes it known which attempt it is."""

    async def step(args: Arguments, kwargs: Keywords, history: History) -> Any:
        mine, token = history.begins(), None
        try:
            token = ongoing.set(mine)
            return await inner(args, kwargs)
        finally:
            mine.over = True
            try:  # in place, as above
                if token is not None:  # None if a signal's exception came before
                    ongoing.reset(token)
            except ValueError:
                pass

    return step


async def paused(runtime: Runtime, verdict: Again) -> None:
    """Sleep until the next attempt is due, or until it is not to be made any more."""
    stop = verdict.stop
    if stop is None:
        await runtime.sleep(verdict.delay)
        return
    due = runtime.now() + verdict.delay
    while not stop.is_set() and due - runtime.now() > CLOSE:
        await runtime.sleep(min(due - runtime.now(), SLICE))


def following(reaction: Reaction, inner: Step, runtime: Runtime) -> Follow:
    """Return what does a reaction's verdict, for as long as it has one.

    A history without one is that of a call whose first attempt is still to be made.
    """
    now, judges, credit = runtime.now, reaction.judges, reaction.credit
    halted = getattr(reaction, "halted", None)
    recovered = getattr(reaction, "recovered", None)
    again = numbered(inner)

    async def follow(args: Arguments, kwargs: Keywords, history: History) -> Any:
        try:
            while True:
                verdict = history.verdict
                if verdict is not None:  # None before the first attempt
                    if isinstance(verdict, Earlier):
                        raise verdict.error
                    if not isinstance(verdict, Again):
                        return await runtime.answer(verdict)
                    if verdict.before is not None:
                        await runtime.answer(verdict.before)
                    try:
                        await paused(runtime, verdict)
                    except Misuse as misuse:
                        raise misuse from history.last
                    if halted is not None and halted(history):
                        continue
                    history.resumed(now(), verdict.delay)
                try:
                    result = await again(args, kwargs, history)
                except Exception as error:
                    history.ended(now())
                    if history.stands(reaction.after_error(error, history)):
                        raise
                else:
                    if not judges:
                        if credit is not None:
                            credit()
                        if recovered is not None and history.attempt > 1:
                            history.ended(now())
                            recovered(history)
                        return result
                    history.ended(now())
                    if history.stands(reaction.after_result(result, history)):
                        return result
        finally:
            verdict = None
            history.forget()  # no cycle from an exception's traceback through this frame to it

    return follow


def claimed(inner: Step, site: Site) -> Step:
    """Tell reactions further in that the retrying is done here."""
    pipeline = site.pipeline

    async def step(args: Arguments, kwargs: Keywords) -> Any:
        own, token = inside(current(), inf, inf, pipeline), None
        try:
            token = ambient.set(own)
            return await inner(args, kwargs)
        finally:
            own[3] = OVER  # in place, not in a function: there may be no stack left for a call
            try:
                if token is not None:
                    ambient.reset(token)
            except ValueError:  # a coroutine that is closed in another context
                pass

    return step


def watched(head: Step, runtime: Runtime, site: Site) -> Step:
    """Tell the listeners how each call ended.  Stands outermost, and only while somebody listens."""
    now, skip, function = runtime.now, site.skip, site.function
    name, tell = None if function is None else full_name(function), telling()

    async def step(args: Arguments, kwargs: Keywords) -> Any:
        started = now()
        call = Call(site.pipeline, args[0] if skip else function, name)
        mine, token = Watched(call, under_way()), None
        try:
            token = ongoing.set(mine)
            result = await head(args, kwargs)
        except BaseException as error:
            tell(call, now(), started, error)
            raise
        else:
            tell(call, now(), started, None)
            return result
        finally:
            mine.over = True
            try:  # in place, as above
                if token is not None:
                    ongoing.reset(token)
            except ValueError:
                pass

    return step


def entered(fn: Function, way: Way) -> Function:
    """Return the function that stands in for ``fn``; it asks once whether anything is unusual.

    All that it refers to can be pickled, for those who send functions by their value (cloudpickle).
    """

    @dressed(fn)
    async def protected(*args: Any, **kwargs: Any) -> Any:
        try:
            return await (way if world.detour else way.head)(args, kwargs)
        except Late as late:
            return late.result
        except CutOff as end:
            raise end.error from end.__cause__
        except Misuse as misuse:
            raise misuse.shown(str(misuse)) from misuse.__cause__

    return protected
