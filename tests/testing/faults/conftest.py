"""Clients for faults: raw sockets, which see every byte, and those that people use.

Whatever a test does, no thread and no connection of a server or proxy may be left behind.
"""

import asyncio
import contextlib
import http.client
import socket
import threading
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import httpx
import pytest

from holdfast.testing.faults import FaultProxy, FaultServer

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
PATIENCE = 5.0


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """End every server and proxy of the test, and see that their threads are gone."""
    yield
    assert [
        one.name for one in threading.enumerate() if one.name.startswith("holdfast Fault")
    ] == []


@pytest.fixture
def stack():
    """What ends with the test."""
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def serve(stack):
    """``serve(*script)`` is a server that runs."""
    return lambda *script, **options: stack.enter_context(FaultServer(script or [200], **options))


@pytest.fixture
def through(stack):
    """``through(upstream)`` is a proxy that runs."""
    return lambda upstream, **options: stack.enter_context(FaultProxy(upstream, **options))


class Raw:
    """A connection that shows each byte, and how it ends."""

    def __init__(self, connection):
        self.socket = connection

    def send(self, data=GET):
        """Send bytes; by default a whole request."""
        self.socket.sendall(data)
        return self

    def ask(self, path="/", method="GET"):
        """Send a request for ``path``."""
        return self.send(f"{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())

    def status(self):
        """Read a reply without a body, and return its status."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.read(1) or pytest.fail(f"it ended after {head!r}")
        return int(head[9:12])

    def read(self, count):
        """Return so many bytes, or fewer if that is the end."""
        self.socket.settimeout(PATIENCE)
        seen = b""
        while len(seen) < count and (data := self.socket.recv(count - len(seen))):
            seen += data
        return seen

    def rest(self, patience=PATIENCE):
        """Return what comes up to the end, and whether that is EOF or a reset."""
        self.socket.settimeout(patience)
        seen = b""
        try:
            while data := self.socket.recv(65_536):
                seen += data
        except ConnectionResetError:
            return seen, "reset"
        return seen, "eof"

    def hears(self, sent, ending):
        """Tell whether exactly ``sent`` comes, and then EOF, a reset, or silence."""
        if self.read(len(sent)) != sent:
            return False
        return self.is_silent() if ending == "silence" else self.rest() == (b"", ending)

    def is_silent(self, seconds=0.03):
        """Tell whether nothing comes for so long, neither a byte nor an end."""
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(1)
        except TimeoutError:
            return True
        except OSError:
            return False
        return False


@pytest.fixture
def raw(stack):
    """``raw(server)`` is a new connection."""
    return lambda service: Raw(
        stack.enter_context(socket.create_connection(service.address, timeout=5.0))
    )


@pytest.fixture
def fate(raw):
    """``fate(service)`` tells how a request on a new connection ends: EOF, reset, or silence.

    A reset may be there before connecting has returned.
    """

    def learn(service):
        try:
            return raw(service).send().rest(0.03)[1]
        except TimeoutError:
            return "silence"
        except (ConnectionResetError, BrokenPipeError):
            return "reset"

    return learn


@pytest.fixture
def echo(stack):
    """The address of a server that speaks no HTTP: it sends back what it gets."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    running = []

    def answer(connection):
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65_536):
                connection.sendall(data)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                running.append(threading.Thread(target=answer, args=(connection,), daemon=True))
                running[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    yield listener.getsockname()
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    acceptor.join()


@pytest.fixture
def stopwatch():
    """Return how many seconds have passed since the last question."""
    asked = [time.perf_counter()]

    def lap():
        asked.append(time.perf_counter())
        return asked[-1] - asked[-2]

    return lap


@pytest.fixture
def eventually():
    """``eventually(condition)`` tells whether it comes true: something that another thread does."""

    def wait(condition, within=5.0):
        until = time.monotonic() + within
        while not condition() and time.monotonic() < until:
            time.sleep(0.001)
        return condition()

    return wait


def with_urllib(url, timeout):
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def with_http_client(url, timeout):
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=timeout)
    try:
        connection.request("GET", where.path or "/")
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def with_httpx(url, timeout):
    with httpx.Client(timeout=timeout, trust_env=False, verify=False) as client:
        response = client.get(url)
        return response.status_code, response.content


def with_async_httpx(url, timeout):
    async def main():
        async with httpx.AsyncClient(timeout=timeout, trust_env=False, verify=False) as client:
            response = await client.get(url)
            return response.status_code, response.content

    return asyncio.run(main())


@pytest.fixture(params=[with_urllib, with_http_client, with_httpx, with_async_httpx])
def fetch(request):
    """``fetch(url)`` returns status and body, by each client in turn."""
    return lambda url, timeout=5.0: request.param(url, timeout)
