"""The user's own functions that a pipeline calls may raise: no call is broken, and nothing is lost."""

import logging

import pytest

from holdfast import (
    Bulkhead,
    CircuitBreaker,
    Fallback,
    Pipeline,
    Retry,
    RetryBudget,
    backoff,
    on_result,
)
from holdfast._world import now
from holdfast.events import CallCompleted, RetryScheduled, subscribe
from holdfast.extend import Gate
from holdfast.testing import record

NO_WAIT = backoff.constant(0)


class Broken(Exception):
    """What the user's listeners, predicates and callbacks raise."""


def broken(*_args, **_kwargs):
    raise Broken("my own mistake")


def failing():
    raise ConnectionError("refused")


@pytest.fixture
def quiet(caplog):
    """Collect what the logger ``holdfast`` says."""
    caplog.set_level(logging.ERROR, logger="holdfast")
    return caplog


def test_a_listener_that_raises_breaks_no_call(colour, quiet, balanced):
    """The call goes on, the other listeners hear of it, and the log tells which listener failed."""
    pipeline = Pipeline("p", Bulkhead(1), Retry(2, backoff=NO_WAIT), CircuitBreaker())
    with subscribe(broken), record() as events:
        assert colour.protected(pipeline, lambda: 1)() == 1
        with pytest.raises(ConnectionError):
            colour.protected(pipeline, failing)()
    assert len(events.of(CallCompleted)) == 2
    assert "the listener" in quiet.text
    assert "failed on CallCompleted" in quiet.text
    balanced(pipeline)


def test_a_listener_that_is_interrupted_interrupts_the_call(colour, balanced):
    """KeyboardInterrupt in a listener is no failure of the listener: it passes."""

    def interrupted(event):
        raise KeyboardInterrupt

    pipeline = Pipeline("p", Bulkhead(1), Retry(2, backoff=NO_WAIT))
    with subscribe(interrupted), pytest.raises(KeyboardInterrupt):
        colour.protected(pipeline, failing)()
    balanced(pipeline)


def test_before_sleep_that_raises_ends_the_retrying(colour):
    """``before_sleep`` is asked, unlike a listener: what it raises is raised, in the error's context."""
    calls = []

    def flaky():
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionError("refused")
        return "ok"

    pipeline = Pipeline("p", Retry(3, backoff=NO_WAIT, before_sleep=broken))
    with pytest.raises(Broken) as caught:
        colour.protected(pipeline, flaky)()
    assert isinstance(caught.value.__context__, ConnectionError)
    assert calls == [1]


def test_before_sleep_gets_the_event(colour):
    """``before_sleep`` is told the attempt, the delay and the error."""
    told = []
    pipeline = Pipeline("p", Retry(2, backoff=NO_WAIT, before_sleep=told.append))
    with pytest.raises(ConnectionError):
        colour.protected(pipeline, failing)()
    (event,) = told
    assert isinstance(event, RetryScheduled)
    assert (event.pipeline, event.attempt, event.delay) == ("p", 1, 0.0)
    assert isinstance(event.error, ConnectionError)


def test_a_retry_predicate_that_raises_retries_nothing(colour):
    """The user's error is raised, and the predicate's own goes into a note."""
    calls = []

    def fail():
        calls.append(1)
        raise ConnectionError("refused")

    with pytest.raises(ConnectionError) as caught:
        colour.protected(Pipeline("p", Retry(5, on=broken, backoff=NO_WAIT)), fail)()
    assert len(calls) == 1
    assert caught.value.__notes__ == [
        "holdfast: the predicate broken raised Broken('my own mistake')"
    ]


def test_a_breaker_predicate_that_raises_counts_a_failure(colour):
    """A breaker is on the safe side: what nobody could judge was a failure."""
    breaker = CircuitBreaker(failures=2, on=broken)
    call = colour.protected(Pipeline("p", breaker), failing)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            call()
    assert breaker.state == "open"


def test_an_ignore_predicate_that_raises_ignores_nothing(colour):
    """A failure that nobody could excuse counts."""
    breaker = CircuitBreaker(failures=1, ignore=broken)
    with pytest.raises(ConnectionError):
        colour.protected(Pipeline("p", breaker), failing)()
    assert breaker.state == "open"


@pytest.mark.parametrize("strategy", [
    lambda: Retry(5, on=on_result(broken), backoff=NO_WAIT),
    lambda: Fallback(None, on=on_result(broken)),
    lambda: CircuitBreaker(on=on_result(broken)),
])  # fmt: skip
def test_a_result_predicate_that_raises_is_heard_of(colour, strategy, balanced):
    """There is no error of the function's to raise in its place, so the predicate's own is raised."""
    pipeline = Pipeline("p", Bulkhead(1), strategy())
    with pytest.raises(Broken):
        colour.protected(pipeline, lambda: 1)()
    balanced(pipeline)


def test_a_result_predicate_that_raises_loses_no_probe(colour, balanced):
    """Half-open, the place of the probe comes back at once."""
    breaker = CircuitBreaker(on=on_result(broken), open_for=1.0, open_jitter=0, probes=1)
    breaker.trip(now=now() - 2.0)
    call = colour.protected(Pipeline("p", breaker), lambda: 1)
    for _ in range(3):
        with pytest.raises(Broken):
            call()
    balanced(breaker)


@pytest.mark.parametrize("delay", [broken, lambda attempt: -1.0, lambda attempt: float("nan")])
def test_a_backoff_that_fails_ends_the_retrying(colour, delay):
    """A backoff that raises, or gives no duration, leaves the user's error and says why."""
    budget = RetryBudget()
    pipeline = Pipeline("p", Retry(5, backoff=delay, budget=budget))
    with pytest.raises(ConnectionError) as caught:
        colour.protected(pipeline, failing)()
    assert "the backoff raised" in caught.value.__notes__[0]
    assert budget.tokens == budget.capacity


def test_a_fallback_that_raises_replaces_the_error(colour, balanced):
    """The fallback's own error is raised, with the original as its context."""
    pipeline = Pipeline("p", Bulkhead(1), Fallback(broken))
    with pytest.raises(Broken) as caught:
        colour.protected(pipeline, failing)()
    assert isinstance(caught.value.__context__, ConnectionError)
    balanced(pipeline)


def test_an_async_fallback_that_raises_replaces_the_error(colour):
    """The same, where the fallback is awaited."""

    async def abroken(error):
        raise Broken("my own mistake")

    pipeline = Pipeline("p", Fallback(abroken))
    if colour.name == "blocking":
        with pytest.raises(ValueError, match="is async"):
            pipeline(failing)
        return
    with pytest.raises(Broken) as caught:
        colour.protected(pipeline, failing)()
    assert isinstance(caught.value.__context__, ConnectionError)


def test_a_stale_fallback_whose_key_raises_loses_no_permit(colour, balanced):
    """A ``key`` that raises is the caller's to hear of."""
    pipeline = Pipeline("p", Bulkhead(1), Fallback.stale(10.0, key=broken))
    with pytest.raises(Broken):
        colour.protected(pipeline, lambda: 1)()
    balanced(pipeline)


def test_a_stale_fallback_whose_mark_raises_loses_no_permit(colour, balanced):
    """A ``mark`` that raises, raises in place of the error that it was to cover."""
    pipeline = Pipeline("p", Bulkhead(1), Fallback.stale(10.0, mark=broken))
    outcomes = iter(["fresh", None])
    call = colour.protected(pipeline, lambda: next(outcomes) or failing())
    assert call() == "fresh"
    with pytest.raises(Broken) as caught:
        call()
    assert isinstance(caught.value.__context__, ConnectionError)
    balanced(pipeline)


def test_a_gate_of_the_users_own_that_raises_counts_outside_only(colour, balanced):
    """An error out of somebody's ``enter`` is a plain error for the layers around it."""

    class Grumpy(Gate):
        def enter(self, now, args, kwargs, site):
            raise Broken("no")

        def abandoned(self, permit, now):
            raise AssertionError("never entered")

    breaker = CircuitBreaker(failures=1)
    pipeline = Pipeline("p", Bulkhead(1), breaker, Grumpy())
    with pytest.raises(Broken):
        colour.protected(pipeline, lambda: 1)()
    assert breaker.state == "open"
    balanced(pipeline)


def test_a_result_predicate_is_not_asked_about_a_block(balanced):
    """A block has no result to judge, so a condition on results stays out of it."""
    breaker = CircuitBreaker(on=on_result(lambda result: result.status == 500))
    pipeline = Pipeline("p", Bulkhead(1), breaker)
    with pipeline:
        pass
    balanced(pipeline)


def test_a_gate_that_raises_while_a_block_is_left_keeps_no_other_permit(balanced):
    """The other gates of the block get their permits back all the same."""

    class Grumpy(Gate):
        def enter(self, now, args, kwargs, site):
            return "permit"

        def succeeded(self, permit, now, result):
            raise Broken("no")

    pipeline = Pipeline("p", Bulkhead(1), Grumpy())
    with pytest.raises(Broken), pipeline:
        pass
    balanced(pipeline)


def test_a_gate_that_raises_on_the_way_out_keeps_no_other_permit(colour, balanced):
    """The same for a call: what a gate raises about an outcome, the gates around it hear of."""

    class Grumpy(Gate):
        def enter(self, now, args, kwargs, site):
            return "permit"

        def succeeded(self, permit, now, result):
            raise Broken("no")

        def failed(self, permit, now, error):
            raise Broken("no")

    pipeline = Pipeline("p", Bulkhead(1), Grumpy())
    for function in (lambda: 1, failing):
        with pytest.raises(Broken):
            colour.protected(pipeline, function)()
        balanced(pipeline)
