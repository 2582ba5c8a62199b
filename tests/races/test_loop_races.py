"""One protected function on many event loops at once, each in a thread of its own."""

import asyncio
from collections import Counter

import pytest

from holdfast import AttemptTimeout, Bulkhead, CircuitBreaker, Pipeline, Retry, Timeout, backoff

THREADS = 16


@pytest.mark.usefixtures("eager_switching")
def test_loops_that_meet_a_function_for_the_first_time_together(together, balanced):
    """Loops that come and go, all in one instant, share one protected function without harm."""
    bulkhead, breaker = Bulkhead(THREADS), CircuitBreaker()
    call = Pipeline("p", Timeout(60.0), bulkhead, breaker, Timeout(30.0))(asyncio.sleep)

    def thread():
        for _ in range(25):
            with asyncio.Runner() as runner:
                runner.run(call(0))
        return "done"

    assert Counter(map(str, together([thread] * THREADS))) == {"done": THREADS}
    balanced(bulkhead, breaker)


@pytest.mark.real_time
@pytest.mark.usefixtures("eager_switching")
def test_limits_hold_on_every_loop(together):
    """Sixteen loops time out side by side, each by its own timers."""

    async def forever():
        await asyncio.get_running_loop().create_future()

    call = Pipeline("p", Timeout(0.02))(forever)

    async def main():
        outcomes = await asyncio.gather(*(call() for _ in range(20)), return_exceptions=True)
        assert asyncio.current_task().cancelling() == 0
        return {type(one) for one in outcomes}

    assert together([lambda: asyncio.run(main())] * THREADS) == [{AttemptTimeout}] * THREADS


@pytest.mark.usefixtures("eager_switching")
def test_one_pipeline_for_both_colours_at_once(together, balanced):
    """Half of the threads call a blocking function, half an async one, through one pipeline."""
    bulkhead = Bulkhead(4, queue=1000)
    breaker = CircuitBreaker(failures=1000)
    pipeline = Pipeline("p", Retry(2, backoff=backoff.constant(0)), bulkhead, breaker)
    calls = Counter()

    @pipeline
    def blocking(number):
        calls["blocking"] += 1
        return 1 // (number % 4)

    @pipeline
    async def task(number):
        await asyncio.sleep(0)
        return 1 // (number % 4)

    async def tasks():
        return await asyncio.gather(*map(task, range(100)), return_exceptions=True)

    def blocking_thread():
        outcomes = []
        for number in range(100):
            try:
                outcomes.append(blocking(number))
            except ZeroDivisionError as error:
                outcomes.append(error)
        return outcomes

    threads = [blocking_thread, lambda: asyncio.run(tasks())] * 4
    for outcomes in together(threads):
        assert sum(isinstance(one, ZeroDivisionError) for one in outcomes) == 25
        assert len(outcomes) == 100
    balanced(bulkhead, breaker)
