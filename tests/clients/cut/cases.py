"""What the clients' tests do with a client: make one, use it, and what helps when it is broken.

No client is given a timeout; where one has its own by default, it is taken away.
"""

import contextlib
import importlib

LONG = "tea, " * 20
"""Something that takes a while a byte at a time."""


class Case:
    """A client against a server at a port of 127.0.0.1."""

    name = ""
    """The row in the table."""
    needs = ()
    """The modules that it takes."""
    server = "http"
    """What is at the other end; see conftest.py."""
    causes = ()
    """The names of the errors of its own that a cut ends in."""
    connects = True
    """Whether the calling thread itself makes the connection."""
    lazy = False
    """Whether it connects when it is first used."""
    works_after = ()
    """After which hangs the next call works, though the row says that it may not."""

    def open(self, port):
        """Return a client; it may or may not connect."""
        raise NotImplementedError

    def call(self, client):
        """Have the server asked once, and return something true of its answer."""
        raise NotImplementedError

    def mended(self, client, port):
        """Return a client that works, after `call` has said that this one is broken."""
        with contextlib.suppress(Exception):
            self.close(client)
        return self.open(port)

    def close(self, client):
        """Let everything go, whatever state it is in."""
        client.close()

    def module(self):
        return importlib.import_module(self.needs[0])


CASES, TOLD = [], []


def case(kind):
    """Have a case tested, of a client that can be cut."""
    CASES.append(kind())
    return kind


class ToldCase(Case):
    """A client that can't be cut, and has a timeout of its own."""

    expires = ()
    """The names of its errors for that."""

    def bounded(self, client, seconds):
        """Have the server asked with the client's own timeout."""
        raise NotImplementedError


def told(kind):
    """Have a case tested, of a client that can't be cut."""
    TOLD.append(kind())
    return kind
