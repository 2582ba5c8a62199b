"""`Pipeline`: strategies around a function, the first one outermost.

A value: immutable, inspectable, and cheap to derive others from.  One pipeline object serves sync and
async callers at once, from many threads and event loops, and they share its strategies' state.

One file because it is one class: all that people do with a pipeline, in the order in which they meet it.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, cast, overload

from holdfast import _register, _validate
from holdfast._compile import applier, is_strategy, no_strategy, protect, protected_stream
from holdfast._runtimes.caller import users_level
from holdfast._sent import Sent
from holdfast._world import world
from holdfast.composition import findings, place
from holdfast.errors import CompositionWarning, ConfigurationError, Misuse

if TYPE_CHECKING:
    from holdfast._block import Block, Blocks
    from holdfast._strategy import Strategy
    from holdfast._streams.resuming import Resume
    from holdfast.outcome import Outcome

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")


class Streaming(Protocol):
    """What ``pipeline.stream(resume=...)`` is: it takes the function."""

    @overload
    def __call__(
        self, fn: Callable[P, AsyncIterable[T]], /
    ) -> Callable[P, AsyncGenerator[T, Any]]: ...

    @overload
    def __call__(
        self, fn: Callable[P, Awaitable[AsyncIterable[T]]], /
    ) -> Callable[P, AsyncGenerator[T, Any]]: ...

    @overload
    def __call__(self, fn: Callable[P, Iterable[T]], /) -> Callable[P, Generator[T, Any, Any]]: ...


class Pipeline(Sent):
    """Protect functions with strategies.

    Use it as a decorator on sync and async functions, methods, partials and callable objects; as
    ``pipeline.call(fn, ...)`` and ``await pipeline.acall(fn, ...)``; and, where every strategy is a
    gate (or a `Timeout`, which sets the deadline), as ``with pipeline:`` and ``async with pipeline:``.

    Thread- and task-safe.  Everything is looked up when a function is decorated; per call nested
    closures run, and nothing else.

    Args:
        name: for errors, events and metrics.
        strategies: outermost first.

    Raises:
        ConfigurationError: for an empty name, or something that is no strategy.

    Warns:
        CompositionWarning: for an order that defeats one of the strategies, with the fix.
    """

    __slots__ = ("_acall", "_blocks", "_call", "name", "strategies")
    name: str
    strategies: tuple[Any, ...]
    _call: Callable[..., Any] | None
    _acall: Callable[..., Any] | None
    _blocks: Blocks | None

    def __init__(self, name: str, /, *strategies: Strategy) -> None:
        # Now, not with the first block: a child that is forked during an import waits for its end.
        import holdfast._block  # noqa: F401

        _validate.text("name", name)
        for strategy in strategies:
            if not is_strategy(strategy):
                raise _validate.refuse("strategy", strategy, no_strategy(strategy))
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "strategies", strategies)
        object.__setattr__(self, "_call", None)
        object.__setattr__(self, "_acall", None)
        object.__setattr__(self, "_blocks", None)
        for strategy in strategies:
            joined = getattr(strategy, "joined", None)
            if joined is not None:
                joined(name)
        for finding in findings(strategies):
            warnings.warn(f"pipeline {name!r}: {finding}", CompositionWarning, users_level())
        _register.enter(self)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a pipeline is immutable; make another with with_() or without()")

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    def __call__(self, fn: Callable[P, R], /) -> Callable[P, R]:
        """Return ``fn``, protected; with its signature, name and docstring.

        Its attribute ``pipeline`` is this pipeline, for whoever has the function alone at hand.

        Generator functions, and what `contextlib` makes of them, are protected until their first item,
        and hold permits until they end; see `stream`.

        Raises:
            ConfigurationError: for what is not callable.
        """
        protected = protect(self.name, self.strategies, fn, self)
        protected.pipeline = self  # type: ignore[attr-defined] # it is a function
        return protected

    @overload
    def stream(
        self, fn: Callable[P, AsyncIterable[T]], /, *, resume: Resume | None = None
    ) -> Callable[P, AsyncGenerator[T, Any]]: ...

    @overload
    def stream(
        self, fn: Callable[P, Awaitable[AsyncIterable[T]]], /, *, resume: Resume | None = None
    ) -> Callable[P, AsyncGenerator[T, Any]]: ...

    @overload
    def stream(
        self, fn: Callable[P, Iterable[T]], /, *, resume: Resume | None = None
    ) -> Callable[P, Generator[T, Any, Any]]: ...

    @overload
    def stream(self, fn: None = None, /, *, resume: Resume | None = None) -> Streaming: ...

    def stream(self, fn: Any = None, /, *, resume: Resume | None = None) -> Any:
        """Return a function that streams, protected: one that yields, or that returns an iterator.

        What is returned is a generator function, async where ``fn`` is an ``async def``; items come,
        and are sent and thrown, as ever.  An attempt lasts until the first item; after it nothing is
        repeated.  Gates keep their permits until the generator has ended, is closed or is forgotten.
        Use it as ``@pipeline.stream`` or ``@pipeline.stream(resume=...)``; a function that yields needs
        neither, if it is not to be resumed: ``@pipeline``.

        Args:
            fn: the function.
            resume: how to go on after an error in the middle that the pipeline's `Retry` would repeat:
                ``resume(last, *args, **kwargs)``, with the latest item, returns a dict of the arguments
                that are others for the rest; None: the error stands.

        Raises:
            ConfigurationError: for what is not callable, for a ``resume`` without a `Retry`, and for a
                `Coalesce` or a stale fallback around a stream, or a ``Timeout(sync="thread")`` around a
                blocking one.
            TypeError: (on iteration) if ``fn`` returns something else.
        """
        if fn is None:
            return partial(self.stream, resume=resume)
        protected = protected_stream(self.name, self.strategies, fn, self, resume)
        protected.pipeline = self  # type: ignore[attr-defined] # it is a function
        return protected

    def call(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return ``fn(*args, **kwargs)``, protected.  For blocking code.

        Raises:
            TypeError: if ``fn`` turns out to be async.
        """
        head = self._call
        if head is None:
            head = applier(self.name, self.strategies, "blocking")
            object.__setattr__(self, "_call", head)
        return head(fn, *args, **kwargs)  # type: ignore[no-any-return]

    async def acall(self, fn: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return ``await fn(*args, **kwargs)``, protected.  For async code, lambdas included.

        Raises:
            TypeError: if ``fn`` returns nothing that can be awaited.
        """
        head = self._acall
        if head is None:
            head = applier(self.name, self.strategies, "asyncio")
            object.__setattr__(self, "_acall", head)
        return await head(fn, *args, **kwargs)  # type: ignore[no-any-return]

    def try_call(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Outcome[R]:
        """Do as `call`, and return an `Outcome` instead of raising an `Exception`.

        Raises:
            TypeError: if ``fn`` turns out to be async.
        """
        from holdfast.outcome import Outcome  # before the call, which may leave no stack for it

        try:
            return Outcome(self.call(fn, *args, **kwargs))
        except Exception as error:
            if isinstance(error.__context__, Misuse):
                raise
            return Outcome(error=error)

    async def outcome(
        self, fn: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Outcome[R]:
        """Do as `acall`, and return an `Outcome` instead of raising an `Exception`.

        Raises:
            TypeError: if ``fn`` returns nothing that can be awaited.
        """
        from holdfast.outcome import Outcome  # as above

        try:
            return Outcome(await self.acall(fn, *args, **kwargs))
        except Exception as error:
            if isinstance(error.__context__, Misuse):
                raise
            return Outcome(error=error)

    # -- deriving others -----------------------------------------------------------------------

    def with_(self, *strategies: Strategy, name: str | None = None) -> Pipeline:
        """Return a pipeline in which each of ``strategies`` replaces the one of its own kind.

        One without a counterpart comes to its usual place: a fallback outermost, a rate limiter outside
        the retry, a timeout innermost (see "Order the strategies").  State is shared with this
        pipeline where the strategies are the same objects.

        Raises:
            ConfigurationError: where several of that kind are there, so that it is unclear which.
        """
        layers: list[Any] = list(self.strategies)
        for strategy in strategies:
            if not is_strategy(strategy):
                raise _validate.refuse("strategy", strategy, no_strategy(strategy))
            places = [i for i, one in enumerate(layers) if type(one) is type(strategy)]
            if len(places) > 1:
                raise ConfigurationError(
                    f"with_({strategy!r}) is unclear: pipeline {self.name!r} has {len(places)} layers "
                    f"of the kind {type(strategy).__name__}; build a new Pipeline instead"
                )
            if places:
                layers[places[0]] = strategy
            else:
                layers.insert(place(strategy, tuple(layers)), strategy)
        return Pipeline(name or self.name, *layers)

    def without(self, *kinds: type, name: str | None = None) -> Pipeline:
        """Return a pipeline without the strategies of these classes."""
        return Pipeline(
            name or self.name, *(one for one in self.strategies if not isinstance(one, kinds))
        )

    # -- blocks --------------------------------------------------------------------------------

    def _block(self) -> Blocks:
        if self._blocks is None:
            from holdfast._block import Blocks

            made = Blocks(self.name, self.strategies)
            with world.changing:  # of two threads that make one, both use the same
                if self._blocks is None:
                    object.__setattr__(self, "_blocks", made)
        return cast("Blocks", self._blocks)

    def __enter__(self) -> Block:
        return self._block().enter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._block().exit(error)

    async def __aenter__(self) -> Block:
        return await self._block().aenter()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._block().exit(error)

    # -- one layer -----------------------------------------------------------------------------

    def __getitem__(self, kind: type[S]) -> S:
        """Return the layer that is a ``kind``: ``pipeline[CircuitBreaker].isolate()``.

        Raises:
            LookupError: if there is none, or more than one.
        """
        if not isinstance(kind, type):
            raise TypeError(
                f"pipeline {self.name!r}[{kind!r}]: a layer is found by its class, such as "
                "pipeline[CircuitBreaker]; all of them are in pipeline.strategies"
            )
        found = [one for one in self.strategies if isinstance(one, kind)]
        if len(found) != 1:
            raise LookupError(self._not_one(kind, found))
        return found[0]

    __iter__ = None
    """It is no sequence: its layers are `strategies`."""

    def __contains__(self, kind: type) -> bool:
        return any(isinstance(one, kind) for one in self.strategies)

    def _not_one(self, kind: type, found: list[Any]) -> str:
        if found:
            return (
                f"pipeline {self.name!r} has {len(found)} layers of the kind {kind.__name__}: "
                "take one from pipeline.strategies"
            )
        layers = ", ".join(type(one).__name__ for one in self.strategies) or "none"
        made = getattr(kind, "kind", None)
        keyed = any(made and getattr(one, "makes", None) == made for one in self.strategies)
        more = "; there is one for each key: pipeline[Keyed].at(key)" if keyed else ""
        return f"pipeline {self.name!r} has no layer of the kind {kind.__name__}; it has {layers}{more}"

    # -- people --------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state of the strategies as plain data, outermost first.

        Beside them stands how many calls were ``cut`` at a limit, and how many ``overran`` one.
        """
        from holdfast._runtimes.cutting.watcher import watcher

        layers = [
            one.snapshot() if hasattr(one, "snapshot") else {"strategy": repr(one)}
            for one in self.strategies
        ]
        return {
            "pipeline": self.name, "strategies": layers,
            "cut": watcher.cut.total(self.name), "overran": watcher.overran.total(self.name),
        }  # fmt: skip

    def describe(self) -> str:
        """Return the pipeline as a tree: each layer's options, and the worst case of a call."""
        from holdfast._describe import described

        return described(self.name, self.strategies)

    def explain(self) -> str:
        """Return in words why the pipeline is as it is now, a line for each layer with a state."""
        from holdfast._explain import explained

        return explained(self.name, self.strategies)

    def __reduce__(self) -> Any:
        return self._sent(_arrived, type(self), self.name, self.strategies)

    def __repr__(self) -> str:
        parts = [repr(self.name), *map(repr, self.strategies)]
        return f"Pipeline({', '.join(parts)})"


def _arrived(kind: type[Pipeline], name: str, strategies: tuple[Any, ...]) -> Pipeline:
    """Return this process's own pipeline with that name and those options, or a new one."""
    here: Pipeline | None = _register.like(name, strategies)
    return kind(name, *strategies) if here is None else here


def pipelines() -> dict[str, Pipeline]:
    """Return the pipelines of this process by their names: ``pipelines()["payments"]``.

    Those that something else still refers to: this keeps none of them alive.  Of several with one name
    it is the one that was made last; the pipelines that a transport makes are named after its origins.
    """
    return {one.name: one for one in _register.everyone()}
