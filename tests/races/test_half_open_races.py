"""Half-open, exactly as many calls get through as there are probes, however many arrive together."""

import asyncio
import threading
from collections import Counter

import pytest

from holdfast import CircuitBreaker, CircuitOpenError, Pipeline
from holdfast.testing import VirtualClock, run

CALLERS = 200


def half_open(clock, probes):
    """Return a breaker whose next calls are probes."""
    breaker = CircuitBreaker(open_for=1.0, open_jitter=0, probes=probes)
    breaker.trip()
    clock.advance(1.0)
    return breaker


def kinds(outcomes):
    return Counter(type(outcome).__name__ for outcome in outcomes)


@pytest.mark.parametrize("probes", [1, 3, 17])
@pytest.mark.usefixtures("eager_switching")
def test_threads_that_arrive_together(together, balanced, probes):
    """Of 200 threads exactly ``probes`` reach the function; the others are rejected meanwhile."""
    with VirtualClock() as clock:
        breaker = half_open(clock, probes)
        release = threading.Event()
        rejected = threading.Semaphore(0)
        inside = []

        @Pipeline("p", breaker)
        def function():
            inside.append(1)
            release.wait(20.0)
            return "ok"

        def caller():
            try:
                return function()
            except CircuitOpenError:
                rejected.release()
                raise

        def let_go():
            for _ in range(CALLERS - probes):
                assert rejected.acquire(timeout=20.0)
            assert len(inside) == probes
            release.set()

        outcomes = together([*[caller] * CALLERS, let_go])[:-1]
        assert kinds(outcomes) == {"str": probes, "CircuitOpenError": CALLERS - probes}
        assert breaker.state == "closed"
        balanced(breaker)


@pytest.mark.parametrize("probes", [1, 3, 17])
def test_tasks_that_arrive_together(balanced, probes):
    """Of 200 tasks exactly ``probes`` reach the function."""

    async def main():
        breaker = CircuitBreaker(open_for=1.0, open_jitter=0, probes=probes)
        breaker.trip()
        await asyncio.sleep(1.0)
        call = Pipeline("p", breaker)(asyncio.sleep)
        calls = [call(1.0) for _ in range(CALLERS)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert kinds(outcomes) == {"NoneType": probes, "CircuitOpenError": CALLERS - probes}
        assert breaker.state == "closed"
        balanced(breaker)

    run(main())


@pytest.mark.usefixtures("eager_switching")
def test_probes_that_fail_open_it_once(together, balanced):
    """Three probes that fail together open the breaker once, and it stays open for one period."""
    with VirtualClock() as clock:
        breaker = half_open(clock, probes=3)
        barrier = threading.Barrier(3)
        epoch = breaker.snapshot()["epoch"]

        @Pipeline("p", breaker)
        def function():
            barrier.wait(20.0)
            raise ConnectionError("still down")

        outcomes = together([function] * CALLERS)
        assert kinds(outcomes) == {"ConnectionError": 3, "CircuitOpenError": CALLERS - 3}
        assert breaker.state == "open"
        assert breaker.snapshot()["epoch"] == epoch + 2  # half-open, and open again
        balanced(breaker)


@pytest.mark.usefixtures("eager_switching")
def test_failures_that_arrive_together_open_it_once(together):
    """Sixteen threads fail in one instant: one transition, told once."""
    with VirtualClock():
        breaker = CircuitBreaker(failures=5)
        barrier = threading.Barrier(16)
        epoch = breaker.snapshot()["epoch"]

        @Pipeline("p", breaker)
        def function():
            barrier.wait(20.0)
            raise ConnectionError("down")

        outcomes = together([function] * 16)
        assert kinds(outcomes) == {"ConnectionError": 16}
        assert breaker.state == "open"
        assert breaker.snapshot()["epoch"] == epoch + 1


@pytest.mark.usefixtures("eager_switching")
def test_switching_by_hand_while_calls_run(together, balanced):
    """People pulling every lever while callers call: nobody hangs, and no probe is lost."""
    breaker = CircuitBreaker(failures=3, open_for=1e-6, open_jitter=0, probes=2)
    function = Pipeline("p", breaker)(lambda number: 1 // (number % 3))

    def caller():
        for number in range(2000):
            try:
                function(number)
            except (ZeroDivisionError, CircuitOpenError):
                pass

    def levers():
        for _ in range(300):
            breaker.trip()
            breaker.isolate()
            breaker.disable()
            breaker.reset()

    assert kinds(together([*[caller] * 6, *[levers] * 2])) == {"NoneType": 8}
    balanced(breaker)
    breaker.reset()
    assert function(1) == 1
    assert breaker.state == "closed"
