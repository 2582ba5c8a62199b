"""The transports of httpx and httpx2 with scripted servers, on virtual time: what the pipeline does."""

from datetime import UTC, datetime

import pytest

from holdfast import (
    AttemptTimeout,
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    CompositionWarning,
    ConfigurationError,
    DeadlineExceeded,
    DeadlineTooShortError,
    Fallback,
    IsolatedError,
    Pipeline,
    RejectedError,
    Retry,
    RetryBudget,
    Timeout,
    backoff,
    deadline,
    on_result,
    transient,
)
from holdfast.events import BreakerOpened, RetryScheduled, TimedOut
from holdfast.extend import Gate
from holdfast.integrations import http
from holdfast.testing import off, record
from holdfast.verdict import hints


def rounded(timeouts):
    return {phase: seconds and round(seconds, 6) for phase, seconds in timeouts.items()}


class TestTheSeedsExamples:
    def test_five_seconds_in_all_and_three_for_the_connection(self, web, step):
        """The article's httpx client, with a total that is one."""
        web.script(step(takes=60.0))
        pipeline = Pipeline("shop", Timeout(5.0))
        client = web.client(pipeline, connect=3.0, timeout=None)

        with pytest.raises(web.module.TimeoutException) as caught:
            web.get(client)

        assert web.world.elapsed() == pytest.approx(5.0)
        assert isinstance(caught.value, AttemptTimeout)
        assert rounded(web.seen[0].timeouts) == {
            "connect": 3.0, "read": 5.0, "write": 5.0, "pool": 5.0,
        }  # fmt: skip

    def test_a_get_is_retried_with_exponential_backoff(self, web, step):
        """The article's axios client: three retries after 1, 2 and 4 seconds."""
        web.script(step(503), step(503), step(503), step(200, body=b"at last"))
        delays = backoff.exponential(base=1.0, jitter=None)
        client = web.client(Pipeline("shop", Retry(4, on=transient, backoff=delays)))

        response = web.get(client)

        assert (response.status_code, response.content) == (200, b"at last")
        assert web.times == [0.0, 1.0, 3.0, 7.0]

    def test_a_post_is_not_retried(self, web, step, steady):
        """It might be an order."""
        web.script(step(503), step(200))

        response = web.send(web.client(steady()), "POST", content=b"one book")

        assert response.status_code == 503
        assert web.methods == ["POST"]

    def test_a_post_with_an_idempotency_key_is(self, web, step, steady):
        """The server can tell the second one from a second order."""
        web.script(step(503), step(200))
        headers = {"Idempotency-Key": "7f3c"}

        response = web.send(web.client(steady()), "POST", content=b"one book", headers=headers)

        assert response.status_code == 200
        assert web.methods == ["POST", "POST"]


class TestRetries:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"])
    def test_idempotent_methods_are_retried(self, web, step, steady, method):
        """Sending them twice is as good as once."""
        web.script(step(raises="ConnectError"), step(200))

        assert web.send(web.client(steady()), method).status_code == 200
        assert web.methods == [method, method]

    @pytest.mark.parametrize(
        "error", ["ConnectError", "ReadTimeout", "RemoteProtocolError", "PoolTimeout"]
    )
    def test_transport_errors_are_retried(self, web, step, steady, error):
        """They are transient."""
        web.script(step(raises=error), step(200))

        assert web.get(web.client(steady())).status_code == 200

    def test_the_last_error_passes_through_as_it_is(self, web, step, steady):
        """With a note that tells what was tried."""
        web.script(step(raises="ConnectError"))

        with pytest.raises(web.module.ConnectError, match="scripted ConnectError") as caught:
            web.get(web.client(steady()))

        assert caught.value.request.method == "GET"
        assert "gave up after 3 attempts" in caught.value.__notes__[0]

    @pytest.mark.parametrize("status", sorted(http.STATUSES))
    def test_transient_statuses_are_retried(self, web, step, steady, status):
        """Another try may succeed."""
        web.script(step(status), step(200))

        assert web.get(web.client(steady())).status_code == 200

    @pytest.mark.parametrize("status", [200, 304, 400, 401, 404, 409, 501])
    def test_other_statuses_are_answers(self, web, step, steady, status):
        """They would be the same again."""
        web.script(step(status), step(200))

        assert web.get(web.client(steady())).status_code == status
        assert len(web.seen) == 1

    def test_the_last_bad_response_is_returned_as_httpx_would(self, web, step, steady):
        """It is not raised, and its body is there."""
        web.script(step(503, body=b"no"), step(503, body=b"no, no"), step(503, body=b"no, no, no"))

        response = web.get(web.client(steady()))

        assert (response.status_code, response.content) == (503, b"no, no, no")
        with pytest.raises(web.module.HTTPStatusError):
            response.raise_for_status()

    def test_a_body_of_bytes_is_sent_again(self, web, step, steady):
        """It is there once more."""
        web.script(step(503), step(200))

        assert web.send(web.client(steady()), "PUT", content=b"x").status_code == 200

    def test_a_body_that_is_read_from_an_iterator_is_not(self, web, step, steady):
        """It has been consumed by the first attempt."""
        web.script(step(503), step(200))

        def pieces():
            yield b"x"

        async def async_pieces():
            yield b"x"

        content = async_pieces() if web.is_async else pieces()
        response = web.send(web.client(steady()), "PUT", content=content)

        assert response.status_code == 503
        assert web.methods == ["PUT"]

    def test_an_open_breaker_ends_the_retries_with_the_last_response(self, web, step, steady):
        """What was learnt is told: the 503 whose like opened it."""
        web.script(step(503, body=b"down"))

        response = web.get(web.client(steady(failures=1)))

        assert (response.status_code, response.content) == (503, b"down")
        assert len(web.seen) == 1

    def test_a_retry_budget_is_shared_with_everybody_who_has_it(self, web, step):
        """When it is empty, the last response stands."""
        web.script(step(503))
        budget = RetryBudget(capacity=1)
        client = web.client(
            Pipeline("p", Retry(9, on=transient, backoff=backoff.constant(0.1), budget=budget))
        )

        assert web.get(client).status_code == 503
        assert len(web.seen) == 2

    def test_only_what_the_retry_names_is_retried(self, web, step):
        """A retry of transport errors leaves statuses alone."""
        web.script(step(503), step(200))
        client = web.client(Pipeline("p", Retry(3, on=web.module.TransportError)))

        assert web.get(client).status_code == 503

    def test_with_no_failing_statuses_results_can_be_judged_instead(self, web, step):
        """Who prefers `on_result` says which statuses are no failures: all of them."""
        web.script(step(503), step(404), step(200))
        retry = Retry(
            3,
            on=on_result(lambda response: response.status_code >= 400),
            backoff=backoff.constant(1),
        )
        client = web.client(Pipeline("p", retry), statuses=())

        assert web.get(client).status_code == 200
        assert len(web.seen) == 3

    def test_off_lets_everything_pass(self, web, step, steady):
        """Tests of other things switch the strategies off; the response comes out all the same."""
        web.script(step(503), step(200))

        with off():
            assert web.get(web.client(steady())).status_code == 503


class TestRetryAfter:
    def test_it_lengthens_the_delay(self, web, step, steady):
        """By at most a tenth more, so that not all come back together."""
        web.script(step(503, {"Retry-After": "4"}), step(200))

        web.get(web.client(steady()))

        assert 4.0 <= web.times[1] <= 4.4

    def test_a_date_does_so_too(self, web, step, steady):
        """Compared with the date of the response."""
        headers = {
            "Date": "Fri, 06 Nov 2026 12:00:00 GMT",
            "Retry-After": "Fri, 06 Nov 2026 12:00:03 GMT",
        }
        web.script(step(429, headers), step(200))

        web.get(web.client(steady()))

        assert 3.0 <= web.times[1] <= 3.3

    def test_a_date_without_one_is_compared_with_the_wall_clock(
        self, web, step, steady, monkeypatch
    ):
        """The wall clock can be replaced in tests."""
        noon = datetime(2026, 11, 6, 12, 0, 0, tzinfo=UTC).timestamp()
        monkeypatch.setattr(hints, "wall", lambda: noon)
        web.script(step(429, {"Retry-After": "Fri, 06 Nov 2026 12:00:05 GMT"}), step(200))

        web.get(web.client(steady()))

        assert 5.0 <= web.times[1] <= 5.5

    def test_it_never_shortens_it(self, web, step, steady):
        """The backoff stands."""
        web.script(step(503, {"Retry-After": "0"}), step(200))

        web.get(web.client(steady(delay=2.0)))

        assert web.times[1] == 2.0

    def test_one_that_lies_beyond_the_deadline_ends_it_now(self, web, step, steady):
        """Nobody would be there to take the answer; the response says when to come back."""
        web.script(step(503, {"Retry-After": "60"}), step(200))

        response = web.get(web.client(steady()))

        assert response.headers["Retry-After"] == "60"
        assert web.world.elapsed() == 0.0


class TestTimeouts:
    def test_each_attempt_is_cut_to_what_is_left_of_the_deadline(self, web, step, steady):
        """The transport inside gets shorter and shorter timeouts, the user's own among them."""
        web.script(step(takes=60.0))
        client = web.client(steady(delay=0.25, total=5.0, attempt=2.0))

        with pytest.raises(AttemptTimeout):
            web.get(client)

        assert web.world.elapsed() == pytest.approx(4.25)
        assert [rounded(one.timeouts)["read"] for one in web.seen] == [2.0, 2.0]

    def test_the_last_attempt_gets_the_rest_of_the_total(self, web, step, steady):
        """However long its own timeout is."""
        web.script(step(503, takes=1.0), step(503, takes=1.0), step(takes=60.0))
        client = web.client(steady(delay=0.25, total=4.0, attempt=2.0))

        with pytest.raises(AttemptTimeout) as caught:
            web.get(client)

        assert web.world.elapsed() == pytest.approx(4.0)
        assert caught.value.seconds == 4.0
        assert [rounded(one.timeouts)["read"] for one in web.seen] == [2.0, 2.0, 1.5]

    def test_no_timeout_is_longer_than_the_client_asked_for(self, web, step, steady):
        """Whatever the pipeline would allow."""
        timeout = web.module.Timeout(1.0, connect=0.5, pool=None)
        web.get(web.client(steady(), timeout=timeout))

        assert rounded(web.seen[0].timeouts) == {
            "connect": 0.5, "read": 1.0, "write": 1.0, "pool": 2.0,
        }  # fmt: skip

    def test_the_clients_own_timeout_stays_its_own(self, web, step, steady):
        """It is no timeout of ours, but one that is retried."""
        web.script(step(takes=60.0))

        with pytest.raises(web.module.ReadTimeout) as caught:
            web.get(web.client(steady(), timeout=0.5))

        assert not isinstance(caught.value, AttemptTimeout)
        assert web.times == [0.0, 1.5, 3.0]

    def test_a_connection_has_a_timeout_always(self, web, step):
        """Even where neither client nor pipeline has any."""
        web.get(web.client(Pipeline("nothing"), timeout=None))

        assert web.seen[0].timeouts == {"connect": 3.0, "read": None, "write": None, "pool": None}

    def test_the_callers_deadline_is_obeyed(self, web, step, steady):
        """It is the caller's time that ran out."""
        web.script(step(takes=60.0))

        with deadline(0.5), pytest.raises(DeadlineExceeded) as caught:
            web.get(web.client(steady()))

        assert web.world.elapsed() == pytest.approx(0.5)
        assert rounded(web.seen[0].timeouts)["read"] == 0.5
        assert isinstance(caught.value, web.module.TimeoutException)

    def test_nothing_is_sent_when_it_has_passed(self, web, step):
        """Not even by a pipeline that has no timeout."""
        client = web.client(Pipeline("nothing"))

        with deadline(0.5):
            web.world.advance(1.0)
            with pytest.raises(DeadlineTooShortError):
                web.get(client)
        assert web.seen == []

    def test_a_thread_is_never_spent(self, web, step):
        """A timeout that would take one counts as cooperative."""
        web.script(step(takes=60.0))
        client = web.client(Pipeline("shop", Timeout(1.0, sync="thread")))

        with pytest.raises(AttemptTimeout):
            web.get(client)
        assert web.world.elapsed() == pytest.approx(1.0)

    def test_a_timeout_is_told_once(self, web, step, steady):
        """Whether the socket or the loop noticed it first."""
        web.script(step(takes=60.0))

        with record() as events, pytest.raises(AttemptTimeout):
            web.get(web.client(steady(attempts=2)))

        assert [one.seconds for one in events.of(TimedOut)] == [2.0, 2.0]
        assert all(isinstance(one.error, AttemptTimeout) for one in events.of(RetryScheduled))

    def test_the_requests_own_extensions_come_back(self, web, step, steady):
        """A redirect or an auth flow that copies them gets what the user asked for."""
        client = web.client(steady())
        request = client.build_request("GET", "http://shop/", extensions={"mine": 1})
        asked = dict(request.extensions["timeout"])

        web.world.run(client.send, request)

        assert request.extensions == {"mine": 1, "timeout": asked}
        assert type(request.extensions["timeout"]) is dict

    def test_a_redirect_is_a_request_of_its_own(self, web, step, steady):
        """With timeouts of its own, and the pipeline of its own host."""
        web.script(step(302, {"Location": "http://warehouse/"}))
        web.script(step(200, body=b"here"), host="warehouse")
        transport = web.transport(steady)
        client = web.client_of(transport, follow_redirects=True)

        assert web.get(client).content == b"here"
        assert [one.url for one in web.seen] == ["http://shop/", "http://warehouse/"]
        assert rounded(web.seen[1].timeouts)["read"] == 2.0


class TestHosts:
    def test_the_breaker_of_one_host_leaves_the_others_alone(self, web, step):
        """A dead host is refused at once, a healthy one is served."""
        web.script(step(raises="ConnectError"))
        web.script(step(200), host="warehouse")
        client = web.client(
            lambda origin: Pipeline(origin, CircuitBreaker(failures=2, on=transient))
        )
        for _ in range(2):
            with pytest.raises(web.module.ConnectError):
                web.get(client)

        with pytest.raises(CircuitOpenError, match="'http://shop'"):
            web.get(client)
        assert web.get(client, "http://warehouse/").status_code == 200
        assert len(web.seen) == 3

    def test_scheme_host_and_port_make_a_host(self, web, step):
        """The path does not."""
        names = []

        def make(origin):
            names.append(origin)
            return Pipeline(origin)

        client = web.client(make)
        for url in (
            "http://shop/a",
            "http://shop/b",
            "http://shop:80/",
            "http://shop:81/",
            "https://shop/",
        ):
            web.get(client, url)

        assert names == ["http://shop", "http://shop:81", "https://shop"]

    def test_one_pipeline_serves_all_hosts_together(self, web, step):
        """Its breaker knows no hosts."""
        web.script(step(raises="ConnectError"))
        web.script(step(200), host="warehouse")
        client = web.client(Pipeline("all", CircuitBreaker(failures=1)))
        with pytest.raises(web.module.ConnectError):
            web.get(client)

        with pytest.raises(CircuitOpenError):
            web.get(client, "http://warehouse/")

    def test_defaults_are_made_for_each_host(self, web, step):
        """Without a pipeline of yours there is one of ours."""
        client = web.client()

        web.get(client)

        snapshot = client._transport.snapshot()
        assert list(snapshot) == ["http://shop"]
        assert snapshot["http://shop"]["in_use"] == 0
        kinds = [one["strategy"] for one in snapshot["http://shop"]["strategies"]]
        assert {"bulkhead", "circuit breaker", "concurrency limiter"} < set(kinds)
        assert repr(client._transport).endswith("Transport with 1 host>")

    def test_the_number_of_hosts_is_bounded(self, web, step):
        """The one that was used least recently goes."""
        for name in "abc":
            web.script(step(200), host=name)
        client = web.client(max_hosts=2)

        for name in "aabac":
            web.get(client, f"http://{name}/")

        assert list(client._transport.snapshot()) == ["http://a", "http://c"]

    def test_a_questionable_order_of_layers_is_warned_of_once(self, web, step):
        """Where the user wrote it, not again at the first request."""
        with pytest.warns(CompositionWarning):
            questionable = Pipeline("shop", CircuitBreaker(), Retry(3))

        assert web.get(web.client(questionable)).status_code == 200


class TestBreaker:
    @pytest.mark.parametrize("status", [500, 502, 503, 504, 529])
    def test_server_errors_open_the_default_one(self, web, step, status):
        """Five in a row."""
        web.script(step(status))
        client = web.client(lambda origin: http.standard(origin, attempts=1))
        for _ in range(5):
            assert web.get(client).status_code == status

        with pytest.raises(CircuitOpenError):
            web.get(client)

    @pytest.mark.parametrize("status", [400, 404, 408, 425, 429])
    def test_answers_to_a_client_do_not(self, web, step, status):
        """Who says 429 is alive."""
        web.script(step(status))
        client = web.client(lambda origin: http.standard(origin, attempts=1))
        for _ in range(9):
            assert web.get(client).status_code == status

    def test_unsafe_requests_count_as_well(self, web, step):
        """They go through the same breaker, and are refused by it."""
        web.script(step(503))
        client = web.client()
        for _ in range(5):
            web.send(client, "POST")

        with record() as events, pytest.raises(CircuitOpenError):
            web.get(client)
        assert events.of(BreakerOpened) == []

    def test_its_rejection_tells_the_status_that_opened_it(self, web, step):
        """A person reads what happened."""
        web.script(step(503))
        client = web.client(Pipeline("shop", CircuitBreaker(failures=1)))
        web.get(client)

        with pytest.raises(CircuitOpenError, match="HTTPStatusError: 503 Service Unavailable"):
            web.get(client)


class TestBulkhead:
    def test_it_bounds_the_calls_in_flight_to_each_host(self, web, step):
        """The third of three is refused, and another host has room of its own."""
        web.script(step(takes=1.0))
        web.script(step(takes=1.0), host="warehouse")
        client = web.client(lambda origin: Pipeline(origin, Bulkhead(2)))
        get = web.getting

        results = web.world.together(
            get(client), get(client), get(client), get(client, "http://warehouse/")
        )

        assert [getattr(one, "status_code", type(one).__mro__[1]) for one in results] == [
            200, 200, BulkheadFullError, 200,
        ]  # fmt: skip

    def test_a_queue_lets_them_wait(self, web, step):
        """In order, without time on the wire."""
        web.script(step(takes=1.0))
        client = web.client(Pipeline("shop", Timeout(5.0), Bulkhead(1, queue=2)))

        results = web.world.together(*[web.getting(client)] * 3)

        assert [one.status_code for one in results] == [200, 200, 200]
        assert web.times == [0.0, 1.0, 2.0]

    def test_a_streamed_response_keeps_its_permit_until_it_is_closed(self, web, step):
        """It has a connection that long."""
        web.script(step(chunks=((0.0, b"a"), (0.0, b"b"))))
        bulkhead = Bulkhead(1)
        client = web.client(Pipeline("shop", bulkhead))

        response = web.open(client)
        assert bulkhead.in_flight == 1
        with pytest.raises(BulkheadFullError):
            web.open(client)
        web.close(response)

        assert bulkhead.in_flight == 0
        assert web.get(client).content == b"ab"
        assert bulkhead.in_flight == 0

    def test_a_large_bad_answer_keeps_it_too(self, web, step):
        """As any other body that is still to be read."""
        web.script(step(503, chunks=((0.0, b"x" * 100_000), (0.0, b"y"))))
        bulkhead = Bulkhead(1)
        client = web.client(Pipeline("shop", bulkhead))

        response = web.open(client)

        assert bulkhead.in_flight == 1
        assert web.read(response) == b"x" * 100_000 + b"y"
        assert bulkhead.in_flight == 0

    def test_every_way_out_gives_it_back(self, web, step, steady):
        """Success, failure, timeout, rejection."""
        pipeline = steady(size=1, failures=100, attempts=2, delay=0.0)
        client = web.client(pipeline)
        for one in (step(200), step(503), step(404), step(raises="ReadError"), step(takes=60.0)):
            web.script(one)
            try:
                web.get(client)
            except web.module.TransportError:
                pass

            assert pipeline.strategies[1].in_flight == 0
            assert client._transport.snapshot()["http://shop"]["in_use"] == 0


class TestFallback:
    def test_it_answers_in_place_of_a_bad_response(self, web, step, steady):
        """What it makes is what the caller gets."""
        web.script(step(503, chunks=((0.0, b"x" * 100_000),)))
        instead = Fallback(lambda error: web.module.Response(200, text=f"sorry: {error}"))
        client = web.client(Pipeline("shop", instead))

        assert web.get(client).text == "sorry: 503 Service Unavailable"
        assert web.bodies[0].closed == 1

    def test_it_answers_in_place_of_a_rejection(self, web, step):
        """At once."""
        breaker = CircuitBreaker()
        breaker.isolate()
        instead = Fallback(lambda error: web.module.Response(203))
        client = web.client(Pipeline("shop", instead, breaker))

        assert web.get(client).status_code == 203
        assert web.seen == []


class TestErrors:
    def test_a_status_error_of_the_inner_transport_is_raised(self, web, step, steady):
        """Only those that are made here carry a response to return."""

        async def answer(request):
            response = web.module.Response(404, request=request)
            raise web.module.HTTPStatusError("theirs", request=request, response=response)

        inner = web.module.MockTransport(web.world.function(answer))

        with pytest.raises(web.module.HTTPStatusError, match="theirs"):
            web.get(web.client(steady(), transport=inner))

    def test_a_rejection_class_of_the_users_becomes_the_clients_too(self, web, step):
        """As ours do."""

        class NotOnSundays(RejectedError):
            """A rejection of the user's own gate."""

        class Sabbath(Gate):
            def enter(self, now, args, kwargs, site):
                raise site.refuse(NotOnSundays("closed today"), now)

        with pytest.raises(NotOnSundays, match="closed today") as caught:
            web.get(web.client(Pipeline("shop", Sabbath())))

        assert isinstance(caught.value, web.module.TransportError)

    def test_one_that_cannot_be_derived_from_stays_what_it_is(self, web, step):
        """It is raised all the same."""

        class Final(RejectedError):
            def __init_subclass__(cls):
                raise TypeError("final")

        class Never(Gate):
            def enter(self, now, args, kwargs, site):
                raise site.refuse(Final("no"), now)

        with pytest.raises(Final, match="no") as caught:
            web.get(web.client(Pipeline("shop", Never())))

        assert not isinstance(caught.value, web.module.TransportError)

    def test_a_transport_may_stand_inside_another_one(self, web, step, steady):
        """What the inner one says passes through the outer one."""
        inner_breaker = CircuitBreaker()
        inner = web.transport(Pipeline("inner", inner_breaker))
        client = web.client(steady("outer"), transport=inner)
        web.script(step(503, body=b"no"))
        assert web.get(client).content == b"no"
        inner_breaker.isolate()

        with pytest.raises(CircuitOpenError, match="'inner'") as caught:
            web.get(client)
        assert isinstance(caught.value, web.module.TransportError)


class TestAtHand:
    def test_the_pipeline_of_a_host(self, web, step):
        """So that its breaker is in reach: before the first request, and after it."""
        web.script(step(200), step(200))
        transport = web.transport()
        client = web.client_of(transport)
        breaker = transport.pipeline("http://shop/any/path")[CircuitBreaker]
        breaker.isolate()
        with pytest.raises(IsolatedError):
            web.get(client)
        breaker.reset()
        assert web.get(client).status_code == 200
        assert transport.pipeline("http://SHOP:80")[CircuitBreaker] is breaker

    @pytest.mark.parametrize("origin", ["", "shop", "/tea", 5])
    def test_what_is_no_origin_is_refused(self, web, origin):
        """With an example of one."""
        with pytest.raises(ConfigurationError, match="origin="):
            web.transport().pipeline(origin)
