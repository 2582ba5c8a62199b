"""What the gates inside of a limit hear when it cuts their call, and when it says nothing."""

import asyncio
import threading
import time
import warnings

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    CircuitBreaker,
    Coalesce,
    CompositionWarning,
    ConcurrencyLimiter,
    DeadlineExceeded,
    Hedge,
    Keyed,
    Pipeline,
    Retry,
    Throttle,
    Timeout,
    deadline,
    standard,
)
from holdfast.testing import Hang, Ok, run


def error_of(world, call):
    """Return the error that a call ends in."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - judged by who asks
        world.run(call)
    return caught.value


pytestmark = pytest.mark.filterwarnings("ignore::holdfast.CompositionWarning")


def state_of(gate):
    """Return what a gate has made of calls that hang."""
    snapshot = gate.snapshot()
    return next(snapshot[one] for one in ("state", "limit", "rejecting") if one in snapshot)


@pytest.mark.parametrize(
    "make, expected",
    [
        (lambda: CircuitBreaker(failures=5), lambda seen: seen == "open"),
        (lambda: ConcurrencyLimiter(initial=10), lambda seen: seen < 2),
        (lambda: Throttle(min_calls=5), lambda seen: seen > 0.5),
    ],
    ids=["breaker", "limiter", "throttle"],
)
def test_a_timeout_outside_tells_that_the_dependency_hangs(world, make, expected):
    """A limit that stands only outside must not blind them (erpc 1130, Envoy 22395)."""
    gate = make()
    call = world.protect(
        Pipeline("p", Timeout(0.5, sync="thread"), gate), world.dependency(*[Hang()] * 40)
    )
    for _ in range(40):
        error_of(world, call)
    assert expected(state_of(gate))


def test_a_probe_that_is_cut_has_failed(world):
    """Half-open, hung probes that an outer timeout cuts open it again."""
    breaker = CircuitBreaker(failures=1, open_for=1.0, open_jitter=0.0, probes=1)
    call = world.protect(
        Pipeline("p", Timeout(0.5, sync="thread"), breaker), world.dependency(*[Hang()] * 9)
    )
    error_of(world, call)
    assert breaker.state == "open"
    world.advance(1.1)
    assert breaker.state == "half-open"

    error_of(world, call)

    assert (breaker.state, breaker.snapshot()["reason"]) == ("open", "a probe failed")


@pytest.mark.parametrize(
    "layers",
    [
        lambda breaker: (breaker,),
        lambda breaker: (Bulkhead(9), breaker, Timeout(60.0)),
        lambda breaker: (Hedge(0.1), breaker),
        lambda breaker: (Coalesce(lambda *_: 1), breaker),
        lambda breaker: (Keyed(lambda *_: 1, lambda _: breaker),),
        lambda breaker: (Retry(3), breaker),
    ],
    ids=["alone", "a longer one inside", "hedge", "coalesce", "keyed", "retry"],
)
def test_what_stands_in_between_passes_it_on(layers):
    """In asyncio a cancellation of ours is known as such however far in, also in tasks of their own."""
    breaker = CircuitBreaker(failures=1)
    pipeline = Pipeline("p", Timeout(0.5), *layers(breaker))

    async def main():
        outcome = await pipeline.outcome(asyncio.sleep, 3600)
        return type(outcome.error), breaker.state

    assert run(main()) == (AttemptTimeout, "open")


def test_a_pipeline_in_a_pipeline_hears_it(world):
    """The limit may stand in another pipeline, around the function that uses this one."""
    breaker = CircuitBreaker(failures=1)
    inner = world.protect(Pipeline("inner", breaker), world.dependency(Hang()))
    with pytest.raises(AttemptTimeout):
        world.call(Pipeline("outer", Timeout(0.5, sync="thread")), inner)
    assert breaker.state == "open"


def test_a_cancellation_from_outside_stays_no_outcome():
    """Whoever cancels has lost interest, which says nothing about the dependency."""
    breaker = CircuitBreaker(failures=1)
    pipeline = Pipeline("p", Timeout(9.0), breaker)

    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pipeline.acall(asyncio.sleep, 3600), 0.5)

    run(main())
    assert breaker.state == "closed"


def test_one_that_is_raised_anew_is_still_ours():
    """A function that cleans up may raise another cancellation in place of the first."""
    breaker = CircuitBreaker(failures=1)

    async def careful():
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise asyncio.CancelledError from None

    async def main():
        outcome = await Pipeline("p", Timeout(0.5), breaker).outcome(careful)
        return type(outcome.error), breaker.state

    assert run(main()) == (AttemptTimeout, "open")


@pytest.mark.real_time
@pytest.mark.parametrize("layers", [(), (Retry(3),)], ids=["alone", "retry"])
def test_a_worker_that_is_left_behind_is_heard_once(layers):
    """When the caller leaves, not when the worker ends; what it says then is late and does not count."""
    breaker, end, ended = CircuitBreaker(failures=2), threading.Event(), threading.Event()
    pipeline = Pipeline("p", Timeout(0.05, sync="thread"), *layers, breaker)

    def hang():
        end.wait(5.0)
        ended.set()

    assert type(pipeline.try_call(hang).error) is AttemptTimeout
    assert breaker.snapshot()["failures_in_a_row"] == 1

    end.set()
    assert ended.wait(5.0)
    time.sleep(0.05)

    assert breaker.snapshot()["failures_in_a_row"] == 1


@pytest.mark.real_time
def test_a_bulkhead_keeps_the_place_of_a_worker_that_is_left_behind():
    """It is still busy: told at once, the bulkhead would let another one in beside it."""
    bulkhead, end = Bulkhead(1), threading.Event()
    pipeline = Pipeline("p", Timeout(0.05, sync="thread"), bulkhead)

    pipeline.try_call(end.wait, 5.0)

    assert bulkhead.in_flight == 1
    end.set()


def test_impatient_callers_open_no_breaker(world):
    """A deadline that leaves less than an attempt usually gets says nothing (Envoy 41985, gRPC A50)."""
    pipeline = standard("impatient", attempt_timeout=2.0, sync="thread")
    breaker = next(one for one in pipeline.strategies if isinstance(one, CircuitBreaker))
    call = world.protect(pipeline, world.dependency(*[Ok("served", takes=0.5)] * 30))
    for _ in range(10):
        with deadline(0.1):
            error_of(world, call)
    assert breaker.state == "closed"
    assert world.run(call) == "served"


def test_a_deadline_that_left_enough_time_counts(world):
    """The attempt had all that attempts get, so the dependency is to blame."""
    breaker = CircuitBreaker(failures=1)
    call = world.protect(
        Pipeline("p", breaker, Timeout(2.0, sync="thread")), world.dependency(Hang())
    )
    with deadline(1.95), pytest.raises(DeadlineExceeded) as caught:
        world.run(call)
    assert not caught.value.rushed
    assert breaker.state == "open"


def test_a_rushed_call_that_was_slow_already_counts(world):
    """What is slow is known here, and it was that by then."""
    breaker = CircuitBreaker(failures=1, slow=0.5, slow_rate=1.0)
    call = world.protect(
        Pipeline("p", breaker, Timeout(9.0, sync="thread")), world.dependency(Hang(), Hang())
    )
    with deadline(0.4), pytest.raises(DeadlineExceeded) as caught:
        world.run(call)
    assert (caught.value.rushed, breaker.state) == (True, "closed")
    with deadline(0.6), pytest.raises(DeadlineExceeded):
        world.run(call)
    assert breaker.state == "open"


def test_who_wants_to_count_impatience_names_it(world):
    """As with rejections: a class that is asked for by name counts."""
    breaker = CircuitBreaker(failures=1, on=(DeadlineExceeded, ConnectionError))
    call = world.protect(
        Pipeline("p", breaker, Timeout(9.0, sync="thread")), world.dependency(Hang())
    )
    with deadline(0.1), pytest.raises(DeadlineExceeded):
        world.run(call)
    assert breaker.state == "open"


def test_a_timeout_that_stands_only_outside_is_warned_of():
    """With what is outside of what, and the remedy; one inside, or that of the whole call, is fine."""
    for gate in (CircuitBreaker(), ConcurrencyLimiter(), Throttle()):
        with pytest.warns(CompositionWarning, match="only timeout stands outside the"):
            Pipeline("p", Timeout(1.0), gate)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Pipeline("p", Timeout(9.0), CircuitBreaker(), Timeout(1.0))
        Pipeline("p", Timeout(9.0), Retry(3), CircuitBreaker())
