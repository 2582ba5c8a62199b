"""An attempt lasts until the first item: until then a stream is a call like any other."""

import pytest

from holdfast import (
    CircuitBreaker,
    CircuitOpenError,
    Fallback,
    Hedge,
    Pipeline,
    Retry,
    backoff,
    on_result,
)
from tests.streams.flows import Pause

NO_WAIT = backoff.constant(0.0)


def test_the_generator_is_made_anew_for_each_attempt(flow):
    """With the same arguments, until one gives its first item."""
    source = flow.source([ConnectionError], [TimeoutError("slow")], [1, 2])
    rows = Pipeline("p", Retry(3, backoff=NO_WAIT))(source.function)
    assert flow.all(rows, "a", 5) == [1, 2]
    assert source.calls == [("a", 5)] * 3
    assert source.ended == [ConnectionError, TimeoutError, None]


def test_nothing_runs_before_the_first_item_is_asked_for(flow):
    """A protected generator that is closed unused has called nothing."""
    source = flow.source([1])
    stream = flow.begin(Pipeline("p", Retry(3))(source.function))
    stream.close()
    assert source.calls == []


def test_the_last_error_passes_when_attempts_are_over(flow):
    """As the very object that the generator raised, with the retry's note."""
    last = ConnectionError("down")
    source = flow.source([ConnectionError], [last])
    with pytest.raises(ConnectionError) as caught:
        flow.all(Pipeline("p", Retry(2, backoff=NO_WAIT))(source.function))
    assert caught.value is last
    assert "gave up after 2 attempts" in caught.value.__notes__[0]


def test_nothing_is_repeated_after_the_first_item(flow):
    """The consumer has it: another one would be another stream."""
    source = flow.source([1, ConnectionError("broken off")])
    stream = flow.begin(Pipeline("p", Retry(3, backoff=NO_WAIT))(source.function))
    assert stream.next() == 1
    with pytest.raises(ConnectionError, match="broken off") as caught:
        stream.next()
    assert len(source.calls) == 1
    assert not hasattr(caught.value, "__notes__")
    with pytest.raises(flow.end):
        stream.next()


def test_a_retry_may_judge_the_first_item(flow):
    """One that it repeats is closed, and nobody gets it."""
    source = flow.source(["busy", "more"], [1, 2])
    retry = Retry(3, on=on_result(lambda item: item == "busy"), backoff=NO_WAIT)
    assert flow.all(Pipeline("p", retry)(source.function)) == [1, 2]
    flow.settle()
    assert source.ended.count(GeneratorExit) == 1
    assert source.open == 0


def test_a_breaker_counts_attempts_that_give_no_item(flow):
    """And refuses at the first item, not when the function is called."""
    source = flow.source([ConnectionError])
    rows = Pipeline("p", CircuitBreaker(failures=2))(source.function)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            flow.all(rows)
    stream = flow.begin(rows)
    with pytest.raises(CircuitOpenError):
        stream.next()
    assert len(source.calls) == 2


def test_delays_between_attempts_pass_before_the_first_item(timed):
    """The consumer waits for them, as it would for any call."""
    source = timed.source([Pause(0.5), ConnectionError], [1])
    rows = Pipeline("p", Retry(2, backoff=backoff.constant(2.0)))(source.function)
    assert timed.all(rows) == [1]
    assert source.times == [0.0, 2.5]


def test_the_loser_of_a_hedge_is_closed(timed):
    """Both draw their first item; the other's generator is closed, and told so."""
    source = timed.source([Pause(5.0), "slow", "more"], [Pause(0.5), "quick", "rest"])
    rows = Pipeline("p", Hedge(after=1.0))(source.function)
    assert timed.all(rows) == ["quick", "rest"]
    timed.sleep(10.0)
    assert len(source.calls) == 2
    assert source.open == 0
    assert None in source.ended


def test_a_hedge_starts_no_other_one_after_the_first_item(timed):
    """A stream that is slow in its middle is no reason to begin anew."""
    source = timed.source([1, Pause(5.0), 2])
    assert timed.all(Pipeline("p", Hedge(after=1.0))(source.function)) == [1, 2]
    assert len(source.calls) == 1


@pytest.mark.parametrize("answer, items", [
    (["a", "b"], ["a", "b"]), ("text", ["text"]), (b"raw", [b"raw"]), ({"a": 1}, [{"a": 1}]),
    (7, [7]), (None, [None]), ((), []), ([], []),
])  # fmt: skip
def test_a_fallbacks_answer_is_a_stream(flow, answer, items):
    """What can be iterated over gives its items; a text, or anything else, is the only item."""
    source = flow.source([ConnectionError])
    assert flow.all(Pipeline("p", Fallback(answer))(source.function)) == items


def test_a_fallback_may_be_a_generator_function(flow):
    """It gets the error, as ever, and each call has its own."""
    source = flow.source([ConnectionError("down")])

    def instead(error):
        yield str(error)
        yield "later"

    rows = Pipeline("p", Fallback(instead))(source.function)
    assert flow.all(rows) == ["down", "later"]
    assert flow.all(rows) == ["down", "later"]


def test_a_fallback_does_not_replace_the_rest(flow):
    """After the first item it is too late for another answer."""
    source = flow.source([1, ConnectionError])
    with pytest.raises(ConnectionError):
        flow.all(Pipeline("p", Fallback([7]))(source.function))


def test_an_empty_stream_is_a_success(flow):
    """That there is nothing is an answer, too."""
    source = flow.source([])
    breaker = CircuitBreaker(failures=1)
    rows = Pipeline("p", Fallback([7]), Retry(3, backoff=NO_WAIT), breaker)(source.function)
    assert flow.all(rows) == []
    assert (len(source.calls), breaker.state) == (1, "closed")
