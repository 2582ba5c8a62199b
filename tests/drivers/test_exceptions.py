"""The user's own exceptions pass through every layer as they are."""

import asyncio
import dataclasses
import traceback

import pytest

from holdfast import (
    Bulkhead,
    CircuitBreaker,
    CircuitOpenError,
    Fallback,
    Pipeline,
    Retry,
    Timeout,
    backoff,
)

NO_WAIT = backoff.constant(0)


def whole(name: str = "payments", attempts: int = 3) -> Pipeline:
    """Return a pipeline with every strategy, in which nothing waits."""
    return Pipeline(
        name,
        Fallback(None, on=KeyError),
        Timeout(30.0),
        Bulkhead(2),
        Retry(attempts, backoff=NO_WAIT),
        CircuitBreaker(failures=100),
        Timeout(10.0),
    )


class Slotted(Exception):
    __slots__ = ("code",)

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int


class Guarded(Exception):
    def __setattr__(self, name, value):
        raise RuntimeError("nobody writes to me")


class NotesAreMine(Exception):
    @property
    def __notes__(self):
        return ("fixed",)

    def add_note(self, note):
        raise TypeError("no notes, please")


class StrangeArguments(Exception):
    def __init__(self, *, reason: str) -> None:
        self.reason = reason


class CannotBeCopied(Exception):
    def __new__(cls, *args):
        if not args:
            raise LookupError("a copy is refused")
        return super().__new__(cls)


ODD = [
    ValueError("plain"),
    Slotted(7),
    Frozen(7),
    Guarded("guarded"),
    NotesAreMine("mine"),
    StrangeArguments(reason="keyword only"),
    CannotBeCopied("once"),
    OSError(2, "gone", "file"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad byte"),
    ExceptionGroup("several", [ValueError("a"), OSError("b")]),
    StopAsyncIteration("end"),
    TimeoutError("the function's own"),
]


@pytest.mark.parametrize("error", ODD, ids=lambda error: type(error).__name__)
def test_the_same_object_is_raised(colour, error, balanced):
    """Whatever the exception's class forbids, the caller gets the very object that was raised."""
    calls = []

    def fail():
        calls.append(1)
        raise error

    pipeline = whole()
    with pytest.raises(type(error)) as caught:
        colour.protected(pipeline, fail)()
    assert caught.value is error
    assert len(calls) == 3
    balanced(pipeline)


def test_a_stop_iteration_stays_one_in_blocking_code():
    """A StopIteration of a blocking function passes through and ends no loop of ours."""
    error = StopIteration(5)

    def fail():
        raise error

    with pytest.raises(StopIteration) as caught:
        whole()(fail)()
    assert caught.value is error
    assert caught.value.value == 5


async def coroutine_that_stops():
    raise StopIteration(5)


def awaitable_that_stops():
    raise StopIteration(5)


@pytest.mark.parametrize("stop", [coroutine_that_stops, awaitable_that_stops])
def test_a_stop_iteration_is_what_python_makes_of_it_in_async_code(stop):
    """In a coroutine, Python itself turns StopIteration into RuntimeError, and so do we."""
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(whole().acall(stop))


def test_the_traceback_leads_to_the_users_line(colour):
    """The traceback ends where the function raised, in its last attempt."""

    def culprit():
        raise ValueError("here")

    with pytest.raises(ValueError, match="here") as caught:
        colour.protected(whole(), culprit)()
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "culprit"


def test_the_traceback_does_not_grow_with_the_attempts(colour):
    """A shared exception object, raised in each attempt, does not pile up our frames without end."""
    error = ValueError("shared")

    def fail():
        raise error.with_traceback(None)

    lengths = []
    for attempts in (2, 50):
        with pytest.raises(ValueError, match="shared") as caught:
            colour.protected(whole(attempts=attempts), fail)()
        lengths.append(len(traceback.extract_tb(caught.value.__traceback__)))
    assert lengths[0] == lengths[1]


def test_the_note_tells_the_history(colour):
    """The exception that is given up on says where, after how many attempts, and of which kinds."""
    errors = iter([ConnectionError("a"), OSError("b"), ConnectionError("c")])

    def fail():
        raise next(errors)

    with pytest.raises(ConnectionError, match="c") as caught:
        colour.protected(whole(), fail)()
    (note,) = caught.value.__notes__
    assert note.startswith("holdfast: pipeline 'payments' gave up after 3 attempts in ")
    assert "(ConnectionError ×2, OSError ×1)" in note
    assert note.endswith("all 3 attempts are used up")


def test_a_single_attempt_is_told_in_the_singular(colour):
    """With one attempt the note says so, and no span."""

    def fail():
        raise ValueError("x")

    with pytest.raises(ValueError, match="x") as caught:
        colour.protected(whole(attempts=1), fail)()
    (note,) = caught.value.__notes__
    assert note.startswith(
        "holdfast: pipeline 'payments' gave up after 1 attempt (ValueError ×1): "
    )


def test_an_error_that_is_not_retried_at_once_gets_no_note(colour):
    """Without a second attempt there is no history to tell."""

    def fail():
        raise LookupError("not on the list")

    pipeline = Pipeline("picky", Retry(3, on=OSError, backoff=NO_WAIT))
    with pytest.raises(LookupError) as caught:
        colour.protected(pipeline, fail)()
    assert not hasattr(caught.value, "__notes__")


def test_an_error_that_is_not_retried_later_tells_of_the_attempts_before_it(colour):
    """The last error is the news, and its note tells of the earlier ones."""
    errors = iter([OSError("first"), LookupError("second")])

    def fail():
        raise next(errors)

    pipeline = Pipeline("picky", Retry(5, on=OSError, backoff=NO_WAIT))
    with pytest.raises(LookupError, match="second") as caught:
        colour.protected(pipeline, fail)()
    (note,) = caught.value.__notes__
    assert "after 2 attempts" in note
    assert "OSError ×1" in note
    assert note.endswith("LookupError is not retried")


def tripped_after_one(attempts: int = 5) -> Pipeline:
    return Pipeline(
        "payments", Retry(attempts, backoff=NO_WAIT), CircuitBreaker(failures=1, open_for=60.0)
    )


def test_a_rejected_second_attempt_surfaces_the_users_last_own_error(colour):
    """When the breaker opens meanwhile, the caller hears of the failure, not of the breaker."""
    error = ConnectionError("refused")

    def fail():
        raise error

    with pytest.raises(ConnectionError) as caught:
        colour.protected(tripped_after_one(), fail)()
    assert caught.value is error
    (note,) = caught.value.__notes__
    assert "the next attempt was rejected: pipeline 'payments': circuit breaker" in note


def test_a_rejected_attempt_is_not_counted_as_made(colour):
    """An attempt is an execution of the function, so the note counts those that ran."""

    def fail():
        raise ConnectionError("refused")

    with pytest.raises(ConnectionError) as caught:
        colour.protected(tripped_after_one(), fail)()
    assert "gave up after 1 attempt " in caught.value.__notes__[0]


def test_a_rejected_first_attempt_surfaces_the_rejection(colour):
    """With no error of the user's own there is only the rejection to raise, without a note."""
    pipeline = tripped_after_one()
    pipeline.strategies[1].trip()
    with pytest.raises(CircuitOpenError) as caught:
        colour.protected(pipeline, lambda: 1)()
    assert not hasattr(caught.value, "__notes__")
    assert caught.value.pipeline == "payments"


def test_an_earlier_error_has_no_foreign_context(colour):
    """The user's error is not dressed up as a consequence of our rejection."""
    error = ConnectionError("refused")

    def fail():
        raise error

    with pytest.raises(ConnectionError):
        colour.protected(tripped_after_one(), fail)()
    assert error.__context__ is None
    assert error.__cause__ is None


def test_a_chained_error_keeps_its_chain(colour):
    """``raise ... from ...`` in the function survives the way out."""
    cause = OSError("below")

    def fail():
        raise ValueError("above") from cause

    with pytest.raises(ValueError, match="above") as caught:
        colour.protected(whole(), fail)()
    assert caught.value.__cause__ is cause


def test_a_group_that_holds_an_interruption_is_no_outcome(colour, balanced):
    """A BaseExceptionGroup around KeyboardInterrupt passes once, untouched."""
    group = BaseExceptionGroup("tasks", [KeyboardInterrupt(), ValueError("x")])
    calls = []

    def fail():
        calls.append(1)
        raise group

    pipeline = whole()
    with pytest.raises(BaseExceptionGroup) as caught:
        colour.protected(pipeline, fail)()
    assert caught.value is group
    assert len(calls) == 1
    balanced(pipeline)


def test_a_group_of_plain_errors_can_be_retried_by_class(colour):
    """``on=ExceptionGroup`` means groups, and a plain error passes at once."""
    outcomes = iter([ExceptionGroup("g", [OSError("a")]), ValueError("plain")])

    def fail():
        raise next(outcomes)

    pipeline = Pipeline("groups", Retry(5, on=ExceptionGroup, backoff=NO_WAIT))
    with pytest.raises(ValueError, match="plain"):
        colour.protected(pipeline, fail)()


def test_the_breaker_shows_the_failure_that_opened_it(colour):
    """Each rejection has the failure as its cause, without the traceback that would keep frames."""

    def fail():
        raise ConnectionError("refused")

    call = colour.protected(Pipeline("p", CircuitBreaker(failures=1)), fail)
    with pytest.raises(ConnectionError):
        call()
    with pytest.raises(CircuitOpenError, match="after ConnectionError: refused") as caught:
        call()
    cause = caught.value.__cause__
    assert isinstance(cause, ConnectionError)
    assert cause.args == ("refused",)
    assert cause.__traceback__ is None
