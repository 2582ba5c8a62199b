"""A few calls that last for minutes are no queue (Envoy 42243, Netflix concurrency-limits 137)."""

import asyncio
import heapq
from itertools import count
from random import Random

import pytest

from holdfast import ConcurrencyLimiter, LoadShedder, Pipeline, RejectedError, concurrency
from holdfast.strategies.concurrency.lasting import Lasting, lasting_for
from holdfast.testing import run

SHORT = 0.05
GATES = {
    "spread": lambda: ConcurrencyLimiter(concurrency.spread()),
    "gradient": lambda: ConcurrencyLimiter(concurrency.gradient()),
    "vegas": lambda: ConcurrencyLimiter(concurrency.vegas()),
    "load shedder": lambda: LoadShedder(concurrency.spread(), queue=0),
}


def story(rate, share, long, seconds):
    """Return when each call comes and how long it takes; nothing is ever overloaded."""
    random, now, calls = Random(7), 0.0, []
    while now < seconds:
        calls.append((now, long if random.random() < share else random.expovariate(1 / SHORT)))
        now += random.expovariate(rate)
    return calls


def refused(gate, calls, seconds):
    """Return the share of refused calls in the second half of the time."""
    inside, counted, number = [], [0, 0], count()
    for now, takes in calls:
        while inside and inside[0][0] <= now:
            ends, _, permit = heapq.heappop(inside)
            gate.succeeded(permit, ends, None)
        half = now > seconds / 2
        counted[0] += half
        try:
            heapq.heappush(inside, (now + takes, next(number), gate.enter(now, (), {})))
        except RejectedError:
            counted[1] += half
    return counted[1] / counted[0]


async def refused_by_a_pipeline(gate, calls, seconds):
    """The same through a pipeline, with a task for each call."""
    pipeline, counted = Pipeline("p", gate), [0, 0]

    async def one(now, takes):
        await asyncio.sleep(now)
        half = now > seconds / 2
        counted[0] += half
        try:
            await pipeline.acall(asyncio.sleep, takes)
        except RejectedError:
            counted[1] += half

    tasks = [asyncio.ensure_future(one(*call)) for call in calls]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    return counted[1] / counted[0]


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize(
    "rate, share, long", [(20, 0.01, 300), (20, 0.002, 300), (20, 0.01, 60), (100, 0.05, 10)]
)
def test_long_calls_crowd_nobody_out(gate, rate, share, long):
    """At most two in a hundred are refused where the capacity has no bound."""
    seconds = 4 * long if long > 60 else 400
    calls = story(rate, share, long, seconds)
    assert refused(GATES[gate](), calls, seconds) <= 0.02


@pytest.mark.slow
@pytest.mark.parametrize("gate", GATES)
def test_long_calls_crowd_nobody_out_of_a_pipeline(gate):
    """Nor where each call is a task."""
    calls = story(20, 0.01, 60, 400)
    assert run(refused_by_a_pipeline(GATES[gate](), calls, 400)) <= 0.02


def test_who_is_in_flight_since_long_ago_is_set_aside():
    """Seen at two of three looks, with some room for those that are on the way to be so old."""
    lasting = Lasting()
    for number, old in enumerate([0, 9, 9]):
        lasting.old = old
        lasting.look(float(number), 20, 0.05)
    assert lasting.room == 9 + 6
    assert (lasting.mark, lasting.old, lasting.due) == (2.0, 20, 2.25)


def test_a_moment_in_which_all_stands_still_sets_nobody_aside():
    """All calls are old for once, and then they end."""
    lasting = Lasting()
    for number, old in enumerate([0, 20, 0, 0]):
        lasting.old = old
        lasting.look(float(number), 20, 0.05)
        assert lasting.room == 0


def test_only_algorithms_that_know_what_is_usual_set_calls_aside():
    """Those that go by losses, or by Little's law, are not misled by long calls."""
    kinds = {
        name: lasting_for(getattr(concurrency, name)().search()) is not None
        for name in ("spread", "vegas", "gradient", "demand", "aimd")
    }
    assert kinds == {
        "spread": True, "vegas": True, "gradient": True, "demand": False, "aimd": False,
    }  # fmt: skip


def test_an_answer_after_minutes_is_no_latency():
    """Nor does it spoil what is known of the others, when such a call ends after all."""
    search = concurrency.spread().search()
    for number in range(200):
        search.sample(number / 20, 300.0 if number % 20 == 0 else 0.05, 2, False)
    assert search.usual == pytest.approx(0.05)
