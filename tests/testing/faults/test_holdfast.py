"""Pipelines before real faults: what a test of one's own service looks like."""

import asyncio
import urllib.request
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from holdfast import (
    AttemptTimeout,
    CircuitBreaker,
    CircuitOpenError,
    Pipeline,
    Retry,
    backoff,
    deadline,
    transient,
)
from holdfast.integrations.http import standard
from holdfast.integrations.httpx import AsyncTransport, Transport
from holdfast.testing import VirtualClock
from holdfast.testing.faults import BlackHole, Close, Reply, Reset, Stall, Vanish
from tests.ids import spelt

pytestmark = pytest.mark.real_time

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def quick(attempts=3, attempt=0.05):
    """Make the recommended pipeline, in a hurry."""
    retry = Retry(attempts, on=transient, backoff=backoff.constant(0.01))
    return standard("shop", timeout=5.0, attempt_timeout=attempt, attempts=retry)


@pytest.fixture
def client(stack):
    """``client(pipeline)`` is an httpx client behind it."""
    return lambda pipeline: stack.enter_context(
        httpx.Client(transport=Transport(pipeline, verify=False, trust_env=False))
    )


def load(url):
    with urllib.request.urlopen(url, timeout=5.0) as response:
        return response.read()


class TestRetry:
    def test_two_failures_and_an_answer(self, serve):
        """The pauses are virtual, the resets are real."""
        server = serve(Reset(), Reset("body"), Reply(body="teas"))
        pipeline = Pipeline("shop", Retry(3, on=OSError, backoff=backoff.constant(60)))

        with VirtualClock():
            assert pipeline.call(load, server.url) == b"teas"

        assert [at - server.times[0] for at in server.times] == [0.0, 60.0, 120.0]

    @pytest.mark.parametrize(
        "asking",
        [
            Reply(429, retry_after=30),
            Reply(503, retry_after="30"),
            Reply(
                429,
                retry_after=NOON + timedelta(seconds=30),
                headers={"Date": format_datetime(NOON, usegmt=True)},
            ),
        ],
        ids=["seconds", "503", "date"],
    )
    def test_a_server_is_given_the_time_that_it_asks_for(self, serve, client, asking):
        """In seconds or as a date, and nobody waits for half a minute here."""
        server = serve(asking, Reply(body="teas"))
        pipeline = Pipeline("shop", Retry(3, on=transient, backoff=backoff.constant(0.1)))

        with VirtualClock():
            assert client(pipeline).get(server.url).content == b"teas"

        first, second = server.times
        assert second - first >= 30.0

    def test_a_post_is_sent_once(self, serve, client):
        """The server had read it when the connection broke, and may have done the work."""
        server = serve(Reset())

        with pytest.raises(httpx.ReadError):
            client(quick(attempt=4.0)).post(server.url + "/pay")

        assert [one.method for one in server.requests] == ["POST"]

    def test_a_partial_body_is_an_error_and_no_success(self, serve, client):
        """The transport judges by the headers, so it is the caller who gets it."""
        server = serve(Close("body"))

        with pytest.raises(httpx.RemoteProtocolError, match="peer closed connection"):
            client(quick(attempt=4.0)).get(server.url)

        assert len(server.requests) == 1

    def test_around_the_reading_it_is_tried_again(self, serve):
        """A retry around the whole request sees the body, too."""
        server = serve(Close("body"), Reply(body="teas"))
        retry = Retry(2, on=httpx.TransportError, backoff=backoff.constant(0.0))

        with httpx.Client(trust_env=False, verify=False) as plain:
            assert Pipeline("shop", retry).call(plain.get, server.url).content == b"teas"

        assert len(server.requests) == 2


class TestTimeout:
    @pytest.mark.parametrize("silence", [Vanish(), Vanish("accept")], ids=spelt)
    def test_silence_costs_the_limit_of_each_attempt(
        self, serve, client, stopwatch, eventually, silence
    ):
        """Be it a peer that is gone or a black hole."""
        server = serve(silence)

        with pytest.raises(AttemptTimeout):
            client(quick(attempts=2)).get(server.url)

        assert 0.1 <= stopwatch() < 2.0
        assert eventually(lambda: server.connections == 2)

    def test_a_half_open_connection_is_given_up_and_replaced(self, serve, through):
        """The pool's connection looks alive: only the timeout knows."""
        server = serve(Reply(body="teas"))
        proxy = through(server)

        async def main():
            transport = AsyncTransport(quick(1, attempt=4.0), verify=False, trust_env=False)
            async with httpx.AsyncClient(transport=transport) as client:
                await client.get(proxy.url)
                proxy.behave(Stall(), direction="downstream")
                with deadline(0.05), pytest.raises(httpx.TimeoutException):
                    await client.get(proxy.url)
                proxy.heal()
                return await client.get(proxy.url)

        assert asyncio.run(main()).content == b"teas"
        assert proxy.connections == 2
        assert len(server.requests) == 3


class TestBreaker:
    def test_it_opens_on_resets_and_closes_after_the_outage(self, serve, client):
        """While it is open the server is left alone; the half minute is virtual."""
        server = serve(Reset())
        breaker = CircuitBreaker(failures=3, probes=1, open_for=30.0, open_jitter=0.0)
        shop = client(Pipeline("shop", breaker))

        with VirtualClock() as clock:
            for _ in range(3):
                with pytest.raises(httpx.ReadError):
                    shop.get(server.url)
            with pytest.raises(CircuitOpenError):
                shop.get(server.url)
            assert len(server.requests) == 3

            server.behave(200)
            clock.advance(30.0)
            assert shop.get(server.url).status_code == 200
            assert breaker.state == "closed"

    def test_it_opens_when_nobody_listens_any_more(self, serve, client):
        """Refused connections are failures like others."""
        server = serve()
        shop = client(Pipeline("shop", CircuitBreaker(failures=2, open_for=30.0)))
        url = server.url
        server.refuse()

        for _ in range(2):
            with pytest.raises(httpx.ConnectError):
                shop.get(url)
        with pytest.raises(CircuitOpenError):
            shop.get(url)

    def test_it_opens_when_the_network_swallows_everything(self, serve, through, client):
        """And the server behind it never hears of it."""
        server = serve()
        proxy = through(server)
        proxy.behave(BlackHole())
        breaker = CircuitBreaker(failures=2, open_for=30.0)
        retry = Retry(2, on=transient, backoff=backoff.constant(0.01))
        shop = client(
            standard("shop", timeout=5.0, attempt_timeout=0.03, attempts=retry, breaker=breaker)
        )

        with pytest.raises(AttemptTimeout):
            shop.get(proxy.url)

        assert breaker.state == "open"
        assert server.connections == 0
