"""Four forms that people ask for first, stated as they ask for them, in threads and in asyncio."""

import itertools

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    Pipeline,
    Retry,
    Timeout,
    backoff,
)
from holdfast.events import BreakerOpened, RetryScheduled
from holdfast.testing import Fail, Hang, Ok, record, seeded

# -- retry: max_retries=5, base_delay=1.0, at most 30 s, jitter uniform(0, 0.5 * delay) ----------

MAX_RETRIES = 5
RETRY = Retry(
    MAX_RETRIES + 1, backoff=backoff.exponential(base=1.0, cap=30.0, jitter="proportional")
)
PLAIN = [1.0, 2.0, 4.0, 8.0, 16.0]


def delays_of(world, retry):
    """Return the delays that were announced, having checked that they were slept exactly."""
    dependency = world.dependency(ConnectionError("down"))
    call = world.protect(Pipeline("api", retry), dependency)
    with record() as events, pytest.raises(ConnectionError):
        world.run(call)
    announced = [event.delay for event in events.of(RetryScheduled)]
    slept = [after - before for before, after in itertools.pairwise(dependency.times)]
    assert slept == pytest.approx(announced)
    return announced


def test_five_retries_are_six_attempts(world):
    """After five retries the function's own error is raised."""
    dependency = world.dependency(ConnectionError("down"))
    with pytest.raises(ConnectionError, match="down"):
        world.call(Pipeline("api", RETRY), dependency)
    assert len(dependency.calls) == 6


def test_each_delay_is_the_plain_one_and_up_to_half_of_it_more(world):
    """Delay n is 2 ** n seconds plus a jitter between nothing and half of it, in every draw."""
    for seed in range(50):
        with seeded(seed):
            for delay, plain in zip(delays_of(world, RETRY), PLAIN, strict=True):
                assert plain <= delay <= 1.5 * plain


def test_the_jitter_covers_its_whole_range(world):
    """Over many calls the jitter is spread from near nothing to near half of the delay."""
    shares = []
    for seed in range(100):
        with seeded(seed):
            shares += [
                delay / plain - 1.0
                for delay, plain in zip(delays_of(world, RETRY), PLAIN, strict=True)
            ]
    assert min(shares) < 0.02
    assert max(shares) > 0.48
    assert sum(shares) / len(shares) == pytest.approx(0.25, abs=0.02)


def test_plain_delays_stop_growing_at_the_cap(world):
    """From the sixth on the plain delay is 30 s; its jitter is not clamped away."""
    retry = Retry(9, backoff=backoff.exponential(base=1.0, cap=30.0, jitter="proportional"))
    capped = delays_of(world, retry)[5:]
    assert all(30.0 <= delay <= 45.0 for delay in capped)
    assert len(set(capped)) == 3


def test_a_success_ends_the_retrying(world):
    """The first good answer is returned, after the delays so far and no more."""
    dependency = world.dependency(ConnectionError, TimeoutError, Ok("paid", takes=0.25))
    assert world.call(Pipeline("api", RETRY), dependency) == "paid"
    assert 1.0 + 2.0 + 0.25 <= world.elapsed() <= 1.5 + 3.0 + 0.25


# -- breaker: five failures, reset after 60 s, three half-open requests --------------------------


def seed_breaker():
    return CircuitBreaker(failures=5, open_for=60.0, open_jitter=0.0, probes=3)


def calls(world, call, number):
    seen = []
    for _ in range(number):
        try:
            seen.append(world.run(call))
        except (ConnectionError, CircuitOpenError) as error:
            seen.append(type(error))
    return seen


def test_the_fifth_failure_opens_it_for_a_minute(world):
    """Four failures do nothing, the fifth opens it, and for 60 s nothing reaches the service."""
    breaker = seed_breaker()
    dependency = world.dependency(ConnectionError("down"))
    call = world.protect(Pipeline("api", breaker), dependency)
    calls(world, call, 4)
    assert breaker.state == "closed"
    calls(world, call, 1)
    assert breaker.state == "open"
    for _ in range(59):
        world.advance(1.0)
        assert calls(world, call, 1) == [CircuitOpenError]
    assert len(dependency.calls) == 5


def test_three_good_trials_close_it(world):
    """After the minute three requests are let through, and when all are good it is closed."""
    breaker = seed_breaker()
    dependency = world.dependency(*[ConnectionError("down")] * 5, Ok("up", takes=1.0))
    call = world.protect(Pipeline("api", breaker), dependency)
    calls(world, call, 5)
    world.advance(60.0)
    assert breaker.state == "half-open"
    answers = world.together(*[call] * 8)
    assert answers[:3] == ["up"] * 3
    assert {type(answer) for answer in answers[3:]} == {CircuitOpenError}
    assert breaker.state == "closed"
    assert calls(world, call, 10) == ["up"] * 10


def test_one_bad_trial_opens_it_again(world):
    """A failure in the trial opens it again at once."""
    breaker = seed_breaker()
    dependency = world.dependency(*[ConnectionError("down")] * 5, Ok("up"), ConnectionError, Ok())
    call = world.protect(Pipeline("api", breaker), dependency)
    calls(world, call, 5)
    world.advance(60.0)
    assert calls(world, call, 3) == ["up", ConnectionError, CircuitOpenError]
    assert breaker.state == "open"


# -- bulkheads: ten for payments, five for notifications -----------------------------------------


def test_a_stalled_service_takes_its_own_compartment_only(world):
    """With payments stalled, ten calls hang there, the rest is refused, and notifications go on."""
    payments, notifications = Bulkhead(10), Bulkhead(5)
    stalled = world.dependency(Ok("paid", takes=3600.0))
    quick = world.dependency(Ok("sent", takes=0.1))
    pay = world.protect(Pipeline("payments", payments), stalled)
    notify = world.protect(Pipeline("notifications", notifications), quick)
    seen = []

    async def look():
        await world.sleep(10.05)
        seen.append((payments.in_flight, notifications.in_flight))

    later = [world.after(10.0 + second, notify) for second in range(20)]
    answers = world.together(*[pay] * 30, look, *later)
    assert answers[:10] == ["paid"] * 10
    assert {type(answer) for answer in answers[10:30]} == {BulkheadFullError}
    assert answers[31:] == ["sent"] * 20
    assert seen == [(10, 1)]
    assert len(stalled.calls) == 10
    assert (payments.in_flight, notifications.in_flight) == (0, 0)


def test_the_other_compartment_has_its_own_limit(world):
    """Five notifications are in flight at once, whatever payments do."""
    notify = world.protect(
        Pipeline("notifications", Bulkhead(5)), world.dependency(Ok("sent", takes=0.1))
    )
    answers = world.together(*[notify] * 7)
    assert answers[:5] == ["sent"] * 5
    assert {type(answer) for answer in answers[5:]} == {BulkheadFullError}


# -- all four ------------------------------------------------------------------------------------


def layered():
    breaker = seed_breaker()
    bulkhead = Bulkhead(10)
    return (
        Pipeline("payments", bulkhead, RETRY, breaker, Timeout(5.0, sync="thread")),
        bulkhead,
        breaker,
    )


def test_all_four_ride_out_a_short_trouble(world):
    """A refused connection and a hang cost two retries; the caller gets the answer."""
    pipeline, bulkhead, breaker = layered()
    dependency = world.dependency(ConnectionError("down"), Hang(), Ok("paid", takes=0.5))
    assert world.call(pipeline, dependency, "order") == "paid"
    assert 1.0 + 5.0 + 2.0 + 0.5 <= world.elapsed() <= 1.5 + 5.0 + 3.0 + 0.5
    assert breaker.state == "closed"
    assert bulkhead.in_flight == (1 if world.name == "threads" else 0)  # the hung thread


def test_all_four_give_up_in_an_outage(world):
    """The fifth failing attempt opens the breaker, which ends the retrying with the own error."""
    pipeline, bulkhead, breaker = layered()
    dependency = world.dependency(Fail(ConnectionError("down"), takes=0.1))
    call = world.protect(pipeline, dependency)
    with record() as events, pytest.raises(ConnectionError, match="down"):
        world.run(call)
    assert len(dependency.calls) == 5
    assert len(events.of(BreakerOpened)) == 1
    before = world.now()
    with pytest.raises(CircuitOpenError):
        world.run(call)
    assert (world.now() - before, bulkhead.in_flight, breaker.state) == (0.0, 0, "open")


def test_all_four_recover(world):
    """After the outage and the breaker's minute calls are served as before."""
    pipeline, _, breaker = layered()
    dependency = world.dependency(*[ConnectionError("down")] * 5, Ok("paid"))
    call = world.protect(pipeline, dependency)
    with pytest.raises(ConnectionError):
        world.run(call)
    world.advance(60.0)
    assert [world.run(call) for _ in range(5)] == ["paid"] * 5
    assert breaker.state == "closed"


def test_all_four_under_load_in_a_stall(world):
    """Of thirty calls at once to a hanging service ten try it, and all end in bounded time."""
    pipeline, _, breaker = layered()
    dependency = world.dependency(Hang())
    answers = world.together(*[world.protect(pipeline, dependency)] * 30)
    kinds = [type(answer) for answer in answers]
    assert kinds[10:] == [BulkheadFullError] * 20
    assert set(kinds[:10]) == {AttemptTimeout}
    assert len(dependency.calls) == 10
    assert breaker.state == "open"
    assert world.elapsed() <= 5.0 + 1.5
