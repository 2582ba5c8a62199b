"""What "Protect a stream" shows of the SDKs, with the SDKs."""

import re
from functools import partial
from pathlib import Path

import pytest

from tests.clients.streams import fake
from tests.clients.streams.fake import Answer
from tests.clients.streams.sdks import Model
from tests.clients.streams.test_other_ways import (
    COMPLETED,
    CREATED,
    ERROR,
    FAILED,
    MESSAGES,
    SAYS,
    made,
)

pytestmark = pytest.mark.real_time

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "protect-a-stream.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STARTS = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}


@pytest.fixture
def page():
    """What the blocks of the section define."""
    section = PAGE.read_text(encoding="utf-8").partition("## LLM SDKs")[2]
    namespace = {"__name__": "page"}
    for code in BLOCK.findall(section):
        exec(code, namespace)
    return namespace


def whole(model):
    """Return a whole answer; Anthropic's helper wants a block to begin before its texts."""
    start, *rest = model.whole("ke", "lp")
    begins = [] if model.name.startswith("openai") else [fake.anthropic(STARTS)]
    return Answer((start, *begins, *rest))


def test_texts_come_after_an_overload_that_came_before_them(model, serve, page):
    """Each function of the page repeats an answer that ends with an error before its first text."""
    name = f"{model.name.removesuffix('-async')}_texts" + "_later" * model.asynchronous
    failing = Answer((model.says.start(), model.says.fails("overloaded_error")))
    with serve(failing, whole(model)) as server:
        ask = partial(page[name], model.client(server.url), MESSAGES)

        assert model.read(ask) == (["ke", "lp"], None)
        assert server.requests == 2


@pytest.mark.parametrize("last", [FAILED, ERROR], ids=["failed", "error"])
def test_texts_of_a_response(serve, page, last):
    """The errors that are events are raised, and so repeated."""
    openai: Model = made("openai")
    with serve(Answer((CREATED, last)), Answer((CREATED, SAYS, COMPLETED))) as server:
        client = openai.client(server.url)
        ask = partial(page["response_texts"], client, "What grows?", openai.sdk.APIError)

        assert openai.read(ask) == (["kelp"], None)
        assert server.requests == 2
