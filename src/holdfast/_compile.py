"""From a pipeline and a function to nested closures: done once, when a function is decorated."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from holdfast import _validate
from holdfast._drivers import aio, blocking
from holdfast._refusing import LAZY_CODE, check_function, is_manager, managing
from holdfast._runtimes import DEFAULTS
from holdfast._terminal import apply_async, apply_blocking, terminal_of
from holdfast._world import world
from holdfast.errors import ConfigurationError
from holdfast.shapes import Arguments, Gate, Keywords, Reaction, Site
from holdfast.strategies.timeout import Timeout

Step = Callable[[Arguments, Keywords], Any]
DRIVERS: dict[str, ModuleType] = {"asyncio": aio, "blocking": blocking}


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


def compiled(
    name: str,
    strategies: tuple[Any, ...],
    colour: str,
    terminal: Step,
    runtime: Any,
    function: Callable[..., Any] | None,
    *,
    streams: bool = False,
) -> Step:
    """Nest the layers around ``terminal``, the innermost first.

    Without a ``function`` it is the first argument of each call.
    """
    step, driver = terminal, DRIVERS[colour]
    if streams:
        from holdfast._streams import fitted

        driver, runtime = fitted(driver, runtime, colour)
    for place in reversed(range(len(strategies))):
        site = Site(name, skip=function is None, function=function).among(strategies, place)
        site.scope, site.runtime = terminal, runtime
        step = _layer(strategies[place], driver, step, runtime, site)
    return step


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


class Way:
    """The way into the layers: straight to ``head``; or, by calling it, the slow way round.

    That one is taken while somebody listens, or while a test holds the clock.  Sent to another process
    (by cloudpickle, within the function that it belongs to), it is made anew from the pipeline there.
    """

    __slots__ = (
        "_colour", "_function", "_made", "_name", "_pipeline", "_strategies", "_streams", "_terminal",
        "head",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        strategies: tuple[Any, ...],
        colour: str,
        terminal: Step,
        function: Callable[..., Any] | None,
        pipeline: Any = None,
        *,
        streams: bool = False,
    ) -> None:
        runtime = DEFAULTS[colour]()
        self.head: Step = compiled(
            name, strategies, colour, terminal, runtime, function, streams=streams
        )
        self._streams = streams
        self._pipeline = pipeline
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
                self._name,
                self._strategies,
                self._colour,
                self._terminal,
                runtime,
                function,
                streams=self._streams,
            )
            site = Site(self._name, skip=function is None, function=function)
            made = self._made = (runtime, head, DRIVERS[self._colour].watched(head, runtime, site))
        step = made[2] if world.listeners else made[1]
        return step(args, kwargs)

    def __reduce__(self) -> Any:
        if self._pipeline is None:
            raise TypeError(
                f"a function of the pipeline {self._name!r} is no user's, and stays here"
            )
        return _arrived, (self._pipeline, self._function, self._streams)


def protect(
    name: str, strategies: tuple[Any, ...], fn: Callable[..., Any], pipeline: Any = None
) -> Callable[..., Any]:
    """Return the function that stands in for ``fn``."""
    if _validate.has_flag(fn, LAZY_CODE):
        return protected_stream(name, strategies, fn, pipeline)
    check_function(fn)
    body: Any = getattr(fn, "__wrapped__", None)
    if _validate.has_flag(body, LAZY_CODE) and is_manager(fn):
        body = protected_stream(name, strategies, body, pipeline, enters=True)
        return managing(fn)(body)  # type: ignore[no-any-return]
    way = way_into(name, strategies, fn, pipeline)
    return DRIVERS[_colour(fn)].entered(fn, way)  # type: ignore[no-any-return]


def protected_stream(
    name: str,
    strategies: tuple[Any, ...],
    fn: Callable[..., Any],
    pipeline: Any = None,
    resume: Callable[..., Any] | None = None,
    *,
    enters: bool = False,
) -> Callable[..., Any]:
    """Return the function that stands in for one that yields, or returns a stream."""
    from holdfast._streams import module_of

    check_function(fn)
    resuming = None
    if resume is not None:
        from holdfast._streams.resuming import Resuming

        resuming = Resuming(name, strategies, fn, resume)
    colour = _colour_of_stream(fn)
    way = way_into(name, strategies, fn, pipeline, streams=True)
    begin = DRIVERS[colour].entered(fn, way)
    return module_of(colour).streaming(fn, begin, resuming, enters=enters)  # type: ignore[no-any-return]


def way_into(
    name: str,
    strategies: tuple[Any, ...],
    fn: Callable[..., Any],
    pipeline: Any,
    *,
    streams: bool = False,
) -> Way:
    """Return the way into the layers around ``fn``; around the way to its first item, if it streams."""
    colour, inner = _colour(fn), fn
    if streams:
        from holdfast._streams import module_of

        colour = _colour_of_stream(fn)
        inner = module_of(colour).opening(fn)
    if colour == "blocking":
        _refuse_async_fallbacks(strategies, fn)
    for strategy in strategies:
        if hasattr(strategy, "fits"):
            strategy.fits(inner)
    terminal = terminal_of(inner, colour)
    return Way(name, strategies, colour, terminal, fn, pipeline, streams=streams)


def _arrived(pipeline: Any, fn: Callable[..., Any], streams: bool = False) -> Way:  # noqa: FBT001, FBT002 - as pickle calls it
    return way_into(pipeline.name, pipeline.strategies, fn, pipeline, streams=streams)


def _colour_of_stream(fn: Callable[..., Any]) -> str:
    asynchronous = _validate.has_flag(fn, _validate.ASYNC_GENERATOR) or _validate.is_async(fn)
    return "asyncio" if asynchronous else "blocking"


def _colour(fn: Callable[..., Any]) -> str:
    return "asyncio" if _validate.is_async(fn) else "blocking"


def applier(name: str, strategies: tuple[Any, ...], colour: str) -> Callable[..., Any]:
    """Return what stands behind ``pipeline.call`` or ``acall``: it takes the function first."""
    apply = apply_async if colour == "asyncio" else apply_blocking
    for strategy in strategies:
        if colour == "blocking" and hasattr(strategy, "check_blocking"):
            strategy.check_blocking()

    def terminal(args: Arguments, kwargs: Keywords) -> Any:
        return apply(*args, **kwargs)

    way = Way(name, strategies, colour, terminal, None)
    return DRIVERS[colour].entered(apply, way)  # type: ignore[no-any-return]


def _refuse_async_fallbacks(strategies: tuple[Any, ...], fn: Callable[..., Any]) -> None:
    for strategy in strategies:
        instead = getattr(strategy, "instead", None)
        if callable(instead) and _validate.is_async(instead):
            raise ConfigurationError(
                f"the fallback {instead!r} is async, but {fn!r} is not: give it a plain function"
            )
