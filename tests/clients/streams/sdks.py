"""The SDKs, and how each of them streams: one name for what differs."""

import asyncio
import importlib
from contextlib import aclosing, closing

from tests.clients.streams import fake

SDKS = ("openai", "openai-async", "anthropic", "anthropic-async")


class OpenAI:
    """Chat completions."""

    event = staticmethod(fake.openai)
    clients = ("OpenAI", "AsyncOpenAI")
    error = "APIError"
    """The class of an error within a stream."""
    broken = "APIConnectionError"
    """The class of an error of the connection in the middle of a stream."""

    @staticmethod
    def ask(client):
        return client.chat.completions.create(
            model="kelp", messages=[{"role": "user", "content": "What grows?"}], stream=True
        )

    @staticmethod
    def chunk(delta, **more):
        choice = {"index": 0, "delta": delta, "finish_reason": None, **more}
        return fake.openai({"id": "1", "object": "chat.completion.chunk", "choices": [choice]})

    def start(self):
        return self.chunk({"role": "assistant", "content": ""})

    def says(self, word):
        return self.chunk({"content": word})

    def ends(self):
        return self.chunk({}, finish_reason="stop"), fake.openai("[DONE]")

    @staticmethod
    def fails(kind, **more):
        return fake.openai({"error": {"message": "no", "type": kind, "code": kind, **more}})

    @staticmethod
    def text(chunk):
        return chunk.choices[0].delta.content if chunk.choices else None


class Anthropic:
    """Messages."""

    event = staticmethod(fake.anthropic)
    clients = ("Anthropic", "AsyncAnthropic")
    error = "APIStatusError"
    broken = "RemoteProtocolError"

    @staticmethod
    def ask(client):
        return client.messages.create(
            model="kelp", max_tokens=9, messages=[{"role": "user", "content": "?"}], stream=True
        )

    @staticmethod
    def start():
        message = {
            "id": "1", "type": "message", "role": "assistant", "model": "kelp", "content": [],
            "stop_reason": None, "stop_sequence": None,
            "usage": {"input_tokens": 5, "output_tokens": 1},
        }  # fmt: skip
        return fake.anthropic({"type": "message_start", "message": message})

    @staticmethod
    def says(word):
        delta = {"type": "text_delta", "text": word}
        return fake.anthropic({"type": "content_block_delta", "index": 0, "delta": delta})

    @staticmethod
    def ends():
        usage = {"input_tokens": 5, "output_tokens": 7}
        delta = {"stop_reason": "end_turn", "stop_sequence": None}
        told = {"type": "message_delta", "delta": delta, "usage": usage}
        return fake.anthropic(told), fake.anthropic({"type": "message_stop"})

    @staticmethod
    def fails(kind):
        return fake.anthropic({"type": "error", "error": {"type": kind, "message": "no"}})

    @staticmethod
    def text(event):
        return event.delta.text if event.type == "content_block_delta" else None


class Model:
    """An SDK, sync or async, at a server; everything here is called from blocking code."""

    def __init__(self, name):
        self.name = name
        self.sdk = importlib.import_module(name.removesuffix("-async"))
        self.asynchronous = name.endswith("-async")
        self.says = OpenAI() if name.startswith("openai") else Anthropic()

    def client(self, url, **options):
        kind = getattr(self.sdk, self.says.clients[self.asynchronous])
        self.at_work = kind(api_key="none", base_url=url, max_retries=0, **options)
        return self.at_work

    def whole(self, *words):
        """Return the events of a whole answer."""
        said = map(self.says.says, words)
        return (self.says.start(), *said, *self.says.ends())

    def events(self, pipeline, url):
        """Return the protected function that streams what the SDK does."""
        client, ask = self.client(url), self.says.ask
        if not self.asynchronous:
            return pipeline.stream(lambda: ask(client))

        async def asked():
            return await ask(client)

        return pipeline.stream(asked)

    def texts(self, pipeline, url):
        """Return the protected generator function that yields texts only."""
        client, ask, text = self.client(url), self.says.ask, self.says.text
        if not self.asynchronous:

            @pipeline
            def texts():
                with ask(client) as events:
                    yield from filter(None, map(text, events))

            return texts

        @pipeline
        async def texts_later():
            async with await ask(client) as events:
                async for event in events:
                    if text(event):
                        yield text(event)

        return texts_later

    def read(self, protected, *, most=99):
        """Return the items that come, at most so many, and the error that ends them, or None."""
        came = []
        try:
            if self.asynchronous:
                asyncio.run(self._read_later(protected, came, most))
            else:
                self._read(protected, came, most)
        except Exception as error:
            return came, error
        return came, None

    def forget(self, protected, closed):
        """Take one item, refer to the stream no more, and wait for ``closed()``."""

        async def forgetting():
            async with self.at_work:
                items = protected()
                await anext(items)
                del items
                return await asyncio.to_thread(closed)

        if self.asynchronous:
            return asyncio.run(forgetting())
        with self.at_work:
            next(protected())
            return closed()

    def _read(self, protected, came, most):
        with self.at_work, closing(protected()) as items:
            for item in items:
                came.append(item)
                if len(came) >= most:
                    break

    async def _read_later(self, protected, came, most):
        async with self.at_work, aclosing(protected()) as items:
            async for item in items:
                came.append(item)
                if len(came) >= most:
                    break
