"""The real SDKs of OpenAI and Anthropic, streaming from a server that misbehaves."""

import pytest

from holdfast import AttemptTimeout, Bulkhead, CircuitBreaker, Retry, llm, transient, unhealthy
from holdfast.integrations.llm import worth_retrying
from holdfast.verdict import THROTTLED, TIMEOUT, TRANSIENT, judge
from tests.clients.streams.fake import BREAK, SHORT, STALL, Answer

pytestmark = pytest.mark.real_time

SOON = 0.5
"""Seconds of silence that are too many, where the server is silent."""

PATIENT = 30.0
"""Seconds for what comes at once."""


def protection(**options):
    """Return what `llm` makes, without delays."""
    again = Retry(3, on=worth_retrying, backoff=lambda _attempt: 0.0)
    return llm("model", **{"attempts": again, "attempt_timeout": PATIENT, **options})


def in_flight(pipeline):
    return pipeline[Bulkhead].snapshot()["in_flight"]


def failures(pipeline):
    return pipeline[CircuitBreaker].snapshot()["failures_in_a_row"]


class TestBeforeTheFirstItem:
    def test_a_whole_answer(self, model, serve):
        """It comes as ever, and nothing is asked twice."""
        pipeline = protection()
        with serve(Answer(model.whole("ke", "lp"))) as server:
            came, error = model.read(model.events(pipeline, server.url))

            assert error is None
            assert [text for one in came if (text := model.says.text(one))] == ["ke", "lp"]
            assert server.requests == 1
        assert in_flight(pipeline) == 0

    def test_a_stall_is_cut_and_asked_anew(self, model, serve):
        """The headers have come, and no event: that is no first item."""
        pipeline = protection(first=SOON)
        with serve(Answer(then=STALL), Answer(model.whole("kelp"))) as server:
            came, error = model.read(model.texts(pipeline, server.url))

            assert (came, error) == (["kelp"], None)
            assert server.requests == 2
            assert server.left.acquire(timeout=PATIENT)
        assert in_flight(pipeline) == 0

    @pytest.mark.parametrize("status", [429, 529, 503])
    def test_a_refusal_is_repeated(self, model, serve, status):
        """``Retry-After`` is obeyed as for any call."""
        busy = Answer(status=status, headers=(("retry-after-ms", "20"),))
        with serve(busy, busy, Answer(model.whole("kelp"))) as server:
            came, error = model.read(model.texts(protection(), server.url))

            assert (came, error) == (["kelp"], None)
            assert server.requests == 3

    def test_an_overload_that_is_the_first_event(self, model, serve):
        """A 200 that begins with an error is an attempt that failed."""
        overloaded = Answer((model.says.fails("overloaded_error"),))
        with serve(overloaded, Answer(model.whole("kelp"))) as server:
            came, error = model.read(model.events(protection(), server.url))

            assert error is None
            assert server.requests == 2
        assert any(model.says.text(one) for one in came)

    def test_what_is_overloaded_for_ever(self, model, serve):
        """The SDK's own error is raised in the end, and the breaker has counted each attempt."""
        pipeline = protection()
        with serve(Answer((model.says.fails("overloaded_error"),))) as server:
            came, error = model.read(model.events(pipeline, server.url))

            assert server.requests == 3
        assert came == []
        assert type(error).__name__ == model.says.error
        assert (failures(pipeline), in_flight(pipeline)) == (3, 0)

    def test_a_connection_that_breaks(self, model, serve):
        """It is transient, whichever class the SDK gives it."""
        with serve(Answer(then=BREAK), Answer(model.whole("kelp"))) as server:
            came, error = model.read(model.texts(protection(), server.url))

            assert (came, error) == (["kelp"], None)
            assert server.requests == 2


class TestAfterTheFirstItem:
    def begun(self, model, then, *events):
        return Answer((model.says.start(), model.says.says("ke"), *events), then)

    def test_a_stall_is_cut_and_nothing_is_repeated(self, model, serve):
        """What had come is the consumer's; the connection is closed, and the breaker has seen it."""
        pipeline = protection(between=SOON)
        with serve(self.begun(model, STALL)) as server:
            came, error = model.read(model.texts(pipeline, server.url))

            assert server.left.acquire(timeout=PATIENT)
            assert server.requests == 1
        assert came == ["ke"]
        assert type(error) is AttemptTimeout
        assert (failures(pipeline), in_flight(pipeline)) == (1, 0)

    def test_a_connection_that_breaks(self, model, serve):
        """The SDK's error is raised as it is, and is transient."""
        pipeline = protection()
        with serve(self.begun(model, BREAK)) as server:
            came, error = model.read(model.texts(pipeline, server.url))

            assert server.requests == 1
        assert came == ["ke"]
        assert type(error).__name__ == model.says.broken
        assert judge(error).kind is TRANSIENT
        assert (failures(pipeline), in_flight(pipeline)) == (1, 0)

    def test_an_overload(self, model, serve):
        """Anthropic's ``event: error``, OpenAI's ``error`` object: raised, counted, not repeated."""
        pipeline = protection()
        with serve(self.begun(model, STALL, model.says.fails("overloaded_error"))) as server:
            came, error = model.read(model.texts(pipeline, server.url))

            assert server.left.acquire(timeout=PATIENT)
            assert server.requests == 1
        assert came == ["ke"]
        assert type(error).__name__ == model.says.error
        assert (failures(pipeline), in_flight(pipeline)) == (1, 0)

    def test_an_end_that_is_none(self, model, serve):
        """An answer that lacks its last events looks whole to the SDKs: only its content tells."""
        with serve(self.begun(model, SHORT)) as server:
            came, error = model.read(model.texts(protection(), server.url))

            assert (came, error, server.requests) == (["ke"], None, 1)

    def test_a_consumer_who_leaves(self, model, serve):
        """The connection is closed, the permits come back, and nobody takes it for a failure."""
        pipeline = protection()
        with serve(self.begun(model, STALL)) as server:
            came, error = model.read(model.texts(pipeline, server.url), most=1)

            assert server.left.acquire(timeout=PATIENT)
        assert (came, error) == (["ke"], None)
        assert (failures(pipeline), in_flight(pipeline)) == (0, 0)

    def test_a_consumer_who_forgets(self, model, serve):
        """The same, as soon as nobody refers to the stream; OpenAI's own async one stays open then."""
        pipeline = protection()
        with serve(self.begun(model, STALL)) as server:
            ask = model.events(pipeline, server.url)

            assert model.forget(ask, lambda: server.left.acquire(timeout=PATIENT))
        assert (failures(pipeline), in_flight(pipeline)) == (0, 0)


class TestWhatTheFirstItemIs:
    """The SDKs count an event before any text: OpenAI's role, Anthropic's ``message_start``."""

    def late(self, model):
        return Answer((model.says.start(), model.says.fails("overloaded_error")))

    def test_an_overload_right_after_the_start_comes_too_late(self, model, serve):
        """Protected is what the SDK yields, and that has begun."""
        with serve(self.late(model), Answer(model.whole("kelp"))) as server:
            came, error = model.read(model.events(protection(), server.url))

            assert server.requests == 1
        assert len(came) == 1
        assert judge(error).kind is TRANSIENT

    def test_a_generator_of_texts_is_asked_anew(self, model, serve):
        """Its first item is the first text, so what comes before belongs to the attempt."""
        with serve(self.late(model), Answer(model.whole("kelp"))) as server:
            came, error = model.read(model.texts(protection(), server.url))

            assert (came, error) == (["kelp"], None)
            assert server.requests == 2

    def test_a_stall_right_after_the_start(self, model, serve):
        """``first`` is the time to the first text then, too."""
        stalled = Answer((model.says.start(),), STALL)
        with serve(stalled, Answer(model.whole("kelp"))) as server:
            came, error = model.read(model.texts(protection(first=SOON), server.url))

            assert (came, error) == (["kelp"], None)
            assert server.requests == 2


@pytest.mark.parametrize(
    "told, kind",
    [
        ("overloaded_error", TRANSIENT),
        ("api_error", TRANSIENT),
        ("server_error", TRANSIENT),
        ("rate_limit_error", THROTTLED),
        ("rate_limit_exceeded", THROTTLED),
        ("timeout_error", TIMEOUT),
    ],
)
def test_the_verdict_about_an_error_in_a_stream(model, serve, told, kind):
    """Its status is 200, or it has none: its type says what it is."""
    with serve(Answer((model.says.fails(told),))) as server:
        _, error = model.read(model.events(protection(attempts=None), server.url))

    assert judge(error).kind is kind
    assert transient.matches(error)
    assert worth_retrying(error)
    assert unhealthy.matches(error) is (kind is not THROTTLED)


@pytest.mark.parametrize("told", ["invalid_request_error", "insufficient_quota"])
def test_what_is_not_repeated(model, serve, told):
    """The same request would fail again."""
    with serve(Answer((model.says.fails(told),))) as server:
        _, error = model.read(model.events(protection(), server.url))

        assert server.requests == 1
    assert type(error).__name__ == model.says.error
