"""The transports of httpx and httpx2 with real servers on loopback, which misbehave byte by byte."""

import asyncio
import pickle
import socket
import threading
import time
from email.utils import formatdate

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    CircuitBreaker,
    CircuitOpenError,
    DeadlineTooShortError,
    Hedge,
    Pipeline,
    RejectedError,
    Retry,
    Timeout,
    backoff,
    deadline,
    transient,
)
from holdfast.integrations import http

pytestmark = pytest.mark.real_time

SOON = backoff.constant(0.02)


def quick(name="test", *, total=5.0, attempt=0.25, attempts=3, **options):
    """Make the recommended pipeline for one host, in a hurry.

    Lower bounds of durations are exact; upper ones leave room for a machine that is busy.
    """
    retry = Retry(attempts, on=transient, backoff=SOON)
    return http.standard(name, timeout=total, attempt_timeout=attempt, attempts=retry, **options)


@pytest.fixture
def stopwatch():
    """Return how many seconds the test has taken."""
    began = time.monotonic()
    return lambda: time.monotonic() - began


def calm(name="test", **options):
    """Make it for servers that answer at once, when the machine allows it."""
    return quick(name, attempt=4.0, **options)


def refused():
    """Return the address of a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"


class TestAnswers:
    def test_a_healthy_server_is_served_over_one_connection(self, caller, loopback):
        """With nothing but the defaults."""
        server = loopback(lambda number: [loopback.reply(body=b"%d" % number)])
        client = caller.client()

        answers = [caller.run(client.get, server.url).content for _ in range(5)]

        assert answers == [b"1", b"2", b"3", b"4", b"5"]
        assert server.connections == 1

    def test_a_silent_server_costs_the_limit_of_each_attempt(self, caller, loopback, stopwatch):
        """It accepts, reads, and says nothing."""
        server = loopback(lambda number: [30.0])

        with pytest.raises(AttemptTimeout) as caught:
            caller.run(caller.client(quick(attempts=2)).get, server.url)

        assert isinstance(caught.value, caller.module.ReadTimeout)
        assert 0.5 <= stopwatch() < 3.0
        assert len(server.requests) == 2

    def test_one_that_recovers_is_met_again(self, caller, loopback, stopwatch):
        """The first attempt is given up, the second one answered."""
        server = loopback(lambda number: [30.0] if number == 1 else [loopback.reply()])

        assert caller.run(caller.client(quick()).get, server.url).content == b"done"
        assert 0.25 <= stopwatch() < 3.0

    def test_a_trickling_body_ends_at_the_total(self, caller, loopback, stopwatch):
        """Each byte would be in time."""
        server = loopback(
            lambda number: [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", *[0.05, b"x"] * 99]
        )

        with pytest.raises(AttemptTimeout) as caught:
            caller.run(caller.client(quick(total=0.4)).get, server.url)

        assert caught.value.seconds == 0.4
        assert 0.4 <= stopwatch() < 3.0

    def test_a_body_that_stalls_ends_at_the_total(self, caller, loopback, stopwatch):
        """The socket's own timeout is what is left."""
        server = loopback(lambda number: [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx", 30.0])

        with pytest.raises(AttemptTimeout):
            caller.run(caller.client(quick(total=0.4)).get, server.url)
        assert 0.4 <= stopwatch() < 3.0

    def test_headers_that_stall_end_the_attempt(self, caller, loopback, stopwatch):
        """A status line is no answer yet."""
        server = loopback(lambda number: [b"HTTP/1.1 200 OK\r\nContent-", 30.0])

        with pytest.raises(AttemptTimeout):
            caller.run(caller.client(quick(attempts=1)).get, server.url)
        assert 0.25 <= stopwatch() < 3.0

    def test_a_reset_connection_is_tried_again(self, caller, loopback):
        """With a new one."""

        def behaviour(number):
            if number == 1:
                raise loopback.Reset
            yield loopback.reply()

        server = loopback(behaviour)

        assert caller.run(caller.client(quick()).get, server.url).content == b"done"
        assert server.connections == 2

    def test_a_refused_connection_opens_the_breaker(self, caller):
        """After five of them nothing is sent any more."""
        client = caller.client(calm)
        url = refused()
        for _ in range(2):
            with pytest.raises((caller.module.ConnectError, RejectedError)):
                caller.run(client.get, url)

        with pytest.raises(CircuitOpenError, match="ConnectError"):
            caller.run(client.get, url)

    def test_another_host_is_served_all_the_same(self, caller, loopback):
        """Each has a breaker and connections of its own."""
        server = loopback(lambda number: [loopback.reply()])
        client = caller.client(lambda origin: Pipeline(origin, CircuitBreaker(failures=1)))
        url = refused()
        for expected in (caller.module.ConnectError, CircuitOpenError):
            with pytest.raises(expected):
                caller.run(client.get, url)

        assert caller.run(client.get, server.url).status_code == 200


class TestRetryAfter:
    def test_seconds_are_waited_for(self, caller, loopback, stopwatch):
        """A fraction will do."""
        busy = loopback.reply("503 Service Unavailable", Retry_After="0.3")
        server = loopback(lambda number: [busy] if number == 1 else [loopback.reply()])

        assert caller.run(caller.client(calm()).get, server.url).status_code == 200
        assert 0.3 <= stopwatch() < 3.0
        assert server.connections == 1

    @pytest.mark.parametrize("library", ["httpx"], indirect=True)  # dates have whole seconds
    def test_a_date_is_waited_for(self, caller, loopback, stopwatch):
        """Compared with the server's own, which is an hour off here."""
        now = time.time() + 3600.0
        busy = loopback.reply(
            "429 Too Many Requests",
            Date=formatdate(now, usegmt=True),
            Retry_After=formatdate(now + 1, usegmt=True),
        )
        server = loopback(lambda number: [busy] if number == 1 else [loopback.reply()])

        assert caller.run(caller.client(calm()).get, server.url).status_code == 200
        assert 1.0 <= stopwatch() < 3.0

    def test_one_that_is_too_far_away_is_handed_to_the_caller(self, caller, loopback, stopwatch):
        """At once."""
        server = loopback(
            lambda number: [loopback.reply("503 Service Unavailable", b"later", Retry_After="30")]
        )

        response = caller.run(caller.client(calm()).get, server.url)

        assert (response.status_code, response.content) == (503, b"later")
        assert stopwatch() < 3.0


class TestConnections:
    def test_they_go_back_to_the_pool_after_bad_answers(self, caller, loopback):
        """Two hundred retried calls share one connection, though the pool has but two."""
        busy = loopback.reply("503 Service Unavailable", b"x" * 1000)
        server = loopback(lambda number: [loopback.reply() if number % 2 == 0 else busy])
        retry = Retry(2, on=transient, backoff=backoff.constant(0.0))
        client = caller.client(Pipeline("test", Timeout(5.0), Bulkhead(2), retry))

        statuses = {caller.run(client.get, server.url).status_code for _ in range(200)}

        assert statuses == {200}
        assert len(server.requests) == 400
        assert server.connections == 1

    def test_large_bad_answers_do_not_exhaust_it_either(self, caller, loopback):
        """Their connections are closed, for nobody reads them to the end."""
        busy = loopback.reply("503 Service Unavailable", b"x" * 300_000)
        server = loopback(lambda number: [loopback.reply() if number % 2 == 0 else busy])
        retry = Retry(2, on=transient, backoff=backoff.constant(0.0))
        client = caller.client(Pipeline("test", Timeout(5.0), Bulkhead(1), retry))

        assert {caller.run(client.get, server.url).status_code for _ in range(10)} == {200}

    @pytest.mark.filterwarnings("ignore::holdfast.CompositionWarning")
    @pytest.mark.parametrize("hedged_first", [False, True])
    def test_those_of_hedges_do_not_exhaust_it(self, caller, loopback, hedged_first):
        """They are read to the end, for each of them may be the answer."""
        busy = loopback.reply("503 Service Unavailable", b"x" * 300_000)
        server = loopback(lambda number: [busy])
        layers = [Retry(2, on=transient, backoff=backoff.constant(0.0)), Hedge(9.0, budget=None)]
        layers = layers[::-1] if hedged_first else layers
        client = caller.client(Pipeline("test", Timeout(5.0), Bulkhead(1), *layers))

        response = caller.run(client.get, server.url)

        assert (response.status_code, len(response.content)) == (503, 300_000)
        assert len(server.requests) == 4

    def test_timeouts_do_not_exhaust_it(self, caller, loopback):
        """The connection that was given up on is closed."""
        server = loopback(lambda number: [30.0])
        client = caller.client(Pipeline("test", Timeout(5.0), Bulkhead(1)))
        for _ in range(8):
            with deadline(0.03), pytest.raises((AttemptTimeout, DeadlineTooShortError)):
                caller.run(client.get, server.url)

        server.behaviour = lambda number: [loopback.reply()]

        assert caller.run(client.get, server.url).status_code == 200

    @pytest.mark.filterwarnings("ignore::holdfast.CompositionWarning")
    @pytest.mark.parametrize(
        "layers, size",
        [((Bulkhead(7),), 7), ((Bulkhead(7), Hedge(9.0, 2)), 21), ((Hedge(9.0), Bulkhead(7)), 7)],
        ids=["plain", "hedges inside", "hedges outside"],
    )
    def test_a_pool_is_as_large_as_the_bulkhead(self, caller, loopback, layers, size):
        """So whoever has a permit has a connection, too, and one for each hedge."""
        client = caller.client(Pipeline("test", *layers))
        server = loopback(lambda number: [loopback.reply()])
        caller.run(client.get, server.url)

        host = client._transport._hosts.use(
            (b"http", b"127.0.0.1", int(server.url.rpartition(":")[2]))
        )[0]

        assert host.inner._pool._max_connections == size

    def test_options_go_to_the_pools(self, caller, loopback):
        """Here the address that the client calls from."""
        server = loopback(lambda number: [loopback.reply()])
        client = caller.client(
            calm(), local_address="127.0.0.2", limits=caller.module.Limits(max_connections=1)
        )

        assert caller.run(client.get, server.url).status_code == 200
        assert server._sockets[0].getpeername()[0] == "127.0.0.2"

    def test_closing_the_client_closes_all_of_them(self, caller, loopback):
        """The server sees the end."""
        servers = [loopback(lambda number: [loopback.reply()]) for _ in range(2)]
        client = caller.client()
        for one in servers:
            caller.run(client.get, one.url)

        caller.close(client)

        assert all(one.hung_up.acquire(timeout=1.0) for one in servers)

    def test_those_of_a_host_that_is_forgotten_are_closed(self, caller, loopback):
        """When there are more hosts than there should be."""
        old, new = (loopback(lambda number: [loopback.reply()]) for _ in range(2))
        client = caller.client(max_hosts=1)
        caller.run(client.get, old.url)

        caller.run(client.get, new.url)

        assert old.hung_up.acquire(timeout=1.0)
        assert not new.hung_up.acquire(blocking=False)


class TestStreams:
    def test_a_streamed_body_holds_its_permit(self, caller, loopback):
        """And gives it back at the end."""
        server = loopback(lambda number: [loopback.reply(body=b"y" * 500_000)])
        pipeline = calm(concurrency=1)
        client = caller.client(pipeline)
        bulkhead = pipeline.strategies[1]

        response = caller.run(client.send, client.build_request("GET", server.url), stream=True)
        assert bulkhead.in_flight == 1
        assert len(caller.read(response)) == 500_000

        assert bulkhead.in_flight == 0
        assert caller.run(client.get, server.url).status_code == 200

    def test_one_that_is_left_early_gives_it_back(self, caller, loopback):
        """Closing is enough."""
        server = loopback(lambda number: [loopback.reply(body=b"y" * 500_000)])
        pipeline = calm(concurrency=1)
        client = caller.client(pipeline)

        for _ in range(3):
            response = caller.run(client.send, client.build_request("GET", server.url), stream=True)
            caller.close(response)

        assert pipeline.strategies[1].in_flight == 0


class TestThreads:
    @pytest.fixture
    def caller(self, library):
        """Only the blocking client is for threads."""
        pytest.importorskip(library)
        module = pytest.importorskip(f"holdfast.integrations.{library}")
        return pytest.importorskip(library), module

    def test_threads_share_one_transport(self, caller, loopback):
        """Bounded by the bulkhead, and each gets its answer."""
        library, integration = caller
        server = loopback(lambda number: [0.01, loopback.reply()])
        pipeline = Pipeline("test", Timeout(5.0), Bulkhead(4, queue=100))
        with library.Client(transport=integration.Transport(pipeline)) as client:
            statuses = []

            def work():
                statuses.extend(client.get(server.url).status_code for _ in range(10))

            threads = [threading.Thread(target=work) for _ in range(16)]
            for one in threads:
                one.start()
            for one in threads:
                one.join(10.0)

        assert statuses == [200] * 160
        assert server.connections <= 4
        assert pipeline.strategies[1].in_flight == 0


class TestCancellation:
    @pytest.fixture
    def client(self, library):
        """An async client of one library, in a loop of the test's."""
        module = pytest.importorskip(library)
        integration = pytest.importorskip(f"holdfast.integrations.{library}")
        return lambda pipeline: module.AsyncClient(transport=integration.AsyncTransport(pipeline))

    def test_a_cancelled_request_leaves_nothing_behind(self, client, loopback):
        """Neither a connection nor a permit."""
        server = loopback(lambda number: [30.0])
        pipeline = calm(concurrency=1)

        async def main():
            async with client(pipeline) as http_client:
                for _ in range(5):
                    task = asyncio.create_task(http_client.get(server.url))
                    await asyncio.sleep(0.03)
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task
                    assert pipeline.strategies[1].in_flight == 0
                server.behaviour = lambda number: [loopback.reply()]
                return await http_client.get(server.url)

        assert asyncio.run(main()).status_code == 200

    def test_a_task_group_is_not_confused(self, client, loopback):
        """A sibling that fails cancels the request, and its own error is what comes out."""
        server = loopback(lambda number: [30.0])

        async def fails():
            await asyncio.sleep(0.05)
            raise KeyError("sibling")

        async def main():
            async with client(quick()) as http_client, asyncio.TaskGroup() as group:
                group.create_task(http_client.get(server.url))
                group.create_task(fails())

        with pytest.raises(ExceptionGroup) as caught:
            asyncio.run(main())
        assert [type(one) for one in caught.value.exceptions] == [KeyError]


class TestErrors:
    def test_ours_are_the_clients_too(self, caller):
        """Code that catches httpx's exceptions goes on to work."""
        breaker = CircuitBreaker()
        breaker.isolate()
        client = caller.client(Pipeline("shop", breaker))

        with pytest.raises(caller.module.TransportError) as caught:
            caller.run(client.get, "http://127.0.0.1:1/")

        assert isinstance(caught.value, CircuitOpenError)
        assert type(caught.value).__name__ == "IsolatedError"
        assert "held open by hand" in str(caught.value)
        assert str(caught.value.request.url) == "http://127.0.0.1:1/"

    def test_they_pickle(self, caller):
        """Process pools carry them."""
        breaker = CircuitBreaker(name="shop")
        breaker.trip()
        client = caller.client(Pipeline("shop", breaker))
        with pytest.raises(RejectedError) as caught:
            caller.run(client.get, "http://127.0.0.1:1/")

        copy = pickle.loads(pickle.dumps(caught.value))

        assert type(copy) is type(caught.value)
        assert str(copy) == str(caught.value)
        assert copy.retry_after == caught.value.retry_after

    def test_a_timeout_of_a_deadline_is_one_as_well(self, caller, loopback, stopwatch):
        """The caller's own time ran out."""
        server = loopback(lambda number: [30.0])

        with deadline(0.1), pytest.raises(caller.module.TimeoutException) as caught:
            caller.run(caller.client(quick()).get, server.url)

        assert isinstance(caught.value, TimeoutError)
        assert 0.1 <= stopwatch() < 3.0
