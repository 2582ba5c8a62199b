"""Other ways to stream with the SDKs: OpenAI's responses, the helpers that put messages together."""

import importlib.util

import pytest

from holdfast import RateLimiter, Retry, llm
from holdfast.integrations.llm import worth_retrying
from holdfast.verdict import TRANSIENT, judge
from tests.clients.streams import fake
from tests.clients.streams.fake import Answer
from tests.clients.streams.sdks import Model

pytestmark = pytest.mark.real_time

RESPONSE = {
    "id": "1", "object": "response", "created_at": 1, "model": "kelp", "output": [], "tools": [],
    "parallel_tool_calls": True, "tool_choice": "auto",
}  # fmt: skip
USED = {
    "input_tokens": 200, "output_tokens": 400, "total_tokens": 600,
    "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0},
}  # fmt: skip
MESSAGES = [{"role": "user", "content": "What grows?"}]


def event(kind, **more):
    return fake.openai({"type": kind, "sequence_number": 0, **more})


CREATED = event("response.created", response=RESPONSE | {"status": "in_progress"})
SAYS = event(
    "response.output_text.delta", delta="kelp", item_id="1", output_index=0, content_index=0, logprobs=[]
)  # fmt: skip
COMPLETED = event("response.completed", response=RESPONSE | {"status": "completed", "usage": USED})
FAILURE = {"code": "server_error", "message": "no"}
FAILED = event("response.failed", response=RESPONSE | {"status": "failed", "error": FAILURE})
ERROR = event("error", param=None, **FAILURE)


@pytest.fixture
def openai():
    return made("openai")


@pytest.fixture
def anthropic():
    return made("anthropic")


def made(name):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"python3 dev.py clients has {name}")
    return Model(name)


def protection():
    again = Retry(3, on=worth_retrying, backoff=lambda _attempt: 0.0)
    return llm("model", attempts=again, tokens_per_minute=600, tokens=lambda *_: 100)


def waits(pipeline):
    """Return whether the next call would wait, because this one took more than was estimated."""
    return pipeline[RateLimiter].wait_for(100) > 0.0


class TestResponses:
    @pytest.mark.parametrize("last", [FAILED, ERROR], ids=["failed", "error"])
    def test_failures_are_items(self, openai, serve, last):
        """The SDK raises nothing for them, so no retry and no breaker sees one."""
        with serve(Answer((last,))) as server:
            client = openai.client(server.url)
            ask = protection().stream(
                lambda: client.responses.create(model="kelp", input="?", stream=True)
            )
            came, error = openai.read(ask)

            assert server.requests == 1
        assert error is None
        assert [one.type for one in came] in (["response.failed"], ["error"])

    @pytest.mark.parametrize("last", [FAILED, ERROR], ids=["failed", "error"])
    def test_a_generator_raises_them(self, openai, serve, last):
        """As the SDK does for chat completions: then they are known, and asked anew."""
        with serve(Answer((CREATED, last)), Answer((CREATED, SAYS, COMPLETED))) as server:
            client = openai.client(server.url)

            @protection()
            def texts():
                with client.responses.create(model="kelp", input="?", stream=True) as events:
                    for one in events:
                        if one.type in ("error", "response.failed"):
                            raise failed(openai.sdk, events, one)
                        if one.type == "response.output_text.delta":
                            yield one.delta

            assert openai.read(texts) == (["kelp"], None)
            assert server.requests == 2

    def test_usage(self, openai, serve):
        """The event that completes a response says what it took."""
        pipeline = protection()
        with serve(Answer((CREATED, SAYS, COMPLETED))) as server:
            client = openai.client(server.url)
            ask = pipeline.stream(
                lambda: client.responses.create(model="kelp", input="?", stream=True)
            )
            assert openai.read(ask)[1] is None

        assert waits(pipeline)


def failed(sdk, events, one):
    told = one if one.type == "error" else one.response.error
    error = sdk.APIError(told.message, request=events.response.request, body={"code": told.code})
    assert judge(error).kind is TRANSIENT
    return error


def test_usage_of_chat_completions(openai, serve):
    """The last chunk has it, if ``stream_options`` asks for it; its choices are empty."""
    pipeline, chat = protection(), openai.says
    last = {"id": "1", "object": "chat.completion.chunk", "choices": [], "usage": USED}
    events = (chat.start(), chat.says("kelp"), fake.openai(last), fake.openai("[DONE]"))
    with serve(Answer(events)) as server:
        assert openai.read(openai.events(pipeline, server.url))[1] is None

    assert waits(pipeline)


@pytest.mark.parametrize("helped", [True, False], ids=["stream", "create"])
def test_usage_of_messages(anthropic, serve, helped):
    """The last event of the helper holds the whole message; that of ``create`` tells nothing."""
    pipeline, says = protection(), anthropic.says
    block = {"type": "text", "text": ""}
    begins = fake.anthropic({"type": "content_block_start", "index": 0, "content_block": block})
    ends = fake.anthropic({"type": "content_block_stop", "index": 0})
    told = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": USED}
    last = (fake.anthropic(told), fake.anthropic({"type": "message_stop"}))
    with serve(Answer((says.start(), begins, says.says("kelp"), ends, *last))) as server:
        client = anthropic.client(server.url)

        @pipeline
        def helper():
            with client.messages.stream(model="kelp", max_tokens=9, messages=MESSAGES) as events:
                yield from events

        ask = helper if helped else pipeline.stream(lambda: says.ask(client))
        assert anthropic.read(ask)[1] is None

    assert waits(pipeline) is helped
