"""Which requests the transports send twice, what counts as failed there, and through which proxy."""

import io
import itertools
import ssl
import threading
import warnings
from pathlib import Path

import pytest

from holdfast import (
    CircuitBreaker,
    ConfigurationError,
    Hedge,
    Pipeline,
    Retry,
    Timeout,
    backoff,
    transient,
)
from holdfast.integrations import _proxies, http
from holdfast.integrations.http import IDEMPOTENCY_KEY, STATUSES

UNTRUSTED = Path(__file__).with_name("data") / "untrusted.pem"


def once_more(**options):
    return Pipeline("shop", Retry(3, on=transient, backoff=backoff.constant(0.0), **options))


class TestNeverSent:
    @pytest.mark.parametrize(
        "error", ["ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"]
    )
    def test_what_was_never_sent_is_sent_whatever_its_method(self, web, step, error):
        """No connection came about, so nothing happens twice: urllib3 2982, axios-retry 146."""
        web.script(step(raises=error), step(raises=error), step(201))

        assert web.send(web.client(once_more()), "POST").status_code == 201
        assert web.methods == ["POST"] * 3

    @pytest.mark.parametrize(
        "error", ["ReadError", "WriteError", "ReadTimeout", "RemoteProtocolError"]
    )
    def test_what_may_have_arrived_is_not(self, web, step, error):
        """Nobody knows what the server has done with it."""
        web.script(step(raises=error), step(201))

        with pytest.raises(getattr(web.module, error)):
            web.send(web.client(once_more()), "POST")
        assert web.methods == ["POST"]

    @pytest.mark.parametrize("status", [500, 503, 429])
    def test_an_answer_has_been_sent_to(self, web, step, status):
        """The server has it, and may have done half of it."""
        web.script(step(status), step(201))

        assert web.send(web.client(once_more()), "POST").status_code == status

    def test_the_condition_of_the_retry_still_counts(self, web, step):
        """Who retries nothing of the kind gets what was asked for."""
        web.script(step(raises="ConnectError"), step(201))
        picky = Pipeline("shop", Retry(3, on=KeyError, backoff=backoff.constant(0.0)))

        with pytest.raises(web.module.ConnectError):
            web.send(web.client(picky), "POST")

    def test_a_body_that_can_be_read_once_is_no_obstacle(self, web, step):
        """It has not been read yet."""
        web.script(step(raises="ConnectError"), step(201))

        def body():
            yield b"tea"

        async def pieces():
            yield b"tea"

        content = pieces() if web.is_async else body()
        assert web.send(web.client(once_more()), "POST", content=content).status_code == 201

    def test_a_port_that_is_closed_is_tried_again(self, caller):
        """With a real socket."""
        import socket

        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        seen = []
        watching = Retry(3, on=transient, backoff=backoff.constant(0.0), before_sleep=seen.append)
        client = caller.client(Pipeline("shop", watching))

        with pytest.raises(caller.module.ConnectError):
            caller.run(client.post, url)
        assert len(seen) == 2

    def test_httpx_must_not_repeat_beneath(self, web):
        """Its own repeating sleeps past every deadline."""
        kind = web.integration.AsyncTransport if web.is_async else web.integration.Transport

        with pytest.raises(ConfigurationError, match=r"retries=5.*never sent"):
            kind(retries=5)


class TestRepeat:
    @pytest.mark.parametrize("method", ["QUERY", "PROPFIND", "REPORT", "SEARCH", "get"])
    def test_safe_methods_are_repeated(self, web, step, method):
        """They are in the IANA's registry, and httpx writes them in capitals."""
        web.script(step(503), step(200))

        assert web.send(web.client(once_more()), method).status_code == 200

    @pytest.mark.parametrize("repeat", [{"POST"}, ["post"], ("POST", "GET")])
    def test_methods_can_be_named(self, web, step, repeat):
        """In place of the idempotent ones."""
        web.script(step(503), step(200))
        client = web.client(once_more(), repeat=repeat)

        assert web.send(client, "POST").status_code == 200

    def test_what_is_not_named_is_not_repeated(self, web, step):
        """The set is the whole truth, but for a key."""
        web.script(step(503), step(200), step(503), step(200))
        client = web.client(once_more(), repeat=())

        assert web.send(client, "GET").status_code == 503
        web.send(client, "GET")
        keyed = {IDEMPOTENCY_KEY: "7f3c"}
        assert web.send(client, "GET", headers=keyed).status_code == 200

    def test_a_predicate_decides_by_the_request(self, web, step):
        """A search by POST is as safe as a GET; LLM calls are POSTs, too (aiohttp_retry 86)."""
        web.script(step(503), step(200))
        client = web.client(once_more(), repeat=lambda request: request.url.path == "/search")

        assert web.send(client, "POST", "http://shop/search").status_code == 200
        web._sent.clear()
        assert web.send(client, "GET", "http://shop/").status_code == 503

    @pytest.mark.parametrize("repeat", ["POST", [1], {None}])
    def test_nonsense_is_refused(self, web, repeat):
        """With the option's name."""
        with pytest.raises(ConfigurationError, match="repeat="):
            web.transport(repeat=repeat)


class TestIdempotencyKey:
    def test_each_call_gets_one_key_for_all_its_attempts(self, web, step):
        """So that the server recognises the repetition; another call has another key."""
        keys = []
        make = web._answer

        async def note(request):
            keys.append(request.headers.get(IDEMPOTENCY_KEY))
            return await make(request)

        web._answer = note
        web.script(step(503), step(200), step(503), step(200))
        client = web.client(once_more(), idempotency_key=True)

        assert [web.send(client, "POST").status_code for _ in range(2)] == [200, 200]
        assert keys[0] == keys[1] != keys[2] == keys[3]
        assert len(keys[0]) == 36

    def test_a_function_of_the_request_makes_it(self, web, step):
        """A caller may have a key of its own for what it does; the request is left as it was."""
        web.script(step(503), step(200))
        numbers = itertools.count(1)
        client = web.client(once_more(), idempotency_key=lambda request: f"order-{next(numbers)}")
        request = client.build_request("POST", "http://shop/")

        assert web.world.run(client.send, request).status_code == 200
        assert IDEMPOTENCY_KEY not in request.headers

    @pytest.mark.parametrize(
        "method, headers", [("GET", {}), ("POST", {IDEMPOTENCY_KEY: "mine"}), ("PUT", {})]
    )
    def test_what_needs_none_gets_none(self, web, step, method, headers):
        """A key of the caller's stays, and idempotent methods need none."""
        client = web.client(once_more(), idempotency_key=lambda request: "ours")

        assert web.send(client, method, headers=headers).status_code == 200

    def test_it_is_off_by_default(self, web, step):
        """Few servers know the header."""
        web.script(step(503), step(200))

        assert web.send(web.client(once_more()), "POST").status_code == 503
        with pytest.raises(ConfigurationError, match="idempotency_key="):
            web.transport(idempotency_key="7f3c")


class TestBodies:
    """Seekable files and forms are sent again from their beginning (got, faraday 340)."""

    def put(self, library, **content):
        module = pytest.importorskip(library)
        integration = pytest.importorskip(f"holdfast.integrations.{library}")
        seen = []

        def serve(request):
            seen.append(len(request.read()))
            return module.Response(503 if len(seen) < 3 else 200)

        transport = integration.Transport(once_more(), transport=module.MockTransport(serve))
        with module.Client(transport=transport) as client:
            return client.put("http://shop/", **content).status_code, seen

    def test_files_are_rewound(self, library):
        """To where they were when the request was made."""
        file = io.BytesIO(b"green tea")
        file.seek(6)

        status, seen = self.put(library, content=file)
        assert (status, seen) == (200, [3, 3, 3])

    @pytest.mark.parametrize("file", [b"tea", io.BytesIO(b"tea")])
    def test_forms_are_sent_again(self, library, file):
        """The library goes back by itself."""
        status, seen = self.put(library, files={"leaf": file})

        assert status == 200
        assert len(set(seen)) == 1
        assert len(seen) == 3

    def test_a_list_of_pieces_is_there_once_more(self, library):
        """It is no iterator."""
        assert self.put(library, content=[b"green ", b"tea"]) == (200, [9, 9, 9])

    @pytest.mark.parametrize("body", ["generator", "pipe", "form"])
    def test_what_can_be_read_once_is_sent_once(self, library, body):
        """It would be sent empty the second time."""

        class Pipe(io.BytesIO):
            def seekable(self):
                return False

        contents = {
            "generator": {"content": (piece for piece in [b"tea"])},
            "pipe": {"content": Pipe(b"tea")},
            "form": {"files": {"leaf": Pipe(b"tea")}},
        }
        status, seen = self.put(library, **contents[body])
        assert (status, len(seen)) == (503, 1)

    def test_a_file_serves_one_attempt_at_a_time(self, library):
        """Hedges would read it both at once, so there are none."""
        module = pytest.importorskip(library)
        integration = pytest.importorskip(f"holdfast.integrations.{library}")
        seen = []

        def serve(request):
            seen.append(request.read())
            raise module.ConnectError("refused")

        def send(content):
            seen.clear()
            hedged = Pipeline("shop", Timeout(5.0), Hedge(4.0, max_hedges=2, on=transient))
            transport = integration.Transport(hedged, transport=module.MockTransport(serve))
            with module.Client(transport=transport) as client, pytest.raises(module.ConnectError):
                client.put("http://shop/", content=content)
            return seen

        assert send(b"tea") == [b"tea"] * 3
        assert send(io.BytesIO(b"tea")) == [b"tea"]


class TestStatuses:
    @pytest.mark.parametrize("status", [520, 509, 404, 409, 423])
    def test_a_status_that_is_added_is_repeated_and_counts(self, web, step, status):
        """Cloudflare's, or one of an eventually consistent server (paddle 157, scrapy 2851, got 991)."""
        web.script(step(status))
        breaker = CircuitBreaker(failures=3, on=http.unhealthy)
        layers = Retry(3, on=transient, backoff=backoff.constant(0.0)), breaker
        client = web.client(Pipeline("shop", *layers), statuses=STATUSES | {status})

        assert web.get(client).status_code == status
        assert len(web.seen) == 3
        assert breaker.state == "open"

    def test_throttling_does_not_count_wherever_it_is_listed(self, web, step):
        """Whoever answers 429 is alive."""
        web.script(step(429))
        breaker = CircuitBreaker(failures=1, on=http.unhealthy)
        client = web.client(Pipeline("shop", breaker), statuses={429})

        web.get(client)
        assert breaker.state == "closed"

    @pytest.mark.parametrize("status", [403, 413])
    def test_a_refusal_that_says_when_to_come_back_is_repeated(self, web, step, status):
        """GitHub's secondary limits (PyGithub 2113)."""
        web.script(step(status, headers={"Retry-After": "2"}), step(200))

        assert web.get(web.client(once_more())).status_code == 200
        assert web.times[1] >= 2.0

    def test_a_plain_refusal_is_not(self, web, step):
        """It is an answer like any other."""
        web.script(step(403))

        assert web.get(web.client(once_more())).status_code == 403
        assert len(web.seen) == 1


class TestRetryAround:
    @pytest.mark.parametrize("nested, requests", [("allow", 6), ("inner", 2), ("outer", 3)])
    def test_a_retry_around_the_client_sees_that_of_the_transport(
        self, web, step, nested, requests
    ):
        """It hears of the response only, and `raise_for_status` makes another error of it."""
        web.script(step(500))
        quick = backoff.constant(0.0)
        client = web.client(Pipeline("shop", Retry(2, on=transient, backoff=quick)))
        world = web.world

        @world.function
        async def prices():
            (await world.do(client.get, "http://shop/")).raise_for_status()

        name = f"{world.name} {web.module.__name__} {nested} prices"
        retry = Retry(3, on=transient, backoff=quick, nested=nested)
        call = world.protect(Pipeline(name, retry), prices)
        with (
            warnings.catch_warnings(record=True, action="always") as caught,
            pytest.raises(web.module.HTTPStatusError),
        ):
            world.run(call)
        assert len(web.seen) == requests
        assert len(caught) == (nested == "allow")


class TestFailedBodies:
    """The status of a failed answer stands, whatever becomes of its body (httpx-retries 29)."""

    pytestmark = pytest.mark.real_time
    HEAD = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\nContent-Length: 100\r\n\r\npart"

    def stream(self, caller, client, url):
        request = client.build_request("GET", url)
        return caller.run(client.send, request, stream=True)

    @pytest.mark.parametrize("then", ["stalls", "breaks"])
    def test_it_keeps_its_status_and_its_headers(self, caller, loopback, then):
        """The caller learns when to come back."""

        def behaviour(number):
            yield self.HEAD
            if then == "breaks":
                raise loopback.Reset
            yield 30.0

        pipeline = http.standard("shop", timeout=2.0, attempt_timeout=0.4)
        client = caller.client(pipeline)
        response = self.stream(caller, client, loopback(behaviour).url)

        assert (response.status_code, response.headers["retry-after"]) == (429, "30")
        with pytest.raises(caller.module.TransportError):
            caller.read(response)

    def test_the_last_one_is_not_read_in_advance(self, web, step):
        """There is no attempt that could use the connection."""
        web.script(step(503, chunks=((5.0, b"late"),)))
        client = web.client(Pipeline("shop", Retry(1, on=transient)), timeout=60.0)

        response = web.open(client)
        assert web.world.elapsed() < 1.0
        assert web.read(response) == b"late"


class TestCertificates:
    def test_one_that_is_not_trusted_is_tried_once(self, caller):
        """With a real handshake: it will be the same with the next connection (got 208, tmt 1317)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(UNTRUSTED)
        visits = []
        with Listener(context, visits) as listener:
            breaker = CircuitBreaker(failures=1, on=http.unhealthy)
            pipeline = Pipeline(
                "shop", Retry(4, on=transient, backoff=backoff.constant(0.0)), breaker
            )
            client = caller.client(pipeline, verify=ssl.create_default_context())

            with pytest.raises(caller.module.ConnectError) as caught:
                caller.run(client.get, listener.url)

        assert len(visits) == 1
        assert breaker.state == "closed"
        assert not transient.matches(caught.value)


class Listener:
    """A server that shakes hands, and says no more."""

    def __init__(self, context, visits):
        import socket

        self._context, self._visits = context, visits
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._socket.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5.0)
                first = connection.recv(1, 2)  # MSG_PEEK: nothing comes of the last visitor
                if not first:
                    return
                self._visits.append(1)
                try:
                    self._context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    pass

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        import socket

        socket.create_connection(self._socket.getsockname(), timeout=1.0).close()
        self._thread.join(2.0)
        self._socket.close()


class TestProxies:
    """A client that is given a transport no longer looks at the environment (transformers 41301)."""

    @pytest.fixture(autouse=True)
    def _environment(self, monkeypatch):
        for name in ("http", "https", "all", "no"):
            monkeypatch.delenv(f"{name}_proxy", raising=False)
            monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)

    @pytest.mark.parametrize(
        "variables, origin, proxy",
        [
            ({}, ("http", "shop", None), None),
            ({"http_proxy": "http://p:1"}, ("http", "shop", None), "http://p:1"),
            ({"http_proxy": "p:1"}, ("http", "shop", None), "http://p:1"),
            ({"http_proxy": "http://p:1"}, ("https", "shop", None), None),
            ({"all_proxy": "http://p:1"}, ("https", "shop", 8443), "http://p:1"),
            ({"http_proxy": "http://p:1", "no_proxy": "shop"}, ("http", "shop", None), None),
            ({"http_proxy": "http://p:1", "no_proxy": "shop"}, ("http", "a.shop", 80), None),
            (
                {"http_proxy": "http://p:1", "no_proxy": "shop:81"},
                ("http", "shop", 80),
                "http://p:1",
            ),
            ({"http_proxy": "http://p:1", "no_proxy": "*"}, ("http", "shop", None), None),
        ],
    )
    def test_the_environment_names_the_proxy(self, monkeypatch, variables, origin, proxy):
        """As for every other client."""
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

        assert _proxies.of_environment(*origin) == proxy

    def test_requests_go_through_it(self, caller, loopback, monkeypatch):
        """A host that has no address is reached by the proxy alone."""
        proxy = loopback(lambda number: [loopback.reply(body=b"by proxy")])
        monkeypatch.setenv("http_proxy", proxy.url)

        client = caller.client()
        assert caller.run(client.get, "http://shop.invalid/").content == b"by proxy"

    @pytest.mark.parametrize("options", [{"trust_env": False}, {"proxy": None}])
    def test_the_environment_can_be_left_alone(self, caller, loopback, monkeypatch, options):
        """By the option that httpx has for it, or by naming no proxy."""
        server = loopback(lambda number: [loopback.reply(body=b"direct")])
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

        client = caller.client(**options)
        assert caller.run(client.get, server.url).content == b"direct"
