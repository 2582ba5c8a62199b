"""How a breaker comes back, in threads and in asyncio: health checks, and a ramp."""

import asyncio
import threading
import time

import pytest

from holdfast import CircuitBreaker, CircuitOpenError, Pipeline, deadline, remaining
from holdfast.testing import Fail, Ok

DOWN = ConnectionError("down")


class Health:
    """A health check of either colour that says what the script says."""

    def __init__(self, *script):
        self.script = list(script)
        self.asked = 0
        self.deadlines = []

    def answer(self):
        self.asked += 1
        self.deadlines.append(remaining())
        error = self.script.pop(0) if self.script else None
        if error is not None:
            raise error

    async def async_answer(self):
        self.answer()


def opened(world, health, **options):
    """Return an open breaker with a health check of the world's colour, and a protected call."""
    probe = health.async_answer if world.name == "asyncio" else health.answer
    options = {"failures": 1, "open_for": 5.0, "open_jitter": 0.0, "probes": 2} | options
    breaker = CircuitBreaker(probe=probe, **options)
    dependency = world.dependency(Fail(DOWN), Ok("served"))
    call = world.protect(Pipeline("p", breaker), dependency)
    with pytest.raises(ConnectionError):
        world.run(call)
    return breaker, call, dependency


def test_a_health_check_closes_it_without_a_users_call(world):
    """The call that starts the checks is rejected; when they have succeeded everybody passes."""
    health = Health()
    breaker, call, dependency = opened(world, health)
    world.advance(5.0)

    with pytest.raises(CircuitOpenError):
        world.run(call)
    world.advance(0.1)

    assert health.asked == 2
    assert breaker.state == "closed"
    assert len(dependency.calls) == 1
    assert world.run(call) == "served"


def test_a_health_check_that_fails_leaves_it_open(world):
    """For twice the time; then it is asked again."""
    health = Health(DOWN)
    breaker, call, _ = opened(world, health)
    for wait, state in ((5.0, "open"), (5.0, "open"), (5.0, "closed")):
        world.advance(wait)
        with pytest.raises(CircuitOpenError):
            world.run(call)
        world.advance(0.1)
        assert breaker.state == state

    assert health.asked == 3


def test_health_checks_that_die_with_their_loop_give_way_to_the_calls():
    """Where a loop lives for one call, no check is ever heard: every second call is a probe itself."""
    asked = []

    async def healthy():
        asked.append(True)
        await asyncio.sleep(60.0)

    async def pay():
        return "receipt"

    breaker = CircuitBreaker(probes=2, open_for=1.0, open_jitter=0.0, probe=healthy)
    pay = Pipeline("payments", breaker)(pay)
    breaker.trip(now=time.monotonic() - 9.0)

    outcomes = [asyncio.run(outcome_of(pay)) for _ in range(4)]

    assert outcomes == ["rejected", "receipt", "rejected", "receipt"]
    assert (len(asked), breaker.state) == (2, "closed")


async def outcome_of(call):
    try:
        return await call()
    except CircuitOpenError:
        return "rejected"


def test_a_health_check_has_no_deadline_of_its_caller(world):
    """A caller in a hurry starts it, but it is asked for everybody."""
    health = Health()
    _, call, _ = opened(world, health)
    world.advance(5.0)

    async def hurried():
        with deadline(0.5):
            await world.do(call)

    with pytest.raises(CircuitOpenError):
        world.run(hurried)
    world.advance(0.1)

    assert health.deadlines == [float("inf")] * 2


@pytest.mark.parametrize("world", ["asyncio"], indirect=True)
def test_one_check_at_a_time_and_a_hung_one_gives_its_place_back(world):
    """A check that never answers is replaced after its lease."""
    asked = []

    async def hangs():
        asked.append(world.elapsed())
        if len(asked) == 1:
            await asyncio.Event().wait()

    breaker = CircuitBreaker(
        failures=1, open_for=5.0, open_jitter=0.0, probes=1, probe=hangs, probe_timeout=3.0
    )
    call = Pipeline("p", breaker)(world.dependency(Fail(DOWN), Ok("served")).aio)

    async def main():
        found = []
        for _ in range(20):
            try:
                found.append(await call())
            except (ConnectionError, CircuitOpenError) as error:
                found.append(type(error).__name__)
            await asyncio.sleep(0.5)
        return found

    found = world.run(main)

    assert asked == [5.0, 8.0]
    assert found.index("served") == 17
    for task in asyncio.all_tasks(world.runner.get_loop()):
        task.cancel()


def test_the_ramp_lets_calls_back_by_and_by(world):
    """Some are refused half-way, none at its end."""
    breaker = CircuitBreaker(failures=1, open_for=5.0, open_jitter=0.0, probes=1, ramp=10.0)
    call = world.protect(Pipeline("p", breaker), world.dependency(Fail(DOWN), Ok("served")))

    def served(times):
        good = 0
        for _ in range(times):
            try:
                good += world.run(call) == "served"
            except (ConnectionError, CircuitOpenError):
                pass
        return good

    assert served(1) == 0
    world.advance(5.0)
    assert served(1) == 1
    world.advance(5.0)
    assert 60 <= served(200) <= 140
    world.advance(5.0)
    assert served(200) == 200
    assert breaker.state == "closed"


@pytest.mark.real_time
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_real_thread_asks_the_health_check(colour):
    """Without a virtual clock it runs in a worker, of whichever colour, and callers do not wait."""
    begun, release = threading.Event(), threading.Event()

    def health():
        begun.set()
        assert release.wait(10.0)

    async def async_health():
        health()

    probe = health if colour == "sync" else async_health
    breaker = CircuitBreaker(failures=1, open_for=1e-6, open_jitter=0.0, probes=1, probe=probe)
    call = Pipeline("p", breaker)(lambda: "served")
    breaker.trip()

    with pytest.raises(CircuitOpenError):
        call()
    assert begun.wait(10.0)
    with pytest.raises(CircuitOpenError):
        call()
    release.set()
    for _ in range(1_000):
        if breaker.state == "closed":
            break
        threading.Event().wait(0.01)

    assert call() == "served"
