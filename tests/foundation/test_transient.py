"""`transient`: which failures are likely to pass by themselves."""

import errno
import http.client
import json
import socket
import ssl
import urllib.error

import pytest

from holdfast import AttemptTimeout, CircuitOpenError, DeadlineExceeded, RateLimitedError, transient
from tests.ids import spelt


def of_library(name, *bases, **attributes):
    """Return an error whose class has the name of a library's class, without that library."""
    module, _, qualname = name.rpartition(".")
    kind = type(qualname, bases or (Exception,), {"__module__": module})
    error = kind("made up")
    for attribute, value in attributes.items():
        setattr(error, attribute, value)
    return error


class Holder:
    """Stands for a response."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)


# -- the standard library ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError(),
        ConnectionRefusedError(),
        ConnectionResetError(),
        BrokenPipeError(),
        TimeoutError(),
        socket.gaierror(socket.EAI_AGAIN, "try again"),
        OSError(errno.EHOSTUNREACH, "no route"),
        OSError(errno.ENETUNREACH, "unreachable"),
        OSError(errno.ETIMEDOUT, "timed out"),
        BlockingIOError(errno.EAGAIN, "again"),
        http.client.IncompleteRead(b""),
        http.client.RemoteDisconnected(),
        ssl.SSLEOFError(),
        urllib.error.URLError(ConnectionRefusedError()),
        urllib.error.URLError(TimeoutError()),
        AttemptTimeout(seconds=1.0),
        DeadlineExceeded(seconds=1.0),
    ],
    ids=lambda error: repr(error)[:40],
)
def test_connections_and_timeouts_are_transient(error):
    """Trying again may well help."""
    assert transient.matches(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        KeyError("status"),
        FileNotFoundError(errno.ENOENT, "no such file"),
        PermissionError(errno.EACCES, "forbidden"),
        OSError(errno.ENOSPC, "disk full"),
        OSError("without a number"),
        json.JSONDecodeError("no", "", 0),
        ssl.SSLCertVerificationError(1, "certificate has expired"),
        http.client.InvalidURL(),
        urllib.error.URLError("unknown url type"),
        urllib.error.URLError(FileNotFoundError()),
        MemoryError(),
        StopIteration(),
    ],
    ids=lambda error: repr(error)[:40],
)
def test_mistakes_are_not_transient(error):
    """They will be the same the next time."""
    assert not transient.matches(error)
    assert not hasattr(error, "__notes__")


@pytest.mark.parametrize("error", [CircuitOpenError(), RateLimitedError(retry_after=1.0)])
def test_our_own_rejections_are_not_transient(error):
    """They are asked for by their class, or not at all."""
    assert not transient.matches(error)


@pytest.mark.parametrize(
    "status, expected",
    [
        *((status, True) for status in (408, 425, 429, 500, 502, 503, 504, 529)),
        *((status, False) for status in (200, 400, 401, 404, 409, 501)),
    ],
)
def test_an_http_status_decides(status, expected):
    """Wherever a client library keeps it."""
    urllib_error = urllib.error.HTTPError("http://example.org", status, "", {}, None)
    errors = [
        urllib_error,
        of_library("requests.exceptions.HTTPError", response=Holder(status_code=status)),
        of_library("httpx.HTTPStatusError", response=Holder(status_code=status)),
        of_library("aiohttp.client_exceptions.ClientResponseError", status=status),
        of_library("openai.APIStatusError", status_code=status),
    ]

    assert [transient.matches(error) for error in errors] == [expected] * 5
    urllib_error.close()


def test_a_status_speaks_louder_than_the_class():
    """A connection error that carries a 404 is an answer after all."""
    error = of_library("requests.exceptions.ConnectionError", ConnectionError)
    error.response = Holder(status_code=404)

    assert not transient.matches(error)


@pytest.mark.parametrize(
    "attributes",
    [
        {"status": True},
        {"status": "503"},
        {"response": None},
        {"response": Holder(status_code=None)},
        {"code": 5},
        {"code": 600},
        {"code": "503"},
        {"code": False},
        {"code": lambda: 503},
    ],
    ids=spelt,
)
def test_what_is_no_status_decides_nothing(attributes):
    """The class of the error does then."""
    assert not transient.matches(of_library("some.library.Failure", **attributes))
    assert transient.matches(of_library("some.library.Failure", ConnectionError, **attributes))


# -- other libraries, by name -----------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "httpx.TransportError",
        "httpx._exceptions.TransportError",
        "httpx2._exceptions.TransportError",
        "httpcore._exceptions.NetworkError",
        "requests.exceptions.Timeout",
        "urllib3.exceptions.ProtocolError",
        "aiohttp.client_exceptions.ClientConnectionError",
        "redis.exceptions.BusyLoadingError",
        "sqlalchemy.exc.OperationalError",
        "psycopg.OperationalError",
        "pymongo.errors.AutoReconnect",
        "botocore.exceptions.HTTPClientError",
    ],
)
def test_families_of_client_libraries_are_known_by_name(name):
    """Subclasses included, and without importing the library."""
    base = of_library(name)
    child = of_library("my.code.Special", type(base))

    assert transient.matches(base)
    assert transient.matches(child)


@pytest.mark.parametrize(
    "name, base",
    [
        ("httpx.UnsupportedProtocol", "httpx.TransportError"),
        ("httpx._exceptions.LocalProtocolError", "httpx._exceptions.TransportError"),
        ("requests.exceptions.SSLError", "requests.exceptions.ConnectionError"),
        (
            "aiohttp.client_exceptions.ClientConnectorCertificateError",
            "aiohttp.client_exceptions.ClientConnectionError",
        ),
    ],
)
def test_some_members_of_a_family_never_pass(name, base):
    """A wrong certificate or protocol is wrong the next time, too."""
    assert not transient.matches(of_library(name, type(of_library(base))))


@pytest.mark.parametrize(
    "name", ["myapp.TransportError", "httpx.InvalidURL", "redis.exceptions.ResponseError"]
)
def test_other_names_mean_nothing(name):
    """A class of the same name in another place is another class."""
    assert not transient.matches(of_library(name))


@pytest.mark.parametrize(
    "code, expected",
    [("ThrottlingException", True), ("SlowDown", True), ("AccessDenied", False), ("", False)],
)
def test_an_aws_code_decides(code, expected):
    """The library botocore keeps its responses as dicts."""
    error = of_library("botocore.exceptions.ClientError", response={"Error": {"Code": code}})

    assert transient.matches(error) is expected
    assert not transient.matches(of_library("botocore.exceptions.ClientError", response={}))


@pytest.mark.parametrize(
    "code, expected",
    [("UNAVAILABLE", True), ("RESOURCE_EXHAUSTED", True), ("NOT_FOUND", False), ("", False)],
)
def test_a_grpc_code_decides(code, expected):
    """The errors of gRPC answer the question of their code."""
    error = of_library("grpc._channel._InactiveRpcError", code=lambda: Holder(name=code))

    assert transient.matches(error) is expected


def test_the_reason_of_an_error_may_be_the_error_itself():
    """That ends the question."""
    error = ValueError()
    error.reason = error

    assert not transient.matches(error)


# -- the real libraries -----------------------------------------------------------------------


def test_httpx_is_understood():
    """Its own classes, where it is installed."""
    httpx = pytest.importorskip("httpx")
    request = httpx.Request("GET", "https://example.org")

    def answered(status):
        response = httpx.Response(status, request=request)
        return httpx.HTTPStatusError("no", request=request, response=response)

    assert all(
        transient.matches(error)
        for error in (httpx.ConnectError("no"), httpx.ReadTimeout("no"), httpx.PoolTimeout("no"))
    )
    assert transient.matches(answered(503))
    assert not transient.matches(answered(404))
    assert not transient.matches(httpx.UnsupportedProtocol("no"))
    assert not transient.matches(httpx.InvalidURL("no"))


def test_requests_is_understood():
    """Its own classes, where it is installed."""
    requests = pytest.importorskip("requests")

    def answered(status):
        response = requests.Response()
        response.status_code = status
        return requests.HTTPError(response=response)

    assert transient.matches(requests.ConnectionError())
    assert transient.matches(requests.ReadTimeout())
    assert transient.matches(answered(503))
    assert not transient.matches(answered(404))
    assert not transient.matches(requests.exceptions.SSLError())
    assert not transient.matches(requests.exceptions.InvalidURL())


def test_urllib3_is_understood():
    """Its own classes, where it is installed."""
    exceptions = pytest.importorskip("urllib3.exceptions")

    assert transient.matches(exceptions.ProtocolError())
    assert transient.matches(exceptions.ReadTimeoutError(None, "/", ""))
    assert not transient.matches(exceptions.LocationParseError("no"))


def test_the_reason_of_urllib3_decides():
    """It wraps the error that it met last, as `URLError` does."""
    exceptions = pytest.importorskip("urllib3.exceptions")

    def given_up(reason):
        return exceptions.MaxRetryError(None, "/", reason)

    wrong = ssl.SSLCertVerificationError(1, "certificate verify failed")
    assert transient.matches(given_up(exceptions.ProtocolError()))
    assert not transient.matches(given_up(exceptions.ResponseError("too many redirects")))
    assert not transient.matches(given_up(exceptions.SSLError(wrong)))


@pytest.mark.parametrize("depth, expected", [(1, False), (3, False), (9, True)])
def test_a_wrong_certificate_is_found_behind_the_errors_that_wrap_it(depth, expected):
    """A client raises its own error from it; a chain of causes is followed for a few steps."""
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    for _ in range(depth):
        outer = ConnectionError("wrapped")
        outer.__cause__ = error
        error = outer

    assert transient.matches(error) is expected


def test_another_cause_does_not_matter():
    """The error that was raised is what counts."""
    error = ConnectionError()
    error.__cause__ = ValueError()

    assert transient.matches(error)
