"""What HTTP says about repeating, failing and coming back, with plain values."""

from collections import UserDict
from datetime import UTC, datetime

import pytest

from holdfast import AttemptTimeout, CircuitOpenError, ConfigurationError, Retry, Timeout, transient
from holdfast.integrations import http
from holdfast.integrations.http import RetryAfter, is_unhealthy, may_repeat, origin, seconds_until
from holdfast.verdict import hint

NOON = datetime(2026, 11, 6, 12, 0, 0, tzinfo=UTC).timestamp()


class Headers(UserDict):
    """Headers that ignore case, as those of HTTP clients do."""

    def __init__(self, **headers):
        super().__init__({name.replace("_", "-").lower(): value for name, value in headers.items()})

    def get(self, name, default=None):
        return self.data.get(name.lower(), default)


class Response:
    def __init__(self, status_code=200, **headers):
        self.status_code = status_code
        self.headers = Headers(**headers)


class StatusError(Exception):
    def __init__(self, response):
        super().__init__(f"{response.status_code}")
        self.response = response


class TestMayRepeat:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])
    def test_idempotent_methods_may_be_sent_again(self, method):
        """Those that RFC 9110, 9.2.2, calls idempotent."""
        assert may_repeat(method, Headers(), replayable=True)

    @pytest.mark.parametrize("method", ["POST", "PATCH", "CONNECT", "MKCOL"])
    def test_others_may_not(self, method):
        """Whatever is not known to be idempotent is not."""
        assert not may_repeat(method, Headers(), replayable=True)

    def test_an_idempotency_key_makes_any_method_idempotent(self):
        """The server promises to do the work once for each key."""
        assert may_repeat("POST", Headers(idempotency_key="7f3c"), replayable=True)

    def test_an_empty_idempotency_key_promises_nothing(self):
        """A header without a value is no key."""
        assert not may_repeat("POST", Headers(idempotency_key=""), replayable=True)

    def test_a_body_that_is_gone_cannot_be_sent_again(self):
        """An idempotent method alone is not enough."""
        assert not may_repeat("PUT", Headers(idempotency_key="7f3c"), replayable=False)


class TestSecondsUntil:
    @pytest.mark.parametrize(
        "value,seconds", [("0", 0.0), ("120", 120.0), (" 7 ", 7.0), ("1.5", 1.5), ("007", 7.0)]
    )
    def test_a_number_is_seconds(self, value, seconds):
        """A fraction is none of RFC 9110, but servers send it."""
        assert seconds_until(value, NOON) == seconds

    @pytest.mark.parametrize(
        "value",
        [
            "Fri, 06 Nov 2026 12:00:30 GMT",
            "Friday, 06-Nov-26 12:00:30 GMT",
            "Fri Nov  6 12:00:30 2026",
        ],
    )
    def test_a_date_is_compared_with_the_wall_clock(self, value):
        """All three forms of RFC 9110, 5.6.7, are understood."""
        assert seconds_until(value, NOON) == 30.0

    def test_a_date_in_the_past_means_now(self):
        """It never asks for a negative wait."""
        assert seconds_until("Fri, 06 Nov 2026 11:00:00 GMT", NOON) == 0.0

    @pytest.mark.parametrize(
        "value",
        ["", "soon", "-5", "1e9", "inf", "nan", "0x10", "١٢", "Fri, 99 Nov 2026 12:00:00 GMT",
         "9999999999999", "12 13", "Fri, 06 Nov 20260 12:00:00 GMT"],
    )  # fmt: skip
    def test_nonsense_is_ignored(self, value):
        """A broken header must not break the call."""
        assert seconds_until(value, NOON) is None


class TestRetryAfter:
    def test_it_reads_responses(self):
        """A result is asked as it is."""
        assert RetryAfter(lambda: NOON)(Response(503, retry_after="8")) == 8.0

    def test_it_reads_exceptions_that_carry_a_response(self):
        """An error of a client library is asked for its response."""
        assert RetryAfter(lambda: NOON)(StatusError(Response(429, retry_after="8"))) == 8.0

    def test_a_date_is_compared_with_the_responses_own_date(self):
        """A wall clock of ours that is hours off does no harm."""
        response = Response(
            503, retry_after="Fri, 06 Nov 2026 12:00:30 GMT", date="Fri, 06 Nov 2026 12:00:20 GMT"
        )

        assert RetryAfter(lambda: NOON + 9000.0)(response) == 10.0

    @pytest.mark.parametrize("date", [None, "yesterday"])
    def test_without_a_usable_date_the_wall_clock_is_asked(self, date):
        """It is injected, so that a test can tell the time."""
        headers = {} if date is None else {"date": date}
        response = Response(503, retry_after="Fri, 06 Nov 2026 12:00:30 GMT", **headers)

        assert RetryAfter(lambda: NOON + 10.0)(response) == 20.0

    @pytest.mark.parametrize(
        "outcome",
        [None, "text", 7, Response(503), StatusError(Response(503)), OSError("x"),
         type("Odd", (), {"headers": "Retry-After: 7"})(),
         type("Odd", (), {"headers": {"Retry-After": 7}})()],
    )  # fmt: skip
    def test_it_knows_nothing_of_other_outcomes(self, outcome):
        """Whatever a function returns or raises may come by."""
        assert RetryAfter(lambda: NOON)(outcome) is None

    def test_it_is_registered(self):
        """Importing an integration is enough to have `Retry` honour the header."""
        assert hint(StatusError(Response(503, retry_after="11"))) == 11.0


class TestStatus:
    def test_the_status_of_responses_and_errors_is_found(self):
        """Client libraries spell it in different ways."""
        aiohttp_style = type("ResponseError", (Exception,), {"status": 502})()

        assert http.status_of(Response(204)) == 204
        assert http.status_of(StatusError(Response(503))) == 503
        assert http.status_of(aiohttp_style) == 502

    @pytest.mark.parametrize("outcome", [None, OSError(), type("Odd", (), {"status": "ok"})()])
    def test_other_outcomes_have_none(self, outcome):
        """A status is a number."""
        assert http.status_of(outcome) is None


class TestUnhealthy:
    @pytest.mark.parametrize("status", [500, 502, 503, 504, 529])
    def test_server_errors_speak_against_the_server(self, status):
        """They are what a breaker counts."""
        assert is_unhealthy(StatusError(Response(status)))

    @pytest.mark.parametrize("status", [408, 425, 429])
    def test_a_client_that_is_asked_to_come_back_has_met_a_healthy_server(self, status):
        """Such an answer is worth a retry, but no reason to open a breaker."""
        error = StatusError(Response(status))

        assert transient.matches(error)
        assert not is_unhealthy(error)

    @pytest.mark.parametrize("status", [400, 401, 404, 409, 501])
    def test_what_would_fail_again_says_nothing(self, status):
        """These are answers."""
        assert not is_unhealthy(StatusError(Response(status)))

    @pytest.mark.parametrize(
        "error", [ConnectionResetError(), TimeoutError(), AttemptTimeout(seconds=1)]
    )
    def test_connections_that_break_and_timeouts_speak_against_it(self, error):
        """No answer is worse than a bad one."""
        assert is_unhealthy(error)

    def test_our_own_rejections_and_exhausted_pools_say_nothing_of_it(self):
        """The request has not been sent."""
        exhausted = type("PoolTimeout", (TimeoutError,), {})()

        assert transient.matches(exhausted)
        assert not is_unhealthy(exhausted)
        assert not is_unhealthy(CircuitOpenError())


class TestOrigin:
    @pytest.mark.parametrize(
        "parts,name",
        [
            (("https", "api.example.com", None), "https://api.example.com"),
            (("https", "api.example.com", 443), "https://api.example.com"),
            (("http", "api.example.com", 80), "http://api.example.com"),
            (("https", "api.example.com", 80), "https://api.example.com:80"),
            (("http", "127.0.0.1", 8000), "http://127.0.0.1:8000"),
            (("http", "::1", 8000), "http://[::1]:8000"),
        ],
    )
    def test_it_names_scheme_host_and_port(self, parts, name):
        """The port that goes without saying is left out."""
        assert origin(*parts) == name


class TestStandard:
    def test_its_timeouts_are_cooperative_and_its_breaker_knows_http(self):
        """Sockets enforce them, and 429 opens nothing."""
        pipeline = http.standard("https://api.example.com")
        names = [type(one).__name__ for one in pipeline.strategies]

        assert names == [
            "Timeout", "Bulkhead", "Retry", "CircuitBreaker", "ConcurrencyLimiter", "Timeout",
        ]  # fmt: skip
        assert pipeline.strategies[0] == Timeout(10.0, sync="cooperative")
        assert pipeline.strategies[5] == Timeout(5.0, sync="cooperative")
        breaker = pipeline.strategies[3]
        for _ in range(9):
            breaker.failed(breaker.enter(0.0, (), {}), 0.0, StatusError(Response(429)))
        assert breaker.state == "closed"

    def test_each_part_can_be_replaced_or_left_out(self):
        """It takes what `holdfast.standard` takes."""
        retry = Retry(7, on=transient)
        left_out = dict.fromkeys(("timeout", "breaker", "concurrency", "adaptive"))
        pipeline = http.standard("x", attempts=retry, **left_out)

        assert pipeline.strategies == (retry, Timeout(5.0, sync="cooperative"))

    @pytest.mark.parametrize(
        "total,attempt", [(10.0, 5.0), (60, 5.0), (3, 1.5), (Timeout(4.0), 2.0), (None, 5.0)]
    )
    def test_an_attempt_gets_half_of_the_total_and_at_most_five_seconds(self, total, attempt):
        """So that a second one has a chance, whatever the total is."""
        assert http.standard("x", timeout=total).strategies[-1].seconds == attempt

    @pytest.mark.parametrize("total", [0, -1.0, "10"])
    def test_a_wrong_total_is_refused(self, total):
        """With its name and value."""
        with pytest.raises(ConfigurationError, match="timeout="):
            http.standard("x", timeout=total)
