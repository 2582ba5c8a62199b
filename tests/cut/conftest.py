"""What the tests of the cut share: peers that never answer, and threads that wait for them."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from holdfast import Pipeline, Timeout

LIMIT = 0.2
SOON = 1.5
"""A call that was cut has ended by then, in seconds, on however busy a machine."""


class Silent:
    """A server that takes connections, and never says a word; it knows them all."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = self._listener.getsockname()
        self.taken = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self):
        try:
            while True:
                self.taken.append(self._listener.accept()[0])
        except OSError:
            pass

    def connection(self):
        """Return a connection to it, without a timeout."""
        return socket.create_connection(self.address)

    def close(self):
        """Hang up."""
        self._listener.close()
        for one in self.taken:
            one.close()


@pytest.fixture
def silent():
    """Return a server that never answers."""
    server = Silent()
    yield server
    server.close()


@pytest.fixture
def limited():
    """Return a pipeline with nothing but the limit."""
    return Pipeline("limited", Timeout(LIMIT))


def once_silent(silent):
    """Return a function that waits for a server that never answers, the first time it is called."""
    connections = [silent.connection()]

    def ask():
        try:
            one = connections.pop()
        except IndexError:
            return "the second one"
        with one:
            return one.recv(1)

    return ask


@contextmanager
def full_backlog():
    """Give the address of a server that takes no more connections: the kernel tries for minutes."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        yield full.getsockname()
        for one in waiting:
            one.close()


def until(condition):
    """Wait until something in another thread has happened."""
    for _ in range(5000):
        if condition():
            return
        time.sleep(0.001)
    raise AssertionError(f"{condition} has not come true")


class Stopwatch:
    """How long a block took: ``seconds``."""

    def __enter__(self):
        self._began = time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self._began


def in_thread(function, *args):
    """Run a function in a thread of its own; return the thread, whose ``outcome`` tells how it ended."""

    def run():
        try:
            thread.outcome = function(*args)
        except BaseException as error:
            thread.outcome = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def ended(thread):
    """Return the outcome of a thread that has to end."""
    thread.join(10)
    assert not thread.is_alive(), "the thread hangs"
    return thread.outcome
