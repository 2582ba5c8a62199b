"""One rate limiter and one throttle for threads and event loops together: nothing lost or doubled."""

import asyncio
import time

import pytest

from holdfast import Pipeline, Rate, RateLimitedError, RateLimiter, Throttle
from holdfast.shapes import Wait
from tests.races.loops import PATIENCE

NOW = 1000.0


@pytest.mark.usefixtures("eager_switching")
@pytest.mark.parametrize("rates", [(Rate(500),), (Rate(500), Rate(2000))])
def test_a_crowd_of_threads_gets_exactly_the_burst(together, rates):
    """Eight threads in one instant: five hundred pass, the others do not, on one limit or two."""
    limiter = RateLimiter(*rates)

    def thread():
        count = 0
        for _ in range(200):
            try:
                limiter.enter(NOW, (), {})
                count += 1
            except RateLimitedError:
                pass
        return count

    assert sum(together([thread] * 8)) == 500


@pytest.mark.usefixtures("eager_switching")
def test_turns_are_handed_out_once(together):
    """Every waiter of a crowd of threads gets a start of its own, one interval apart, without gaps."""
    limiter = RateLimiter(8, burst=1, max_wait=None)

    def thread():
        answers = [limiter.enter(NOW, (), {}) for _ in range(50)]
        return [answer.delay if isinstance(answer, Wait) else 0.0 for answer in answers]

    delays = sorted(delay for each in together([thread] * 6) for delay in each)
    assert delays == pytest.approx([place / 8 for place in range(300)])


@pytest.mark.usefixtures("eager_switching")
def test_who_leaves_in_a_crowd_leaves_nothing_behind(together):
    """Waiters come and are cancelled in six threads; in the end it is as if nobody had waited."""
    limiter = RateLimiter(Rate(1), Rate(2, burst=1), max_wait=None)
    limiter.enter(NOW, (), {})

    def thread():
        for _ in range(30):
            waits = [limiter.enter(NOW, (), {}) for _ in range(3)]
            for wait in waits:
                limiter.abandoned(wait.permit, NOW)

    assert together([thread] * 6) == [None] * 6
    assert limiter.enter(NOW, (), {}).delay == pytest.approx(1.0)


@pytest.mark.usefixtures("eager_switching")
def test_corrections_from_many_threads_add_up(together, monkeypatch):
    """Calls of four tokens that turn out to have taken one each leave three of four free."""
    monkeypatch.setattr("holdfast._world.world.clock", lambda: NOW)
    limiter = RateLimiter(10_000, cost=4, actual=lambda result: result)

    def thread():
        for _ in range(200):
            limiter.succeeded(limiter.enter(NOW, (), {}), NOW, 1)

    together([thread] * 8)
    assert limiter.available == (10_000 - 8 * 200,)


@pytest.mark.real_time
@pytest.mark.usefixtures("eager_switching")
def test_threads_and_two_loops_share_one_limit(two_loops, together):
    """They start no faster than the limit, cancelled waiters among them, and all get their turn."""
    limiter = RateLimiter(1000, burst=10, max_wait=None)
    pipeline = Pipeline("p", limiter)
    served = []
    began = time.monotonic()
    call = pipeline(lambda: served.append(time.monotonic()))

    @pipeline
    async def task():
        served.append(time.monotonic())

    async def crowd():
        tasks = [asyncio.ensure_future(task()) for _ in range(60)]
        await asyncio.sleep(0)
        for one in tasks[::3]:
            one.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        return sum(isinstance(end, asyncio.CancelledError) for end in ends)

    def thread():
        for _ in range(20):
            call()

    futures = [one.submit(crowd()) for one in two_loops]
    assert together([thread] * 3) == [None] * 3
    cancelled = sum(future.result(PATIENCE) for future in futures)
    assert len(served) == 60 + 120 - cancelled
    for count, instant in enumerate(sorted(served), 1):
        assert count <= 10 + 1000 * (instant - began) + 1e-3
    assert limiter.waiting == 0


@pytest.mark.usefixtures("eager_switching")
def test_a_throttle_counts_every_call_of_a_crowd(together):
    """Successes, failures and cancellations of eight threads: nothing stays in flight."""
    throttle = Throttle(ratio=1000)

    def thread():
        for number in range(200):
            permit = throttle.enter(NOW, (), {})
            if number % 4 == 0:
                throttle.failed(permit, NOW, OSError())
            elif number % 4 == 1:
                throttle.abandoned(permit, NOW)
            else:
                throttle.succeeded(permit, NOW, None)

    assert together([thread] * 8) == [None] * 8
    accepts = throttle._accepts
    assert (accepts.requests, accepts.accepts) == (8 * 150, 8 * 100)
    assert accepts.in_doubt(NOW) == 0
