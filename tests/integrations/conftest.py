"""HTTP clients of both makes in both worlds, in front of scripted servers and of real ones.

* `web` is a client library (httpx, httpx2) in a world (threads, asyncio) on virtual time, so a test
  that takes it runs four times.  Its servers are scripted: they keep to the timeouts that a request
  carries, as sockets do.
* `loopback` makes real servers on 127.0.0.1 that misbehave byte by byte.
"""

import asyncio
import contextlib
import contextvars
import importlib
import socket
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial

import pytest

from holdfast import Bulkhead, CircuitBreaker, Pipeline, Retry, Timeout, backoff, transient


@dataclass
class Step:
    """What a scripted server does with one request."""

    status: int = 200
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    chunks: tuple = ()
    """Pairs of (seconds before it comes, bytes): a body that is streamed."""
    takes: float = 0.0
    raises: str = ""
    """The name of one of the client library's exceptions."""
    stubborn: bool = False
    """It takes its time whatever the request's timeouts say."""


@dataclass
class Seen:
    """A request that arrived."""

    at: float
    method: str
    url: str
    timeouts: dict


class Web:
    """A client library in a world; `transport` and `client` stand in front of its scripted servers."""

    def __init__(self, world, name):
        self.world = world
        self.module = importlib.import_module(name)
        self.integration = importlib.import_module(f"holdfast.integrations.{name}")
        self.is_async = world.name == "asyncio"
        self.scripts = {}
        self.seen = []
        self.bodies = []
        self._clients = []
        self._sent = defaultdict(int)

    # -- the servers -----------------------------------------------------------------------------

    def script(self, *steps, host="shop"):
        """Say what the server ``host`` does with each request, the last step for ever."""
        self.scripts[host] = steps

    @property
    def times(self):
        """When the requests arrived, in seconds from the start."""
        return [one.at - self.world.start for one in self.seen]

    @property
    def methods(self):
        return [one.method for one in self.seen]

    def _next(self, request):
        host = request.url.host
        steps = self.scripts[host]
        step = steps[min(self._sent[host], len(steps) - 1)]
        self._sent[host] += 1
        timeouts = request.extensions["timeout"]
        self.seen.append(Seen(self.world.now(), request.method, str(request.url), dict(timeouts)))
        return step

    async def _answer(self, request):
        step = self._next(request)
        timeouts = request.extensions["timeout"]
        await self.takes(timeouts, step.takes, stubborn=step.stubborn)
        if step.raises:
            raise getattr(self.module, step.raises)(f"scripted {step.raises}", request=request)
        if not step.chunks:
            return self.module.Response(step.status, headers=step.headers, content=step.body)
        body = self._body(timeouts, step.chunks)
        self.bodies.append(body)
        return self.module.Response(step.status, headers=step.headers, stream=body)

    async def takes(self, timeouts, seconds, *, stubborn=False):
        """Let time pass, or end it as a socket would whose timeout runs out."""
        limit = timeouts.get("read")
        if limit is None or seconds <= limit or stubborn:
            if seconds:
                await self.world.sleep(seconds)
            return
        await self.world.sleep(limit)
        raise self.module.ReadTimeout("scripted silence")

    def _body(self, timeouts, chunks):
        web, base = (
            self,
            self.module.AsyncByteStream if self.is_async else self.module.SyncByteStream,
        )

        class Body(base):
            closed = 0

            async def pieces(self):
                for seconds, chunk in chunks:
                    await web.takes(timeouts, seconds)
                    yield chunk

            def __aiter__(self):
                return self.pieces()

            def __iter__(self):
                pieces = self.pieces()
                while True:
                    try:
                        pieces.asend(None).send(None)
                    except StopIteration as stop:
                        yield stop.value
                    except StopAsyncIteration:
                        return

            def close(self):
                self.closed += 1

            async def aclose(self):
                self.closed += 1

        return Body()

    # -- the clients -----------------------------------------------------------------------------

    def mock(self):
        """Return the library's own transport in front of the scripted servers."""
        return self.module.MockTransport(self.world.function(self._answer))

    def transport(self, pipeline=None, **options):
        kind = self.integration.AsyncTransport if self.is_async else self.integration.Transport
        options.setdefault("transport", self.mock())
        return kind(pipeline, **options)

    def client(self, pipeline=None, *, timeout=5.0, **options):
        return self.client_of(self.transport(pipeline, **options), timeout=timeout)

    def client_of(self, transport, **options):
        kind = self.module.AsyncClient if self.is_async else self.module.Client
        client = kind(transport=transport, **options)
        self._clients.append(client)
        return client

    def send(self, client, method, url="http://shop/", **options):
        """Send a request, to its end."""
        return self.world.run(client.request, method, url, **options)

    def get(self, client, url="http://shop/", **options):
        return self.send(client, "GET", url, **options)

    def getting(self, client, url="http://shop/"):
        """Return a function of this world that gets a page."""
        return partial(client.get, url)

    def open(self, client, method="GET", url="http://shop/"):
        """Send a request, and leave the body of its response unread."""
        return self.world.run(client.send, client.build_request(method, url), stream=True)

    def read(self, response):
        return self.world.run(response.aread if self.is_async else response.read)

    def close(self, thing):
        self.world.run(getattr(thing, "aclose" if self.is_async else "close"))

    def close_all(self):
        for client in self._clients:
            self.close(client)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    """Leave the proxies of the developer's own environment alone: the servers are on this machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


@pytest.fixture(params=["httpx", "httpx2"])
def library(request):
    """The name of a client library."""
    return request.param


@pytest.fixture
def web(world, library):
    """A client library in a world, on virtual time."""
    pytest.importorskip(library)
    web = Web(world, library)
    web.script(Step())
    yield web
    web.close_all()


@pytest.fixture
def step():
    """The class of what scripted servers do."""
    return Step


@pytest.fixture
def steady():
    """Make a pipeline with nothing left to chance: what `standard` has, but without jitter."""

    def make(name="shop", *, attempts=3, delay=1.0, size=10, failures=5, **options):
        limits = {"total": 10.0, "attempt": 2.0} | options
        layers = (
            limits["total"] and Timeout(limits["total"]),
            Bulkhead(size),
            Retry(attempts, on=transient, backoff=backoff.constant(delay)),
            CircuitBreaker(
                failures=failures, on=transient, open_for=5.0, open_jitter=0.0, probes=1
            ),
            limits["attempt"] and Timeout(limits["attempt"]),
        )
        return Pipeline(name, *(one for one in layers if one))

    return make


# -- real servers -----------------------------------------------------------------------------------


class Reset(Exception):
    """A behaviour raises it to have the connection reset."""


class Loopback:
    """A threaded HTTP/1.1 server on loopback; ``behaviour(number)`` yields bytes and pauses.

    ``number`` counts the requests from 1.  A float is a pause in seconds, which ends at once when
    the server is closed.  Connections are kept alive until a behaviour raises.
    """

    def __init__(self, behaviour):
        self.behaviour = behaviour
        self.connections = 0
        self.requests = []
        self.ended = threading.Event()
        self.hung_up = threading.Semaphore(0)
        """Released once for each connection that has ended."""
        self._lock = threading.Lock()
        self._sockets = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self.ended.is_set():
                connection.close()
                return
            with self._lock:
                self.connections += 1
                self._sockets.append(connection)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self._converse(connection)
        finally:
            self.hung_up.release()

    def _converse(self, connection):
        with contextlib.suppress(OSError, StopIteration), connection:
            while True:
                request = self._read(connection)
                with self._lock:
                    self.requests.append(request)
                    number = len(self.requests)
                try:
                    for piece in self.behaviour(number):
                        if isinstance(piece, bytes):
                            connection.sendall(piece)
                        elif self.ended.wait(piece):
                            return
                except Reset:
                    linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    return

    def _read(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more(connection)
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {
            key.lower(): value.strip()
            for key, _, value in (one.partition(":") for one in lines[1:])
        }
        while len(body) < int(headers.get("content-length", 0)):
            body += self._more(connection)
        return lines[0].split(" ")[0], headers, body

    @staticmethod
    def _more(connection):
        data = connection.recv(65_536)
        if not data:
            raise StopIteration
        return data

    def close(self):
        self.ended.set()
        # a blocked accept() does not notice that its socket is closed, so it gets a last visitor
        with contextlib.suppress(OSError):
            socket.create_connection(self._listener.getsockname(), timeout=1.0).close()
        self._listener.close()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._thread.join(1.0)


def reply(status="200 OK", body=b"done", **headers):
    """Return the bytes of a whole response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
def loopback():
    """Make real servers; they are closed at the end."""
    servers = []

    def make(behaviour):
        servers.append(Loopback(behaviour))
        return servers[-1]

    make.reply = reply
    make.Reset = Reset
    yield make
    for one in servers:
        one.close()


class Caller:
    """A real client of one library in one world."""

    def __init__(self, library, colour):
        self.module = importlib.import_module(library)
        self.integration = importlib.import_module(f"holdfast.integrations.{library}")
        self.is_async = colour == "asyncio"
        self.runner = asyncio.Runner() if self.is_async else None
        self._clients = []

    def client(self, pipeline=None, *, timeout=5.0, **options):
        options.setdefault(
            "verify", False
        )  # nothing here speaks TLS, and reading certificates takes time
        names = ("AsyncTransport", "AsyncClient") if self.is_async else ("Transport", "Client")
        transport = getattr(self.integration, names[0])(pipeline, **options)
        client = getattr(self.module, names[1])(transport=transport, timeout=timeout)
        self._clients.append(client)
        return client

    def run(self, function, *args, **kwargs):
        result = function(*args, **kwargs)
        if not self.is_async:
            return result
        return self.runner.run(result, context=contextvars.copy_context())

    def read(self, response):
        return self.run(response.aread if self.is_async else response.read)

    def close(self, thing):
        self.run(getattr(thing, "aclose" if self.is_async else "close"))

    def end(self):
        for client in self._clients:
            self.close(client)
        if self.runner is not None:
            self.runner.close()


@pytest.fixture(params=["threads", "asyncio"])
def caller(request, library):
    """A real client library in a world, in real time."""
    pytest.importorskip(library)
    caller = Caller(library, request.param)
    yield caller
    caller.end()
