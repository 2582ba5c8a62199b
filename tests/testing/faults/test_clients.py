"""What people's clients make of a `FaultServer`: urllib, http.client, httpx and its async client."""

import asyncio
import http.client

import httpx
import pytest

from holdfast.testing.faults import (
    Close,
    Endless,
    Garbage,
    Reply,
    Reset,
    Trickle,
    Vanish,
    WrongLength,
)
from tests.ids import spelt

pytestmark = pytest.mark.real_time


def test_a_script_is_seen_by_each_client(serve, fetch):
    """Fail twice, then answer after a while."""
    server = serve(Reply(503, times=2), Reply(body=b"teas", takes=0.02))

    assert [fetch(server.url)[0] for _ in range(2)] == [503, 503]
    assert fetch(server.url) == (200, b"teas")
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "fault",
    [
        Reset(),
        Reset("body"),
        Close(),
        Close(99),
        Garbage(),
        Endless(limit=100_000),
        WrongLength(10, times=1),
    ],
    ids=spelt,
)
def test_a_broken_reply_is_an_error_and_no_success(serve, fetch, fault):
    """A body that is not whole above all; soon, and not by running into a timeout."""
    server = serve(fault)

    with pytest.raises((OSError, http.client.HTTPException, httpx.TransportError)):
        fetch(server.url, timeout=0.05 if isinstance(fault, WrongLength) else 5.0)


@pytest.mark.parametrize("fault", [Vanish("accept"), Vanish(), Vanish("body")], ids=spelt)
def test_silence_is_a_timeout(serve, fetch, fault):
    """Wherever in the exchange it begins."""
    with pytest.raises((TimeoutError, httpx.ReadTimeout)):
        fetch(serve(fault).url, timeout=0.1)


def test_a_connection_is_refused(serve, fetch):
    """At once, as by a server that is down."""
    server = serve()
    server.refuse()

    with pytest.raises((OSError, httpx.ConnectError), match=r"refused|failed"):
        fetch(server.url)


def test_a_trickle_arrives_in_the_end(serve, fetch):
    """Each drop is within the client's timeout, so none of these clients minds."""
    trickle = Trickle(Reply(body=b"teas"), size=10, every=0.002, part="all")

    assert fetch(serve(trickle).url) == (200, b"teas")


def test_what_is_left_over_spoils_the_next_reply(serve):
    """A length that is too short, on a connection that is used again."""
    server = serve(WrongLength(-3, of=Reply(body="teas")), Reply(body="next"))
    with httpx.Client(trust_env=False, verify=False) as client:
        assert client.get(server.url).content == b"t"
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(server.url)


def test_a_connection_in_the_pool_can_be_stale(serve, eventually):
    """The server has closed it after a good reply, and the client finds out by its next request."""
    server = serve(Close("reply"), 200)
    connection = http.client.HTTPConnection(*server.address, timeout=5.0)
    try:
        connection.request("GET", "/")
        assert connection.getresponse().read()
        connection.request("GET", "/")
        with pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()
    finally:
        connection.close()


def test_many_at_once_are_served_at_the_same_time(serve, stopwatch):
    """Thirty requests that take 0.2 s each, by one async client in this very process."""
    server = serve(Reply(takes=0.2))

    async def main():
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            replies = await asyncio.gather(*(client.get(server.url) for _ in range(30)))
        return {reply.status_code for reply in replies}

    assert asyncio.run(main()) == {200}
    assert 0.2 <= stopwatch() < 3.0  # one after the other would take six seconds
    assert server.connections == 30


def test_it_can_be_switched_from_within_async_code(serve):
    """The event loop is blocked for a moment only, as the server has a thread of its own."""
    server = serve(503)

    async def main():
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            before = await client.get(server.url)
            server.behave(200)
            after = await client.get(server.url)
        return before.status_code, after.status_code

    assert asyncio.run(main()) == (503, 200)
