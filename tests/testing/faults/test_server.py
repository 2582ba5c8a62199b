"""`FaultServer`, byte by byte, with raw sockets."""

import random
import socket

import pytest

from holdfast.testing import VirtualClock
from holdfast.testing.faults import (
    Close,
    Endless,
    FaultServer,
    Garbage,
    Reply,
    Reset,
    Trickle,
    Vanish,
    WrongLength,
    unconnectable,
)
from tests.ids import spelt

pytestmark = pytest.mark.real_time

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
TEA = Reply(body="teas")


class TestBytes:
    @pytest.mark.parametrize(
        "behaviour, sent, ending",
        [
            (TEA, OK + b"teas", "silence"),
            (Reset(), b"", "reset"),
            (Reset("headers", of=TEA), OK, "reset"),
            (Reset("body", of=TEA), OK + b"te", "reset"),
            (Reset("reply", of=TEA), OK + b"teas", "reset"),
            (Close(), b"", "eof"),
            (Close("headers", of=TEA), OK, "eof"),
            (Close(3, of=TEA), OK + b"tea", "eof"),
            (Close("reply", of=TEA), OK + b"teas", "eof"),
            (Vanish(), b"", "silence"),
            (Vanish("headers", of=TEA), OK, "silence"),
            (Trickle(TEA, every=0.001), OK + b"teas", "silence"),
            (WrongLength(10, of=TEA), OK.replace(b"4", b"14") + b"teas", "silence"),
            (WrongLength(-3, of=TEA), OK.replace(b"4", b"1") + b"teas", "silence"),
            (Garbage(b"\x00\xff?"), b"\x00\xff?", "eof"),
        ],
        ids=spelt,
    )
    def test_a_behaviour_is_these_bytes_and_this_end(self, serve, raw, behaviour, sent, ending):
        """As the client's socket sees them."""
        assert raw(serve(behaviour)).send().hears(sent, ending)

    @pytest.mark.parametrize(
        "behaviour, ending",
        [(Reset("accept"), "reset"), (Close("accept"), "eof"), (Vanish("accept"), "silence")],
        ids=spelt,
    )
    def test_an_end_at_the_accept_reads_nothing(self, serve, fate, eventually, behaviour, ending):
        """The client has connected, and may have sent what it likes."""
        server = serve(behaviour)

        assert fate(server) == ending
        assert eventually(lambda: server.connections == 1)
        assert server.requests == []

    def test_a_black_hole_fills_the_clients_send_buffer(self, serve, raw):
        """As nothing is read, a large request cannot even be sent."""
        client = raw(serve(Vanish("accept")))
        client.socket.settimeout(0.05)

        with pytest.raises(TimeoutError):
            client.socket.sendall(b"x" * 50_000_000)

    def test_a_half_closed_connection_still_reads(self, serve, raw):
        """The client sees the end, and may go on to send."""
        client = raw(serve(Close("headers", of=TEA, half=True))).send()

        assert client.hears(OK, "eof")
        for _ in range(3):
            client.send(b"more")

    def test_an_endless_body_goes_on_up_to_its_limit(self, serve, raw):
        """It has no end that a client could take for one."""
        heard, ending = raw(serve(Endless(limit=300_000, size=100_000))).send().rest()

        assert heard.count(b"x") == 300_000
        assert not heard.endswith(b"0\r\n\r\n")
        assert ending == "eof"

    def test_a_trickle_takes_its_time(self, serve, raw, stopwatch):
        """Ten drops, nine pauses."""
        client = raw(serve(Trickle(Reply(body=b"0123456789"), every=0.01)))
        stopwatch()
        client.send()

        assert client.read(len(OK) + 1 + 10).endswith(b"0123456789")
        assert stopwatch() >= 0.08

    def test_a_reply_can_take_its_time(self, serve, raw, stopwatch):
        """Not a byte comes before."""
        client = raw(serve(Reply(takes=0.1))).send()

        assert client.is_silent()
        assert client.read(1) == b"H"
        assert stopwatch() >= 0.1

    def test_jitter_is_the_same_for_the_same_seed(self, serve, raw, stopwatch):
        """And lies around what it takes."""

        def gaps(seed):
            client = raw(serve(Reply(takes=0.02, jitter=0.02), seed=seed))
            stopwatch()
            return [(client.send().status(), stopwatch())[1] for _ in range(4)]

        for seed in (1, 2):
            expected = random.Random(seed)
            for gap in gaps(seed):
                assert gap >= 0.02 + expected.uniform(-0.02, 0.02) - 0.001


class TestRequests:
    def test_what_a_client_sent_is_recorded(self, serve, raw):
        """Names of headers in lower case, the query apart."""
        server = serve()
        raw(server).send(
            b"POST /pay?tea=1&cup=2 HTTP/1.1\r\nHost: test\r\nX-A: 1\r\nX-A: 2\r\n"
            b"Content-Length: 4\r\n\r\nteas"
        ).status()

        (request,) = server.requests

        assert (request.method, request.path, request.query) == ("POST", "/pay", "tea=1&cup=2")
        assert request.headers == {"host": "test", "x-a": "1, 2", "content-length": "4"}
        assert request.body == b"teas"

    def test_chunks_are_put_together(self, serve, raw):
        """With their extensions and trailers read, the connection serves the next request."""
        server = serve()
        client = raw(server).send(
            b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3;x=y\r\ntea\r\n1\r\ns\r\n0\r\nX-Sum: 4\r\n\r\n" + GET
        )

        assert [client.status(), client.status()] == [200, 200]
        assert [(one.method, one.body) for one in server.requests] == [
            ("PUT", b"teas"),
            ("GET", b""),
        ]

    def test_a_request_may_come_in_pieces(self, serve, raw):
        """TCP keeps no boundaries."""
        server = serve(TEA)
        client = raw(server)

        for byte in b"PUT /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nab":
            client.send(bytes([byte]))

        assert client.hears(OK + b"teas", "silence")
        assert server.requests[0].body == b"ab"

    def test_whoever_expects_100_is_told_to_go_on(self, serve, raw):
        """Before the body is sent."""
        client = raw(serve(TEA)).send(
            b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )

        assert client.status() == 100
        assert client.send(b"ab").read(len(OK)) == OK

    @pytest.mark.parametrize(
        "nonsense",
        [
            b"tea, please\r\n\r\n",
            b"GET / SMTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: two\r\n\r\n",
            b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000,
        ],
        ids=lambda nonsense: nonsense[:20].decode(),
    )
    def test_what_is_no_http_gets_400(self, serve, raw, nonsense):
        """And is no request."""
        server = serve()
        client = raw(server).send(nonsense)

        assert client.status() == 400
        assert server.requests == []

    def test_a_connection_lives_as_long_as_the_client_wants(self, serve, raw):
        """In HTTP/1.0 that is one request."""
        server = serve(TEA)

        assert raw(server).send(GET * 2).hears((OK + b"teas") * 2, "silence")
        assert raw(server).send(b"GET / HTTP/1.0\r\n\r\n").rest()[1] == "eof"
        assert server.connections == 2

    def test_requests_are_timed_on_the_clock_in_force(self, serve, raw):
        """So a client whose pauses are virtual can be watched."""
        server = serve()
        with VirtualClock() as clock:
            for _ in range(3):
                raw(server).send().status()
                clock.sleep(60.0)

        assert [at - server.times[0] for at in server.times] == [0.0, 60.0, 120.0]


class TestSwitching:
    def test_a_script_goes_on_over_connections(self, serve, raw):
        """It is one step for each request, however it comes."""
        server = serve(Reply(503), Reset(), TEA)

        assert raw(server).send().status() == 503
        assert raw(server).send().hears(b"", "reset")
        assert raw(server).send().status() == 200

    def test_it_can_be_told_otherwise_at_any_time(self, serve, raw):
        """Also on a connection that is there."""
        server = serve(202)
        client = raw(server)

        assert client.send().status() == 202
        server.behave([503, 200])
        assert client.send().status() == 503
        server.behave(Vanish(), on="/slow")
        assert client.send().status() == 200
        assert client.ask("/slow").is_silent()

    def test_what_hangs_goes_on_to_hang(self, serve, raw, eventually):
        """What is under way ends as it began."""
        server = serve(Vanish())
        client = raw(server).send()
        assert eventually(lambda: server.requests)

        server.behave(200)

        assert client.is_silent()
        assert raw(server).send().status() == 200

    def test_it_refuses_connections_and_takes_them_up_again(self, serve, raw):
        """On the same port; those that are there live on."""
        server = serve()
        present = raw(server)
        before = server.url

        server.refuse()
        server.refuse()
        with pytest.raises(ConnectionRefusedError):
            raw(server)
        assert present.send().status() == 200

        server.accept()
        server.accept()
        assert server.url == before
        assert raw(server).send().status() == 200

    def test_routes_are_given_at_once_or_later(self, serve, raw):
        """They have steps of their own."""
        server = serve(404, routes={"POST /pay": [503, 201]})
        client = raw(server)

        assert client.ask("/pay", "POST").status() == 503
        assert client.ask("/pay", "GET").status() == 404
        assert client.ask("/pay?x=1", "POST").status() == 201


class TestLife:
    def test_it_runs_inside_with(self):
        """Outside it has no address, and says what to do."""
        server = FaultServer()

        with pytest.raises(RuntimeError, match="use `with FaultServer"):
            _ = server.url
        with server, pytest.raises(RuntimeError, match="runs already"):
            server.start()
        with pytest.raises(RuntimeError, match="does not run"):
            server.refuse()
        server.stop()

    def test_it_may_be_told_what_to_do_before_it_runs(self, raw):
        """And run again, on another port."""
        server = FaultServer()
        server.behave(TEA)

        for _ in range(2):
            with server:
                assert raw(server).send().read(len(OK) + 4) == OK + b"teas"

    def test_whoever_hangs_is_let_go_when_it_stops(self, raw, stopwatch, eventually):
        """It does not wait for them, and they do not wait for ever."""
        with FaultServer(
            [Vanish(), Vanish("headers"), Reply(takes=60.0), Vanish("accept")]
        ) as server:
            hanging = [raw(server).send() for _ in range(3)]
            assert eventually(lambda: len(server.requests) == 3)
            hanging.append(raw(server).send())
            assert eventually(lambda: server.connections == 4)

        assert stopwatch() < 1.0
        assert {one.rest()[1] for one in hanging} <= {"eof", "reset"}

    def test_its_port_is_free_afterwards(self, serve, raw):
        """Nothing listens there."""
        server = FaultServer()
        with server:
            address = server.address
            raw(server).send().status()

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)


def test_an_unconnectable_address_never_connects():
    """The client waits until its own timeout; elsewhere than on Linux it may not be possible."""
    try:
        with unconnectable() as url:
            host, _, port = url.removeprefix("http://").partition(":")
            with pytest.raises(TimeoutError):
                socket.create_connection((host, int(port)), timeout=0.05)
    except RuntimeError as error:  # pragma: no cover - the system has another way
        pytest.skip(str(error))
