"""`llm` around streams: what an answer took is told by its last item, where that tells it."""

import asyncio

import pytest

from holdfast import Keyed, Pipeline, Rate, RateLimiter, Timeout, llm
from holdfast.integrations.llm import usage
from holdfast.testing import VirtualClock, run

CHUNK = {"choices": [{"delta": {"content": "kelp"}}], "usage": None}
COUNTED = {"choices": [], "usage": {"total_tokens": 600}}
"""OpenAI's last chunk, with ``stream_options={"include_usage": True}``."""

STARTED = {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}


def streaming(pipeline, colour, *items, error=None):
    """Return a function that reads the items to their end, protected."""
    if colour == "blocking":

        @pipeline
        def stream(prompt):
            yield from items
            if error is not None:
                raise error

        return lambda prompt: list(stream(prompt))

    @pipeline
    async def stream_later(prompt):
        for one in items:
            yield one
        if error is not None:
            raise error

    async def read(prompt):
        return [one async for one in stream_later(prompt)]

    return lambda prompt: run(read(prompt))


def model(**options):
    return llm("model", tokens_per_minute=600, tokens=lambda _prompt: 100, **options)


def wait(pipeline):
    """Return the seconds for which a call of 100 tokens would have to wait."""
    return pipeline[RateLimiter].wait_for(100)


@pytest.fixture(params=["blocking", "asyncio"])
def colour(request):
    return request.param


class TestTokens:
    @pytest.mark.parametrize(
        "last",
        [
            COUNTED,
            {"type": "response.completed", "response": {"usage": {"total_tokens": 600}}},
            {
                "type": "message_stop",
                "message": {"usage": {"input_tokens": 200, "output_tokens": 400}},
            },
            {"type": "message_delta", "usage": {"input_tokens": 200, "output_tokens": 400}},
        ],
        ids=["chat", "response", "message", "delta"],
    )
    def test_the_last_item_corrects_the_estimate(self, colour, last):
        """600 are taken where 100 were estimated, so that the next call waits."""
        with VirtualClock():
            pipeline = model()
            streaming(pipeline, colour, CHUNK, last)("prompt")

            assert wait(pipeline) == pytest.approx(10.0)

    @pytest.mark.parametrize("items", [("ke", "lp"), (STARTED, "kelp"), (STARTED,), ()])
    def test_what_tells_nothing_leaves_the_estimate(self, colour, items):
        """Texts do, and so does Anthropic's start of a message, which counts an answer to come."""
        with VirtualClock():
            pipeline = model(requests_per_minute=None)
            streaming(pipeline, colour, *items)("prompt")

            assert wait(pipeline) == 0.0
            assert pipeline[RateLimiter].wait_for(600) == pytest.approx(10.0)

    def test_an_error_in_the_middle_leaves_it_too(self, colour):
        """How much of an answer was paid for, nobody has said."""
        with VirtualClock():
            pipeline = model()
            with pytest.raises(ValueError, match="broken"):
                streaming(pipeline, colour, CHUNK, COUNTED, error=ValueError("broken"))("prompt")

            assert wait(pipeline) == 0.0

    def test_without_limits_of_time(self, colour):
        """Items are looked at although no limit has to be kept for them."""
        with VirtualClock():
            limiter = RateLimiter(Rate(600, per=60.0, burst=600, cost=100, actual=usage))
            streaming(Pipeline("bare", limiter), colour, CHUNK, COUNTED)("prompt")

            assert limiter.wait_for(100) == pytest.approx(10.0)

    def test_of_each_key(self, colour):
        """The limiter of a key is told the same."""
        with VirtualClock():
            rate = Rate(600, per=60.0, burst=600, cost=100, actual=usage)
            keyed = Keyed(lambda prompt: prompt, lambda _key: RateLimiter(rate))
            streaming(Pipeline("keyed", keyed, Timeout(9.0)), colour, CHUNK, COUNTED)("prompt")

            assert keyed.at("prompt").wait_for(100) == pytest.approx(10.0)


def test_silences():
    """``first`` limits the wait for the first item, and ``between`` that for each other one."""
    pipeline = llm("model", first=5.0, between=1.0, attempts=None)

    @pipeline
    async def stream(pauses):
        for one in pauses:
            await asyncio.sleep(one)
            yield one

    async def read(*pauses):
        return [one async for one in stream(pauses)]

    with VirtualClock():
        assert run(read(4.0, 0.5)) == [4.0, 0.5]
        for pauses in ((6.0,), (1.0, 2.0)):
            with pytest.raises(TimeoutError):
                run(read(*pauses))
