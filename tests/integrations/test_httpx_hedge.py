"""Hedged requests: sent twice only where that is harmless, and only one response is left."""

import threading
import time
from contextlib import suppress

import pytest

from holdfast import Bulkhead, Pipeline, Retry, Timeout, backoff, transient
from holdfast.strategies.hedge.hedge import Hedge


def hedged(*outside, after=0.2, **options):
    return Pipeline("shop", *outside, Hedge(after, on=transient, **options))


def test_a_slow_get_is_sent_again_and_the_first_answer_wins(web, step):
    """The response of the winner is the caller's, with its body."""
    web.script(step(takes=3.0, body=b"first"), step(takes=0.1, body=b"second"))

    response = web.get(web.client(hedged()))

    assert (response.status_code, response.content) == (200, b"second")
    assert web.times == [0.0, pytest.approx(0.2)]
    assert web.world.elapsed() == pytest.approx(0.3)


@pytest.mark.parametrize("method, times", [("POST", 1), ("PATCH", 1), ("PUT", 2), ("DELETE", 2)])
def test_only_idempotent_requests_are_hedged(web, step, method, times):
    """RFC 9110: a POST might be carried out twice."""
    web.script(step(takes=1.0))

    web.send(web.client(hedged()), method)

    assert web.methods == [method] * times


def test_an_idempotency_key_allows_it(web, step):
    """With one the server takes care."""
    web.script(step(takes=1.0))

    web.send(web.client(hedged()), "POST", headers={"Idempotency-Key": "1"}, content=b"order")

    assert web.methods == ["POST"] * 2


def test_a_body_that_can_be_read_once_is_sent_once(web, step):
    """A second attempt would send nothing."""
    web.script(step(takes=1.0))

    async def pieces():
        yield b"piece"

    content = pieces() if web.is_async else iter([b"piece"])
    web.send(web.client(hedged()), "PUT", content=content)

    assert web.methods == ["PUT"]


def test_a_failed_answer_starts_the_next_at_once(web, step):
    """A 503 does not win; the next attempt does not wait for the delay."""
    web.script(step(503, body=b"busy"), step(body=b"here"))

    response = web.get(web.client(hedged()))

    assert (response.status_code, response.content) == (200, b"here")
    assert web.world.elapsed() == 0.0


def test_where_all_attempts_fail_the_first_answer_is_returned(web, step):
    """As it came, although others came after it."""
    web.script(step(503, takes=0.5, body=b"first"), step(500, takes=0.6, body=b"second"))

    response = web.get(web.client(hedged()))

    assert (response.status_code, response.content) == (503, b"first")


def test_an_answer_that_is_no_failure_wins(web, step):
    """404 is an answer."""
    web.script(step(takes=3.0), step(404, takes=0.1))

    assert web.get(web.client(hedged())).status_code == 404


def test_the_winners_body_is_read_under_the_total(web, step):
    """Each attempt has limits of its own, so the body's are not those of the loser."""
    web.script(
        step(takes=9.0),
        step(takes=0.1, chunks=[(0.5, b"one "), (0.5, b"two")]),
    )
    pipeline = hedged(Timeout(5.0, sync="cooperative"))

    response = web.get(web.client(pipeline))

    assert response.content == b"one two"
    assert web.world.elapsed() == pytest.approx(1.3)


def test_a_body_that_drips_past_the_total_is_cut(web, step):
    """The total holds for the winner's body, too."""
    web.script(step(takes=9.0), step(takes=0.1, chunks=[(1.0, b".")] * 60))
    pipeline = hedged(Timeout(5.0, sync="cooperative"))

    with pytest.raises(TimeoutError):
        web.get(web.client(pipeline))

    assert web.world.elapsed() == pytest.approx(5.0, abs=0.01)


def test_every_other_response_is_closed(web, step):
    """An answer that lost, or came too late to win, does not keep its connection."""
    web.script(
        step(503, takes=0.3, chunks=[(0.0, b"busy")]), step(takes=0.6, chunks=[(0.0, b"here")])
    )

    assert web.get(web.client(hedged())).content == b"here"

    assert [body.closed > 0 for body in web.bodies] == [True, True]


def test_a_response_that_cannot_be_closed_leaves_the_others_to_be_closed(web, step):
    """A connection that breaks while it is closed is no reason to keep two."""
    bad = step(503, chunks=[(0.0, b"busy")])
    web.script(bad, bad, step(chunks=[(0.0, b"here")]))
    client = web.client(hedged(max_hedges=2))
    closed = []

    def closing(body):
        closed.append(body)
        raise OSError("broken")

    async def aclosing(body):
        closing(body)

    original = web._body

    def breaking(*args):
        body = original(*args)
        type(body).close, type(body).aclose = closing, aclosing
        return body

    web._body = breaking
    with suppress(OSError):
        web.get(client)

    assert set(web.bodies[:2]) <= set(closed)


def test_a_retry_around_a_hedge(web, step):
    """The race is repeated, and the last response is the caller's."""
    web.script(step(503, takes=0.3), step(503, takes=0.3), step(body=b"third"))
    retry = Retry(3, on=transient, backoff=backoff.constant(1.0))

    response = web.get(web.client(hedged(retry)))

    assert response.content == b"third"
    assert web.times == [0.0, pytest.approx(0.2), pytest.approx(1.5)]


def test_the_pool_has_room_for_the_bulkheads_calls(web, step):
    """A hedged call holds one permit; when it is over, none."""
    web.script(step(takes=3.0), step(takes=0.1))
    bulkhead = Bulkhead(2)

    web.get(web.client(hedged(bulkhead)))
    web.world.advance(9.0)

    assert bulkhead.in_flight == 0


@pytest.mark.real_time
@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_loser_of_a_real_server_is_cut(loopback, library):
    """It gives its permit back although it is never answered, and the pool drops its connection."""
    module = pytest.importorskip(library)
    integration = pytest.importorskip(f"holdfast.integrations.{library}")
    release = threading.Event()

    def behaviour(number):
        if number == 1:
            release.wait(30.0)
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
        yield b"%02d" % number

    server = loopback(behaviour)
    bulkhead = Bulkhead(5)
    transport = integration.Transport(hedged(bulkhead, after=0.02))
    with module.Client(transport=transport) as client:
        assert client.get(server.url).content == b"02"
        limit = time.monotonic() + 4.0
        while bulkhead.in_flight and time.monotonic() < limit:
            time.sleep(0.001)
        assert bulkhead.in_flight == 0
        (host,) = transport._hosts._hosts.values()
        assert all(one.is_idle() for one in host.inner._pool.connections)
    release.set()


def test_a_timeout_inside_a_hedge_is_for_the_headers(web, step):
    """An attempt ends with them; its limit does not cut the winner's body."""
    web.script(step(takes=9.0), step(takes=0.1, chunks=[(0.6, b"one "), (0.6, b"two")]))
    pipeline = Pipeline("shop", Hedge(0.2, on=transient), Timeout(1.0))

    assert web.get(web.client(pipeline)).content == b"one two"
