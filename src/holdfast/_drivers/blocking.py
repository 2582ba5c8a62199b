"""The blocking driver.  Its twin is `aio`: a test strips ``async`` and ``await`` and compares.

Each function here takes a strategy and the step inside it, and returns a step; `Pipeline` nests them
when a function is decorated.  Per call the closures run, and nothing is looked up or looped over.  A
step takes the call's arguments as a tuple and a dict.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast._drivers.dressing import dressed
from holdfast._drivers.watching import tell_completed
from holdfast._world import world
from holdfast.deadline import Ambient, ambient, restore
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
    from holdfast._runtimes.port import BlockingRuntime as Runtime
    from holdfast._runtimes.port import BlockingStep as Step

Function = Callable[..., Any]
Follow = Callable[[Arguments, Keywords, History], Any]


def gated(gate: Gate, inner: Step, runtime: Runtime, site: Site) -> Step:
    """Ask the gate, and tell it how the call ended: exactly one of three ways."""
    enter, succeeded, failed, abandoned = gate.enter, gate.succeeded, gate.failed, gate.abandoned
    now, timed, skip = runtime.now, gate.timed, site.skip

    def step(args: Arguments, kwargs: Keywords) -> Any:
        permit = gate.resting
        if permit is None:
            permit = enter(now() if timed else 0.0, args[skip:] if skip else args, kwargs, site)
            if type(permit) is Wait:
                permit = runtime.wait(gate, permit, site)
                if type(permit) is Instead:
                    return runtime.answer(permit)
        try:
            result = inner(args, kwargs)
        except Exception as error:
            failed(permit, now(), error)
            raise
        except BaseException:
            abandoned(permit, now())
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

    def step(args: Arguments, kwargs: Keywords) -> Any:
        started = now() if timed else None
        try:
            result = inner(args, kwargs)
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
        return follow(args, kwargs, history)

    return step


def following(reaction: Reaction, inner: Step, runtime: Runtime) -> Follow:
    """Return what does a reaction's verdict, for as long as it has one."""
    now, judges, credit = runtime.now, reaction.judges, reaction.credit

    def follow(args: Arguments, kwargs: Keywords, history: History) -> Any:
        try:
            while True:
                verdict = history.verdict
                if isinstance(verdict, Earlier):
                    raise verdict.error
                if not isinstance(verdict, Again):
                    return runtime.answer(verdict)
                runtime.sleep(verdict.delay)
                history.resumed(now(), verdict.delay)
                try:
                    result = inner(args, kwargs)
                except Exception as error:
                    history.ended(now())
                    if history.stands(reaction.after_error(error, history)):
                        raise
                else:
                    if not judges:
                        if credit is not None:
                            credit()
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

    def step(args: Arguments, kwargs: Keywords) -> Any:
        at, seconds, _ = ambient.get()
        token = ambient.set(Ambient(at, seconds, pipeline))
        try:
            return inner(args, kwargs)
        finally:
            restore(token)

    return step


def watched(head: Step, runtime: Runtime, site: Site) -> Step:
    """Tell the listeners how each call ended.  Stands outermost, and only while somebody listens."""
    now = runtime.now

    def step(args: Arguments, kwargs: Keywords) -> Any:
        started = now()
        try:
            result = head(args, kwargs)
        except BaseException as error:
            tell_completed(site.pipeline, now(), started, error)
            raise
        tell_completed(site.pipeline, now(), started, None)
        return result

    return step


def entered(fn: Function, head: Step, detour: Step) -> Function:
    """Return the function that stands in for ``fn``; it asks once whether anything is unusual."""

    @dressed(fn)
    def protected(*args: Any, **kwargs: Any) -> Any:
        try:
            if world.detour:
                return detour(args, kwargs)
            return head(args, kwargs)
        except Misuse as misuse:
            raise misuse.shown(str(misuse)) from None

    return protected
