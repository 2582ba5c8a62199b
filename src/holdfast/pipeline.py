"""`Pipeline`: strategies around a function, the first one outermost.

A value: immutable, inspectable, and cheap to derive others from.  One pipeline object serves sync and
async callers at once, from many threads and event loops, and they share its strategies' state.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from holdfast import _validate
from holdfast._compile import applier, is_strategy, protect
from holdfast._runtimes.caller import users_level
from holdfast._world import world
from holdfast.composition import findings
from holdfast.errors import CompositionWarning, ConfigurationError, Misuse
from holdfast.outcome import Outcome

if TYPE_CHECKING:
    from holdfast._block import Block, Blocks

P = ParamSpec("P")
R = TypeVar("R")


class Pipeline:
    """Protect functions with strategies.

    Use it as a decorator on sync and async functions, methods, partials and callable objects; as
    ``pipeline.call(fn, ...)`` and ``await pipeline.acall(fn, ...)``; and, where every strategy is a
    gate (or a cooperative `Timeout`), as ``with pipeline:`` and ``async with pipeline:``.

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

    __slots__ = ("__weakref__", "_acall", "_blocks", "_call", "name", "strategies")
    name: str
    strategies: tuple[Any, ...]
    _call: Callable[..., Any] | None
    _acall: Callable[..., Any] | None
    _blocks: Blocks | None

    def __init__(self, name: str, /, *strategies: Any) -> None:
        # Now, not with the first block: a child that is forked during an import waits for its end.
        import holdfast._block  # noqa: F401

        _validate.text("name", name)
        for strategy in strategies:
            if not is_strategy(strategy):
                raise _validate.refuse(
                    "strategy",
                    strategy,
                    "it must be a strategy object, such as Retry() or Timeout(5.0)",
                )
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

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(
            "a pipeline is immutable; derive another one with with_() or without()"
        )

    def __call__(self, fn: Callable[P, R], /) -> Callable[P, R]:
        """Return ``fn``, protected; with its signature, name and docstring.

        Raises:
            ConfigurationError: for a generator function, and for what is not callable.
        """
        return protect(self.name, self.strategies, fn)

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
        try:
            return Outcome(await self.acall(fn, *args, **kwargs))
        except Exception as error:
            if isinstance(error.__context__, Misuse):
                raise
            return Outcome(error=error)

    # -- deriving others -----------------------------------------------------------------------

    def with_(self, *strategies: Any, name: str | None = None) -> Pipeline:
        """Return a pipeline in which each of ``strategies`` replaces the one of its own kind.

        One without a counterpart is added innermost.  State is shared with this pipeline where the
        strategies are the same objects.

        Raises:
            ConfigurationError: where several of that kind are there, so that it is unclear which.
        """
        layers = list(self.strategies)
        for strategy in strategies:
            places = [i for i, one in enumerate(layers) if type(one) is type(strategy)]
            if len(places) > 1:
                raise ConfigurationError(
                    f"with_({strategy!r}) is unclear: pipeline {self.name!r} has {len(places)} layers "
                    f"of the kind {type(strategy).__name__}; build a new Pipeline instead"
                )
            if places:
                layers[places[0]] = strategy
            else:
                layers.append(strategy)
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

    # -- people --------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Return the state of the strategies as plain data, outermost first."""
        layers = [
            one.snapshot() if hasattr(one, "snapshot") else {"strategy": repr(one)}
            for one in self.strategies
        ]
        return {"pipeline": self.name, "strategies": layers}

    def describe(self) -> str:
        """Return the pipeline as a tree: each layer's options, and the worst case of a call."""
        from holdfast._describe import described

        return described(self.name, self.strategies)

    def explain(self) -> str:
        """Return in words why the pipeline is as it is now, a line for each layer with a state."""
        from holdfast._explain import explained

        return explained(self.name, self.strategies)

    def __repr__(self) -> str:
        parts = [repr(self.name), *map(repr, self.strategies)]
        return f"Pipeline({', '.join(parts)})"
