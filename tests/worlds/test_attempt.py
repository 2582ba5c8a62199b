"""What the code that is being called can know of the attempt, and callbacks of the call."""

import asyncio

import pytest

import holdfast
from holdfast import (
    CircuitBreaker,
    CompositionWarning,
    ConfigurationError,
    Fallback,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    on_result,
)
from holdfast.events import (
    CallCompleted,
    CallRejected,
    RetriesExhausted,
    RetryScheduled,
    RetrySucceeded,
)
from holdfast.testing import Ok, record

SECOND = backoff.constant(1.0)
asyncio_only = pytest.mark.parametrize("world", ["asyncio"], indirect=True)


def counting(world, seen, failures, then=None):
    """Return a function that notes the attempt's number, and fails so many times."""

    @world.function
    async def function():
        seen.append(holdfast.attempt())
        if then is not None:
            await world.do(then)
        if len(seen) <= failures:
            raise ConnectionError(str(len(seen)))
        return "well"

    return function


# -- the number ----------------------------------------------------------------------------------


@pytest.mark.parametrize("listened", [False, True])
@pytest.mark.parametrize("nested", ["allow", "inner", "outer"])
def test_it_is_one_at_first_and_grows(world, nested, listened):
    """Also with a timeout in between, and whether or not somebody listens (tenacity 344)."""
    seen = []
    pipeline = Pipeline("p", Retry(4, backoff=SECOND, nested=nested), Timeout(5.0))
    with record() if listened else pytest.MonkeyPatch.context():
        assert world.call(pipeline, counting(world, seen, 2)) == "well"
    assert seen == [1, 2, 3]
    assert holdfast.attempt() == 1


def test_a_fallback_in_between_is_no_retry(world):
    """Reactions that never repeat don't count."""
    seen = []
    retry = Retry(4, backoff=SECOND, on=on_result(lambda it: it == 0))
    with pytest.warns(CompositionWarning, match="fallback"):
        pipeline = Pipeline("p", retry, Fallback(0))
    assert world.call(pipeline, counting(world, seen, 2)) == "well"
    assert seen == [1, 2, 3]


@pytest.mark.parametrize("listened", [False, True])
def test_each_retry_counts_for_itself(world, listened):
    """A call that begins within the second attempt of another one is at its own first."""
    inner, outer = [], []
    call = world.protect(Pipeline("inner", Retry(2, backoff=SECOND)), counting(world, inner, 1))
    pipeline = Pipeline("outer", Retry(4, backoff=SECOND))
    with record() if listened else pytest.MonkeyPatch.context():
        assert world.call(pipeline, counting(world, outer, 2, then=call)) == "well"
    assert outer == [1, 2, 3]
    assert inner == [1, 2, 1, 1]


def test_in_a_loop(world):
    """The same number as that of the loop's attempt; a pipeline inside counts for itself."""
    seen, inside = [], []
    call = world.protect(Pipeline("inner", Retry(3, backoff=SECOND)), counting(world, inside, 0))

    @world.function
    async def loop():
        async for attempt in world.attempts(Retry(3, backoff=SECOND)):
            with attempt:
                await world.do(call)
                seen.append((attempt.number, holdfast.attempt()))
                if attempt.number < 3:
                    raise ConnectionError

    world.run(loop)
    assert seen == [(1, 1), (2, 2), (3, 3)]
    assert inside == [1, 1, 1]


@asyncio_only
def test_in_a_task_that_outlives_the_attempt(world):
    """It knows the attempt in which it was started, until that is over."""
    seen = []

    async def late():
        seen.append(holdfast.attempt())
        await asyncio.sleep(10.0)
        seen.append(holdfast.attempt())

    tasks = []

    async def function():
        if holdfast.attempt() == 1:
            raise ConnectionError
        tasks.append(asyncio.ensure_future(late()))
        await asyncio.sleep(1.0)

    async def main():
        await Pipeline("p", Retry(2, backoff=SECOND)).acall(function)
        await tasks[0]

    world.run(main)
    assert seen == [2, 1]


# -- events --------------------------------------------------------------------------------------


def test_events_tell_the_call_the_function_and_the_attempt(world):
    """One pipeline serves many functions and calls at once (tenacity 78, 193)."""
    dependency = world.dependency(ConnectionError("1"), ConnectionError("2"), Ok("well"))

    @world.function
    async def price(_sku):
        return await world.do(dependency)

    call = world.protect(Pipeline("p", Retry(4, backoff=SECOND)), price)
    with record() as events:
        world.run(call, "tea")
        world.run(call, "cake")
    first = [one for one in events if one.call == events[0].call]
    assert [type(one) for one in first] == [
        RetryScheduled, RetryScheduled, RetrySucceeded, CallCompleted,
    ]  # fmt: skip
    assert [one.attempt for one in first] == [1, 2, 3, None]
    assert {one.function.rpartition(".")[2] for one in events} == {"price"}
    assert len({one.call for one in events}) == 2
    assert "price" in repr(first[0])
    assert "tea" not in repr(first)


def test_success_after_retries_is_told(world):
    """With how many attempts it took, and how long (stamina 26); not where the first one succeeds."""
    dependency = world.dependency(ConnectionError, Ok("well"))
    with record() as events:
        pipeline = Pipeline("p", Retry(4, backoff=SECOND, max_elapsed=9.0))
        for _ in range(2):
            world.call(pipeline, dependency)
    (told,) = events.of(RetrySucceeded)
    assert (told.pipeline, told.attempts, told.elapsed) == ("p", 2, pytest.approx(1.0))


def test_the_bad_result_is_told(world):
    """`RetryScheduled` and `RetriesExhausted` carry it, and don't show it (tenacity 427)."""
    dependency = world.dependency(Ok("pending"))
    retry = Retry(2, on=on_result(lambda it: it == "pending"), backoff=SECOND)
    with record() as events:
        assert world.call(Pipeline("p", retry), dependency) == "pending"
    told = [*events.of(RetryScheduled), *events.of(RetriesExhausted)]
    assert [one.result for one in told] == ["pending", "pending"]
    assert "pending" not in repr(told)


def test_a_rejection_tells_its_attempt(world):
    """Events of strategies further in belong to the attempt in which they happen."""
    pipeline = Pipeline("p", Retry(3, backoff=SECOND), CircuitBreaker(failures=1))
    with record() as events, pytest.raises(ConnectionError):
        world.call(pipeline, world.dependency(ConnectionError("down")))
    (rejected,) = events.of(CallRejected)
    assert (rejected.attempt, rejected.call) == (2, events.of(CallCompleted)[0].call)


# -- backoff and before_sleep --------------------------------------------------------------------


class Busy(OSError):
    """Come back soon."""


def test_the_delay_may_depend_on_what_went_wrong(world):
    """A backoff of two arguments gets the attempt's number and the call (backoff 91)."""
    dependency = world.dependency(Busy, OSError, Ok("well"))
    seen = []

    def delay(attempt, call):
        seen.append((attempt, call.attempt, call.args, call.pipeline, type(call.error)))
        assert "tea" not in repr(call)
        return 0.5 if isinstance(call.error, Busy) else 30.0

    @world.function
    async def price(_sku):
        return await world.do(dependency)

    assert world.call(Pipeline("p", Retry(5, backoff=delay)), price, "tea") == "well"
    assert world.elapsed() == pytest.approx(30.5)
    assert seen == [(1, 1, ("tea",), "p", Busy), (2, 2, ("tea",), "p", OSError)]


@pytest.mark.parametrize(
    "delay",
    [lambda attempt: attempt / 1, lambda attempt, base=1.0: attempt * base, float],
    ids=["one", "with a default", "a builtin"],
)
def test_a_backoff_of_one_argument_gets_the_number(world, delay):
    """A default is a value that somebody has bound, and no place for the call."""
    dependency = world.dependency(OSError, OSError, Ok("well"))
    if delay is float:
        delay = [0.0, 1.0, 2.0].__getitem__
    assert world.call(Pipeline("p", Retry(5, backoff=delay)), dependency) == "well"
    assert world.elapsed() == pytest.approx(3.0)


@asyncio_only
def test_before_sleep_may_be_async(world):
    """It is awaited before the pause: a token is refreshed, say (tenacity 249)."""
    done = []

    async def refresh(event):
        await asyncio.sleep(5.0)
        done.append((event.attempt, world.elapsed()))

    async def loop():
        async for attempt in Retry(2, backoff=SECOND, before_sleep=refresh):
            with attempt:
                if attempt.number == 1:
                    raise ConnectionError

    dependency = world.dependency(ConnectionError, Ok("well"))
    pipeline = Pipeline("p", Retry(2, backoff=SECOND, before_sleep=refresh))
    assert world.call(pipeline, dependency) == "well"
    assert (done, world.elapsed()) == ([(1, 5.0)], 6.0)
    world.run(loop)
    assert world.elapsed() == 12.0


def test_an_async_before_sleep_around_blocking_code_is_refused():
    """Where it would never be awaited: when a function is decorated, called, or looped over."""

    async def refresh(event): ...

    retry = Retry(2, before_sleep=refresh)
    pipeline = Pipeline("p", retry)
    for use in (lambda: pipeline(len), lambda: pipeline.call(len, ""), lambda: list(retry)):
        with pytest.raises(ConfigurationError, match=r"before_sleep=.*refresh.*it is async"):
            use()


def test_a_before_sleep_that_returns_something_to_await_is_told_so():
    """A lambda around an async function is not seen to be async before it is called."""

    async def refresh(event): ...

    def hidden(event):
        return refresh(event)

    retry = Retry(2, backoff=backoff.constant(0.0), before_sleep=hidden)
    with pytest.raises(ConfigurationError, match=r"before_sleep=.*must be awaited") as caught:
        Pipeline("p", retry).call(int, "tea")
    assert isinstance(caught.value.__context__, ValueError)


class Stop(Exception):
    """Not another time."""


def test_what_before_sleep_raises_ends_the_retrying(world):
    """It is raised in place of the error, which it has as its context; in loops, too."""
    calls = []

    def stop(event):
        raise Stop

    retry = Retry(3, backoff=SECOND, before_sleep=stop)

    @world.function
    async def failing():
        calls.append(1)
        raise ConnectionError

    @world.function
    async def loop():
        async for attempt in world.attempts(retry):
            with attempt:
                await world.do(failing)

    for function in (world.protect(Pipeline("p", retry), failing), loop):
        with pytest.raises(Stop) as caught:
            world.run(function)
        assert isinstance(caught.value.__context__, ConnectionError)
    assert len(calls) == 2
    assert world.elapsed() == 0.0


# -- one coroutine for all attempts --------------------------------------------------------------


@asyncio_only
def test_one_coroutine_for_all_attempts(world):
    """The second attempt finds it awaited already: the error of the first one stands, with a note."""

    async def failing():
        raise ConnectionError("refused")

    async def main():
        same = failing()
        await Pipeline("p", Retry(3, backoff=SECOND)).acall(lambda: same)

    with pytest.raises(ConnectionError, match="refused") as caught:
        world.run(main)
    assert "has been awaited before" in caught.value.__notes__[-1]


@asyncio_only
def test_a_coroutine_that_was_awaited_before(world):
    """Without an earlier attempt there is no other error to tell: it is a `TypeError`."""

    async def well(): ...

    async def main():
        same = well()
        await same
        await Pipeline("p", Retry(3, backoff=SECOND)).acall(lambda: same)

    with pytest.raises(TypeError, match="has been awaited before"):
        world.run(main)
