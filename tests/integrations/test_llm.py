"""`llm`: the pipeline for a language model's API."""

import json
from datetime import timedelta
from importlib import metadata

import httpx
import pytest

from holdfast import (
    AdaptiveRateLimiter,
    Bulkhead,
    CircuitBreaker,
    CircuitOpenError,
    ConfigurationError,
    Fallback,
    RateLimitedError,
    RateLimiter,
    Retry,
    Timeout,
    llm,
)
from holdfast.integrations.llm import client_timeout, estimate, usage, worth_retrying
from holdfast.testing import Fail, Ok
from holdfast.verdict import hint


class Refused(Exception):
    """What a client of such an API raises: an error with a response."""

    def __init__(self, status, headers=(), code=None):
        super().__init__(f"status {status}")
        self.response = httpx.Response(status, headers=dict(headers))
        self.status_code = status
        self.code = code


class APIConnectionError(Exception):
    """Named as in the clients of OpenAI and Anthropic."""


def answer(tokens):
    return {"text": "kelp", "usage": {"total_tokens": tokens}}


class TestWhatIsWorthRetrying:
    @pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529, 520])
    def test_limits_overload_and_faults_of_the_server(self, status):
        """Another attempt may succeed."""
        assert worth_retrying(Refused(status))

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
    def test_mistakes_of_the_caller(self, status):
        """The same request would be refused again."""
        assert not worth_retrying(Refused(status))

    @pytest.mark.parametrize(
        "error", [ConnectionResetError(), TimeoutError(), APIConnectionError()]
    )
    def test_connections_that_fail(self, error):
        """Errors without a status, from the standard library and from the usual clients."""
        assert worth_retrying(error)

    def test_programming_errors(self):
        """An error that tells nothing of the network is none of ours."""
        assert not worth_retrying(ValueError())

    @pytest.mark.parametrize("status, said, expected", [(500, "false", False), (400, "true", True)])
    def test_the_server_knows_better(self, status, said, expected):
        """``x-should-retry`` overrules the status."""
        assert worth_retrying(Refused(status, {"x-should-retry": said})) is expected

    def test_a_quota_that_is_used_up(self):
        """No attempt will succeed before somebody has paid, though the status is 429."""
        assert not worth_retrying(Refused(429, code="insufficient_quota"))

    @pytest.mark.parametrize(
        "error, worth",
        [
            (Refused(409), True),
            (Refused(500, {"x-should-retry": "false"}), False),
            (Refused(400, {"x-should-retry": "true"}), True),
            (Refused(429, code="insufficient_quota"), False),
        ],
        ids=["conflict", "said no", "said yes", "quota"],
    )
    def test_a_wrapper_and_a_group_are_what_they_hold(self, error, worth):
        """An application's own error, and that of a `TaskGroup`, hide none of it."""
        wrapper = RuntimeError("no answer")
        wrapper.__cause__ = error

        assert worth_retrying(wrapper) is worth
        assert worth_retrying(ExceptionGroup("tasks", [error, wrapper])) is worth
        assert not worth_retrying(ExceptionGroup("tasks", [error, ValueError()]))


class TestTokens:
    def test_an_estimate_counts_letters_wherever_they_are(self):
        """Four letters a token, in prompts and in lists of messages, and what the answer may take."""
        messages = [{"role": "user", "content": "12345678"}]

        assert estimate("12345678") == 2
        assert estimate(messages=messages) == 3
        assert estimate("12345678", max_tokens=100) == 102
        assert estimate() == 1
        assert estimate("12345678", max_tokens=None) == 2

    def test_a_picture_is_not_counted_by_its_letters(self):
        """A megabyte in base64 costs about as much as a page of text."""
        picture = {"type": "image", "source": {"type": "base64", "data": "A" * 1_000_000}}

        assert estimate([{"role": "user", "content": [picture]}]) == 1_001

    @pytest.mark.parametrize(
        "told, expected",
        [
            ({"total_tokens": 12}, 12),
            ({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}, 12),
            ({"input_tokens": 5, "output_tokens": 7}, 12),
            ({"input_tokens": 5, "output_tokens": 7, "cache_creation_input_tokens": 8}, 20),
            ({}, None),
            (None, None),
        ],
    )
    def test_usage_of_the_usual_answers(self, told, expected):
        """OpenAI's and Anthropic's forms, as JSON."""
        assert usage({"usage": told}) == expected

    def test_usage_of_objects(self):
        """The clients' own classes have attributes."""

        class Usage:
            input_tokens = 5
            output_tokens = 7

        class Message:
            usage = Usage()

        assert usage(Message()) == 12
        assert usage("text") is None


@pytest.mark.parametrize(
    "value, expected", [("1500", 1.5), ("soon", None), ("-3", None), ("nan", None)]
)
def test_retry_after_in_milliseconds(value, expected):
    """OpenAI and Azure also say it exactly, and that goes before whole seconds."""
    assert hint(Refused(429, {"retry-after-ms": value})) == expected
    assert hint(Refused(429, {"retry-after-ms": "1200", "retry-after": "2"})) == 1.2


def test_the_timeouts_for_a_client():
    """Connecting is quick or hopeless; an answer may take its time."""
    timeout = client_timeout(60.0)

    assert (timeout.connect, timeout.read) == (3.0, 60.0)


@pytest.mark.parametrize(
    "needs, library",
    [
        ({}, "httpx"),
        ({"openai": ["httpx<1,>=0.23.0", "httpx-aiohttp>=0.1.9; extra == 'aiohttp'"]}, "httpx"),
        ({"openai": ["httpx2<3,>=2.12.0"]}, "httpx2"),
        ({"openai": ["httpx<1"], "anthropic": ["anyio", "httpx2<3,>=2.0.0"]}, "httpx2"),
        ({"anthropic": None}, "httpx"),
    ],
)
def test_the_timeouts_are_of_the_library_that_the_sdk_is_built_on(needs, library, monkeypatch):
    """Anthropic's client raises TypeError for those of the other (anthropic 1.0)."""

    def requires(name):
        if name not in needs:
            raise metadata.PackageNotFoundError
        return needs[name]

    monkeypatch.setattr(metadata, "requires", requires)
    assert type(client_timeout()).__module__.split(".")[0] == library


class TestThePipeline:
    def test_the_order(self):
        """The rate limits stand inside the retry, for every attempt counts, and before the breaker."""
        pipeline = llm("model", requests_per_minute=10, tokens_per_minute=100, fallback="sorry")

        kinds = [type(one) for one in pipeline.strategies]
        assert kinds == [
            Fallback, Timeout, Bulkhead, Retry, RateLimiter, CircuitBreaker, Timeout,
        ]  # fmt: skip

    def test_parts_can_be_left_out(self):
        """Each with None; without limits there is no limiter."""
        bare = llm(
            "model",
            timeout=None,
            attempt_timeout=None,
            attempts=None,
            concurrency=None,
            breaker=None,
        )

        assert bare.strategies == ()

    def test_silences_of_a_stream(self):
        """They are limited by the attempt's timeout, which lets a stream go on up to the total."""
        pipeline = llm("model", timeout=600.0, first=60.0, between=timedelta(seconds=30))

        assert pipeline.strategies[-1] == Timeout(600.0, first=60.0, between=30.0)
        short = llm("model", attempt_timeout=90.0, first=20.0)
        assert short.strategies[-1] == Timeout(90.0, first=20.0)
        endless = llm("model", timeout=None, between=30.0)
        assert endless.strategies[-1] == Timeout(120.0, between=30.0)
        assert llm("model").strategies[-1] == Timeout(120.0)

    @pytest.mark.parametrize("part", ["first", "between"])
    @pytest.mark.parametrize("limit", [None, Timeout(60.0), Timeout.adaptive()])
    def test_silences_need_a_limit_that_can_take_them(self, part, limit):
        """None has no place for them, and what is a strategy already says so itself."""
        with pytest.raises(ConfigurationError, match=f"{part}=5.0 .* needs an attempt_timeout"):
            llm("model", attempt_timeout=limit, **{part: 5.0})

    @pytest.mark.parametrize("given", [{"first": 0}, {"between": "1"}, {"first": 301.0}])
    def test_silences_outside_their_range(self, given):
        """They are durations, and no longer than the whole."""
        with pytest.raises(ConfigurationError, match=next(iter(given))):
            llm("model", **given)

    def test_a_limit_is_waited_for_as_long_as_the_server_asks(self, world):
        """A 429 with ``Retry-After: 20`` is followed by an attempt after 20 to 22 seconds."""
        busy = Refused(429, {"Retry-After": "20"})
        dependency = world.dependency(Fail(busy), Ok("kelp"))

        assert world.call(llm("model"), dependency) == "kelp"
        assert 20.0 <= world.elapsed() <= 22.0

    def test_requests_per_minute(self, world):
        """The burst is a tenth of a minute's requests; the next one waits for its turn."""
        pipeline = llm("model", requests_per_minute=60)
        protected = world.protect(pipeline, world.dependency(Ok("kelp")))

        for _ in range(6):
            world.run(protected, "prompt")
        assert world.elapsed() == 0.0
        world.run(protected, "prompt")
        assert world.elapsed() == pytest.approx(1.0)

    def test_the_rate_is_learnt_where_that_is_asked_for(self, world):
        """After a 429 the next calls come more slowly; by default nothing is learnt."""
        pipeline = llm("model", adaptive_rate=True)
        gate = pipeline[AdaptiveRateLimiter]
        dependency = world.dependency(Fail(Refused(429)), Ok("kelp"))
        assert world.call(pipeline, dependency, "prompt") == "kelp"
        assert gate.snapshot()["cuts"] == 1
        assert llm("model", adaptive_rate=gate)[AdaptiveRateLimiter] is gate
        assert AdaptiveRateLimiter not in map(type, llm("model").strategies)

    def test_tokens_are_corrected_by_the_answer(self, world):
        """An answer that took more than estimated makes the next call wait."""
        pipeline = llm("model", tokens_per_minute=600, tokens=lambda _prompt: 100)
        protected = world.protect(pipeline, world.dependency(Ok(answer(600))))

        world.run(protected, "prompt")
        world.run(protected, "prompt")

        assert world.elapsed() == pytest.approx(10.0)

    def test_each_attempt_counts(self, world):
        """What the server has refused has used up a request all the same."""
        pipeline = llm("model", requests_per_minute=10, attempts=2)
        dependency = world.dependency(Fail(Refused(503)), Ok("kelp"))

        world.call(pipeline, dependency, "prompt")

        assert dependency.times[1] - dependency.times[0] == pytest.approx(6.0)

    def test_what_can_never_be_sent(self, world):
        """A prompt above a whole minute's tokens fails at once, and says why."""
        pipeline = llm("model", tokens_per_minute=100, tokens=lambda _prompt: 101)

        with pytest.raises(RateLimitedError, match="can never pass"):
            world.call(pipeline, world.dependency(Ok("kelp")), "prompt")
        assert world.elapsed() == 0.0

    @pytest.mark.parametrize("status, opens", [(429, False), (529, True)])
    def test_the_breaker_counts_overload_but_no_limits(self, world, status, opens):
        """Whoever answers 429 is alive; 529 says that the whole service is overloaded."""
        pipeline = llm("model", attempts=1)
        protected = world.protect(pipeline, world.dependency(Fail(Refused(status))))

        for _ in range(5):
            with pytest.raises(Refused):
                world.run(protected, "prompt")
        with pytest.raises(CircuitOpenError if opens else Refused):
            world.run(protected, "prompt")


@pytest.mark.real_time
def test_a_model_over_http(loopback):
    """A real server that is at its limit, then overloaded, then answers; httpx as the client."""

    def model(number):
        if number == 1:
            yield loopback.reply("429 Too Many Requests", retry_after_ms="30")
        elif number == 2:
            yield loopback.reply("529 Overloaded", retry_after_ms="30")
        else:
            yield loopback.reply(body=json.dumps(answer(5)).encode())

    server = loopback(model)
    pipeline = llm("model", attempts=Retry(3, on=worth_retrying, backoff=lambda _attempt: 0.0))

    with httpx.Client(timeout=client_timeout(5.0)) as client:

        @pipeline
        def ask(prompt):
            response = client.post(server.url, json={"prompt": prompt})
            return response.raise_for_status().json()

        assert ask("what grows on rocks?")["text"] == "kelp"
    assert len(server.requests) == 3
