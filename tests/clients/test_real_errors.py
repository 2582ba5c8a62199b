"""What `holdfast.verdict` says of the real exceptions of the clients, without their servers.

``python3 dev.py clients`` runs this where all of them are installed; elsewhere what is missing is
skipped, and `tests/verdict` goes by stand-ins of the same names.
"""

import importlib
import importlib.util
import socket
import ssl

import pytest

from holdfast.integrations import llm
from holdfast.verdict import (
    CONTROL_FLOW,
    FAILED,
    NEVER_SENT,
    NOT_NOW,
    PERMANENT,
    POOL_EXHAUSTED,
    THROTTLED,
    TIMEOUT,
    TRANSIENT,
    hint,
    judge,
)

UNTRUSTED = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] self-signed")


def caused(error, cause, *, hidden=False):
    """Return ``error`` as it looks when it was raised from ``cause``."""
    if hidden:
        error.__context__, error.__suppress_context__ = cause, True
    else:
        error.__cause__ = cause
    return error


def answered(httpx, status, **headers):
    request = httpx.Request("POST", "https://api.example.org/v1")
    return httpx.Response(status, request=request, headers=headers)


def stainless(status, **headers):
    """Return what makes the error of an SDK like OpenAI's for an answer; OpenAI 3 is made of httpx2."""

    def make(sdk):
        httpx = importlib.import_module(transport_of(sdk))
        kinds = {429: "RateLimitError", 400: "BadRequestError"}
        kind = getattr(sdk, kinds.get(status, "InternalServerError"))
        return kind("no", response=answered(httpx, status, **headers), body=None)

    return make


def transport_of(sdk):
    base = sdk.DefaultHttpxClient.__mro__
    return next(one.__module__.split(".")[0] for one in base if one.__module__.startswith("httpx"))


def unreachable(sdk):
    httpx = importlib.import_module(transport_of(sdk))
    request = httpx.Request("POST", "https://api.example.org/v1")
    return caused(sdk.APIConnectionError(request=request), httpx.ConnectError("refused"))


def too_slow(sdk):
    httpx = importlib.import_module(transport_of(sdk))
    request = httpx.Request("POST", "https://api.example.org/v1")
    return caused(sdk.APITimeoutError(request=request), httpx.ReadTimeout("slow"))


def in_the_stream(sdk):
    httpx = importlib.import_module(transport_of(sdk))
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    return sdk.APIStatusError("Overloaded", response=answered(httpx, 200), body=body)


def aws(code, status):
    told = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return lambda module: module.ClientError(told, "Operation")


def grpc_error(code, pushback=None):
    def make(grpc):
        class Failure(grpc.RpcError):
            def code(self):
                return getattr(grpc.StatusCode, code)

            def trailing_metadata(self):
                return () if pushback is None else (("grpc-retry-pushback-ms", pushback),)

        return Failure()

    return make


def of_aiohttp(kind, number=111):
    def make(aiohttp):
        from aiohttp.client_reqrep import ConnectionKey

        key = ConnectionKey("example.org", 443, True, True, None, None, None)
        return getattr(aiohttp, kind)(key, OSError(number, "no"))

    return make


def gave_up(reason):
    def make(urllib3):
        return urllib3.exceptions.MaxRetryError(None, "/", reason(urllib3.exceptions))

    return make


def wrapped_by_requests(reason):
    def make(requests):
        import urllib3.exceptions

        given_up = urllib3.exceptions.MaxRetryError(None, "/", reason(urllib3.exceptions))
        return requests.exceptions.ConnectionError(given_up)

    return make


def never(exceptions):
    return exceptions.NewConnectionError(None, "refused")


def statement(orig):
    return lambda alchemy: alchemy.exc.OperationalError("SELECT 1", {}, orig())


def sql_error(library, name, *args, **kwargs):
    return lambda: getattr(importlib.import_module(library), name)(*args, **kwargs)


def rate_limited(genai):
    from google.genai import errors

    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12s"}
    return errors.ClientError(429, {"error": {"message": "no", "details": [info]}})


def plain(name, *args, **kwargs):
    """Return what makes an error of a module by its name."""

    def make(module):
        kind = module
        for part in name.split("."):
            kind = getattr(kind, part)
        return kind(*args, **kwargs)

    return make


CASES = [  # one a line, however long
    *(
        (lib, make, kind)
        for lib in ("httpx", "httpx2")
        for make, kind in (
            (plain("ConnectError", "refused"), NEVER_SENT),
            (plain("ConnectTimeout", "slow"), NEVER_SENT),
            (plain("PoolTimeout", "none free"), POOL_EXHAUSTED),
            (plain("ReadTimeout", "slow"), TIMEOUT),
            (plain("WriteTimeout", "slow"), TIMEOUT),
            (plain("ReadError", "reset"), TRANSIENT),
            (plain("RemoteProtocolError", "garbage"), TRANSIENT),
            (plain("ProxyError", "407 Proxy Authentication Required"), PERMANENT),
            (plain("ProxyError", "503 Service Unavailable"), NEVER_SENT),
            (plain("LocalProtocolError", "no"), PERMANENT),
            (plain("UnsupportedProtocol", "no"), PERMANENT),
            (plain("TooManyRedirects", "no"), PERMANENT),
            (plain("InvalidURL", "no"), PERMANENT),
            (lambda m: caused(m.ConnectError("tls"), caused(OSError(), UNTRUSTED)), PERMANENT),
        )
    ),
    ("requests", plain("ConnectTimeout"), NEVER_SENT),
    ("requests", plain("ReadTimeout"), TIMEOUT),
    ("requests", plain("ConnectionError"), TRANSIENT),
    ("requests", wrapped_by_requests(never), NEVER_SENT),
    ("requests", wrapped_by_requests(lambda e: e.SSLError(UNTRUSTED)), PERMANENT),
    ("requests", wrapped_by_requests(lambda e: e.ReadTimeoutError(None, "/", "")), TIMEOUT),
    ("requests", lambda m: m.ConnectionError(ConnectionResetError(104, "reset")), TRANSIENT),
    ("requests", plain("exceptions.ChunkedEncodingError"), TRANSIENT),
    ("requests", plain("exceptions.SSLError", UNTRUSTED), PERMANENT),
    ("requests", plain("exceptions.SSLError", ssl.SSLEOFError(8, "EOF")), TRANSIENT),
    ("requests", plain("exceptions.ContentDecodingError"), PERMANENT),
    ("requests", plain("exceptions.InvalidURL"), PERMANENT),
    ("urllib3", gave_up(never), NEVER_SENT),
    ("urllib3", gave_up(lambda e: e.NameResolutionError("h", None, socket.gaierror())), NEVER_SENT),
    ("urllib3", gave_up(lambda e: e.ResponseError("too many 503 error responses")), TRANSIENT),
    ("urllib3", gave_up(lambda e: e.ResponseError("too many 429 error responses")), THROTTLED),
    ("urllib3", gave_up(lambda e: e.ResponseError("too many redirects")), PERMANENT),
    ("urllib3", gave_up(lambda e: e.ProxyError("no", OSError("Tunnel failed"))), NEVER_SENT),
    ("urllib3", plain("exceptions.EmptyPoolError", None, "none free"), POOL_EXHAUSTED),
    ("urllib3", plain("exceptions.ConnectTimeoutError"), NEVER_SENT),
    ("urllib3", plain("exceptions.ReadTimeoutError", None, "/", ""), TIMEOUT),
    ("urllib3", plain("exceptions.ProtocolError", "cut"), TRANSIENT),
    ("urllib3", plain("exceptions.LocationParseError", "no"), PERMANENT),
    ("aiohttp", of_aiohttp("ClientConnectorError"), NEVER_SENT),
    ("aiohttp", plain("ConnectionTimeoutError"), NEVER_SENT),
    ("aiohttp", plain("SocketTimeoutError"), TIMEOUT),
    ("aiohttp", plain("ServerDisconnectedError"), TRANSIENT),
    ("aiohttp", plain("ClientOSError", 104, "reset"), TRANSIENT),
    ("aiohttp", plain("ClientPayloadError"), TRANSIENT),
    ("aiohttp", plain("ClientResponseError", None, (), status=503), TRANSIENT),
    ("aiohttp", plain("ClientResponseError", None, (), status=400, headers={}), PERMANENT),
    ("aiohttp", plain("ClientResponseError", None, (), status=400, message="Bad status"), TRANSIENT),
    ("aiohttp", of_aiohttp("ClientConnectorCertificateError"), PERMANENT),
    ("aiohttp", plain("InvalidURL", "x"), PERMANENT),
    ("curl_cffi.requests.exceptions", plain("ConnectionError", "no"), TRANSIENT),
    ("curl_cffi.requests.exceptions", plain("DNSError", "no"), NEVER_SENT),
    ("curl_cffi.requests.exceptions", plain("Timeout", "no"), TIMEOUT),
    ("curl_cffi.requests.exceptions", plain("CertificateVerifyError", "no"), PERMANENT),
    ("tornado.httpclient", plain("HTTPClientError", 429), THROTTLED),
    ("tornado.httpclient", plain("HTTPClientError", 404), PERMANENT),
    ("tornado.simple_httpclient", plain("HTTPTimeoutError", "no"), TRANSIENT),
    ("tornado.iostream", plain("StreamClosedError"), TRANSIENT),
    ("websockets.exceptions", plain("ConnectionClosedError", None, None), TRANSIENT),
    ("websockets.exceptions", plain("ConnectionClosedOK", None, None), PERMANENT),
    ("openai", unreachable, NEVER_SENT),
    ("openai", too_slow, TIMEOUT),
    ("openai", stainless(429), THROTTLED),
    ("openai", stainless(500), TRANSIENT),
    ("openai", stainless(400), PERMANENT),
    ("anthropic", unreachable, NEVER_SENT),
    ("anthropic", too_slow, TIMEOUT),
    ("anthropic", in_the_stream, TRANSIENT),
    ("anthropic", stainless(429), THROTTLED),
    ("groq", unreachable, NEVER_SENT),
    ("stripe", plain("APIConnectionError", "no"), TRANSIENT),
    ("stripe", plain("RateLimitError", "no", http_status=429), THROTTLED),
    ("stripe", plain("APIError", "no", http_status=503), TRANSIENT),
    ("stripe", plain("CardError", "no", None, None, http_status=402), PERMANENT),
    ("google.genai", rate_limited, THROTTLED),
    ("google.genai.errors", plain("ServerError", 503, {"error": {"message": "no"}}), TRANSIENT),
    ("google.api_core.exceptions", plain("ServiceUnavailable", "no"), TRANSIENT),
    ("google.api_core.exceptions", plain("ResourceExhausted", "no"), THROTTLED),
    ("google.api_core.exceptions", plain("TooManyRequests", "no"), THROTTLED),
    ("google.api_core.exceptions", plain("NotFound", "no"), PERMANENT),
    ("google.api_core.exceptions", lambda m: m.RetryError("no", m.ServiceUnavailable("x")), TRANSIENT),
    ("google.auth.exceptions", plain("TransportError", "no"), TRANSIENT),
    ("google.auth.exceptions", plain("RefreshError", "no", retryable=True), TRANSIENT),
    ("google.auth.exceptions", plain("RefreshError", "no"), PERMANENT),
    ("azure.core.exceptions", plain("ServiceRequestError", "no"), NEVER_SENT),
    ("azure.core.exceptions", plain("ServiceResponseError", "no"), TRANSIENT),
    ("azure.core.exceptions", plain("ServiceResponseTimeoutError", "no"), TIMEOUT),
    ("slack_sdk.errors", lambda m: m.SlackApiError("no", slack_answer()), THROTTLED),
    ("aiogram.exceptions", plain("TelegramNetworkError", None, "no"), TRANSIENT),
    ("aiogram.exceptions", plain("TelegramRetryAfter", None, "no", 5), THROTTLED),
    ("paramiko.ssh_exception", plain("NoValidConnectionsError", {("h", 22): OSError(111, "")}), NEVER_SENT),
    ("paramiko.ssh_exception", plain("AuthenticationException"), PERMANENT),
    ("botocore.exceptions", aws("InternalError", 500), TRANSIENT),
    ("botocore.exceptions", aws("503", 503), TRANSIENT),
    ("botocore.exceptions", aws("SlowDown", 503), THROTTLED),
    ("botocore.exceptions", aws("ThrottlingException", 400), THROTTLED),
    ("botocore.exceptions", aws("EC2ThrottledException", 503), THROTTLED),
    ("botocore.exceptions", aws("TransactionConflictException", 400), NOT_NOW),
    ("botocore.exceptions", aws("NoSuchKey", 404), PERMANENT),
    ("botocore.exceptions", plain("EndpointConnectionError", endpoint_url="u"), NEVER_SENT),
    ("botocore.exceptions", plain("ReadTimeoutError", endpoint_url="u"), TIMEOUT),
    ("botocore.exceptions", plain("ConnectionClosedError", endpoint_url="u"), TRANSIENT),
    ("botocore.exceptions", plain("SSLError", endpoint_url="u", error="no"), PERMANENT),
    ("botocore.exceptions", plain("NoCredentialsError"), PERMANENT),
    ("aiobotocore.httpsession", plain("ConnectTimeoutError", endpoint_url="u"), NEVER_SENT),
    ("boto3.exceptions", plain("S3UploadFailedError", "no"), PERMANENT),
    ("grpc", grpc_error("UNAVAILABLE"), TRANSIENT),
    ("grpc", grpc_error("UNAVAILABLE", "-1"), FAILED),
    ("grpc", grpc_error("RESOURCE_EXHAUSTED"), THROTTLED),
    ("grpc", grpc_error("DEADLINE_EXCEEDED"), TIMEOUT),
    ("grpc", grpc_error("ABORTED"), NOT_NOW),
    ("grpc", grpc_error("INTERNAL"), FAILED),
    ("grpc", grpc_error("UNKNOWN"), FAILED),
    ("grpc", grpc_error("NOT_FOUND"), PERMANENT),
    ("grpc", grpc_error("CANCELLED"), PERMANENT),
    ("elastic_transport", plain("ConnectionError", "no"), TRANSIENT),
    ("elastic_transport", plain("ConnectionTimeout", "no"), TIMEOUT),
    ("elastic_transport", plain("TlsError", "no"), PERMANENT),
    ("elasticsearch", lambda m: m.ApiError("no", elastic_meta(503), {}), TRANSIENT),
    ("elasticsearch", lambda m: m.ApiError("no", elastic_meta(429), {}), THROTTLED),
    ("elasticsearch", lambda m: m.NotFoundError("no", elastic_meta(404), {}), PERMANENT),
    ("opensearchpy.exceptions", plain("ConnectionError", "N/A", "no", OSError()), TRANSIENT),
    ("opensearchpy.exceptions", plain("ConnectionTimeout", "TIMEOUT", "no", OSError()), TIMEOUT),
    ("opensearchpy.exceptions", plain("TransportError", 503, "no"), TRANSIENT),
    ("opensearchpy.exceptions", plain("SSLError", "N/A", "no", UNTRUSTED), PERMANENT),
    ("redis.exceptions", plain("ConnectionError"), TRANSIENT),
    ("redis.exceptions", plain("TimeoutError"), TIMEOUT),
    ("redis.exceptions", plain("MaxConnectionsError"), POOL_EXHAUSTED),
    ("redis.exceptions", plain("ReadOnlyError"), TRANSIENT),
    ("redis.exceptions", plain("ClusterDownError", "no"), TRANSIENT),
    ("redis.exceptions", plain("MasterDownError", "no"), TRANSIENT),
    ("redis.exceptions", plain("AuthenticationError"), PERMANENT),
    ("redis.exceptions", plain("AuthorizationError"), PERMANENT),
    ("redis.exceptions", plain("ResponseError", "WRONGTYPE"), PERMANENT),
    ("sqlalchemy", plain("exc.TimeoutError"), POOL_EXHAUSTED),
    ("sqlalchemy", statement(sql_error("sqlite3", "OperationalError", "no such table: t")), PERMANENT),
    ("sqlalchemy", statement(sql_error("sqlite3", "OperationalError", "database is locked")), NOT_NOW),
    ("sqlalchemy", statement(sql_error("psycopg.errors", "DeadlockDetected", "no")), NOT_NOW),
    ("sqlalchemy", statement(sql_error("pymysql.err", "OperationalError", 2006, "away")), TRANSIENT),
    ("sqlalchemy", statement(sql_error("pymysql.err", "OperationalError", 1045, "denied")), PERMANENT),
    ("sqlalchemy", plain("exc.DBAPIError", "s", {}, type("E", (Exception,), {"sqlstate": "40001"})()), NOT_NOW),
    ("sqlalchemy", plain("exc.IntegrityError", "s", {}, Exception("unique")), PERMANENT),
    ("psycopg", plain("OperationalError", "the connection is lost"), TRANSIENT),
    ("psycopg", plain("OperationalError", 'FATAL:  password authentication failed for user "a"'), PERMANENT),
    ("psycopg", plain("OperationalError", 'connection to server at "h", port 1 failed: Connection refused'),
     NEVER_SENT),
    ("psycopg.errors", plain("SerializationFailure", "no"), NOT_NOW),
    ("psycopg.errors", plain("AdminShutdown", "no"), TRANSIENT),
    ("psycopg.errors", plain("TooManyConnections", "no"), NEVER_SENT),
    ("psycopg.errors", plain("InvalidPassword", "no"), PERMANENT),
    ("psycopg.errors", plain("DiskFull", "no"), FAILED),
    ("psycopg.errors", plain("QueryCanceled", "no"), PERMANENT),
    ("psycopg.errors", plain("UniqueViolation", "no"), PERMANENT),
    ("psycopg_pool", plain("PoolTimeout", "no"), POOL_EXHAUSTED),
    ("psycopg_pool", plain("TooManyRequests", "no"), POOL_EXHAUSTED),
    ("psycopg2", plain("OperationalError", "server closed the connection unexpectedly"), TRANSIENT),
    ("psycopg2", plain("InterfaceError", "connection already closed"), TRANSIENT),
    ("psycopg2", plain("ProgrammingError", "syntax"), PERMANENT),
    ("asyncpg.exceptions", plain("DeadlockDetectedError", "no"), NOT_NOW),
    ("asyncpg.exceptions", plain("CannotConnectNowError", "no"), NEVER_SENT),
    ("asyncpg.exceptions", plain("ConnectionDoesNotExistError", "no"), TRANSIENT),
    ("asyncpg.exceptions", plain("InvalidPasswordError", "no"), PERMANENT),
    ("asyncpg.exceptions", plain("InterfaceError", "connection is closed"), TRANSIENT),
    ("asyncpg.exceptions", plain("InterfaceError", "another operation is in progress"), PERMANENT),
    ("pymysql.err", plain("OperationalError", 1213, "deadlock"), NOT_NOW),
    ("pymysql.err", plain("OperationalError", 2003, "can't connect"), NEVER_SENT),
    ("pymysql.err", plain("OperationalError", 2013, "lost"), TRANSIENT),
    ("pymysql.err", plain("OperationalError", 1045, "access denied"), PERMANENT),
    ("mysql.connector.errors", plain("OperationalError", "lost", errno=2013), TRANSIENT),
    ("mysql.connector.errors", plain("InterfaceError", "can't connect", errno=2003), NEVER_SENT),
    ("mysql.connector.errors", plain("PoolError", "none free"), POOL_EXHAUSTED),
    ("django.db.utils", plain("OperationalError", "server closed the connection"), TRANSIENT),
    ("django.db.utils", lambda m: caused(m.OperationalError("no"), locked()), NOT_NOW),
    ("django.db.utils", plain("IntegrityError", "unique"), PERMANENT),
    ("pymongo.errors", plain("AutoReconnect", "no"), TRANSIENT),
    ("pymongo.errors", plain("NotPrimaryError", "no"), TRANSIENT),
    ("pymongo.errors", plain("ServerSelectionTimeoutError", "no"), NEVER_SENT),
    ("pymongo.errors", plain("NetworkTimeout", "no"), TIMEOUT),
    ("pymongo.errors", plain("WaitQueueTimeoutError", "no"), POOL_EXHAUSTED),
    ("pymongo.errors", plain("OperationFailure", "no", code=18), PERMANENT),
    ("pymongo.errors", plain("OperationFailure", "no", code=11600), TRANSIENT),
    ("confluent_kafka", lambda m: m.KafkaException(m.KafkaError(m.KafkaError._TRANSPORT)), TRANSIENT),
    ("confluent_kafka", lambda m: m.KafkaException(m.KafkaError(m.KafkaError._QUEUE_FULL)), POOL_EXHAUSTED),
    ("confluent_kafka", lambda m: m.KafkaException(m.KafkaError(m.KafkaError.TOPIC_AUTHORIZATION_FAILED)),
     PERMANENT),
    ("aiokafka.errors", plain("KafkaConnectionError"), TRANSIENT),
    ("aiokafka.errors", plain("NotLeaderForPartitionError"), TRANSIENT),
    ("aiokafka.errors", plain("RequestTimedOutError"), TIMEOUT),
    ("aiokafka.errors", plain("TopicAuthorizationFailedError"), PERMANENT),
    ("kombu.exceptions", plain("OperationalError", "no"), TRANSIENT),
    ("kombu.exceptions", lambda m: caused(m.OperationalError("no"), ConnectionRefusedError()), NEVER_SENT),
    ("pika.exceptions", plain("AMQPConnectionError"), TRANSIENT),
    ("pika.exceptions", plain("ConnectionClosedByBroker", 320, "no"), TRANSIENT),
    ("pika.exceptions", plain("ProbableAuthenticationError"), PERMANENT),
    ("nats.errors", plain("NoServersError"), NEVER_SENT),
    ("nats.errors", plain("TimeoutError"), TIMEOUT),
    ("celery.exceptions", plain("Retry"), CONTROL_FLOW),
    ("celery.exceptions", plain("Ignore"), CONTROL_FLOW),
    ("celery.exceptions", plain("Reject"), CONTROL_FLOW),
    ("celery.exceptions", plain("SoftTimeLimitExceeded"), CONTROL_FLOW),
    ("rq.timeouts", plain("JobTimeoutException"), CONTROL_FLOW),
    ("arq", plain("Retry"), CONTROL_FLOW),
    ("dramatiq.errors", plain("Retry"), CONTROL_FLOW),
]  # fmt: skip


def locked():
    import sqlite3

    return sqlite3.OperationalError("database is locked")


def slack_answer():
    from slack_sdk.web import SlackResponse

    return SlackResponse(
        client=None, http_verb="GET", api_url="", req_args={}, data={"ok": False},
        headers={"retry-after": "3"}, status_code=429,
    )  # fmt: skip


def elastic_meta(status):
    from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig

    node = NodeConfig("http", "example.org", 9200)
    return ApiResponseMeta(status, "1.1", HttpHeaders(), 0.1, node)


def installed(library):
    return importlib.util.find_spec(library.partition(".")[0]) is not None


INSTALLED = [case for case in CASES if installed(case[0])]


def test_all_clients_are_there():
    """They are in the environment that is theirs; elsewhere the others are left out."""
    missing = sorted({library.partition(".")[0] for library, *_ in CASES if not installed(library)})
    if missing:
        pytest.skip(f"python3 dev.py clients has them: {', '.join(missing)}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "library, make, kind",
    INSTALLED,
    ids=[f"{library}-{number}-{kind.name}" for number, (library, _, kind) in enumerate(INSTALLED)],
)
def test_a_real_error_of_a_client_is_understood(library, make, kind):
    """The class that the client raises, with what it carries, gets the kind of the table."""
    try:
        error = make(importlib.import_module(library))
    except ImportError as missing:  # a case of one library may need another one
        pytest.skip(str(missing))

    assert judge(error).kind is kind, judge(error)


HINTS = [
    ("openai", stainless(429, **{"retry-after-ms": "300", "retry-after": "0"}), 0.3),
    ("google.genai", rate_limited, 12.0),
    ("slack_sdk.errors", lambda m: m.SlackApiError("no", slack_answer()), 3.0),
    ("stripe", plain("RateLimitError", "no", headers={"Retry-After": "2"}), 2.0),
    ("aiogram.exceptions", plain("TelegramRetryAfter", None, "no", 5), 5.0),
    ("grpc", grpc_error("UNAVAILABLE", "250"), 0.25),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library, make, seconds", [one for one in HINTS if installed(one[0])])
def test_a_real_error_says_when_to_come_back(library, make, seconds):
    """Each library keeps it in a place of its own."""
    assert hint(make(importlib.import_module(library))) == seconds


@pytest.mark.parametrize("sdk, client", [("openai", "OpenAI"), ("anthropic", "Anthropic")])
def test_the_timeout_for_an_sdk_is_taken_by_its_client(sdk, client):
    """It is made of the library that the SDK is built on."""
    make = getattr(pytest.importorskip(sdk), client)
    timeout = llm.client_timeout(60.0)
    with make(api_key="x", base_url="http://127.0.0.1:9", timeout=timeout, max_retries=0) as made:
        assert made.timeout == timeout
        with pytest.raises(importlib.import_module(sdk).APIConnectionError):
            made.get("/", cast_to=object)
