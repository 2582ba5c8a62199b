"""Clients without any timeout, before servers that hang: cut at the limit, and usable afterwards."""

import contextlib
import select
import socket
import sys

import pytest

from tests.clients.cut import cases_databases, cases_http, cases_others  # noqa: F401 - they register
from tests.clients.cut.bench import HANGS, THEIR_OWN, is_cut
from tests.clients.cut.cases import CASES
from tests.clients.cut.cases_http import with_tls
from tests.clients.cut.table import CUT, ROWS

pytestmark = [pytest.mark.real_time, pytest.mark.filterwarnings(*THEIR_OWN)]

ALL = [*CASES, *with_tls(CASES)]
HTTP = [one for one in ALL if hasattr(one, "get")]

each_hang = pytest.mark.parametrize("how", list(HANGS))


def each(cases):
    return pytest.mark.parametrize(
        "case", cases, ids=[f"{one.name}, {one.server}" for one in cases]
    )


def test_each_case_has_a_row():
    """Nothing is tested that the table says otherwise, or doesn't say at all."""
    assert {ROWS[one.name].hangs for one in ALL} == {CUT}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue refuses")
@each([one for one in CASES if one.connects])
def test_a_connection_that_nobody_accepts_is_cut(bench, case):
    """The server's queue is full: what is sent to make the connection is lost."""
    bench = bench(case)
    with overcrowded() as port:
        is_cut(lambda: case.call(bench.open(port)), case.causes)


@each([one for one in ALL if one.connects])
@each_hang
def test_a_new_connection_is_cut(bench, case, how):
    """The server accepts, and says nothing, or says it a byte at a time: the handshake, the greeting."""
    bench = bench(case)
    bench.hang(how)
    is_cut(bench.visit, case.causes)


@each(ALL)
@each_hang
def test_a_connection_is_cut_and_the_next_call_is_as_the_table_says(bench, case, how):
    """The next call on the same object works, or raises what the table says, and its remedy helps."""
    bench, row = bench(case), ROWS[case.name]
    client = bench.warm()
    bench.hang(how)
    is_cut(lambda: case.call(client), case.causes)
    bench.heal()

    works_after_all(bench, client, () if how in case.works_after else row.raises)


@each([one for one in CASES if one.connects and one.lazy])
def test_what_was_cut_while_it_connected_connects_anew(bench, case):
    """A client that connects when it is needed is none the worse for it."""
    bench = bench(case)
    client = bench.open()
    bench.hang("silence")
    is_cut(lambda: case.call(client), case.causes)
    bench.heal()

    assert case.call(client)


@each(HTTP)
@pytest.mark.parametrize("path", ["/sized", "/chunked", "/open"])
def test_a_body_that_trickles_is_cut(bench, case, path):
    """One that ends with its connection looks complete after the cut, and is no result all the same."""
    bench = bench(case)
    client = bench.warm()

    cause = is_cut(lambda: case.get(client, path), case.causes)

    assert cause is not None or path == "/open"
    works_after_all(bench, client, () if path == "/open" else ROWS[case.name].raises)


@contextlib.contextmanager
def overcrowded():
    """Listen on a port, for nobody more."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = server.getsockname()
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(address)
        select.select([server], [], [], 1.0)
        yield address[1]


def works_after_all(bench, client, raises):
    """Make sure that a client works: as it is, or where it raises one of these, after the remedy."""
    if raises:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - its name is looked at
            bench.case.call(client)
        assert type(caught.value).__name__ in raises, repr(caught.value)
        client = bench.mended(client)
    assert bench.case.call(client)
