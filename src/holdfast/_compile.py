"""From a pipeline and a function to nested closures: done once, when a function is decorated."""

from __future__ import annotations

from collections.abc import Callable
from types import AsyncGeneratorType, CoroutineType, GeneratorType, ModuleType
from typing import Any

from holdfast import _validate
from holdfast._drivers import aio, blocking
from holdfast._runtimes import DEFAULTS
from holdfast._world import world
from holdfast.errors import ConfigurationError, Misuse, RejectedError
from holdfast.shapes import Arguments, Background, Gate, Keywords, Reaction, Site
from holdfast.strategies.timeout import Timeout

Step = Callable[[Arguments, Keywords], Any]
DRIVERS: dict[str, ModuleType] = {"asyncio": aio, "blocking": blocking}

LAZY = (GeneratorType, AsyncGeneratorType)
LAZY_CODE = _validate.GENERATOR | _validate.ASYNC_GENERATOR

ENTERED_LATER = (
    "whose code runs when it is entered, so that no failure would be seen: protect the function that "
    "it calls to get what it manages"
)


def is_strategy(value: Any) -> bool:
    """Return whether ``value`` has one of the shapes."""
    if isinstance(value, type):
        return False
    return isinstance(value, Timeout | Gate | Reaction) or hasattr(value, "attach")


def no_strategy(value: Any) -> str:
    """Return what to do about something that is no strategy."""
    if hasattr(value, "strategies"):
        return (
            "a pipeline is no strategy; write *p.strategies for its layers, or decorate a function "
            "with both pipelines"
        )
    if isinstance(value, type):
        return f"that is a class, and a strategy is an object: {value.__name__}(...)"
    if isinstance(value, list | tuple):
        return "strategies are given one by one: put a * before it"
    return "it must be a strategy object, such as Retry() or Timeout(5.0)"


def check_function(fn: Any) -> None:
    """Refuse what cannot be protected, with the reason and the remedy."""
    if isinstance(fn, classmethod | staticmethod):
        kind = type(fn).__name__
        raise ConfigurationError(
            f"a pipeline cannot protect a {kind} object: put @{kind} above the pipeline"
        )
    if not _validate.is_function(fn):
        raise _validate.refuse("fn", fn, "a pipeline protects functions and other callables")
    if _validate.has_flag(fn, LAZY_CODE):
        plain = _validate.unwrapped(fn)
        raise ConfigurationError(
            f"a pipeline cannot protect the generator function {plain!r}: calling it runs none of its "
            "code, so no failure would be seen, and what was yielded cannot be taken back for "
            "another attempt. Protect the function that it calls for each item, or return a list"
        )
    if _validate.has_flag(getattr(fn, "__wrapped__", None), LAZY_CODE) and is_manager(fn):
        raise ConfigurationError(
            f"a pipeline cannot protect the context manager {fn!r}, {ENTERED_LATER}"
        )


def is_manager(fn: Any) -> bool:
    """Return whether ``fn`` was made by `contextlib.contextmanager`, or its async twin."""
    made_in = getattr(fn, "__globals__", None)
    return isinstance(made_in, dict) and made_in.get("__name__") == "contextlib"


def compiled(
    name: str,
    strategies: tuple[Any, ...],
    colour: str,
    terminal: Step,
    runtime: Any,
    function: Callable[..., Any] | None,
) -> Step:
    """Nest the layers around ``terminal``, the innermost first.

    Without a ``function`` it is the first argument of each call.
    """
    step, background = terminal, _elsewhere(name, runtime)
    for place in reversed(range(len(strategies))):
        site = Site(
            name,
            skip=function is None,
            function=function,
            enclosing=strategies[:place],
            inside=strategies[place + 1 :],
            background=background,
        )
        site.scope = terminal
        step = _layer(strategies[place], DRIVERS[colour], step, runtime, site)
    return step


def _elsewhere(name: str, runtime: Any) -> Background:
    """Return what runs a function in the background, for the pipeline of that name."""
    return lambda fn, done: runtime.background(fn, done, name)


def _layer(strategy: Any, driver: ModuleType, inner: Step, runtime: Any, site: Site) -> Step:
    attach = getattr(strategy, "attach", None)
    step: Step
    if attach is not None:
        step = attach(driver, inner, runtime, site)
    elif isinstance(strategy, Timeout):
        step = runtime.within(strategy, inner, site)
    elif isinstance(strategy, Gate):
        step = driver.gated(runtime.overseen(strategy, site), inner, runtime, site)
    else:
        step = driver.reacting(strategy, inner, runtime, site)
    return step


class SpentError(RejectedError, TypeError):
    """Nothing was called: what would have to be awaited has been awaited by an earlier attempt.

    A rejection, so that the earlier attempt's own error is the one that stands.
    """


class Detour:
    """The slow way round: taken while somebody listens, or while a test holds the clock."""

    __slots__ = ("_colour", "_function", "_made", "_name", "_strategies", "_terminal")

    def __init__(
        self,
        name: str,
        strategies: tuple[Any, ...],
        colour: str,
        terminal: Step,
        function: Callable[..., Any] | None,
    ) -> None:
        self._name = name
        self._strategies = strategies
        self._colour = colour
        self._terminal = terminal
        self._function = function
        self._made: tuple[Any, Step, Step] | None = None

    def __call__(self, args: Arguments, kwargs: Keywords) -> Any:
        """Run one call in the runtime that is in force now; for async code, return its coroutine."""
        if world.bypass:
            return self._terminal(args, kwargs)
        if world.stopping is not None:
            refusal = world.stopping.refusal()
            if refusal is not None:
                raise Site(self._name).refuse(refusal, world.clock())
        runtime = world.runtime(self._colour)
        made = self._made
        if made is None or made[0] is not runtime:
            function = self._function
            head = compiled(
                self._name, self._strategies, self._colour, self._terminal, runtime, function
            )
            site = Site(self._name, skip=function is None, function=function)
            made = self._made = (runtime, head, DRIVERS[self._colour].watched(head, runtime, site))
        step = made[2] if world.listeners else made[1]
        return step(args, kwargs)


PLAIN = frozenset({
    type(None), bool, bytes, dict, float, int, list, set, str, tuple,
})  # fmt: skip
"""Types of results that need no further look; there is one at each call of a blocking function."""


def terminal_of(fn: Callable[..., Any], colour: str) -> Step:
    """Return the innermost step: the user's function itself."""
    if colour == "asyncio":
        return lambda args, kwargs: fn(*args, **kwargs)

    def terminal(args: Arguments, kwargs: Keywords) -> Any:
        result = fn(*args, **kwargs)
        if type(result) not in PLAIN:
            _refuse_unfinished(fn, result)
        return result

    return terminal


def _refuse_unfinished(fn: Any, result: Any) -> None:
    """Refuse a result that stands for work still to be done: what fails in it, no layer would see."""
    kind = type(result)
    if hasattr(kind, "__await__"):
        if kind is CoroutineType:
            result.close()
        raise Misuse(
            f"{fn!r} returned a {kind.__name__}, which is awaited after a blocking pipeline has ended, "
            "so that it cannot protect it: make it an 'async def' function that awaits it, or use "
            "'await pipeline.acall(...)'"
        )
    if kind in LAZY:
        raise Misuse(
            f"{fn!r} returned a {kind.__name__}, none of whose code has run, so that no failure would "
            "be seen: protect the function that it calls for each item, or return a list"
        )
    if kind.__module__ == "contextlib" and hasattr(result, "gen"):
        raise Misuse(f"{fn!r} returned a context manager, {ENTERED_LATER}")


def apply_blocking(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Run ``fn`` for ``pipeline.call``."""
    if not callable(fn):
        raise Misuse(f"pipeline.call() takes a function and its arguments, not {fn!r}")
    result = fn(*args, **kwargs)
    if type(result) not in PLAIN:
        _refuse_unfinished(fn, result)
    return result


def apply_async(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Run ``fn`` for ``pipeline.acall``: anything that returns something to await will do."""
    if not callable(fn):
        raise _not_a_function(fn)
    result = fn(*args, **kwargs)
    if type(result) is CoroutineType and (
        result.cr_frame is None or result.cr_suspended or result.cr_running
    ):
        raise SpentError(
            f"{fn!r} returned a coroutine that has been awaited before, and can run only once: give "
            "acall() the function and its arguments, or a function that makes a new one each time",
            strategy="acall",
        )
    if not hasattr(type(result), "__await__"):
        raise Misuse(
            f"{fn!r} returned {type(result).__name__!r}, which cannot be awaited, and "
            "pipeline.acall() is for async code: use pipeline.call(...), in "
            "asyncio.to_thread(...) if it blocks"
        )
    return result


def _not_a_function(given: Any) -> Misuse:
    if type(given) is CoroutineType:
        given.close()
        return Misuse(
            f"pipeline.acall() was given the coroutine of {given.__qualname__}, which can run only "
            f"once: give it the function and its arguments, acall({given.__name__}, ...)"
        )
    return Misuse(f"pipeline.acall() takes a function and its arguments, not {given!r}")


def protect(name: str, strategies: tuple[Any, ...], fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that stands in for ``fn``."""
    check_function(fn)
    colour = "asyncio" if _validate.is_async(fn) else "blocking"
    if colour == "blocking":
        _refuse_async_fallbacks(strategies, fn)
    for strategy in strategies:
        if hasattr(strategy, "fits"):
            strategy.fits(fn)
    return _protected(name, strategies, fn, colour, terminal_of(fn, colour), fn)


def applier(name: str, strategies: tuple[Any, ...], colour: str) -> Callable[..., Any]:
    """Return what stands behind ``pipeline.call`` or ``acall``: it takes the function first."""
    apply = apply_async if colour == "asyncio" else apply_blocking
    for strategy in strategies:
        if colour == "blocking" and hasattr(strategy, "check_blocking"):
            strategy.check_blocking()

    def terminal(args: Arguments, kwargs: Keywords) -> Any:
        return apply(*args, **kwargs)

    return _protected(name, strategies, apply, colour, terminal, None)


def _protected(
    name: str,
    strategies: tuple[Any, ...],
    fn: Callable[..., Any],
    colour: str,
    terminal: Step,
    function: Callable[..., Any] | None,
) -> Callable[..., Any]:
    runtime = DEFAULTS[colour]()
    head = compiled(name, strategies, colour, terminal, runtime, function)
    detour = Detour(name, strategies, colour, terminal, function)
    return DRIVERS[colour].entered(fn, head, detour)  # type: ignore[no-any-return]


def _refuse_async_fallbacks(strategies: tuple[Any, ...], fn: Callable[..., Any]) -> None:
    for strategy in strategies:
        instead = getattr(strategy, "instead", None)
        if callable(instead) and _validate.is_async(instead):
            raise ConfigurationError(
                f"the fallback {instead!r} is async, but {fn!r} is not: give it a plain function"
            )
