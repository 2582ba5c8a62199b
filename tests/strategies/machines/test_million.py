"""A great many random operations of each state machine against its model: with --long, a million."""

from collections import Counter
from random import Random

import pytest
from reference_models import BreakerPair, BulkheadPair

from holdfast.events import BreakerClosed, BreakerHalfOpened, BreakerOpened, ProbeExpired, subscribe

OPERATIONS = 200_000
STORIES = 50

BREAKERS = [
    {"failures": 3, "open_for": 5.0, "open_cap": 20.0, "probes": 2},
    {"failures": 1, "open_for": 5.0, "open_cap": 5.0, "probes": 3, "probe_timeout": 3.0},
    {"failures": None, "failure_rate": 0.5, "window_calls": 20, "min_calls": 10, "open_for": 2.0,
     "open_cap": 30.0, "probes": 1},
    {"failures": 6, "failure_rate": 0.6, "window": 20.0, "min_calls": 5, "slow": 2.0,
     "slow_rate": 0.6, "open_for": 5.0, "open_cap": 40.0, "probes": 4},
]  # fmt: skip


def operate_breaker(pair, random, operations, looks):
    """Let calls come and go; time mostly goes on.  Compare after so many operations each."""
    luck = 0.8
    for number in range(operations):
        draw = random.random()
        if draw < 0.005 and pair.model.manual:
            pair.control("reset")
        elif draw < 0.45:
            pair.enter()
        elif draw < 0.88:
            if pair.flying:
                good = "succeeded" if random.random() < luck else "failed"
                outcome = (
                    good if random.random() < 0.95 else random.choice(["abandoned", "ignored"])
                )
                pair.settle(random.randrange(20), outcome)
        elif draw < 0.98:
            pair.clock.now += random.choice([0.25, 0.5, 1.0, 4.0, 10.0])
        elif draw < 0.99:
            pair.clock.now -= 0.25
        elif draw < 0.9995:
            luck = random.choice([0.0, 0.3, 0.8, 1.0])
        else:
            pair.control(random.choice(["trip", "isolate", "disable", "reset", "reset", "reset"]))
        if number % looks == 0:
            pair.agree()
    pair.land()


@pytest.mark.slow
def test_a_great_many_operations_of_the_breaker(clock, long_form):
    """In fifty stories of four configurations; each kind of transition is among them."""
    random, seen, operations = Random(1), Counter(), OPERATIONS * long_form
    for story in range(STORIES):
        pair = BreakerPair(clock, **BREAKERS[story % len(BREAKERS)])
        with subscribe(lambda event: seen.update([type(event)])):
            operate_breaker(pair, random, operations // STORIES, looks=(3, 7, 1_000)[story % 3])

    often = operations / 1_000
    assert min(seen[kind] for kind in (BreakerOpened, BreakerHalfOpened, BreakerClosed)) > often
    assert seen[ProbeExpired] > often / 2


def somewhere(random):
    return random.randrange(20)


# What may happen to a bulkhead, how often, and when it can happen at all.
DEEDS = [
    (45, lambda pair: True, lambda pair, random: pair.enter()),
    (
        35,
        lambda pair: pair.inside,
        lambda pair, random: pair.end(
            somewhere(random), random.choice(["succeeded", "failed", "abandoned"])
        ),
    ),
    (
        10,
        lambda pair: pair.waiting,
        lambda pair, random: pair.give_up(
            somewhere(random), random.choice(["cancelled", "expired"])
        ),
    ),
    (2, lambda pair: pair.waiting, lambda pair, random: pair.lose(somewhere(random))),
    (3, lambda pair: pair.model.held < 3, lambda pair, random: pair.hold()),
    (3, lambda pair: pair.model.held, lambda pair, random: pair.release()),
    (0.1, lambda pair: True, lambda pair, random: pair.resize(random.randint(1, 8))),
]


def operate_bulkhead(pair, random, operations):
    """Let callers come, queue, lose patience and end; now and then change the size."""
    weights = [weight for weight, _, _ in DEEDS]
    for number, (_, possible, do) in enumerate(random.choices(DEEDS, weights, k=operations)):
        if possible(pair):
            do(pair, random)
        if number % 2 == 0:
            pair.agree()
    pair.land()


@pytest.mark.slow
def test_a_great_many_operations_of_the_bulkhead(long_form):
    """In fifty stories of several sizes; at the end of each the permits balance to zero."""
    random = Random(2)
    for story in range(STORIES):
        pair = BulkheadPair(1 + story % 6, queue=story % 9)
        operate_bulkhead(pair, random, OPERATIONS * long_form // STORIES)
