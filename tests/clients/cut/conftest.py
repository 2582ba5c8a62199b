"""The servers of these tests, started when they are first asked for."""

import contextlib
import importlib
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.clients.cut import fakes, services
from tests.clients.cut.bench import Bench

FAKES = {
    "http": fakes.Http,
    "smtp": fakes.Smtp,
    "imap": fakes.Imap,
    "ftp": fakes.Ftp,
    "ldap": fakes.Ldap,
    "websocket": fakes.WebSocket,
    "mongo": fakes.Mongo,
}
OTHERS = {"grpc": fakes.grpc, "ssh": fakes.ssh, "https": lambda: fakes.served(fakes.https())}
REAL = {"redis": services.redis, "mariadb": services.mariadb, "postgres": services.postgres}


@pytest.fixture(scope="session")
def server():
    """``server(kind)`` is the port of a server."""
    with contextlib.ExitStack() as stack:
        ports = {}

        def port(kind):
            if kind not in ports:
                ports[kind] = stack.enter_context(started(kind, stack))
            return ports[kind]

        yield port


def started(kind, stack):
    if kind in REAL:
        folder = TemporaryDirectory(prefix="holdfast-", ignore_cleanup_errors=True)
        return REAL[kind](Path(stack.enter_context(folder)))
    return OTHERS[kind]() if kind in OTHERS else fakes.served(FAKES[kind])


def check(case, *, whole_suite):
    """Skip the test of a client that isn't there, and in the whole suite of all but Python's own."""
    for name in case.needs:
        if whole_suite and name.partition(".")[0] not in sys.stdlib_module_names:
            pytest.skip("python3 dev.py clients has all of them")
        try:
            importlib.import_module(name)
        except ImportError:
            pytest.skip(f"{name} is not installed")


@pytest.fixture
def bench(server, request):
    """``bench(case)`` is a `Bench` for it; the test is skipped where client or server is missing."""
    whole_suite = bool(request.config.option.markexpr)  # it comes in stages
    with contextlib.ExitStack() as stack:

        def made(case):
            check(case, whole_suite=whole_suite)
            return stack.enter_context(Bench(case, f"127.0.0.1:{server(case.server)}"))

        yield made
