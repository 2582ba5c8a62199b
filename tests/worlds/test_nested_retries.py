"""A retry inside a retry, in threads and in asyncio."""

import warnings

import pytest

from holdfast import NestedRetryWarning, Pipeline, Retry, backoff
from holdfast.events import NestedRetry
from holdfast.testing import Ok, record

SECOND = backoff.constant(1.0)


def nested(world, name, dependency, **options):
    inner = world.protect(Pipeline(f"{name} inner", Retry(3, backoff=SECOND)), dependency)
    return world.protect(Pipeline(f"{name} outer", Retry(3, backoff=SECOND, **options)), inner)


def test_by_default_attempts_multiply_with_one_warning_for_each_pair(world):
    """Both retry, the first time with a warning that names both pipelines, then silently."""
    dependency = world.dependency(ConnectionError("down"))
    name = f"{world.name} warning"
    call = nested(world, name, dependency)
    with (
        pytest.warns(NestedRetryWarning, match=f"{name} outer.*{name} inner") as caught,
        pytest.raises(ConnectionError),
    ):
        world.run(call)
    assert len(caught) == 1
    assert len(dependency.calls) == 9
    with warnings.catch_warnings(action="error"), pytest.raises(ConnectionError):
        world.run(call)
    assert len(dependency.calls) == 18


def test_each_repetition_is_told(world):
    """Listeners hear of each time at which the outer retry repeats what the inner one gave up on."""
    name = f"{world.name} event"
    call = nested(world, name, world.dependency(ConnectionError("down")))
    with record() as events, pytest.warns(NestedRetryWarning), pytest.raises(ConnectionError):
        world.run(call)
    told = [(event.pipeline, event.inner, event.attempts) for event in events.of(NestedRetry)]
    assert told == [(f"{name} outer", f"{name} inner", 3)] * len(told)
    assert len(told) >= 2


def test_a_warning_that_is_an_error_does_not_replace_the_users(world):
    """Where warnings are errors, the text becomes a note of the user's own exception."""
    call = nested(world, f"{world.name} strict", world.dependency(ConnectionError("down")))
    with warnings.catch_warnings(action="error"), pytest.raises(ConnectionError) as caught:
        world.run(call)
    assert caught.value.args == ("down",)


def test_inner_leaves_the_retrying_to_the_inner_one(world):
    """With nested='inner' the outer retry does not repeat what the inner one has tried."""
    dependency = world.dependency(ConnectionError("down"))
    with pytest.raises(ConnectionError):
        world.run(nested(world, f"{world.name} a", dependency, nested="inner"))
    assert len(dependency.calls) == 3


def test_outer_takes_the_retrying_for_itself(world):
    """With nested='outer' the inner retry makes one attempt each time."""
    dependency = world.dependency(ConnectionError("down"))
    with pytest.raises(ConnectionError):
        world.run(nested(world, f"{world.name} b", dependency, nested="outer"))
    assert len(dependency.calls) == 3
    assert world.elapsed() == 2.0


def test_the_claim_ends_with_the_call(world):
    """After a call with nested='outer' the inner retry works on its own again."""
    dependency = world.dependency(ConnectionError("down"))
    inner = world.protect(Pipeline("c inner", Retry(3, backoff=SECOND)), dependency)
    outer = world.protect(Pipeline("c outer", Retry(2, backoff=SECOND, nested="outer")), inner)
    with pytest.raises(ConnectionError):
        world.run(outer)
    with pytest.raises(ConnectionError):
        world.run(inner)
    assert len(dependency.calls) == 2 + 3


def test_nothing_is_said_while_all_is_well(world):
    """A retry inside a retry costs nothing, and warns of nothing, as long as calls succeed."""
    call = nested(world, f"{world.name} d", world.dependency(ConnectionError, Ok("up")))
    with record() as events:
        assert world.run(call) == "up"
    assert events.of(NestedRetry) == []


def test_the_same_exception_object_is_not_taken_for_a_nested_retry(world):
    """A function that raises one and the same object in each call is retried in each call."""
    error = ConnectionError("always the same")
    calls = []

    @world.function
    async def singleton():
        calls.append(1)
        raise error

    retry = Retry(2, backoff=SECOND, nested="inner")
    protected = world.protect(Pipeline(f"{world.name} singleton", retry), singleton)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            world.run(protected)
    assert len(calls) == 4
