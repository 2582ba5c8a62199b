"""A few calls that last for minutes are no queue (Envoy 42243, Netflix concurrency-limits 137)."""

import asyncio
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


async def refused(gate, rate, share, long, seconds):
    """Return the share of refused calls in the second half of the time; nothing is ever overloaded."""
    pipeline, random, loop = Pipeline("p", gate), Random(7), asyncio.get_running_loop()
    began, counted, tasks = loop.time(), [0, 0], set()

    async def one():
        takes = long if random.random() < share else random.expovariate(1 / SHORT)
        half = loop.time() - began > seconds / 2
        try:
            await pipeline.acall(asyncio.sleep, takes)
        except RejectedError:
            counted[1] += half
        finally:
            counted[0] += half

    while loop.time() - began < seconds:
        task = asyncio.ensure_future(one())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await asyncio.sleep(random.expovariate(rate))
    passed = counted[0] + len(tasks)
    for task in list(tasks):
        task.cancel()
    return counted[1] / passed


@pytest.mark.slow
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize(
    "rate, share, long", [(20, 0.01, 300), (20, 0.002, 300), (20, 0.01, 60), (100, 0.05, 10)]
)
def test_long_calls_crowd_nobody_out(gate, rate, share, long):
    """At most two in a hundred are refused where the capacity has no bound."""
    assert run(refused(GATES[gate](), rate, share, long, 4 * long if long > 60 else 400)) <= 0.02


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
