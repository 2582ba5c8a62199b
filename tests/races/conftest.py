"""What the race tests share: threads that start at once, and a check that nothing was lost."""

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from holdfast import Bulkhead, CircuitBreaker, RetryBudget
from tests.races.loops import LOOPS, LoopThread

JOIN = 30.0


def at_once(functions: list[Callable[[], Any]]) -> list[Any]:
    """Run functions in threads that all start in one instant; return what each returned or raised."""
    barrier = threading.Barrier(len(functions))
    outcomes: list[Any] = [None] * len(functions)

    def work(place: int) -> None:
        barrier.wait(JOIN)
        try:
            outcomes[place] = functions[place]()
        except BaseException as error:
            outcomes[place] = error

    threads = [
        threading.Thread(target=work, args=(place,), daemon=True) for place in range(len(functions))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(JOIN)
        assert not thread.is_alive(), "a thread hangs"
    return outcomes


@pytest.fixture
def together() -> Callable[[list[Callable[[], Any]]], list[Any]]:
    """Return a function that runs functions in threads, all at once."""
    return at_once


@pytest.fixture
def eager_switching() -> Iterator[None]:
    """Let the interpreter switch threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def assert_balanced(*strategies: Any) -> None:
    """Check that nobody is inside, and that permits were neither lost nor doubled."""
    for strategy in strategies:
        match strategy:
            case Bulkhead():
                assert (strategy.in_flight, strategy.waiting) == (0, 0)
                permits = [strategy.enter(0.0, (), {}) for _ in range(strategy.size)]
                assert strategy.in_flight == strategy.size
                for permit in permits:
                    strategy.abandoned(permit, 0.0)
            case CircuitBreaker():
                assert strategy.snapshot()["probes_in_flight"] == 0
            case RetryBudget():
                assert 0 <= strategy.tokens <= strategy.capacity


@pytest.fixture
def balanced() -> Callable[..., None]:
    """Return a check that nothing is out of the given strategies."""
    return assert_balanced


@pytest.fixture(params=[("asyncio", "asyncio"), ("uvloop", LOOPS[-1])], ids=" and ".join)
def two_loops(request: pytest.FixtureRequest) -> Iterator[tuple[LoopThread, LoopThread]]:
    """Two event loops, each running in a thread of its own; the second time of other kinds."""
    first, second = request.param
    loops = LoopThread(first), LoopThread(second)
    yield loops
    for one in loops:
        one.close()
