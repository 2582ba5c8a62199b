"""A fallback outermost answers for everything inside it, rejections included."""

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    DeadlineTooShortError,
    Fallback,
    Pipeline,
    RejectedError,
    Retry,
    Timeout,
    backoff,
    deadline,
    on_result,
    standard,
)
from holdfast.events import CallCompleted, FallbackUsed
from holdfast.testing import Fail, Hang, Ok, record

PAUSE = backoff.constant(1.0)


def refused():
    return Fail(ConnectionError("refused"))


@pytest.fixture
def seen():
    """The kinds of the errors that the fallback was given."""
    return []


@pytest.fixture
def fallback(seen):
    """A fallback that notes what it covers."""

    def instead(error):
        seen.append(type(error))
        return "instead"

    return Fallback(instead)


def test_it_answers_the_last_error_of_a_retry(world, fallback, seen):
    """It is asked once, after the last attempt, and not for each."""
    pipeline = Pipeline("p", fallback, Retry(3, backoff=PAUSE))
    assert world.call(pipeline, world.dependency(refused())) == "instead"
    assert seen == [ConnectionError]
    assert world.elapsed() == 2.0


def test_it_answers_an_open_breaker_at_once(world, fallback, seen):
    """A rejection reaches it without a pause, as long as the breaker is open."""
    pipeline = Pipeline("p", fallback, Retry(3, backoff=PAUSE), CircuitBreaker(failures=1))
    assert world.call(pipeline, world.dependency(refused())) == "instead"
    began = world.now()
    for _ in range(10):
        assert world.call(pipeline, world.dependency(Ok("never"))) == "instead"
    assert world.now() == began
    assert seen == [ConnectionError, *[CircuitOpenError] * 10]


def test_it_answers_a_full_bulkhead(world, fallback, seen):
    """The same for a bulkhead without room."""
    bulkhead = Bulkhead(1)
    bulkhead.enter(0.0, (), {})
    assert world.call(Pipeline("p", fallback, bulkhead), world.dependency(Ok(1))) == "instead"
    assert seen == [BulkheadFullError]


def test_it_answers_a_timeout(world, fallback, seen):
    """The same for a total that ran out."""
    pipeline = Pipeline("p", fallback, Timeout(2.0, sync="thread"), Retry(3, backoff=PAUSE))
    assert world.call(pipeline, world.dependency(Hang())) == "instead"
    assert seen == [AttemptTimeout]


def test_it_answers_a_deadline_that_has_passed(world, fallback, seen):
    """The same where nothing could be started any more."""
    protected = world.protect(Pipeline("p", fallback, Timeout(2.0)), world.dependency(Ok(1)))

    @world.function
    async def late():
        with deadline(1.0):
            await world.sleep(2.0)
            return await world.do(protected)

    assert world.run(late) == "instead"
    assert seen == [DeadlineTooShortError]


def test_it_can_be_for_rejections_only(world):
    """``on=RejectedError`` answers what was never tried, and lets real errors pass."""
    breaker = CircuitBreaker(failures=1)
    pipeline = Pipeline("p", Fallback("instead", on=RejectedError), breaker)
    with pytest.raises(ConnectionError):
        world.call(pipeline, world.dependency(refused()))
    assert world.call(pipeline, world.dependency(Ok("never"))) == "instead"


def test_fallbacks_in_one_another(world):
    """The inner one answers what it is for; the outer one, what is left, and the inner one's failure."""
    inner = Fallback(lambda error: 1 // 0, on=ConnectionError)
    pipeline = Pipeline("p", Fallback("outer"), inner)
    assert world.call(pipeline, world.dependency(refused())) == "outer"
    assert world.call(pipeline, world.dependency(Fail(KeyError("k")))) == "outer"
    assert world.call(Pipeline("p", Fallback("outer"), Fallback("inner")),
                      world.dependency(refused())) == "inner"  # fmt: skip


def test_the_answer_is_judged_by_what_is_outside(world):
    """Inside a retry its answer is a result, which is why it is warned about."""
    with pytest.warns(match="put the fallback outermost"):
        pipeline = Pipeline("p", Retry(3, backoff=PAUSE), Fallback("instead"))
    dependency = world.dependency(refused())
    assert world.call(pipeline, dependency) == "instead"
    assert len(dependency.calls) == 1


def test_a_bad_result_is_replaced_after_the_retries(world):
    """Conditions on results work for the retry and for the fallback around it."""
    bad = on_result(lambda result: result == "busy")
    pipeline = Pipeline("p", Fallback("instead", on=bad), Retry(3, on=bad, backoff=PAUSE))
    dependency = world.dependency(Ok("busy"))
    assert world.call(pipeline, dependency) == "instead"
    assert len(dependency.calls) == 3


def test_the_stale_answer_of_an_open_circuit(world):
    """The last good answer is served while the breaker is open, until it is too old."""
    stale = Fallback.stale(60.0, mark=lambda value, age: (value, age))
    breaker = CircuitBreaker(failures=1, open_for=3600.0, open_cap=3600.0, open_jitter=0)
    dependency = world.dependency(Ok("fresh"), refused())
    protected = world.protect(Pipeline("p", stale, breaker), dependency)
    assert world.run(protected) == "fresh"
    world.advance(10.0)
    assert world.run(protected) == ("fresh", 10.0)
    world.advance(50.0)
    assert world.run(protected) == ("fresh", 60.0)
    world.advance(0.1)
    with pytest.raises(CircuitOpenError):
        world.run(protected)
    assert len(dependency.calls) == 2


def test_it_is_told_with_the_error_that_it_covers(world):
    """Listeners hear of the fallback, and then of a call that succeeded."""
    with record() as events:
        world.call(Pipeline("p", Fallback("instead")), world.dependency(refused()))
    (used,), (completed,) = events.of(FallbackUsed), events.of(CallCompleted)
    assert isinstance(used.error, ConnectionError)
    assert completed.error is None


def test_the_standard_pipeline_puts_it_outermost(world):
    """``standard(fallback=...)`` serves rejections by all of its own parts."""
    pipeline = standard("p", fallback="instead", breaker=CircuitBreaker(failures=1, open_for=60.0))
    assert isinstance(pipeline.strategies[0], Fallback)
    assert world.call(pipeline, world.dependency(refused())) == "instead"
    assert world.call(pipeline, world.dependency(Ok("never"))) == "instead"
