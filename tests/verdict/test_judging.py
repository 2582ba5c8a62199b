"""The verdict: by class, by what the server answered, by what is wrapped."""

import errno
import ssl
import urllib.error

import pytest

from holdfast import (
    AttemptTimeout,
    CircuitBreaker,
    CircuitOpenError,
    Pipeline,
    RateLimitedError,
    Retry,
    backoff,
    llm,
    standard,
    transient,
)
from holdfast.integrations.http import is_unhealthy
from holdfast.verdict import (
    CONTROL_FLOW,
    FAILED,
    FINE,
    KINDS,
    NEVER_SENT,
    NOT_NOW,
    PERMANENT,
    POOL_EXHAUSTED,
    REJECTED,
    THROTTLED,
    TIMEOUT,
    TRANSIENT,
    judge,
)
from holdfast.verdict.table import TABLE

CLASSES = [
    (f"{'some.sdk' if module == '*' else module}.{name}", row)
    for row in TABLE
    for module in row.modules.split()
    for name in row.names.split()
    if module != "builtins"
]


def raised(error, *, cause=None, context=None, hidden=False):
    """Return ``error`` as it looks when it was raised from, or while handling, another one."""
    error.__cause__, error.__context__ = cause, context
    error.__suppress_context__ = hidden
    return error


class ServiceError(Exception):
    """Nothing is known about it."""


@pytest.mark.parametrize("name, row", CLASSES, ids=[name for name, _ in CLASSES])
def test_each_class_of_the_table_is_known_by_its_name(name, row, of_library):
    """Its children are what it is; a class of that name elsewhere is another one."""
    error = of_library(name)
    child = of_library("my.code.Special", type(error))

    assert judge(error).kind is row.kind
    assert judge(child).kind is row.kind


class TestKinds:
    def test_what_follows_from_each_kind(self):
        """Only what was never sent is repeated whatever the request; throttling counts for nobody."""
        assert {one for one in KINDS if one.any_method} == {NEVER_SENT, POOL_EXHAUSTED}
        assert {one for one in KINDS if one.counts} == {NEVER_SENT, TIMEOUT, TRANSIENT, FAILED}
        assert {one for one in KINDS if not one.repeat} == {
            FAILED, PERMANENT, REJECTED, CONTROL_FLOW, FINE,
        }  # fmt: skip

    def test_kinds_survive_pickling(self):
        """There is one object for each."""
        import pickle

        assert all(pickle.loads(pickle.dumps(one)) is one for one in KINDS)

    def test_a_verdict_tells_all_that_follows(self, of_library, holder):
        """One look answers every question."""
        response = holder(status_code=429, headers={"retry-after": "7"})
        verdict = judge(of_library("httpx.HTTPStatusError", response=response))

        assert (verdict.kind, verdict.status, verdict.hint) == (THROTTLED, 429, 7.0)
        assert (verdict.repeat, verdict.any_method, verdict.counts) == (True, False, False)
        assert repr(verdict) == "<Judgement 'throttled': status 429>"

    @pytest.mark.parametrize(
        "status, kind", [(200, FINE), (302, FINE), (404, PERMANENT), (503, TRANSIENT)]
    )
    def test_a_response_is_judged_by_its_status(self, holder, status, kind):
        """Results go the same way as exceptions."""
        assert judge(holder(status_code=status)).kind is kind
        assert judge("text").kind is FINE


class TestAnswers:
    @pytest.mark.parametrize(
        "attributes",
        [
            {"response": {"ResponseMetadata": {"HTTPStatusCode": 503}}},
            {"meta": ("status", 503)},
            {"resp": ("status", 503)},
            {"response": ("status", 503)},
            {"http_status": 503},
            {"status": 503},
            {"status_code": 503},
            {"code": 503},
        ],
        ids=str,
    )
    def test_a_status_is_found_wherever_a_library_puts_it(self, of_library, holder, attributes):
        """Classification, breaker and `status_of` read it in the same way (aibridge 276)."""
        told = {
            name: holder(**{value[0]: value[1]}) if isinstance(value, tuple) else value
            for name, value in attributes.items()
        }
        error = of_library("any.sdk.Error", **told)

        assert judge(error).kind is TRANSIENT
        assert judge(error).status == 503
        assert is_unhealthy(error)

    @pytest.mark.parametrize("status", [403, 413])
    def test_a_refusal_that_says_when_to_come_back_is_throttling(self, of_library, holder, status):
        """GitHub's secondary limit, PyGithub 2113; RFC 9110 of 413."""
        later = holder(status_code=status, headers={"Retry-After": "5"})
        never = holder(status_code=status, headers={})

        assert judge(of_library("a.Error", response=later)).kind is THROTTLED
        assert judge(of_library("a.Error", response=never)).kind is PERMANENT

    def test_a_property_that_raises_tells_nothing(self):
        """The error is judged by the rest of it."""

        class Odd(ConnectionError):
            @property
            def response(self):
                raise RuntimeError("not yet read")

        assert judge(Odd()).kind is TRANSIENT

    @pytest.mark.parametrize(
        "words, kind",
        [
            ("database is locked", NOT_NOW),
            ("no such table: t", PERMANENT),
            ("near SELEKT: syntax error", PERMANENT),
        ],
    )
    def test_sqlite_tells_by_its_words(self, words, kind):
        """Its errors that were not raised by it have no code."""
        import sqlite3

        assert judge(sqlite3.OperationalError(words)).kind is kind

    @pytest.mark.parametrize(
        "code, kind", [(421, TRANSIENT), (451, NOT_NOW), (470, NOT_NOW), (550, PERMANENT)]
    )
    def test_a_mail_server_tells_by_its_first_digit(self, code, kind):
        """4 is "try later", 5 is "no": the other way round than in HTTP."""
        import smtplib

        assert judge(smtplib.SMTPDataError(code, b"no")).kind is kind

    @pytest.mark.parametrize(
        "text, kind",
        [
            (
                "Multiple exceptions: [Errno 111] Connect call failed, [Errno 113] no route",
                NEVER_SENT,
            ),
            ("Multiple exceptions: [Errno 111] refused, [Errno 13] Permission denied", PERMANENT),
            ("Multiple exceptions: something", PERMANENT),
            ("without a number", PERMANENT),
        ],
    )
    def test_asyncio_joins_the_errors_of_several_addresses(self, text, kind):
        """No connection came about if each of them says so."""
        assert judge(OSError(text.replace("111", str(errno.ECONNREFUSED)))).kind is kind


class TestWrapped:
    @pytest.mark.parametrize("how", ["cause", "context"])
    @pytest.mark.parametrize("hidden", [False, True])
    def test_a_wrapper_is_what_it_wraps(self, how, hidden):
        """`raise ServiceError(...) from error`, or without `from` (llama_index 14929)."""
        error = raised(ServiceError(), **{how: ConnectionRefusedError()}, hidden=hidden)

        assert judge(error).kind is NEVER_SENT
        assert transient.matches(error)
        assert is_unhealthy(error)

    def test_wrappers_within_wrappers_are_followed(self):
        """A service layer around an SDK around a client."""
        error = raised(ServiceError(), cause=raised(LookupError(), cause=TimeoutError()))

        assert judge(error).kind is TIMEOUT

    def test_a_mistake_while_an_error_was_handled_wraps_nothing(self):
        """A `KeyError` in an ``except`` block is a bug, unless it says ``from``."""
        assert judge(raised(KeyError(), context=ConnectionError())).kind is PERMANENT
        assert judge(raised(KeyError(), cause=ConnectionError())).kind is TRANSIENT

    def test_a_status_in_the_middle_ends_the_search(self, of_library):
        """The server has answered, whatever came before."""
        answered = raised(of_library("a.Error", status=404), context=ConnectionError())

        assert judge(raised(ServiceError(), cause=answered)).kind is PERMANENT

    def test_a_rejection_is_seen_through_a_wrapper(self):
        """An SDK around a transport whose breaker is open (redis-client 228)."""
        error = raised(ServiceError(), cause=CircuitOpenError())

        assert judge(error).kind is REJECTED
        assert judge(RateLimitedError()).kind is REJECTED
        assert not is_unhealthy(error)

    @pytest.mark.parametrize("attribute", ["reason", "orig", "original_error", "cause"])
    def test_an_error_may_be_held_in_an_attribute(self, of_library, attribute):
        """As those of urllib, SQLAlchemy, urllib3 and Google are."""
        held = of_library("sqlalchemy.exc.DBAPIError", **{attribute: ConnectionResetError()})

        assert judge(held).kind is TRANSIENT

    @pytest.mark.parametrize("hidden", [False, True])
    def test_a_wrong_certificate_makes_it_permanent_however_it_is_hidden(self, of_library, hidden):
        """Httpcore 1.0.5 raises ``from None``; got 208, uv 16245."""
        wrong = ssl.SSLCertVerificationError(1, "certificate verify failed")
        inner = raised(of_library("httpcore.ConnectError"), context=wrong, hidden=hidden)

        assert judge(raised(of_library("httpx.ConnectError"), cause=inner)).kind is PERMANENT

    @pytest.mark.parametrize(
        "reason, kind",
        [
            ("WRONG_VERSION_NUMBER", PERMANENT),
            ("TLSV1_ALERT_UNKNOWN_CA", PERMANENT),
            ("UNEXPECTED_EOF_WHILE_READING", NEVER_SENT),
        ],
    )
    def test_a_handshake_fails_for_good_or_by_chance(self, of_library, reason, kind):
        """HTTPS to a plain port is a mistake, a connection that closes is not."""
        wrong = ssl.SSLError(1, reason)
        wrong.reason = reason

        assert judge(raised(of_library("httpx.ConnectError"), cause=wrong)).kind is kind

    def test_an_attempt_that_was_cut_while_connecting_was_never_sent(self, of_library):
        """Our own timeout tells by its cause; its context is whatever was going on."""
        connecting = raised(AttemptTimeout(), cause=of_library("httpx.ConnectTimeout"))
        handling = raised(AttemptTimeout(), context=ssl.SSLCertVerificationError(1, "no"))

        assert judge(connecting).kind is NEVER_SENT
        assert judge(handling).kind is TIMEOUT

    def test_a_ring_of_wrappers_ends(self):
        """Nobody is waited for, for ever."""
        one, other = ServiceError(), ServiceError()
        one.__cause__, other.__cause__ = other, one

        assert judge(one).kind is PERMANENT
        itself = urllib.error.URLError("x")
        itself.reason = itself
        assert judge(itself).kind is PERMANENT


class TestBreakers:
    """Those of `standard` and of `llm` count what speaks against the dependency (garak 347)."""

    @pytest.mark.parametrize("recommended", [standard, llm], ids=["standard", "llm"])
    @pytest.mark.parametrize(
        "error, state",
        [
            (raised(ServiceError(), cause=ConnectionRefusedError()), "open"),
            (raised(ServiceError(), cause=TimeoutError()), "open"),
            (("code", 503), "open"),
            (("code", 429), "closed"),
            (("code", 404), "closed"),
            (("sqlstate", "40P01"), "closed"),
        ],
        ids=repr,
    )
    def test_it_opens_for_an_outage_and_for_nothing_else(
        self, of_library, recommended, error, state
    ):
        """A provider that can't be reached is one, whatever wraps it; a busy one is not."""
        if isinstance(error, tuple):
            error = of_library("any.sdk.Error", **{error[0]: error[1]})
        pipeline = recommended("shop", attempts=None)
        for _ in range(10):
            pipeline.try_call(fail_with, error)

        breaker = next(one for one in pipeline.strategies if isinstance(one, CircuitBreaker))
        assert breaker.state == state


class TestGroups:
    @pytest.mark.parametrize(
        "leaves, kind",
        [
            ([ConnectionError()], TRANSIENT),
            ([TimeoutError(), TimeoutError()], TIMEOUT),
            ([ConnectionError(), TimeoutError()], TRANSIENT),
            ([ConnectionRefusedError(), ConnectionRefusedError()], NEVER_SENT),
            ([ConnectionRefusedError(), ConnectionResetError()], TRANSIENT),
            ([ConnectionError(), ValueError()], FAILED),
            ([ValueError(), KeyError()], PERMANENT),
            ([CircuitOpenError(), CircuitOpenError()], REJECTED),
            ([ExceptionGroup("inner", [ConnectionError()])], TRANSIENT),
        ],
        ids=repr,
    )
    def test_a_group_is_transient_if_all_its_leaves_are(self, leaves, kind):
        """Tenacity 501, google-api-core 573, anyio 141."""
        assert judge(ExceptionGroup("tasks", leaves)).kind is kind
        assert judge(raised(ServiceError(), cause=ExceptionGroup("x", leaves))).kind is kind

    def test_a_time_limit_among_the_leaves_is_not_swallowed(self, of_library):
        """What ends a task ends it from within a group, too."""
        limit = of_library("rq.timeouts.BaseTimeoutException")

        assert judge(ExceptionGroup("x", [ConnectionError(), limit])).kind is CONTROL_FLOW

    def test_tasks_of_a_group_are_retried_and_counted(self, world):
        """The whole of it, through a pipeline (MCP python-sdk 2245)."""
        breaker = CircuitBreaker(failures=3, on=transient, open_jitter=0.0)
        calls = []

        async def fails():
            calls.append(1)
            raise ExceptionGroup("unhandled errors in a TaskGroup", [ConnectionError("down")])

        retry = Retry(3, on=ConnectionError, backoff=backoff.constant(0.0))
        protected = Pipeline("page", retry, breaker)(world.function(fails))

        with pytest.raises(ExceptionGroup):
            world.run(protected)
        assert len(calls) == 3
        assert breaker.state == "open"


class TestControlFlow:
    NAMES = (
        "celery.exceptions.TaskPredicate", "billiard.exceptions.SoftTimeLimitExceeded",
        "rq.timeouts.BaseTimeoutException", "arq.worker.Retry", "dramatiq.errors.Retry",
    )  # fmt: skip

    @pytest.mark.parametrize("name", NAMES)
    def test_no_condition_is_met_by_it(self, of_library, name):
        """`Retry(on=Exception)` must not swallow a worker's time limit."""
        error = of_library(name)
        calls = []

        def task():
            calls.append(1)
            raise error

        breaker = CircuitBreaker(failures=1)
        pipeline = Pipeline("task", Retry(3, backoff=backoff.constant(0.0)), breaker)

        with pytest.raises(type(error)):
            pipeline.call(task)
        assert len(calls) == 1
        assert not hasattr(error, "__notes__")
        assert breaker.state == "closed"
        assert breaker.snapshot()["failures_in_a_row"] == 0

    def test_it_is_no_success_either(self, of_library):
        """A run of failures goes on after a task that was put off."""
        breaker = CircuitBreaker(failures=2)
        pipeline = Pipeline("task", breaker)
        for error in (OSError(), of_library("celery.exceptions.TaskPredicate"), OSError()):
            with pytest.raises(type(error)):
                pipeline.call(fail_with, error)

        assert breaker.state == "open"

    def test_it_can_be_asked_for_by_its_class(self, of_library):
        """Who names it means it."""
        limit = of_library("billiard.exceptions.SoftTimeLimitExceeded")

        assert Retry(2, on=type(limit))._on.matches(limit)
        assert not Retry(2, on=Exception)._on.matches(limit)


def fail_with(error):
    raise error
