"""`FaultProxy`, before a server that echoes and before one of HTTP."""

import random
import socket
import time
from types import SimpleNamespace

import pytest

from holdfast import ConfigurationError
from holdfast.testing.faults import (
    Bandwidth,
    BlackHole,
    Cut,
    FaultProxy,
    Latency,
    Reply,
    Reset,
    Slice,
    Stall,
    Vanish,
)
from holdfast.testing.faults._pipe import Lane, Pipe, by_kind
from holdfast.testing.faults._upstream import Target

pytestmark = pytest.mark.real_time

BOTH = ("upstream", "downstream")


@pytest.fixture
def proxy(echo, through):
    """A proxy before the echo."""
    return through(echo)


class TestTransparent:
    def test_what_is_said_passes_both_ways(self, proxy, raw):
        """Byte for byte, and is counted."""
        client = raw(proxy)
        message = bytes(range(256)) * 400

        assert client.send(message).read(len(message)) == message

        assert (proxy.connections, proxy.open) == (1, 1)
        assert (proxy.upstream_bytes, proxy.downstream_bytes) == (len(message), len(message))

    def test_http_passes(self, serve, through, fetch):
        """With each client; the proxy's URL is like the server's."""
        server = serve(Reply(body=b"teas"))

        assert fetch(through(server).url + "/x") == (200, b"teas")
        assert [one.path for one in server.requests] == ["/x"]

    def test_the_end_of_one_direction_leaves_the_other_one(self, proxy, raw):
        """A client may say that it is done, and still get its answer."""
        client = raw(proxy).send(b"teas")
        client.socket.shutdown(socket.SHUT_WR)

        assert client.rest() == (b"teas", "eof")

    def test_a_client_that_goes_away_is_forgotten(self, proxy, raw, eventually):
        """Its connection to the server is closed as well."""
        raw(proxy).send(b"teas").socket.close()

        assert eventually(lambda: proxy.connections == 1 and proxy.open == 0)

    def test_a_reset_of_the_servers_is_passed_on(self, serve, through, raw):
        """As a reset, not as an end, and after what was said before."""
        proxy = through(serve(Reset("headers")))
        for _ in range(10):
            seen, how = raw(proxy).send().rest()
            assert (seen[-4:], how) == (b"\r\n\r\n", "reset")

    def test_while_nobody_listens_behind_it_connections_are_reset(self, serve, through, raw, fate):
        """Afterwards it works, without being told."""
        server = serve()
        proxy = through(server)
        server.refuse()
        assert fate(proxy) == "reset"

        server.accept()
        assert raw(proxy).send().status() == 200


class TestSlow:
    @pytest.mark.parametrize("direction", BOTH)
    def test_latency_delays_one_direction(self, proxy, raw, stopwatch, direction):
        """Here the way there or the way back."""
        proxy.behave(Latency(0.05), direction=direction)
        client = raw(proxy)
        stopwatch()

        assert client.send(b"teas").read(4) == b"teas"
        assert stopwatch() >= 0.05

    def test_or_both(self, proxy, raw, stopwatch):
        """A round trip takes it twice."""
        proxy.behave(Latency(0.03))
        client = raw(proxy)
        stopwatch()

        assert client.send(b"teas").read(4) == b"teas"
        assert stopwatch() >= 0.06

    def test_latency_costs_no_throughput(self, proxy, raw, stopwatch):
        """Twenty pieces take it once together, not once each."""
        proxy.behave(Latency(0.1), direction="upstream")
        client = raw(proxy)
        for _ in range(20):
            client.send(b"x" * 1000)

        assert client.read(20_000) == b"x" * 20_000
        assert 0.1 <= stopwatch() < 1.0

    def test_jitter_keeps_the_order(self, proxy, raw):
        """TCP would do so, too."""
        proxy.behave(Latency(0.01, jitter=0.01))
        client = raw(proxy)
        message = bytes(range(100))
        for byte in message:
            client.send(bytes([byte]))

        assert client.read(100) == message

    def test_a_bandwidth_is_not_exceeded(self, proxy, raw, stopwatch):
        """Ten thousand bytes at a hundred thousand a second."""
        proxy.behave(Bandwidth(100_000), direction="downstream")
        client = raw(proxy)
        stopwatch()

        assert client.send(b"x" * 10_000).read(10_000) == b"x" * 10_000
        assert 0.08 <= stopwatch() < 1.0

    def test_a_timer_that_was_late_is_made_up_for(self):
        """So a bandwidth is not only a limit; but what the line was idle is lost."""
        pipe, times = Pipe.__new__(Pipe), iter([5.0, 5.013, 9.0])
        pipe._lane, pipe._free = Lane(random.Random()), 0.0
        pipe._loop = SimpleNamespace(time=lambda: next(times))
        pipe._lane.set(by_kind([Bandwidth(1000)]))

        assert [pipe._pause(10) for _ in range(3)] == pytest.approx([0.01, 0.007, 0.01])

    def test_slices_come_apart(self, proxy, raw):
        """A reader that expects whole messages finds out."""
        proxy.behave(Slice(2, every=0.01), direction="downstream")
        client = raw(proxy).send(b"teas")

        assert [client.socket.recv(100), client.socket.recv(100)] == [b"te", b"as"]


class TestSilent:
    def test_a_request_that_is_stalled_arrives_later(self, proxy, raw):
        """Nothing of it is lost."""
        client = raw(proxy)
        proxy.behave(Stall(), direction="upstream")

        assert client.send(b"teas").is_silent()
        assert proxy.upstream_bytes == 0

        proxy.heal()
        assert client.read(4) == b"teas"

    def test_a_half_open_connection_does_its_work_and_says_nothing(
        self, serve, through, raw, eventually
    ):
        """The server has got the request; a client that retries had better know that."""
        server = serve()
        proxy = through(server)
        proxy.behave(Stall(), direction="downstream")
        client = raw(proxy).send()

        assert eventually(lambda: len(server.requests) == 1)
        assert client.is_silent()

        proxy.heal()
        assert client.status() == 200

    def test_the_end_of_a_connection_is_stalled_as_well(self, proxy, raw, eventually):
        """The other side doesn't know that the peer is gone."""
        client = raw(proxy)
        assert client.send(b"x").read(1) == b"x"
        proxy.behave(Stall(), direction="upstream")
        client.socket.close()

        assert not eventually(lambda: proxy.open == 0, within=0.03)
        proxy.heal()
        assert eventually(lambda: proxy.open == 0)

    def test_a_reset_is_stalled_as_well(self, serve, through, raw):
        """Whoever is behind a dead network does not hear of it, not even by sending."""
        proxy = through(serve(Reset("headers")))
        proxy.behave(Stall(), direction="downstream")
        client = raw(proxy).send()
        assert client.is_silent()
        assert client.send().is_silent()

        proxy.heal()
        assert client.rest()[1] == "reset"

    def test_a_black_hole_takes_connections_and_tells_nobody(self, serve, through, raw):
        """The server sees nothing of them, even afterwards."""
        server = serve()
        proxy = through(server)
        proxy.behave(BlackHole())
        lost = raw(proxy).send()
        assert lost.is_silent()

        proxy.heal()

        assert lost.send().is_silent()
        assert (server.connections, proxy.upstream_bytes) == (0, 0)
        assert raw(proxy).send().status() == 200

    def test_on_a_present_connection_it_loses_what_is_sent(self, proxy, raw):
        """Afterwards there is a hole."""
        client = raw(proxy)
        assert client.send(b"a").read(1) == b"a"
        proxy.behave(BlackHole())
        assert client.send(b"b").is_silent()
        proxy.heal()

        assert client.send(b"c").read(1) == b"c"


class TestCut:
    @pytest.mark.parametrize("direction", BOTH)
    @pytest.mark.parametrize("reset, ending", [(False, "eof"), (True, "reset")])
    def test_a_connection_ends_after_so_many_bytes(self, proxy, raw, direction, reset, ending):
        """Of one direction; the client has those that had come back."""
        proxy.behave(Cut(3, reset=reset), direction=direction)
        seen, how = raw(proxy).send(b"teas").rest()

        assert b"tea".startswith(seen)
        assert how == ending
        if direction == "downstream":
            assert seen == b"tea"

    def test_a_body_is_cut_in_the_middle(self, serve, through, fetch):
        """No client takes that for a success."""
        proxy = through(serve(Reply(body=b"x" * 1000)))
        proxy.behave(Cut(500), direction="downstream")

        with pytest.raises(Exception, match=r"(?i)incomplete|peer closed"):
            fetch(proxy.url)

    def test_each_connection_has_its_own_count(self, proxy, raw):
        """From the moment when the cut was set."""
        present = raw(proxy)
        assert present.send(b"xxxx").read(4) == b"xxxx"
        proxy.behave(Cut(3), direction="downstream")

        assert present.send(b"teas").rest() == (b"tea", "eof")
        assert raw(proxy).send(b"teas").rest() == (b"tea", "eof")

    def test_what_is_being_sent_counts_for_nothing(self, serve, through, raw, eventually):
        """A cut that is set while a slow client lets the proxy wait is exact, too."""
        proxy = through(serve(Reply(body=b"x" * 20_000_000)))
        client = raw(proxy).send()
        assert eventually(lambda: proxy.downstream_bytes > 1_000_000)
        before = -1
        while before != proxy.downstream_bytes:  # until the client's buffers are full
            before = proxy.downstream_bytes
            time.sleep(0.01)

        proxy.behave(Cut(100_000), direction="downstream")
        assert client.rest()[1] == "eof"
        assert proxy.downstream_bytes - before == 100_000

    def test_with_zero_nothing_passes(self, proxy, raw):
        """The connection is made, and ends when something is said."""
        proxy.behave(Cut(0), direction="downstream")

        assert raw(proxy).send(b"teas").rest() == (b"", "eof")
        assert proxy.downstream_bytes == 0


class TestConnections:
    def test_present_ones_are_reset_and_new_ones_pass(self, proxy, raw):
        """When it returns, it is done."""
        present = [raw(proxy) for _ in range(3)]
        for one in present:
            assert one.send(b"x").read(1) == b"x"

        proxy.reset()

        assert proxy.open == 0
        assert [one.rest() for one in present] == [(b"", "reset")] * 3
        assert raw(proxy).send(b"x").read(1) == b"x"

    def test_the_server_sees_the_reset_too(self, through, stack, raw):
        """Both sides of the connection are gone."""
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        proxy = through(listener.getsockname())
        raw(proxy)
        server = stack.enter_context(listener.accept()[0])

        proxy.reset()

        with pytest.raises(ConnectionResetError):
            server.recv(1)

    def test_new_ones_are_refused_and_present_ones_live_on(self, proxy, raw):
        """Until it is healed, on the same port."""
        present = raw(proxy)
        proxy.refuse()

        with pytest.raises(ConnectionRefusedError):
            raw(proxy)
        assert present.send(b"x").read(1) == b"x"

        proxy.heal()
        assert raw(proxy).send(b"x").read(1) == b"x"

    @pytest.mark.parametrize("impairment", [Latency(9.0), Slice(1, every=9.0), Bandwidth(0.1)])
    def test_healing_takes_everything_away(self, proxy, raw, eventually, impairment):
        """From what is under way, too."""
        proxy.behave(impairment)
        client = raw(proxy).send(b"teas")
        assert not eventually(lambda: proxy.downstream_bytes == 4, within=0.03)
        proxy.heal()

        assert client.read(4) == b"teas"

    def test_who_has_connected_is_present(self, serve, through, raw):
        """Even if the proxy has not got round to it yet: refused is who comes later, reset all."""
        proxy = through(serve())
        connected = [raw(proxy) for _ in range(30)]
        proxy.refuse()
        assert [one.send().status() for one in connected] == [200] * 30

        proxy.accept()
        connected += [raw(proxy) for _ in range(30)]
        proxy.reset()
        assert {one.rest() for one in connected} == {(b"", "reset")}

    def test_whoever_hangs_is_let_go_when_it_stops(self, serve, raw, stopwatch):
        """And the server behind it is not disturbed."""
        server = serve(Vanish())
        with FaultProxy(server) as proxy:
            proxy.behave(Stall())
            stalled = raw(proxy).send()
            proxy.behave(BlackHole())
            lost = raw(proxy).send()

        assert stopwatch() < 1.0
        assert {stalled.rest()[1], lost.rest()[1]} <= {"eof", "reset"}


class TestConfiguration:
    @pytest.mark.parametrize(
        "upstream, address, url",
        [
            ("localhost:6379", ("localhost", 6379), "tcp://127.0.0.1:1"),
            (("::1", 6379), ("::1", 6379), "tcp://127.0.0.1:1"),
            ("[::1]:80", ("::1", 80), "tcp://127.0.0.1:1"),
            ("http://shop/a?b", ("shop", 80), "http://127.0.0.1:1/a?b"),
            ("redis://me:pw@host:1234/0", ("host", 1234), "redis://me:pw@127.0.0.1:1/0"),
        ],
    )
    def test_an_upstream_may_be_written_in_any_usual_way(self, upstream, address, url):
        """The proxy's own URL is the same with another address."""
        target = Target(upstream)

        assert target.address == address
        assert target.url_at("127.0.0.1", 1) == url

    @pytest.mark.parametrize("upstream", ["shop", "", ":80", "shop:http", "smtp://shop", 80, None])
    def test_one_without_host_and_port_is_refused(self, upstream):
        """The message tells what would do."""
        with pytest.raises(ConfigurationError, match=r"upstream=.* it must be 'host:port'"):
            FaultProxy(upstream)

    @pytest.mark.parametrize(
        "impairments, options, message",
        [
            ((Latency(1), Latency(2)), {}, r"there is Latency\(1\.0\) already"),
            ((Reset(),), {}, r"impairments=Reset\(\) is not allowed: it must be Latency"),
            ((Stall(),), {"direction": "up"}, "direction='up' is not allowed"),
        ],
    )
    def test_nonsense_is_refused_and_changes_nothing(
        self, proxy, raw, impairments, options, message
    ):
        """Traffic passes as before."""
        with pytest.raises(ConfigurationError, match=message):
            proxy.behave(*impairments, **options)

        assert raw(proxy).send(b"x").read(1) == b"x"

    def test_it_runs_inside_with(self, echo):
        """Outside there is nothing to impair."""
        with pytest.raises(RuntimeError, match="this FaultProxy does not run"):
            FaultProxy(echo).behave(Stall())
