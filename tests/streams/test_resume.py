"""``resume=``: how a stream goes on after an error in its middle."""

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    CircuitBreaker,
    ConfigurationError,
    Fallback,
    Pipeline,
    Retry,
    RetryBudget,
    Timeout,
    backoff,
)
from tests.streams.flows import Pause

NO_WAIT = backoff.constant(0.0)
WHOLE = list(range(6))


def breaking(*places, pause=0.0):
    """Return a script that counts to five from ``start``, and breaks off once at each of the places."""
    left = list(places)

    def script(start=0, *_):
        for number in range(start, 6):
            if number in left:
                left.remove(number)
                yield ConnectionError(f"broken off at {number}")
            if pause:
                yield Pause(pause)
            yield number

    return script


def after(last, *args, **kwargs):
    """Go on with the number after the last one."""
    return {"start": last + 1}


def numbers(flow, *places, pause=0.0):
    """Return a source that breaks off, and its function, which has an argument to go on with."""
    source = flow.source(breaking(*places, pause=pause))

    def rows(start=0):
        yield from source.blocking(start)

    async def arows(start=0):
        async for one in source.asynchronous(start):
            yield one

    return source, rows if flow.blocking else arows


def retrying(*layers, **options):
    return Pipeline("p", *layers, Retry(3, backoff=NO_WAIT, **options))


def test_it_goes_on_where_it_broke_off(flow):
    """With the arguments that `resume` says; the consumer sees one stream."""
    source, rows = numbers(flow, 2, 4)
    assert flow.all(retrying().stream(rows, resume=after)) == WHOLE
    assert source.calls == [(0,), (2,), (4,)]


def test_it_is_given_the_last_item_and_the_arguments(flow):
    """As they were given to the latest call, changes included."""
    asked = []
    _, rows = numbers(flow, 2, 4)

    def resume(last, *args, **kwargs):
        asked.append((last, args, kwargs))
        return {"start": last + 1}

    assert flow.all(retrying().stream(resume=resume)(rows), 0) == WHOLE
    assert asked == [(1, (0,), {}), (3, (2,), {})]


def test_no_arguments_are_changed_by_an_empty_dict(flow):
    """The call is made again as it was."""
    source = flow.source([1, ConnectionError], [2, 3])
    rows = retrying().stream(source.function, resume=lambda last, *_: {})
    assert flow.all(rows, "a") == [1, 2, 3]
    assert source.calls == [("a",)] * 2


def test_none_means_that_there_is_no_way_to_go_on(flow):
    """The error stands."""
    source, rows = numbers(flow, 2)
    with pytest.raises(ConnectionError, match="broken off at 2"):
        flow.all(retrying().stream(rows, resume=lambda last, start=0: None))
    assert len(source.calls) == 1


def test_an_unknown_argument_is_said(flow):
    """By its name, with the function's."""
    _, rows = numbers(flow, 2)
    rows = retrying().stream(rows, resume=lambda last, start=0: {"begin": last})
    with pytest.raises(ConfigurationError, match="'begin', which is no argument of"):
        flow.all(rows)


def test_an_error_of_resume_itself_passes(flow):
    """It takes the place of the stream's, which is its context."""
    _, rows = numbers(flow, 2)

    def resume(last, start=0):
        raise KeyError("bug")

    with pytest.raises(KeyError, match="bug") as caught:
        flow.all(retrying().stream(rows, resume=resume))
    assert isinstance(caught.value.__context__, ConnectionError)


@pytest.mark.parametrize("layers", [(), (Timeout(5.0), Bulkhead(1))])
def test_without_a_retry_it_is_refused(layers):
    """For the retry says after which errors a stream goes on."""
    with pytest.raises(ConfigurationError, match="needs a Retry in pipeline 'p'"):
        Pipeline("p", *layers).stream(lambda: iter(()), resume=after)


@pytest.mark.parametrize("resume", [3, "after"])
def test_what_cannot_be_called_is_refused(resume):
    """When the function is decorated."""
    with pytest.raises(ConfigurationError, match="resume"):
        retrying().stream(lambda: iter(()), resume=resume)


def test_only_what_the_retry_would_repeat_is_resumed(flow):
    """Another error stands, as before the first item."""
    source = flow.source([1, KeyError("bug")])
    rows = retrying(on=ConnectionError).stream(source.function, resume=lambda last: {})
    with pytest.raises(KeyError, match="bug"):
        flow.all(rows)
    assert len(source.calls) == 1


def test_what_the_consumer_throws_is_not_resumed(flow):
    """It is no failure of the source."""
    source = flow.source([1, 2])
    stream = flow.begin(retrying().stream(source.function, resume=lambda last: {}))
    stream.next()
    with pytest.raises(ConnectionError, match="thrown"):
        stream.throw(ConnectionError("thrown"))
    assert len(source.calls) == 1


def test_leaving_early_is_not_resumed(flow):
    """Who closes a stream wants no more."""
    source, rows = numbers(flow)
    stream = flow.begin(retrying().stream(rows, resume=after))
    stream.next()
    stream.close()
    assert len(source.calls) == 1


def test_the_way_to_the_rest_has_attempts_of_its_own(flow):
    """Retries, until its first item has come."""
    source = flow.source([1, ConnectionError], [ConnectionError], [2])
    assert flow.all(retrying().stream(source.function, resume=lambda last: {})) == [1, 2]
    assert len(source.calls) == 3


def test_it_waits_as_the_retry_says(timed):
    """The delay of a first repetition."""
    source, rows = numbers(timed, 2)
    pipeline = Pipeline("p", Retry(3, backoff=backoff.constant(4.0)))
    assert timed.all(pipeline.stream(rows, resume=after)) == WHOLE
    assert source.times == [0.0, 4.0]


def test_it_takes_from_the_budget(flow):
    """Where that is empty the error stands."""
    budget = RetryBudget()
    source, rows = numbers(flow, 1, 2, 3)
    rows = Pipeline("p", Retry(9, backoff=NO_WAIT, budget=budget)).stream(rows, resume=after)
    before = budget.tokens
    assert flow.all(rows) == WHOLE
    assert len(source.calls) == 4
    assert budget.tokens < before


def test_permits_are_given_back_and_taken_anew(flow):
    """The broken part is a failure of its own; a bulkhead inside the retry needs one place for all."""
    breaker, bulkhead = CircuitBreaker(failures=5), Bulkhead(1)
    source, rows = numbers(flow, 2, 4)
    pipeline = Pipeline("p", Retry(3, backoff=NO_WAIT), bulkhead, breaker)
    stream = flow.begin(pipeline.stream(rows, resume=after))
    assert [stream.next() for _ in range(4)] == [0, 1, 2, 3]
    assert bulkhead.in_flight == 1
    stream.close()
    assert bulkhead.in_flight == 0
    flow.settle()  # what one async generator iterates over, its loop closes
    assert source.open == 0


def test_the_limit_outside_of_the_retry_goes_on(timed):
    """It is the total: over all parts together; the one inside begins anew with each."""
    source, rows = numbers(timed, 3, pause=1.0)
    pipeline = Pipeline("p", Timeout(5.0), Retry(3, backoff=NO_WAIT), Timeout(4.5))
    with pytest.raises(AttemptTimeout):
        timed.all(pipeline.stream(rows, resume=after))
    assert timed.elapsed() == 5.0
    assert len(source.calls) == 2


def test_an_inner_limit_begins_anew(timed):
    """Each part has the whole of it."""
    _, rows = numbers(timed, 3, pause=1.0)
    pipeline = Pipeline("p", Retry(3, backoff=NO_WAIT), Timeout(4.0))
    assert timed.all(pipeline.stream(rows, resume=after)) == WHOLE
    assert timed.elapsed() == 6.0


def test_a_stall_is_resumed_too(timed):
    """Over the limit between two items is an error that the retry repeats."""
    source = timed.source([1, Pause(9.0), "never"], [2, 3])
    pipeline = Pipeline("p", Retry(3, backoff=NO_WAIT), Timeout(60.0, between=2.0))
    assert timed.all(pipeline.stream(source.function, resume=lambda last: {})) == [1, 2, 3]
    assert source.times == [0.0, 2.0]
    assert source.open == 0


def test_a_fallback_may_give_the_rest(flow):
    """It stands around the way to the next item, as it did around the first."""
    source = flow.source([1, ConnectionError], [ConnectionError])
    pipeline = Pipeline("p", Fallback(["cached"]), Retry(2, backoff=NO_WAIT))
    assert flow.all(pipeline.stream(source.function, resume=lambda last: {})) == [1, "cached"]


def test_an_empty_rest_is_the_end(flow):
    """Nothing more was to come."""
    source = flow.source([1, ConnectionError], [])
    assert flow.all(retrying().stream(source.function, resume=lambda last: {})) == [1]


def test_what_is_sent_arrives_after_it_too(flow):
    """The rest is a generator like the first part."""
    source = flow.source([1, ConnectionError], [2, 3])
    stream = flow.begin(retrying().stream(source.function, resume=lambda last: {}))
    assert [stream.next(), stream.send("lost"), stream.send("kept")] == [1, 2, 3]
    stream.close()
    assert source.sent == ["lost", "kept"]
