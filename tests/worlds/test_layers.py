"""Several layers together, in threads and in asyncio."""

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    Fallback,
    Pipeline,
    Retry,
    RetryBudget,
    Timeout,
    backoff,
    standard,
)
from holdfast.events import BreakerOpened
from holdfast.testing import Fail, Hang, Ok, record

SECOND = backoff.constant(1.0)


def four_layers(**options):
    breaker = CircuitBreaker(
        failures=3, open_for=30.0, open_jitter=0.0, probes=1, **options.pop("breaker", {})
    )
    bulkhead = Bulkhead(2, name="compartment")
    pipeline = Pipeline(
        "payments", bulkhead, Retry(3, backoff=SECOND), breaker, Timeout(2.0, sync="thread")
    )
    return pipeline, bulkhead, breaker


def test_a_good_call_passes_through_all_layers(world):
    """Arguments go in, the result comes out, and nothing is left behind."""
    pipeline, bulkhead, breaker = four_layers()
    dependency = world.dependency(Ok("paid", takes=0.5))
    assert world.call(pipeline, dependency, "order", total=5) == "paid"
    assert [(call.args, call.kwargs) for call in dependency.calls] == [(("order",), {"total": 5})]
    assert (bulkhead.in_flight, breaker.state, world.elapsed()) == (0, "closed", 0.5)


def test_a_flaky_dependency_is_ridden_out(world):
    """A failure and a hang cost two attempts and their delays; the caller sees the third."""
    pipeline, _, breaker = four_layers()
    dependency = world.dependency(Fail(ConnectionError("down"), takes=0.5), Hang(), Ok("paid"))
    assert world.call(pipeline, dependency) == "paid"
    assert world.elapsed() == 0.5 + 1.0 + 2.0 + 1.0
    assert breaker.state == "closed"


def test_the_breaker_inside_the_retry_sees_each_attempt(world):
    """One call's three failing attempts open the breaker; the next call fails without delay."""
    pipeline, _, breaker = four_layers()
    dependency = world.dependency(ConnectionError("down"))
    call = world.protect(pipeline, dependency)
    with pytest.raises(ConnectionError):
        world.run(call)
    assert (breaker.state, world.elapsed()) == ("open", 2.0)
    with pytest.raises(CircuitOpenError):
        world.run(call)
    assert world.elapsed() == 2.0
    assert len(dependency.calls) == 3


def test_after_an_outage_the_layers_recover(world):
    """When the open time has passed, one probe closes the breaker and all is as before."""
    pipeline, bulkhead, breaker = four_layers()
    dependency = world.dependency(*[ConnectionError("down")] * 3, Ok("paid"))
    call = world.protect(pipeline, dependency)
    with pytest.raises(ConnectionError):
        world.run(call)
    world.advance(30.0)
    assert [world.run(call), world.run(call)] == ["paid", "paid"]
    assert (bulkhead.in_flight, breaker.state) == (0, "closed")


def test_the_compartment_holds_a_call_through_its_retries(world):
    """The bulkhead outside counts calls, not attempts: a retrying call keeps its place."""
    pipeline, bulkhead, _ = four_layers()
    flaky = world.protect(pipeline, world.dependency(ConnectionError, ConnectionError, Ok("paid")))
    quick = world.protect(pipeline, world.dependency(Ok("quick", takes=0.1)))

    async def in_flight():
        await world.sleep(0.5)
        return bulkhead.in_flight

    answers = world.together(flaky, in_flight, world.after(0.6, quick), world.after(0.6, quick))
    assert answers[:3] == ["paid", 1, "quick"]
    assert isinstance(answers[3], BulkheadFullError)


def test_one_dependency_does_not_take_the_other_down(world):
    """With a pipeline each, an outage of one service leaves the calls to the other alone."""
    down, _, _ = four_layers()
    up = Pipeline("stock", Bulkhead(2), Retry(3), CircuitBreaker(), Timeout(2.0))
    failing = world.protect(down, world.dependency(ConnectionError("down")))
    fine = world.protect(up, world.dependency(Ok("in stock", takes=0.1)))
    answers = world.together(failing, fine)
    assert isinstance(answers[0], ConnectionError)
    assert answers[1] == "in stock"


# -- the recommended pipeline --------------------------------------------------------------------


def test_standard_rides_out_a_flaky_dependency(world):
    """The recommended pipeline retries transient failures, within a second."""
    dependency = world.dependency(ConnectionError("down"), ConnectionError("down"), Ok("paid"))
    assert world.call(standard("payments"), dependency) == "paid"
    assert world.elapsed() <= 0.1 + 0.3


def test_standard_does_not_retry_what_is_no_outage(world):
    """A programming error passes at once."""
    dependency = world.dependency(KeyError("bug"))
    with pytest.raises(KeyError, match="bug"):
        world.call(standard("payments"), dependency)
    assert len(dependency.calls) == 1


def test_standard_cuts_each_attempt_and_the_whole(world):
    """A hanging dependency costs two seconds an attempt, and ten in all at most."""
    with pytest.raises(AttemptTimeout):
        world.call(standard("payments", sync="thread"), world.dependency(Hang()))
    assert 8.0 <= world.elapsed() <= 8.7
    before = world.now()
    with pytest.raises(AttemptTimeout) as caught:
        world.call(standard("p", attempt_timeout=None, sync="thread"), world.dependency(Hang()))
    assert caught.value.seconds == 10.0
    assert world.now() - before == 10.0


def test_standard_opens_its_breaker_and_spares_the_dependency(world):
    """In an outage of an hour the dependency gets a few probes, and the callers quick answers."""
    dependency = world.dependency(ConnectionError("down"))
    call = world.protect(standard("payments", fallback="later"), dependency)
    with record() as events:
        for _ in range(3600):
            assert world.run(call) == "later"
            world.advance(1.0)
    opened = events.of(BreakerOpened)
    assert max(event.open_for for event in opened) == pytest.approx(60.0, rel=0.1)
    assert len(dependency.calls) < 100


def test_standard_takes_your_own_parts(world):
    """Each part can be replaced by a strategy of your own, or left out."""
    breaker = CircuitBreaker(failures=1)
    pipeline = standard(
        "payments",
        timeout=None,
        attempts=Retry(2, backoff=SECOND, budget=RetryBudget()),
        concurrency=None,
        breaker=breaker,
        adaptive=None,
        fallback=Fallback("later"),
    )
    assert [type(one) for one in pipeline.strategies] == [Fallback, Retry, CircuitBreaker, Timeout]
    assert world.call(pipeline, world.dependency(ConnectionError("down"))) == "later"
    assert breaker.state == "open"
