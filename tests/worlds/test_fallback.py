"""Fallback, in threads and in asyncio."""

import pytest

from holdfast import (
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    Fallback,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    on_result,
)
from holdfast.events import FallbackUsed
from holdfast.testing import Fail, Hang, Ok, record


def test_a_value_stands_in_for_an_error(world):
    """The answer is the given value, and listeners hear what it stands in for."""
    error = ConnectionError("down")
    with record() as events:
        answer = world.call(Pipeline("p", Fallback([])), world.dependency(error, Ok("up")))
    assert answer == []
    assert [(event.error, event.stale_for) for event in events.of(FallbackUsed)] == [(error, None)]


def test_good_answers_pass(world):
    """Without a failure there is no fallback."""
    with record() as events:
        assert world.call(Pipeline("p", Fallback("instead")), world.dependency("up")) == "up"
    assert events.of(FallbackUsed) == []


def test_a_function_gets_the_error(world):
    """A callable is called with the exception, and its result is the answer."""
    pipeline = Pipeline("p", Fallback(lambda error: f"sorry: {error}"))
    assert world.call(pipeline, world.dependency(ConnectionError("down"))) == "sorry: down"


def test_an_async_function_is_awaited(world):
    """In asyncio the fallback may be a coroutine function; a blocking function refuses it early."""

    async def ask_the_cache(error):
        return f"cached: {error}"

    pipeline = Pipeline("p", Fallback(ask_the_cache))
    dependency = world.dependency(ConnectionError("down"))
    if world.name == "asyncio":
        assert world.call(pipeline, dependency) == "cached: down"
    else:
        with pytest.raises(ConfigurationError, match="async"):
            world.protect(pipeline, dependency)


def test_only_what_is_meant_is_replaced(world):
    """An error that `on` does not match passes."""
    pipeline = Pipeline("p", Fallback("instead", on=ConnectionError))
    with pytest.raises(KeyError, match="bug"):
        world.call(pipeline, world.dependency(KeyError("bug")))


def test_a_bad_result_may_be_replaced(world):
    """With `on_result` the fallback gets the result that is meant."""
    pipeline = Pipeline("p", Fallback(lambda bad: -bad, on=on_result(lambda value: value > 10)))
    dependency = world.dependency(5, 50)
    call = world.protect(pipeline, dependency)
    assert [world.run(call), world.run(call)] == [5, -50]


def test_an_error_of_the_fallback_itself_passes(world):
    """Where the fallback fails too, the caller sees that."""

    def fails(_error):
        raise LookupError("no cache")

    with pytest.raises(LookupError, match="no cache"):
        world.call(Pipeline("p", Fallback(fails)), world.dependency(ConnectionError("down")))


def test_outermost_it_answers_whatever_happens_inside(world):
    """Exhausted retries, timeouts and open breakers all reach the fallback."""
    breaker = CircuitBreaker(failures=2, open_for=60.0)
    pipeline = Pipeline(
        "p",
        Fallback(type),
        Retry(2, backoff=backoff.constant(1.0)),
        breaker,
        Timeout(2.0, sync="thread"),
    )
    call = world.protect(pipeline, world.dependency(Fail(ConnectionError("down")), Hang()))
    answers = [world.run(call) for _ in range(2)]
    assert answers[1] is CircuitOpenError
    assert world.elapsed() == 3.0


# -- stale answers -------------------------------------------------------------------------------


def test_the_last_good_answer_stands_in_while_it_is_fresh(world):
    """Within `ttl` the last good result for the same arguments is served, and its age is told."""
    pipeline = Pipeline("p", Fallback.stale(60.0))
    script = [Ok("price 1"), ConnectionError, ConnectionError, Ok("price 2"), ConnectionError]
    call = world.protect(pipeline, world.dependency(*script))
    with record() as events:
        assert world.run(call, "apples") == "price 1"
        world.advance(30.0)
        assert world.run(call, "apples") == "price 1"
        with pytest.raises(ConnectionError):
            world.run(call, "pears")
        assert world.run(call, "apples") == "price 2"
        world.advance(60.5)
        with pytest.raises(ConnectionError):
            world.run(call, "apples")
    assert [event.stale_for for event in events.of(FallbackUsed)] == [30.0]


def test_the_key_may_be_made_of_the_arguments(world):
    """`key` says which calls share an answer."""
    pipeline = Pipeline("p", Fallback.stale(60.0, key=lambda user, _request: user))
    call = world.protect(pipeline, world.dependency(Ok("profile"), ConnectionError))
    world.run(call, "ann", 1)
    assert world.run(call, "ann", 2) == "profile"
    with pytest.raises(ConnectionError):
        world.run(call, "bob", 3)


def test_a_stale_answer_may_be_marked(world):
    """`mark` turns the kept result and its age into what is served."""
    pipeline = Pipeline("p", Fallback.stale(60.0, mark=lambda value, age: (value, age)))
    call = world.protect(pipeline, world.dependency(Ok("price"), ConnectionError))
    world.run(call)
    world.advance(5.0)
    assert world.run(call) == ("price", 5.0)


def test_an_async_function_that_stands_in_for_a_blocking_one_is_named():
    """And not some function of ours; the call's arguments are nobody's business."""

    async def instead(error, password): ...

    def log_in(password):
        raise ConnectionError("down")

    shop = Pipeline("p", Fallback(instead))
    with pytest.raises(
        ConfigurationError, match=r"instead=<function .*instead.* must be awaited"
    ) as caught:
        shop.call(log_in, "hunter2")
    assert "hunter2" not in str(caught.value)
    assert isinstance(caught.value.__context__, ConnectionError)
