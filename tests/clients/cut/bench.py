"""A client before a server that can be made to hang, and what makes sure that a call was cut."""

import contextlib
import threading
import time
from itertools import count

import pytest

from holdfast import AttemptTimeout, Pipeline, Timeout
from holdfast.extend import watcher
from holdfast.testing.faults import FaultProxy, Slice, Stall

LIMIT = 0.25
LATEST = LIMIT + 1.0
"""The limit, and within which calls end, in seconds; on a busy machine, too."""

HANGS = {"silence": Stall(), "drip": Slice(1, every=0.08)}
"""What a server does to its clients: it says nothing more, or a byte at a time."""

THEIR_OWN = [
    "ignore::DeprecationWarning",
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
]
"""Warnings of the clients: of one another, and of what they leave open when they fail."""

SOCKETS = (ConnectionResetError, BrokenPipeError, type(None))
"""What a shut down socket answers, by chance and version; clients pass it on, or see an end only."""

numbers = count()


class Bench:
    """A client's case, a server that can be made to hang, and all the clients that were made."""

    def __init__(self, case, upstream):
        self.case = case
        self.proxy = FaultProxy(upstream)
        self._made = []

    def __enter__(self):
        self.proxy.start()
        return self

    def __exit__(self, *_):
        self.heal()
        for client in self._made:
            with contextlib.suppress(Exception):
                self.case.close(client)
        self.proxy.stop()

    @property
    def port(self):
        return self.proxy.address[1]

    def open(self, port=None):
        client = self.case.open(port or self.port)
        self._made.append(client)
        return client

    def warm(self):
        """Return a client that has had an answer."""
        client = self.open()
        assert self.case.call(client)
        return client

    def visit(self):
        """Make a client, and use it."""
        return self.case.call(self.open())

    def mended(self, client):
        mended = self.case.mended(client, self.port)
        self._made.append(mended)
        return mended

    def hang(self, how):
        """Have the server say nothing more from now on, or little by little."""
        self.proxy.behave(HANGS[how], direction="downstream")

    def heal(self):
        self.proxy.heal()


def is_cut(call, causes, latest=LATEST):
    """Make sure that a call is cut at its limit in its own thread, and return the client's error."""
    name, threads = f"cut {next(numbers)}", []

    def function():
        threads.append(threading.get_ident())
        return call()

    began = time.monotonic()
    with pytest.raises(AttemptTimeout) as caught:
        Pipeline(name, Timeout(LIMIT)).call(function)
    took = time.monotonic() - began

    cause = caught.value.__cause__
    assert LIMIT <= took < latest
    assert threads == [threading.get_ident()]
    assert watcher().snapshot()["pipelines"][name]["cut"] == 1
    assert isinstance(cause, SOCKETS) or type(cause).__name__ in causes, repr(cause)
    return cause
