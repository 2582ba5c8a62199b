"""What the tests of the drivers share: a statement of a test that runs in both colours."""

import asyncio
import functools
import gc
import inspect
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from holdfast import Bulkhead, CircuitBreaker, Pipeline, RetryBudget
from tests.races.loops import EAGER, LOOPS, loop_factory

WITHOUT_GIL = not getattr(sys, "_is_gil_enabled", lambda: True)()


@dataclass
class Colour:
    """Blocking or asyncio: how a plain function is made, protected and run there."""

    name: str
    run: Callable[[Any], Any]
    cycles: bool = False
    """Whether a task that fails is in a cycle of its own: eager ones are before Python 3.14."""

    def function(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``fn`` in this colour."""
        if self.name == "blocking":
            return fn

        @functools.wraps(fn)
        async def coloured(*args: Any, **kwargs: Any) -> Any:
            return fn(*args, **kwargs)

        return coloured

    def protected(self, pipeline: Pipeline, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``fn`` in this colour, protected; calling it runs it to its end."""
        inner = pipeline(self.function(fn))
        return lambda *args, **kwargs: self.run(inner(*args, **kwargs))


@pytest.fixture(params=["blocking", *LOOPS])
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    """Run the test once with a blocking function, and with an async one on each kind of loop."""
    if request.param == "blocking":
        yield Colour("blocking", lambda result: result)
        return
    with asyncio.Runner(loop_factory=loop_factory(request.param)) as runner:

        def run(result: Any) -> Any:
            return runner.run(result) if inspect.iscoroutine(result) else result

        yield Colour("asyncio", run, request.param in EAGER and sys.version_info < (3, 14))


def is_gone(reference: weakref.ref[Any], *, cycles: bool = False) -> bool:
    """Tell whether an object is gone as soon as it can be.

    Without the GIL each thread counts its own references.  What a worker has used goes when the counts
    are put together: with the next collection at the latest, and no more is promised there.
    """
    if WITHOUT_GIL or cycles:
        gc.collect()
    return reference() is None


def assert_balanced(*strategies: Any) -> None:
    """Check that nobody is inside: no permit, place in a queue or probe is out."""
    for strategy in strategies:
        match strategy:
            case Bulkhead():
                assert (strategy.in_flight, strategy.waiting) == (0, 0)
                free = [strategy.enter(0.0, (), {}) for _ in range(strategy.size)]
                assert strategy.in_flight == strategy.size  # neither lost nor doubled
                for permit in free:
                    strategy.abandoned(permit, 0.0)
            case CircuitBreaker():
                assert strategy.snapshot()["probes_in_flight"] == 0
            case RetryBudget():
                assert 0 <= strategy.tokens <= strategy.capacity
            case Pipeline():
                assert_balanced(*strategy.strategies)


@pytest.fixture
def balanced() -> Callable[..., None]:
    """Return a check that nothing is out of the given strategies or pipelines."""
    return assert_balanced
