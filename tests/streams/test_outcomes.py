"""What gates learn from a stream: from its start, an error in its middle, a consumer who leaves."""

import pytest

from holdfast import (
    Bulkhead,
    CircuitBreaker,
    ConcurrencyLimiter,
    Keyed,
    LoadShedder,
    Pipeline,
    RateLimiter,
)
from tests.streams.flows import Pause

BROKEN = [1, ConnectionError("broken off")]


def broken_off(flow, *layers, script=BROKEN, times=1):
    """Consume streams that break off in their middle."""
    rows = Pipeline("p", *layers)(flow.source(script).function)
    for _ in range(times):
        with pytest.raises(ConnectionError):
            flow.all(rows)


def left_early(flow, *layers, script=(1, 2), times=1):
    """Leave streams after their first item."""
    rows = Pipeline("p", *layers)(flow.source(script).function)
    for _ in range(times):
        stream = flow.begin(rows)
        stream.next()
        stream.close()


# -- breakers ----------------------------------------------------------------------------------------


def test_a_stream_that_breaks_off_is_a_failure(flow):
    """Though its first item came."""
    breaker = CircuitBreaker(failures=2)
    broken_off(flow, breaker, times=2)
    assert breaker.state == "open"


def test_leaving_early_says_nothing(flow):
    """It is neither a failure nor a success that ends a row of failures."""
    breaker = CircuitBreaker(failures=2)
    broken_off(flow, breaker)
    left_early(flow, breaker, times=5)
    assert breaker.snapshot()["failures_in_a_row"] == 1


def test_a_stream_to_its_end_is_a_success(flow):
    """It ends a row of failures."""
    breaker = CircuitBreaker(failures=2)
    broken_off(flow, breaker)
    flow.all(Pipeline("p", breaker)(flow.source([1, 2]).function))
    assert breaker.snapshot()["failures_in_a_row"] == 0


def test_a_stream_may_be_a_probe(timed):
    """Its end decides; who leaves the probe early gives its place back."""
    breaker = CircuitBreaker(failures=1, open_for=10.0, probes=1)
    for end, state in (("left", "half-open"), ("broken", "open"), ("whole", "closed")):
        breaker.trip()
        timed.sleep(1000.0)
        if end == "left":
            left_early(timed, breaker)
        elif end == "broken":
            broken_off(timed, breaker)
        else:
            timed.all(Pipeline("p", breaker)(timed.source([1, 2]).function))
        assert breaker.state == state
        assert breaker.snapshot()["probes_in_flight"] == 0


@pytest.mark.parametrize("script, slow", [([1, Pause(50.0), 2], 0), ([Pause(3.0), 1], 1)])
def test_a_slow_call_is_one_whose_first_item_was_slow(timed, script, slow):
    """A long stream is no slow call."""
    breaker = CircuitBreaker(slow=2.0, slow_rate=0.5, min_calls=1)
    timed.all(Pipeline("p", breaker)(timed.source(script).function))
    assert (breaker.state == "open") == bool(slow)


# -- keyed -------------------------------------------------------------------------------------------


def test_each_key_hears_of_its_own_streams(flow):
    """One tenant's that break off are no affair of another's."""
    keyed = Keyed(str, lambda _: CircuitBreaker(failures=1))
    source = flow.source(BROKEN, [1, 2])
    rows = Pipeline("p", keyed)(source.function)
    with pytest.raises(ConnectionError):
        flow.all(rows, "a")
    assert flow.all(rows, "b") == [1, 2]
    assert (keyed.at("a").state, keyed.at("b").state) == ("open", "closed")


def test_a_keys_bulkhead_is_held(flow):
    """Until its stream has ended."""
    keyed = Keyed(str, lambda _: Bulkhead(1))
    rows = Pipeline("p", keyed)(flow.source([1, 2]).function)
    stream = flow.begin(rows, "a")
    stream.next()
    assert keyed.at("a").in_flight == 1
    assert flow.all(rows, "b") == [1, 2]
    stream.close()
    assert keyed.at("a").in_flight == 0


def test_a_keys_latency_is_that_to_the_first_item(timed):
    """The key's own strategy is told when the answer began."""
    keyed = Keyed(str, lambda _: CircuitBreaker(slow=2.0, slow_rate=0.5, min_calls=1))
    rows = Pipeline("p", keyed)(timed.source([1, Pause(50.0), 2], [Pause(3.0), 1]).function)
    timed.all(rows, "a")
    assert keyed.at("a").state == "closed"
    timed.all(rows, "a")
    assert keyed.at("a").state == "open"


# -- limiters and shedders ---------------------------------------------------------------------------


@pytest.mark.parametrize("make", [ConcurrencyLimiter, LoadShedder, Bulkhead])
def test_a_place_is_taken_for_as_long_as_a_stream_lasts(flow, make):
    """Whatever its end, it is free again."""
    gate = make() if make is ConcurrencyLimiter else make(4)
    source = flow.source([1, 2], [1, 2], BROKEN)
    rows = Pipeline("p", gate)(source.function)
    streams = [flow.begin(rows) for _ in range(3)]
    assert [one.next() for one in streams] == [1, 1, 1]
    assert gate.in_flight == 3
    streams[0].close()
    assert gate.in_flight == 2
    assert streams[1].next() == 2
    with pytest.raises(flow.end):
        streams[1].next()
    with pytest.raises(ConnectionError):
        streams[2].next()
    assert gate.in_flight == 0


class Noting:
    """An algorithm that notes what it is shown, and leaves the limit as it is."""

    limit = 10.0
    usual = 0.0

    def __init__(self):
        self.samples = []

    def search(self, low=1, high=200, initial=None):
        return self

    def sample(self, now, latency, in_flight, lost):
        self.samples.append((latency, in_flight, lost))
        return self.limit


@pytest.mark.parametrize("make", [ConcurrencyLimiter, LoadShedder])
def test_a_sample_is_the_time_to_the_first_item(timed, make):
    """However long the stream lasts; one that stalls is a loss, and leaving early is no sample."""
    noting = Noting()
    gate = make(noting)
    source = timed.source(
        [Pause(0.25), 1, Pause(60.0), 2],
        [Pause(0.5), 1, Pause(1.0), TimeoutError("stalled")],
        [1, 2],
    )
    rows = Pipeline("p", gate)(source.function)
    assert timed.all(rows) == [1, 2]
    with pytest.raises(TimeoutError):
        timed.all(rows)
    left_early(timed, gate)
    assert noting.samples == [(0.25, 1, False), (0.5, 1, True)]


def test_a_rate_is_one_of_beginnings(timed):
    """A stream takes one token, at its start; how many items it gives makes no odds."""
    limiter = RateLimiter(1, per=10.0, max_wait=60.0)
    rows = Pipeline("p", limiter)(timed.source([1, 2, 3]).function)
    assert timed.all(rows) == [1, 2, 3]
    assert timed.elapsed() == 0.0
    assert timed.all(rows) == [1, 2, 3]
    assert timed.elapsed() == 10.0
