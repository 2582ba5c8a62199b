"""After a great many calls, whatever became of them, every account is back where it began."""

import asyncio
import random
from collections import Counter

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    CircuitBreaker,
    Pipeline,
    RejectedError,
    Retry,
    RetryBudget,
    Timeout,
    backoff,
)
from holdfast.testing import run, seeded

THREADS = 16


class Stack:
    """Retry, breaker and bulkhead around a function that fails now and then."""

    def __init__(self) -> None:
        self.budget = RetryBudget(capacity=50)
        self.breaker = CircuitBreaker(failures=4, open_for=1e-4, open_jitter=0.5, probes=2)
        self.bulkhead = Bulkhead(6)
        self.pipeline = Pipeline(
            "p",
            Retry(3, backoff=backoff.constant(0), budget=self.budget),
            self.breaker,
            self.bulkhead,
        )
        self.parts = (self.budget, self.breaker, self.bulkhead)


def many_calls(stack, calls, seed):
    """Return a function that makes so many calls and counts what became of them."""

    def sometimes(draw):
        if draw < 0.02:
            raise ConnectionError("down")
        if draw < 0.021:
            raise KeyboardInterrupt
        return draw

    protected = stack.pipeline(sometimes)

    def thread():
        draw, outcomes = random.Random(seed).random, Counter()
        for _ in range(calls):
            try:
                protected(draw())
                outcomes["ok"] += 1
            except RejectedError:
                outcomes["rejected"] += 1
            except ConnectionError:
                outcomes["failed"] += 1
            except KeyboardInterrupt:
                outcomes["interrupted"] += 1
        return outcomes

    return thread


@pytest.mark.slow
def test_sixteen_threads_make_twenty_thousand_calls_each(together, balanced, long_form):
    """Calls through retry, breaker and bulkhead balance to zero; 1.6 million of them with --long."""
    stack, calls = Stack(), 20_000 * long_form
    with seeded(0):
        outcomes = together([many_calls(stack, calls, seed) for seed in range(THREADS)])
    total = sum(outcomes, Counter())
    assert total.total() == THREADS * calls
    assert total["ok"] > calls
    assert total["interrupted"] > calls / 100
    balanced(*stack.parts)


@pytest.mark.usefixtures("eager_switching")
def test_threads_that_switch_at_every_chance(together, balanced):
    """The same with fewer calls, while the interpreter switches threads as often as it can."""
    stack = Stack()
    with seeded(0):
        outcomes = together([many_calls(stack, 1500, seed) for seed in range(THREADS)])
    total = sum(outcomes, Counter())
    assert total.total() == THREADS * 1500
    assert total["ok"] > 0
    balanced(*stack.parts)


async def one_of_many(call, draw, outcomes):
    """Make a call in a task, cancel it at random, and count what became of it."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(call(draw.random()))
    if draw.random() < 0.3:
        loop.call_later(draw.random() * 0.4, task.cancel)
        if draw.random() < 0.2:
            loop.call_later(draw.random() * 0.4, task.cancel)
    try:
        await task
        outcomes["ok"] += 1
    except asyncio.CancelledError:
        outcomes["cancelled"] += 1
    except RejectedError:
        outcomes["rejected"] += 1
        await asyncio.sleep(0.1)
    except (ConnectionError, AttemptTimeout):
        outcomes["failed"] += 1
    assert asyncio.current_task().cancelling() == 0


async def crowd(call, calls, at_once, seed):
    """Keep ``at_once`` calls going until so many have been made."""
    draw, outcomes = random.Random(seed), Counter()

    async def caller():
        for _ in range(calls // at_once):
            await one_of_many(call, draw, outcomes)

    await asyncio.gather(*(caller() for _ in range(at_once)))
    await asyncio.sleep(100.0)
    return outcomes


@pytest.mark.slow
def test_twenty_thousand_calls_with_random_cancellation(balanced, long_form):
    """Cancelled in the queue, in a pause, in a probe, while cleaning up: it all balances to zero.

    With --long, a hundred thousand of them.
    """
    calls = 20_000 * long_form
    budget = RetryBudget(capacity=1000)
    breaker = CircuitBreaker(failures=6, open_for=0.05, probes=2)
    bulkhead = Bulkhead(40, queue=20, max_wait=0.1)

    @Pipeline(
        "p",
        Timeout(0.5),
        bulkhead,
        Retry(3, backoff=backoff.constant(0.02), budget=budget),
        breaker,
        Timeout(0.2),
    )
    async def work(draw):
        try:
            await asyncio.sleep(draw * 0.21)
            if asyncio.get_running_loop().time() % 2.0 < 0.2:  # an outage every two seconds
                raise ConnectionError("down")
        finally:
            if draw > 0.9:
                await asyncio.sleep(0.01)

    with seeded(0):
        outcomes = run(crowd(work, calls=calls, at_once=100, seed=1))
    assert outcomes.total() == calls
    assert min(outcomes[kind] for kind in ("ok", "cancelled", "rejected", "failed")) > calls / 100
    balanced(budget, breaker, bulkhead)


def test_the_same_seed_gives_the_same_outcomes():
    """On virtual time a crowd with random cancellation does exactly the same twice."""

    def play():
        pipeline = Pipeline(
            "p", Bulkhead(5, queue=5), Retry(2, backoff=backoff.constant(0.02)), Timeout(0.2)
        )
        with seeded(0):
            return run(crowd(pipeline(lambda_sleep), calls=500, at_once=20, seed=3))

    assert play() == play()


async def lambda_sleep(draw):
    await asyncio.sleep(draw * 0.25)
