"""CircuitBreaker, in threads and in asyncio."""

import asyncio

import pytest

from holdfast import CircuitBreaker, CircuitOpenError, IsolatedError, Pipeline, on_result
from holdfast.events import (
    BreakerClosed,
    BreakerHalfOpened,
    BreakerOpened,
    BreakerOverridden,
    CallRejected,
    ProbeExpired,
)
from holdfast.testing import Fail, Ok, record

DOWN = ConnectionError("down")
asyncio_only = pytest.mark.parametrize("world", ["asyncio"], indirect=True)


def breaker_of(**options):
    return CircuitBreaker(**({"open_for": 10.0, "open_jitter": 0.0, "probes": 1} | options))


def outcomes(world, call, number):
    """Call so often and return the results, and the errors by their class."""
    seen = []
    for _ in range(number):
        try:
            seen.append(world.run(call))
        except Exception as error:
            seen.append(type(error))
    return seen


def protected(world, breaker, *script):
    dependency = world.dependency(*script)
    return dependency, world.protect(Pipeline("p", breaker), dependency)


# -- closed --------------------------------------------------------------------------------------


def test_it_opens_after_so_many_failures_in_a_row(world):
    """The call after the last tolerated failure is rejected, and never reaches the dependency."""
    breaker = breaker_of(failures=3)
    dependency, call = protected(world, breaker, DOWN)
    assert outcomes(world, call, 5) == [ConnectionError] * 3 + [CircuitOpenError] * 2
    assert len(dependency.calls) == 3
    assert breaker.state == "open"


def test_a_success_begins_the_count_anew(world):
    """Failures count only in a row."""
    breaker = breaker_of(failures=3)
    _, call = protected(world, breaker, DOWN, DOWN, Ok(), DOWN, DOWN, Ok())
    outcomes(world, call, 6)
    assert breaker.state == "closed"


def test_it_opens_at_a_failure_rate(world):
    """With a rate, the share of failures in the window decides, once there are enough calls."""
    breaker = breaker_of(failures=None, failure_rate=0.5, min_calls=10, window=60.0)
    _, call = protected(world, breaker, *[Ok(), DOWN] * 20)
    assert outcomes(world, call, 9).count(CircuitOpenError) == 0
    assert breaker.state == "closed"
    outcomes(world, call, 1)
    assert breaker.state == "open"


def test_the_window_forgets(world):
    """Failures older than the window do not count."""
    breaker = breaker_of(failures=None, failure_rate=0.5, min_calls=4, window=10.0)
    _, call = protected(world, breaker, DOWN, DOWN, DOWN, *[Ok()] * 9, DOWN)
    outcomes(world, call, 3)
    world.advance(60.0)
    outcomes(world, call, 10)
    assert breaker.state == "closed"


def test_it_opens_when_calls_are_slow(world):
    """A share of slow calls opens it, although they all succeed."""
    breaker = breaker_of(failures=None, slow=1.0, slow_rate=0.5, min_calls=4, window=60.0)
    _, call = protected(world, breaker, Ok(takes=2.0), Ok(takes=0.1))
    assert outcomes(world, call, 1) == [None]
    _, call = protected(world, breaker, Ok(takes=2.0))
    outcomes(world, call, 3)
    assert breaker.state == "open"


def test_only_failures_count(world):
    """What `on` does not match is a success; what `ignore` matches is neither."""
    breaker = breaker_of(failures=2, on=ConnectionError, ignore=KeyError)
    _, call = protected(world, breaker, DOWN, KeyError("ignored"), DOWN)
    outcomes(world, call, 3)
    assert breaker.state == "open"
    breaker.reset()
    _, call = protected(world, breaker, DOWN, ValueError("a success"), DOWN)
    outcomes(world, call, 3)
    assert breaker.state == "closed"


def test_a_bad_result_may_be_a_failure(world):
    """With `on_result` a result counts as a failure."""
    breaker = breaker_of(failures=2, on=on_result(lambda status: status == 503))
    _, call = protected(world, breaker, 503, 503, 200)
    assert outcomes(world, call, 3) == [503, 503, CircuitOpenError]


# -- open ----------------------------------------------------------------------------------------


def test_a_rejection_tells_when_to_come_back(world):
    """The rejection names the pipeline, the seconds that are left, and why the breaker is open."""
    breaker = breaker_of(failures=1)
    _, call = protected(world, breaker, DOWN)
    outcomes(world, call, 1)
    world.advance(4.0)
    with pytest.raises(CircuitOpenError) as caught:
        world.run(call)
    rejection = caught.value
    assert (rejection.pipeline, rejection.state) == ("p", "open")
    assert rejection.retry_after == 6.0
    assert rejection.opened_at == world.start
    assert isinstance(rejection.__cause__, ConnectionError)
    assert "open after ConnectionError: down; next probe in 6 s" in str(rejection)


def test_it_lets_a_probe_through_after_its_open_time(world):
    """Until `open_for` has passed every call is rejected; then one may try, and closes it."""
    breaker = breaker_of(failures=1)
    dependency, call = protected(world, breaker, DOWN, Ok("up"))
    outcomes(world, call, 1)
    world.advance(9.99)
    assert outcomes(world, call, 1) == [CircuitOpenError]
    assert breaker.state == "open"
    world.advance(0.01)
    assert breaker.state == "half-open"
    assert outcomes(world, call, 2) == ["up", "up"]
    assert breaker.state == "closed"
    assert dependency.times == pytest.approx([world.start, world.start + 10.0, world.start + 10.0])


def test_the_open_time_is_jittered(world):
    """Breakers that open together do not probe together: up to a tenth is added."""
    breaker = CircuitBreaker(failures=1, open_for=10.0)
    _, call = protected(world, breaker, DOWN)
    with record() as events:
        outcomes(world, call, 1)
    (opened,) = events.of(BreakerOpened)
    assert 10.0 < opened.open_for < 11.0


def test_the_open_time_grows_up_to_its_cap_and_closing_resets_it(world):
    """Each failed trial doubles the open time up to the cap; after closing it is short again."""
    breaker = breaker_of(failures=1, open_cap=35.0)
    _, call = protected(world, breaker, DOWN, DOWN, DOWN, DOWN, Ok(), DOWN)
    with record() as events:
        for _ in range(6):
            outcomes(world, call, 1)
            world.advance(60.0)
    assert [event.open_for for event in events.of(BreakerOpened)] == [10.0, 20.0, 35.0, 35.0, 10.0]


# -- half-open -----------------------------------------------------------------------------------


def half_open(world, breaker):
    _, call = protected(world, breaker, DOWN)
    outcomes(world, call, 1)
    world.advance(10.0)


def test_all_probes_must_succeed(world):
    """It closes after as many successes as there are probes, and not before."""
    breaker = breaker_of(failures=1, probes=3)
    half_open(world, breaker)
    _, call = protected(world, breaker, Ok())
    for state in ("half-open", "half-open", "closed"):
        outcomes(world, call, 1)
        assert breaker.state == state


def test_one_failed_probe_opens_it_again(world):
    """A single failure in the trial ends the trial."""
    breaker = breaker_of(failures=5, probes=3)
    breaker.trip()
    world.advance(10.0)
    _, call = protected(world, breaker, Ok(), DOWN, Ok())
    assert outcomes(world, call, 3) == [None, ConnectionError, CircuitOpenError]
    assert breaker.state == "open"


@pytest.mark.parametrize("probes", [1, 3])
def test_never_more_probes_than_allowed_are_in_flight(world, probes):
    """However many arrive together at a half-open breaker, only the probes get through."""
    breaker = breaker_of(failures=1, probes=probes)
    half_open(world, breaker)
    dependency, call = protected(world, breaker, Ok("up", takes=1.0))
    answers = world.together(*[call] * 10)
    assert answers[:probes] == ["up"] * probes
    assert [type(one) for one in answers[probes:]] == [CircuitOpenError] * (10 - probes)
    assert {one.state for one in answers[probes:]} == {"half-open"}
    assert len(dependency.calls) == probes
    assert breaker.state == "closed"


def test_a_probe_that_hangs_gives_its_place_back(world):
    """After `probe_timeout` the place of a hanging probe goes to the next call."""
    breaker = breaker_of(failures=1, probe_timeout=30.0)
    half_open(world, breaker)
    _, call = protected(world, breaker, Ok("slow", takes=100.0), Ok("quick"))
    with record() as events:
        answers = world.together(call, world.after(29.0, call), world.after(30.0, call))
    assert [answers[0], type(answers[1]), answers[2]] == ["slow", CircuitOpenError, "quick"]
    assert [event.lease for event in events.of(ProbeExpired)] == [30.0]
    assert breaker.state == "closed"


def test_outcomes_from_before_it_opened_change_nothing(world):
    """A slow call that began before the breaker opened neither opens it again nor closes it."""
    breaker = breaker_of(failures=1, probes=2)
    slow_failure = protected(world, breaker, Fail(DOWN, takes=15.0))[1]
    slow_success = protected(world, breaker, Ok(takes=15.5))[1]
    failure = protected(world, breaker, Fail(DOWN, takes=1.0))[1]

    async def states():
        seen = []
        for _ in range(4):
            await world.sleep(5.0 if seen else 0.9)
            seen.append(breaker.state)
        return seen

    seen = world.together(slow_failure, slow_success, failure, states)[-1]
    assert seen == ["closed", "open", "open", "half-open"]


@asyncio_only
def test_a_cancelled_probe_gives_its_place_back(world):
    """A probe that is cancelled is no outcome, and the next call may probe at once."""
    breaker = breaker_of(failures=1)
    half_open(world, breaker)
    _, call = protected(world, breaker, Ok(takes=100.0), Ok("up"))

    async def main():
        probe = asyncio.ensure_future(call())
        await asyncio.sleep(1.0)
        probe.cancel()
        await asyncio.wait([probe])
        return await call()

    assert world.run(main) == "up"


# -- by hand and by ear --------------------------------------------------------------------------


def test_it_can_be_held_open_by_hand(world):
    """Isolated, it rejects every call until it is reset."""
    breaker = breaker_of()
    dependency, call = protected(world, breaker, Ok("up"))
    breaker.isolate()
    world.advance(1000.0)
    assert outcomes(world, call, 1) == [IsolatedError]
    assert (breaker.state, dependency.calls) == ("isolated", [])
    breaker.reset()
    assert outcomes(world, call, 1) == ["up"]


def test_it_can_be_held_closed_by_hand(world):
    """Disabled, it lets every call pass, whatever fails."""
    breaker = breaker_of(failures=1)
    _, call = protected(world, breaker, DOWN)
    breaker.disable()
    assert outcomes(world, call, 5) == [ConnectionError] * 5
    assert breaker.state == "disabled"
    breaker.reset()
    assert outcomes(world, call, 2) == [ConnectionError, CircuitOpenError]


def test_pipelines_may_share_a_breaker(world):
    """What opens it through one pipeline protects the other."""
    breaker = breaker_of(failures=1)
    first = world.protect(Pipeline("first", breaker), world.dependency(DOWN))
    second = world.protect(Pipeline("second", breaker), world.dependency(Ok()))
    outcomes(world, first, 1)
    with pytest.raises(CircuitOpenError) as caught:
        world.run(second)
    assert caught.value.pipeline == "second"


def test_its_life_is_told(world):
    """Listeners hear of each change of state, and of each rejection, at its instant."""
    breaker = breaker_of(failures=1)
    _, call = protected(world, breaker, DOWN, Ok())
    with record() as events:
        outcomes(world, call, 2)
        world.advance(10.0)
        outcomes(world, call, 1)
        breaker.isolate()
        breaker.reset()
    kinds = (BreakerOpened, CallRejected, BreakerHalfOpened, BreakerClosed, BreakerOverridden)
    told = [(type(event), event.at - world.start) for event in events if isinstance(event, kinds)]
    assert told == [
        (BreakerOpened, 0.0),
        (CallRejected, 0.0),
        (BreakerHalfOpened, 10.0),
        (BreakerClosed, 10.0),
        (BreakerOverridden, 10.0),
        (BreakerClosed, 10.0),
    ]
