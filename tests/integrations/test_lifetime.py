"""How long a request may take, and how long it takes up room, with plain values."""

import math

import pytest

from holdfast import (
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    Coalesce,
    ConfigurationError,
    Fallback,
    Pipeline,
    Retry,
    Timeout,
    deadline,
)
from holdfast.integrations._lifetime import (
    SHORTEST,
    Horizon,
    Lasting,
    Limits,
    UntilClosed,
    fitted,
    least,
)
from holdfast.shapes import NOWHERE


class TestLeast:
    @pytest.mark.parametrize(
        "asked,left,timeout",
        [(5.0, 2.0, 2.0), (1.0, 2.0, 1.0), (None, 2.0, 2.0), (5.0, math.inf, 5.0),
         (None, math.inf, None)],
    )  # fmt: skip
    def test_the_shorter_one_holds(self, asked, left, timeout):
        """None means no timeout."""
        assert least(asked, left) == timeout

    def test_it_is_never_zero(self):
        """A socket would take zero for "do not block"."""
        assert least(5.0, 0.0) == SHORTEST
        assert least(None, -3.0) == SHORTEST


class TestLimits:
    def test_it_holds_what_the_client_asked_for(self):
        """Without a deadline nothing changes."""
        limits = Limits({"connect": 3.0, "read": None}, math.inf)

        assert limits == {"connect": 3.0, "read": None}
        assert limits["read"] is None

    def test_it_is_cut_to_what_is_left(self, holdfast_clock):
        """Timeouts shrink, and what had none gets one."""
        limits = Limits({"connect": 3.0, "read": None}, holdfast_clock.now() + 2.0)

        assert limits == {"connect": 2.0, "read": 2.0}

    def test_each_look_cuts_it_again(self, holdfast_clock):
        """A client that spent time on connecting gets less for reading."""
        limits = Limits({"connect": 3.0, "read": 5.0}, holdfast_clock.now() + 4.0)

        holdfast_clock.advance(1.5)

        assert limits.get("read") == 2.5
        assert limits["read"] == 2.5
        assert limits["connect"] == 2.5

    def test_a_later_end_gives_time_back_up_to_what_was_asked(self, holdfast_clock):
        """The body may take longer than the attempt."""
        limits = Limits({"read": 5.0}, holdfast_clock.now() + 1.0)

        limits.at = holdfast_clock.now() + 60.0

        assert limits.get("read") == 5.0

    def test_other_keys_are_not_there(self, holdfast_clock):
        """As in any dict."""
        limits = Limits({"read": 5.0}, holdfast_clock.now() + 1.0)

        assert limits.get("pool") is None
        assert limits.get("pool", 7.0) == 7.0
        with pytest.raises(KeyError):
            _ = limits["pool"]


class Response:
    def __init__(self):
        self.stream = Lasting()


class TestUntilClosed:
    @pytest.fixture
    def bulkhead(self):
        """A bulkhead for one."""
        return Bulkhead(1)

    @pytest.fixture
    def gate(self, bulkhead):
        """The same, until the body is closed."""
        return UntilClosed(bulkhead)

    def enter(self, gate):
        return gate.enter(0.0, (), {}, NOWHERE)

    def test_the_permit_is_taken_until_the_body_is_closed(self, gate, bulkhead):
        """A response whose body is still to come takes up a connection."""
        response = Response()
        gate.succeeded(self.enter(gate), 0.0, response)
        assert bulkhead.in_flight == 1
        with pytest.raises(BulkheadFullError):
            self.enter(gate)

        response.stream._ended()

        assert bulkhead.in_flight == 0

    def test_it_comes_back_at_once_when_there_is_no_body(self, gate, bulkhead):
        """Whatever a fallback returned takes up nothing."""
        gate.succeeded(self.enter(gate), 0.0, "a value")

        assert bulkhead.in_flight == 0

    def test_it_comes_back_at_once_when_the_body_has_been_read(self, gate, bulkhead):
        """Small answers are read in advance."""
        response = Response()
        response.stream._ended()

        gate.succeeded(self.enter(gate), 0.0, response)

        assert bulkhead.in_flight == 0

    def test_an_error_with_a_response_takes_up_room_like_one(self, gate, bulkhead):
        """An answer 503 has a body, too."""
        error = OSError()
        error.response = Response()
        gate.failed(self.enter(gate), 0.0, error)
        assert bulkhead.in_flight == 1

        error.response.stream._ended()

        assert bulkhead.in_flight == 0

    def test_a_call_that_was_cancelled_has_no_body(self, gate, bulkhead):
        """Its permit comes back at once."""
        gate.abandoned(self.enter(gate), 0.0)

        assert bulkhead.in_flight == 0

    def test_its_name_is_the_bulkheads(self, gate, bulkhead):
        """People see what they wrote."""
        assert repr(gate) == repr(bulkhead)


class TestLasting:
    def test_what_is_to_happen_happens_once(self):
        """Whoever closes it first does it."""
        done = []
        body = Lasting()
        assert body.when_closed(lambda: done.append("a"))
        assert body.when_closed(lambda: done.append("b"))

        body._ended()
        body._ended()

        assert sorted(done) == ["a", "b"]
        assert not body.when_closed(lambda: done.append("c"))

    @pytest.mark.parametrize("served", [False, True])
    def test_an_end_in_the_very_instant_does_it_once(self, served):
        """Closed by another thread between two steps: either that one does it, or whoever asked."""
        done = []

        class Afterwards(list):
            def append(self, action):
                super().append(action)
                body.open = False
                if served:
                    self.pop()()

        def action():
            done.append("action")

        body = Lasting()
        body._afterwards = Afterwards()
        if not body.when_closed(action):
            action()

        assert done == ["action"]


class TestFitted:
    def kinds(self, *strategies):
        return [type(one).__name__ for one in fitted(Pipeline("p", *strategies))]

    def test_timeouts_become_cooperative_and_bulkheads_last(self):
        """Everything else is the same object, so that its state is shared."""
        breaker = CircuitBreaker()
        layers = (Timeout(10.0), Bulkhead(5), Retry(3), breaker, Timeout(2.0))

        result = fitted(Pipeline("p", *layers))

        assert result[0] == Timeout(10.0, sync="cooperative")
        assert isinstance(result[1], UntilClosed)
        assert isinstance(result[2], Horizon)
        assert result[3] is layers[2]
        assert result[4] is breaker
        assert result[5] == Timeout(2.0, sync="cooperative")

    def test_the_whole_meets_its_attempts_at_the_retry(self):
        """Limits outside of it cover the body."""
        assert self.kinds(Timeout(9.0), Retry(3), Timeout(2.0)) == [
            "Timeout",
            "Horizon",
            "Retry",
            "Timeout",
        ]
        assert self.kinds(Retry(3), Timeout(2.0)) == ["Horizon", "Retry", "Timeout"]

    @pytest.mark.filterwarnings("ignore::holdfast.CompositionWarning")
    def test_without_a_retry_the_outermost_timeout_covers_the_body(self):
        """It is the only total that there is."""
        assert self.kinds(Bulkhead(1), Timeout(2.0), CircuitBreaker()) == [
            "UntilClosed", "Timeout", "Horizon", "CircuitBreaker",
        ]  # fmt: skip
        assert self.kinds() == ["Horizon"]

    @pytest.mark.parametrize(
        "layer",
        [
            Coalesce(lambda exchange: exchange.request.url),
            Fallback.stale(60.0),
            Fallback.stale(60.0, key=lambda exchange: exchange.request.url),
        ],
        ids=["shared", "kept", "kept by URL"],
    )
    def test_a_response_can_be_neither_shared_nor_kept(self, layer):
        """Its body can be read by one caller, once."""
        with pytest.raises(ConfigurationError, match="around the function that sends the request"):
            fitted(Pipeline("p", layer))

    def test_the_horizon_is_the_deadline_where_it_stands(self, holdfast_clock):
        """Not that of one attempt."""
        exchange = type("Exchange", (), {})()
        layers = fitted(Pipeline("p", Timeout(9.0), Retry(3), Timeout(2.0)))
        call = Pipeline("p", *layers)(lambda one: None)

        with deadline(60.0):
            call(exchange)

        assert exchange.horizon[0] == holdfast_clock.now() + 9.0
        assert repr(Horizon()) == "Horizon()"
