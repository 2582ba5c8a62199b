"""An hour of outage, in both worlds: quick, and the same in each run."""

import random
import sys
import time

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    CircuitBreaker,
    CircuitOpenError,
    Fallback,
    Pipeline,
    Retry,
    RetryBudget,
    Timeout,
)
from holdfast.events import BreakerClosed, BreakerOpened, RetryScheduled
from holdfast.testing import Fail, Hang, Ok, record, seeded

HOUR = 3600.0


def outage(world):
    """A client that calls every two seconds, for 90 minutes, of which the middle hour is an outage."""
    began = world.now()

    @world.function
    async def dependency():
        down = HOUR / 4 <= world.now() - began < HOUR * 5 / 4
        await world.sleep(0.05)
        if down:
            raise ConnectionError("down")
        return "up"

    pipeline = Pipeline(
        "payments",
        Fallback("later"),
        Bulkhead(10),
        Retry(3, budget=RetryBudget()),
        CircuitBreaker(open_for=1.0),
        Timeout(2.0),
    )
    call = world.protect(pipeline, dependency)
    answers = []
    while world.now() - began < HOUR * 3 / 2:
        answers.append(world.run(call))
        world.advance(2.0)
    return answers


def test_an_hour_passes_in_a_moment(world):
    """Ninety virtual minutes with some thousand calls take less than two seconds of work."""
    start = time.process_time()
    with record() as events:
        answers = outage(world)
    assert time.process_time() - start < (20.0 if "coverage" in sys.modules else 2.0)
    assert len(answers) > 2000
    assert answers[0] == answers[-1] == "up"
    assert 1500 < answers.count("later") < 1850
    assert events.of(BreakerOpened)
    assert len(events.of(BreakerClosed)) == 1


def test_the_same_seed_gives_the_same_story(world):
    """Two runs of the same story tell the same events at the same instants, to the last digit."""

    def story(seed):
        begin = world.now()
        world.advance(-begin % HOUR)  # so that both begin at a full hour, with the same rounding
        begin = world.now()
        with seeded(seed), record() as events:
            outage(world)
        return [(round(event.at - begin, 6), type(event).__name__) for event in events]

    assert story(7) == story(7)


def test_random_delays_are_repeated(world):
    """With one seed the delays are equal, in both worlds to the last digit."""

    def delays():
        dependency = world.dependency(
            Fail(ConnectionError("down"), takes=0.1), Hang(), ConnectionError, Ok()
        )
        with seeded(3), record() as events:
            world.call(Pipeline("p", Retry(9), Timeout(1.0, sync="thread")), dependency)
        return [event.delay for event in events.of(RetryScheduled)]

    rng = random.Random(3)
    assert delays() == delays() == [rng.uniform(0.0, ceiling) for ceiling in (1.0, 2.0, 4.0)]


def test_a_hung_dependency_costs_its_timeout_and_then_nothing(world):
    """Calls to a dependency that hangs time out until the breaker opens, then fail at once."""
    pipeline = Pipeline("p", CircuitBreaker(failures=3, open_for=60.0), Timeout(2.0, sync="thread"))
    call = world.protect(pipeline, world.dependency(Hang()))
    errors = []
    for _ in range(10):
        try:
            world.run(call)
        except (AttemptTimeout, CircuitOpenError) as error:
            errors.append(type(error))
    assert errors == [AttemptTimeout] * 3 + [CircuitOpenError] * 7
    assert world.elapsed() == 6.0
