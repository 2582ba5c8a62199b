"""A server that streams what a language model would, as its script says."""

import json
import socketserver
import threading
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import NamedTuple

from tests.clients.cut.fakes import Server

END, STALL, BREAK, SHORT = "end", "stall", "break", "short"
"""How an answer goes on after its events: it ends; is silent; breaks off within a chunk, with FIN; ends
in order, but without the events that say so."""


class Answer(NamedTuple):
    """What one request gets."""

    events: tuple[bytes, ...] = ()
    then: str = END
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"{}"
    """Of an answer that is no stream, because its status is no 200."""


def openai(data):
    """Return an event as OpenAI sends it."""
    return f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()


def anthropic(data):
    """Return an event as Anthropic sends it."""
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()


class Fake:
    """The server, at work: what it was asked, and which connections its client has closed."""

    def __init__(self, *script):
        self.script = list(script)
        self.requests = 0
        self.left = threading.Semaphore(0)
        """Released for each connection that the client closed in the middle of an answer."""
        self.lock = threading.Lock()

    def next(self):
        """Return the answer for a request, the last one for ever."""
        with self.lock:
            self.requests += 1
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]


class Handler(socketserver.StreamRequestHandler):
    """One connection, with as many requests as the client makes by it."""

    fake: Fake

    def handle(self):
        while self.read():
            answer = self.fake.next()
            (self.stream if answer.status == HTTPStatus.OK else self.refuse)(answer)
            if answer.then in (STALL, BREAK):
                return

    def read(self):
        size, line = 0, self.rfile.readline()
        if not line:
            return False
        while line.strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
            line = self.rfile.readline()
        self.rfile.read(size)
        return True

    def begin(self, answer, *headers):
        told = [f"{name}: {value}" for name, value in answer.headers]
        lines = [f"HTTP/1.1 {answer.status} As told", *headers, *told, "", ""]
        self.wfile.write("\r\n".join(lines).encode())

    def refuse(self, answer):
        size = len(answer.body)
        self.begin(answer, "Content-Type: application/json", f"Content-Length: {size}")
        self.wfile.write(answer.body)

    def stream(self, answer):
        self.begin(answer, "Content-Type: text/event-stream", "Transfer-Encoding: chunked")
        for event in answer.events:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
        if answer.then == STALL:
            with suppress(ConnectionResetError):  # the client had not read all
                assert not self.rfile.read(1)
            self.fake.left.release()
        elif answer.then == BREAK:
            self.wfile.write(b"ff\r\n")
        else:
            self.wfile.write(b"0\r\n\r\n")


@contextmanager
def serving(*script):
    """Run such a server on 127.0.0.1."""
    fake = Fake(*script)
    handler = type("Playing", (Handler,), {"fake": fake})
    with Server(("127.0.0.1", 0), handler) as server:
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
