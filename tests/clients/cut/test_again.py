"""Clients that try again by themselves: each new connection is cut at once, each pause is told."""

import random
import socketserver
import threading

import pytest

from holdfast.testing import record
from tests.clients.cut.bench import LATEST, THEIR_OWN, is_cut
from tests.clients.cut.cases_databases import Redis
from tests.clients.cut.fakes import served

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.filterwarnings(*THEIR_OWN, "ignore::holdfast.errors.OverrunWarning"),
]

PAUSE = 0.7
"""Longer than what is no overrun yet for a call that has been cut, in seconds."""


@pytest.fixture
def silent():
    """The port of a server that says nothing, and the connections that it has had."""
    visits, over = [], threading.Event()

    class Silent(socketserver.BaseRequestHandler):
        def handle(self):
            visits.append(self.client_address)
            over.wait(9.0)

    with served(Silent) as port:
        yield port, visits
        over.set()


@pytest.fixture
def patient(bench):
    """``patient(backoff)`` is a client of a Redis that hangs, with three retries, and its bench."""
    redis, bench = pytest.importorskip("redis"), bench(Redis())

    def made(backoff, retries=3):
        client = redis.Redis(
            port=bench.port, retry=redis.retry.Retry(backoff, retries),
            socket_timeout=None, retry_on_error=[redis.ConnectionError],
        )  # fmt: skip
        client.ping()
        bench.hang("silence")
        return client, bench

    return made


def test_urllib3_is_cut_at_each_of_its_retries(silent):
    """It makes three more connections, and none of them has a limit of its own."""
    urllib3, (port, visits) = pytest.importorskip("urllib3"), silent
    with urllib3.PoolManager() as pool:
        is_cut(lambda: pool.request("GET", f"http://127.0.0.1:{port}"), ["MaxRetryError"])
    assert len(visits) == 4


def test_requests_is_cut_at_each_of_its_retries(silent):
    """The same, where an adapter asks for them."""
    requests, (port, visits) = pytest.importorskip("requests"), silent
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=2))
        is_cut(lambda: session.get(f"http://127.0.0.1:{port}"), ["ConnectionError"])
    assert len(visits) == 3


def test_redis_is_cut_at_each_of_its_retries(patient):
    """Without pauses it ends at once, for all its patience."""
    import redis

    failures = []

    class Counting(redis.backoff.NoBackoff):
        def compute(self, failure):
            failures.append(failure)
            return 0

    client, _ = patient(Counting())
    with client:
        is_cut(client.ping, ["ConnectionError"])
    assert failures == [1, 2, 3]


def test_the_pauses_of_redis_are_told(patient):
    """As it makes them by default from version 6 on; here one that is long enough to be sure."""
    import redis

    client, bench = patient(redis.backoff.ConstantBackoff(PAUSE), 1)
    with client, record() as events:
        is_cut(client.ping, ["ConnectionError"], latest=LATEST + PAUSE)
        bench.heal()
        assert client.ping()
    assert events.names().count("Overrun") == 1


def test_the_pauses_of_boto3_are_told(silent, monkeypatch):
    """As it makes them by default, four at random; here one that is long enough to be sure."""
    boto3, (port, visits) = pytest.importorskip("boto3"), silent
    monkeypatch.setattr(random, "random", lambda: PAUSE)
    client = boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="eu-west-1",
        aws_access_key_id="nobody", aws_secret_access_key="nothing",
        config=boto3.session.Config(retries={"total_max_attempts": 2}),
    )  # fmt: skip
    with record() as events:
        is_cut(client.list_buckets, ["ConnectionClosedError"], latest=LATEST + PAUSE)
    client.close()
    assert (len(visits), events.names().count("Overrun")) == (2, 1)
