"""The runtime port: what a world must be able to do, so that the strategies need not know it.

`now`, `sleep`, `wait` (for a gate's ticket), `within` and `adaptive` (a limit of time), `race` (for
hedges), `share` (one attempt for several callers) and `background` (for health checks).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from holdfast._runtimes.cutting.watcher import Watcher
    from holdfast._runtimes.pool import WorkerPool
    from holdfast.shapes import Arguments, Attempt, Gate, Instead, Keywords, Site, Wait
    from holdfast.strategies.coalesce import Coalesce
    from holdfast.strategies.hedge import Hedge
    from holdfast.strategies.retry import Retry
    from holdfast.strategies.timeout import AdaptiveTimeout, Sync, Timeout

AsyncStep = Callable[["Arguments", "Keywords"], Awaitable[Any]]
BlockingStep = Callable[["Arguments", "Keywords"], Any]


Items = Callable[
    [float, float, float, Callable[..., Any]], tuple[Callable[..., Any], Callable[[], None]]
]
"""From the seconds between two items, the instant and the seconds of the end of all, and a slow way to
draw an item under any limits: what draws an item, and what ends that."""


class AsyncWay(Protocol):
    """The way into the layers: straight to ``head``; or, by calling it, the slow way round."""

    head: AsyncStep

    def __call__(self, args: Arguments, kwargs: Keywords, /) -> Awaitable[Any]: ...


class BlockingWay(Protocol):
    """The way into the layers: straight to ``head``; or, by calling it, the slow way round."""

    head: BlockingStep

    def __call__(self, args: Arguments, kwargs: Keywords, /) -> Any: ...


class AsyncRuntime(Protocol):
    """A world in which waiting is awaited."""

    @property
    def now(self) -> Callable[[], float]:
        """The clock: seconds since some fixed instant."""

    def overseen(self, gate: Gate, site: Site, /) -> Gate:
        """Return a gate as a driver shall see it at this place."""

    async def sleep(self, delay: float, /) -> None:
        """Wait for ``delay`` seconds."""

    async def wait(self, gate: Gate, wait: Wait, site: Site, /) -> Any:
        """Wait as the gate asked, and return the permit; leave the queue however it ends."""

    def within(self, timeout: Timeout, inner: AsyncStep, site: Site, /) -> AsyncStep:
        """Return a step that gives up on ``inner`` in time."""

    def adaptive(self, timeout: AdaptiveTimeout, inner: AsyncStep, site: Site, /) -> AsyncStep:
        """Return a step that gives up on ``inner`` in a time that is learnt from its durations."""

    def items(self, timeout: Timeout, site: Site, /) -> Items | None:
        """Return what makes what draws the items of a stream under limits, if there is a quick way."""

    def race(self, hedge: Hedge, inner: AsyncStep, site: Site, /) -> AsyncStep:
        """Return a step that runs ``inner`` more than once where it is slow; the first success wins."""

    def share(self, coalesce: Coalesce, inner: AsyncStep, site: Site, /) -> AsyncStep:
        """Return a step in which concurrent calls of one key share one run of ``inner``."""

    def background(
        self,
        fn: Callable[[], Any],
        done: Callable[[BaseException | None], None],
        pipeline: str = "",
        /,
    ) -> None:
        """Run ``fn()``, sync or async, elsewhere; then call ``done`` with its error or None.

        Where that takes a thread, it is one of those that ``pipeline`` may have.
        """

    async def answer(self, verdict: Instead, /) -> Any:
        """Return what the verdict makes, awaited where that is needed."""

    def attempts(self, retry: Retry, /) -> AsyncIterator[Attempt]:
        """Return the loop over a retry's attempts."""


class BlockingRuntime(Protocol):
    """A world in which waiting blocks."""

    @property
    def now(self) -> Callable[[], float]:
        """The clock: seconds since some fixed instant."""

    def overseen(self, gate: Gate, site: Site, /) -> Gate:
        """Return a gate as a driver shall see it at this place."""

    def sleep(self, delay: float, /) -> None:
        """Wait for ``delay`` seconds."""

    def wait(self, gate: Gate, wait: Wait, site: Site, /) -> Any:
        """Wait as the gate asked, and return the permit; leave the queue however it ends."""

    def within(self, timeout: Timeout, inner: BlockingStep, site: Site, /) -> BlockingStep:
        """Return a step that gives up on ``inner`` in time."""

    def adaptive(
        self, timeout: AdaptiveTimeout, inner: BlockingStep, site: Site, /
    ) -> BlockingStep:
        """Return a step that gives up on ``inner`` in a time that is learnt from its durations."""

    def items(self, timeout: Timeout, site: Site, /) -> Items | None:
        """Return what makes what draws the items of a stream under limits, if there is a quick way."""

    def race(self, hedge: Hedge, inner: BlockingStep, site: Site, /) -> BlockingStep:
        """Return a step that runs ``inner`` more than once where it is slow; the first success wins."""

    def share(self, coalesce: Coalesce, inner: BlockingStep, site: Site, /) -> BlockingStep:
        """Return a step in which concurrent calls of one key share one run of ``inner``."""

    def background(
        self,
        fn: Callable[[], Any],
        done: Callable[[BaseException | None], None],
        pipeline: str = "",
        /,
    ) -> None:
        """Run ``fn()``, sync or async, elsewhere; then call ``done`` with its error or None.

        Where that takes a thread, it is one of those that ``pipeline`` may have.
        """

    def answer(self, verdict: Instead, /) -> Any:
        """Return what the verdict makes; refuse what would have to be awaited."""

    def attempts(self, retry: Retry, /) -> Iterator[Attempt]:
        """Return the loop over a retry's attempts."""


class Cuts(Protocol):
    """What makes the steps of one timeout at one place that ends calls in their own thread."""

    def within(self, seconds: float, inner: BlockingStep, /) -> BlockingStep:
        """Return a step that ends ``inner`` after ``seconds``, always the same."""

    def bounded(
        self, seconds: float, inner: BlockingStep, args: Arguments, kwargs: Keywords, /
    ) -> Any:
        """Run ``inner`` for ``seconds``, any number each time."""


class ThreadRuntime(BlockingRuntime, Protocol):
    """A blocking world that can leave a call alone in a thread, and so stop waiting for it."""

    @property
    def workers(self) -> WorkerPool:
        """Where such calls run."""

    @property
    def watcher(self) -> Watcher:
        """What ends calls in their own thread."""

    def cutting(self, timeout: Timeout | AdaptiveTimeout, site: Site, /) -> Cuts:
        """Return what makes the steps of a timeout that ends calls in their own thread."""

    def needs_worker(self, sync: Sync, site: Site, /) -> bool:
        """Return whether a timeout has to leave a thread behind to stop waiting."""

    def in_worker(
        self,
        seconds: float,
        inner: BlockingStep,
        site: Site,
        discard: Callable[[Any], object] | None = None,
        /,
    ) -> BlockingStep:
        """Return a step that runs ``inner`` in a worker, and leaves it alone in time."""

    def cooperative(self, seconds: float, inner: BlockingStep, site: Site, /) -> BlockingStep:
        """Return a step that sets a deadline around ``inner``, and trusts that it is obeyed."""
