"""A retry inside a retry, in threads and in asyncio."""

import warnings
from contextlib import contextmanager

import pytest

from holdfast import (
    CircuitBreaker,
    IsolatedError,
    NestedRetryWarning,
    Pipeline,
    Retry,
    backoff,
    on_result,
)
from holdfast.events import NestedRetry
from holdfast.testing import Ok, record

SECOND = backoff.constant(1.0)


@contextmanager
def all_warnings():
    """Record warnings, also those that have been shown before."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


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


# -- through wrappers, with shared exceptions, in loops ------------------------------------------


class ServiceError(Exception):
    """What an application says in place of a client's error."""


def explicit(error):
    raise ServiceError("shop") from error


def implicit(_error):
    raise ServiceError("shop")


def wrapping(world, call, wrap):
    """Return a function that raises an error of its own in place of that of ``call``."""

    @world.function
    async def wrapped():
        try:
            return await world.do(call)
        except ConnectionError as error:
            return wrap(error)

    return wrapped


def looping(world, retry, call):
    """Return a function that calls ``call`` in a retry loop."""

    @world.function
    async def loop():
        async for attempt in world.attempts(retry):
            with attempt:
                await world.do(call)

    return loop


@pytest.mark.parametrize("wrap", [explicit, implicit])
@pytest.mark.parametrize("nested, attempts", [("allow", 9), ("inner", 3), ("outer", 3)])
def test_an_inner_retry_is_seen_through_a_wrapper(world, wrap, nested, attempts):
    """A client's own error does not hide that a retry further in has given up (failsafe 379)."""
    dependency = world.dependency(ConnectionError("down"))
    name = f"{world.name} {wrap.__name__} {nested}"
    inner = world.protect(Pipeline(f"{name} inner", Retry(3, backoff=SECOND)), dependency)
    outer = Pipeline(name, Retry(3, backoff=SECOND, nested=nested))
    with all_warnings() as caught, pytest.raises(ServiceError):
        world.run(world.protect(outer, wrapping(world, inner, wrap)))
    assert len(dependency.calls) == attempts
    assert len(caught) == (nested == "allow")


class Response:
    """What a transport hands out for an answer that its own retry has given up on."""


class StatusError(ConnectionError):
    """What is made of a response, once in the transport and once more by the client around it."""

    def __init__(self, response):
        super().__init__("status 500")
        self.response = response


@pytest.mark.parametrize("nested, attempts", [("allow", 9), ("inner", 3), ("outer", 3)])
def test_an_inner_retry_is_seen_by_the_response_that_it_gave_up_on(world, nested, attempts):
    """An SDK makes an error of its own of the transport's response (code_puppy 317, nanobot 2760)."""
    calls = []

    @world.function
    async def answer():
        calls.append(1)
        raise StatusError(Response())

    name = f"{world.name} response {nested}"
    inner = world.protect(Pipeline(f"{name} inner", Retry(3, backoff=SECOND)), answer)

    @world.function
    async def client():
        try:
            return await world.do(inner)
        except StatusError as error:
            response = error.response
        raise StatusError(response)

    outer = Pipeline(name, Retry(3, backoff=SECOND, nested=nested))
    with all_warnings() as caught, pytest.raises(StatusError):
        world.run(world.protect(outer, client))
    assert len(calls) == attempts
    assert len(caught) == (nested == "allow")


@pytest.mark.parametrize("nested, attempts", [("allow", 9), ("inner", 3), ("outer", 3)])
def test_an_inner_retry_is_seen_in_a_group(world, nested, attempts):
    """What a `TaskGroup` raises consists of what its tasks have given up on (tenacity 501)."""
    dependency = world.dependency(ConnectionError("down"))
    name = f"{world.name} group {nested}"
    inner = world.protect(Pipeline(f"{name} inner", Retry(3, backoff=SECOND)), dependency)

    @world.function
    async def page():
        try:
            return await world.do(inner)
        except ConnectionError as error:
            raise ExceptionGroup("tasks", [ExceptionGroup("more", [error])]) from None

    outer = Pipeline(name, Retry(3, backoff=SECOND, nested=nested))
    with all_warnings() as caught, pytest.raises(ExceptionGroup):
        world.run(world.protect(outer, page))
    assert len(dependency.calls) == attempts
    assert len(caught) == (nested == "allow")


@pytest.mark.parametrize("nested, attempts", [("allow", 9), ("inner", 3), ("outer", 3)])
def test_an_inner_retry_is_seen_by_the_bad_result_that_it_gave_up_on(world, nested, attempts):
    """A result that is no good is an outcome like an error (failsafe 379)."""
    pending, not_yet = {"state": "pending"}, on_result(lambda job: job["state"] == "pending")
    dependency = world.dependency(Ok(pending))
    name = f"{world.name} result {nested}"
    inner = Pipeline(f"{name} inner", Retry(3, on=not_yet, backoff=SECOND))
    outer = Pipeline(name, Retry(3, on=not_yet, backoff=SECOND, nested=nested))
    with all_warnings() as caught:
        assert world.run(world.protect(outer, world.protect(inner, dependency))) is pending
    assert len(dependency.calls) == attempts
    assert len(caught) == (nested == "allow")


def test_a_warning_about_a_bad_result_that_is_an_error_changes_nothing(world):
    """There is no exception that could take the text; the result is the caller's."""
    no_good = on_result(lambda result: result == "no good")
    dependency = world.dependency(Ok("no good"))
    name = f"{world.name} strict result"
    inner, outer = (
        Pipeline(f"{name} {which}", Retry(2, on=no_good, backoff=SECOND))
        for which in ("inner", "outer")
    )
    with warnings.catch_warnings(action="error"):
        assert world.run(world.protect(outer, world.protect(inner, dependency))) == "no good"
    assert len(dependency.calls) == 4


@pytest.mark.parametrize("nested, attempts", [("allow", 9), ("inner", 3), ("outer", 3)])
def test_pipelines_of_one_name_are_two(world, nested, attempts):
    """Two libraries may both call their pipeline "http": they are told apart all the same."""
    dependency = world.dependency(ConnectionError("down"))
    inner = world.protect(Pipeline(f"{world.name} http", Retry(3, backoff=SECOND)), dependency)
    outer = Pipeline(f"{world.name} http", Retry(3, backoff=SECOND, nested=nested))
    with all_warnings() as caught, pytest.raises(ConnectionError):
        world.run(world.protect(outer, inner))
    assert len(dependency.calls) == attempts
    assert len(caught) == (nested == "allow")


def test_an_error_that_lives_longer_than_a_call_is_no_nested_retry(world):
    """A cached failure that many pipelines raise says nothing of later calls (stem 156)."""
    error, calls = ConnectionError("cached"), []

    @world.function
    async def cached():
        calls.append(1)
        raise error

    with warnings.catch_warnings(action="error"):
        for name in ("a", "b", "c"):
            retry = Retry(3, backoff=SECOND, nested="inner")
            with pytest.raises(ConnectionError):
                world.run(world.protect(Pipeline(f"{world.name} {name}", retry), cached))
    assert len(calls) == 9


def test_notes_on_one_exception_object_are_replaced(world):
    """However often it is raised, it bears one note of each pipeline, and not many (IPython 8017)."""
    error = ConnectionError("cached")

    @world.function
    async def cached():
        raise error

    for number in range(40):
        pipeline = Pipeline(f"pipeline {number % 20}", Retry(2, backoff=SECOND))
        with pytest.raises(ConnectionError):
            world.run(world.protect(pipeline, cached))
        notes = error.__notes__
        assert f"'pipeline {number % 20}' gave up" in notes[-1]
        assert len(notes) == len({note.partition(" gave up")[0] for note in notes}) <= 8


@pytest.mark.parametrize("nested, attempts", [("allow", 9), ("inner", 3), ("outer", 3)])
def test_a_loop_around_a_pipeline(world, nested, attempts):
    """Loops hear of retries further in, and claim the retrying, as pipelines do (tenacity 407)."""
    dependency = world.dependency(ConnectionError("down"))
    inner = world.protect(Pipeline(f"{world.name} in a loop", Retry(3, backoff=SECOND)), dependency)
    retry = Retry(3, backoff=SECOND, nested=nested)
    with all_warnings() as caught, pytest.raises(ConnectionError):
        world.run(looping(world, retry, inner))
    assert len(dependency.calls) == attempts
    assert len(caught) == (nested == "allow")


def test_a_loop_in_a_loop():
    """Both are called "retry loop", and are two all the same, wherever they stand."""
    calls = []

    def loops(nested):
        for attempt in Retry(3, backoff=backoff.constant(0.0), nested=nested):
            with attempt:
                for again in Retry(3, backoff=backoff.constant(0.0)):
                    with again:
                        calls.append(nested)
                        raise ConnectionError

    with pytest.warns(NestedRetryWarning) as caught, pytest.raises(ConnectionError):
        loops("allow")
    assert [one.filename for one in caught] == [__file__]
    for nested in ("inner", "outer"):
        with pytest.raises(ConnectionError):
            loops(nested)
    assert [calls.count(nested) for nested in ("allow", "inner", "outer")] == [9, 3, 3]


def test_the_warning_names_the_place_of_the_call(world):
    """It points at the code that calls the outer pipeline, and not at ours."""
    call = nested(world, f"{world.name} place", world.dependency(ConnectionError("down")))
    with pytest.warns(NestedRetryWarning) as caught, pytest.raises(ConnectionError):
        world.run(call)
    assert "holdfast" not in caught[0].filename.partition("src")[2]


# -- rejections in a client's own words ----------------------------------------------------------


@pytest.mark.parametrize("wrap", [explicit, implicit])
def test_a_rejection_is_seen_through_a_wrapper(world, wrap):
    """An open breaker behind somebody's client is not asked again (redis-client 228)."""
    breaker = CircuitBreaker()
    breaker.isolate()
    dependency = world.dependency(Ok("never"))
    guarded = world.protect(Pipeline("guarded", breaker), dependency)
    calls = []

    @world.function
    async def client():
        calls.append(1)
        try:
            return await world.do(guarded)
        except IsolatedError as error:
            return wrap(error)

    with pytest.raises(ServiceError):
        world.run(world.protect(Pipeline("outer", Retry(6, backoff=SECOND)), client))
    assert len(calls) == 1


def test_a_rejection_that_is_being_handled_further_out_is_none_of_ours(world):
    """The second choice, called where the first one was rejected, is retried like anything else."""
    breaker = CircuitBreaker()
    breaker.isolate()
    first = world.protect(Pipeline("first", breaker), world.dependency(Ok("never")))
    second = world.dependency(ServiceError("slow to start"), Ok("the second choice"))
    retried = world.protect(Pipeline("second", Retry(3, backoff=SECOND)), second)

    @world.function
    async def either():
        try:
            return await world.do(first)
        except IsolatedError:
            return await world.do(retried)

    assert world.run(either) == "the second choice"
