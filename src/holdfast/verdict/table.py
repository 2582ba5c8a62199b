"""What the exceptions of the libraries mean that people use: the table of `holdfast.verdict`.

By name, so nothing is imported for it.  The class that is nearest in the order of inheritance decides,
so a row for a child overrules its family's.  A name is the public one: parts of a module's name that
begin with an underscore are left out (``httpx.ConnectError`` for ``httpx._exceptions.ConnectError``).

A row that looks ``inside`` lets what the exception wraps decide, if that is known, and what the server
answered decides in any case: an HTTP status, a gRPC code, an SQLSTATE (`codes`).
"""

from __future__ import annotations

from typing import Final

from holdfast.verdict.kinds import (
    CONTROL_FLOW,
    NEVER_SENT,
    NOT_NOW,
    PERMANENT,
    POOL_EXHAUSTED,
    THROTTLED,
    TIMEOUT,
    TRANSIENT,
    Kind,
)


class Row:
    """What some classes of some modules mean.

    (No `NamedTuple`: making the class takes a millisecond.)

    Args:
        modules: the modules that have them, separated by spaces; ``*`` for any.
        kind: what they mean.
        names: the names of the classes, separated by spaces.
        inside: whether what the exception wraps decides first.
    """

    __slots__ = ("inside", "kind", "modules", "names")

    def __init__(self, modules: str, kind: Kind, names: str, *, inside: bool = False) -> None:
        self.modules: str = modules
        self.kind: Kind = kind
        self.names: str = names
        self.inside: bool = inside


TABLE: Final = (
    # -- the standard library
    Row("builtins", NEVER_SENT, "ConnectionRefusedError"),
    Row("builtins", TRANSIENT, "ConnectionError"),
    Row("builtins", TIMEOUT, "TimeoutError"),
    Row("socket", NEVER_SENT, "gaierror herror"),
    Row("ssl", TRANSIENT,
        "SSLEOFError SSLZeroReturnError SSLWantReadError SSLWantWriteError SSLSyscallError"),
    Row("ssl", PERMANENT, "SSLCertVerificationError CertificateError"),
    Row("http.client", TRANSIENT, "IncompleteRead BadStatusLine RemoteDisconnected"),
    Row("urllib.error", PERMANENT, "URLError", inside=True),
    Row("urllib.error", TRANSIENT, "ContentTooShortError"),
    Row("asyncio.exceptions", TRANSIENT, "IncompleteReadError"),
    Row("smtplib", TRANSIENT, "SMTPServerDisconnected"),
    Row("ftplib", TRANSIENT, "error_temp"),
    Row("imaplib", TRANSIENT, "IMAP4.abort"),
    Row("unittest.case", CONTROL_FLOW, "SkipTest"),
    # -- HTTP clients
    Row("httpx httpx2", NEVER_SENT, "ConnectError ConnectTimeout ProxyError"),
    Row("httpx httpx2", POOL_EXHAUSTED, "PoolTimeout"),
    Row("httpx httpx2", TIMEOUT, "TimeoutException"),
    Row("httpx httpx2", TRANSIENT, "TransportError"),
    Row("httpx httpx2", PERMANENT, "UnsupportedProtocol LocalProtocolError"),
    Row("httpcore httpcore2", NEVER_SENT, "ConnectError ConnectTimeout ProxyError"),
    Row("httpcore httpcore2", POOL_EXHAUSTED, "PoolTimeout"),
    Row("httpcore httpcore2", TIMEOUT, "TimeoutException"),
    Row("httpcore httpcore2", TRANSIENT, "NetworkError RemoteProtocolError ConnectionNotAvailable"),
    Row("requests.exceptions niquests.exceptions", NEVER_SENT, "ConnectTimeout"),
    Row("requests.exceptions niquests.exceptions", TIMEOUT, "ReadTimeout Timeout", inside=True),
    Row("requests.exceptions niquests.exceptions", TRANSIENT, "ConnectionError ProxyError", inside=True),
    Row("requests.exceptions niquests.exceptions", TRANSIENT, "ChunkedEncodingError"),
    Row("requests.exceptions niquests.exceptions", PERMANENT, "SSLError RetryError", inside=True),
    Row("requests.exceptions niquests.exceptions", PERMANENT, "InvalidProxyURL"),
    Row("urllib3.exceptions urllib3_future.exceptions", NEVER_SENT,
        "NewConnectionError NameResolutionError ConnectTimeoutError"),
    Row("urllib3.exceptions urllib3_future.exceptions", POOL_EXHAUSTED, "EmptyPoolError FullPoolError"),
    Row("urllib3.exceptions urllib3_future.exceptions", TIMEOUT, "TimeoutError"),
    Row("urllib3.exceptions urllib3_future.exceptions", TRANSIENT, "ProtocolError"),
    Row("urllib3.exceptions urllib3_future.exceptions", NEVER_SENT, "ProxyError"),
    Row("urllib3.exceptions urllib3_future.exceptions", PERMANENT,
        "MaxRetryError SSLError", inside=True),
    Row("aiohttp.client_exceptions", NEVER_SENT, "ClientConnectorError ConnectionTimeoutError"),
    Row("aiohttp.client_exceptions", TIMEOUT, "ServerTimeoutError"),
    Row("aiohttp.client_exceptions", TRANSIENT, "ClientConnectionError ClientPayloadError"),
    Row("aiohttp.client_exceptions", PERMANENT, "ClientConnectorSSLError", inside=True),
    Row("aiohttp.client_exceptions", PERMANENT,
        "ClientConnectorCertificateError ServerFingerprintMismatch"),
    Row("aiohttp.http_exceptions", TRANSIENT, "HttpProcessingError"),
    Row("curl_cffi.requests.exceptions", NEVER_SENT, "DNSError ConnectTimeout ProxyError"),
    Row("curl_cffi.requests.exceptions", TIMEOUT, "Timeout"),
    Row("curl_cffi.requests.exceptions", TRANSIENT,
        "ConnectionError IncompleteRead ChunkedEncodingError"),
    Row("curl_cffi.requests.exceptions", PERMANENT, "SSLError CertificateVerifyError"),
    Row("tornado.httpclient", TRANSIENT, "HTTPTimeoutError HTTPStreamClosedError"),
    Row("tornado.simple_httpclient", TIMEOUT, "HTTPTimeoutError"),
    Row("tornado.simple_httpclient", TRANSIENT, "HTTPStreamClosedError"),
    Row("tornado.iostream", TRANSIENT, "StreamClosedError"),
    Row("websockets.exceptions", TRANSIENT, "ConnectionClosedError"),
    Row("websockets.exceptions", NEVER_SENT, "ProxyError"),
    Row("*", POOL_EXHAUSTED, "PoolTimeout EmptyPoolError"),
    # -- SDKs
    Row("*", TRANSIENT, "APIConnectionError", inside=True),  # OpenAI, Anthropic, Groq, Stripe, ...
    Row("*", TIMEOUT, "APITimeoutError", inside=True),
    Row("botocore.exceptions", NEVER_SENT,
        "EndpointConnectionError ConnectTimeoutError ProxyConnectionError"),
    Row("botocore.exceptions", TIMEOUT, "ReadTimeoutError"),
    Row("botocore.exceptions", TRANSIENT, "HTTPClientError ConnectionError IncompleteReadError"),
    Row("botocore.exceptions", PERMANENT, "SSLError", inside=True),
    Row("botocore.exceptions", PERMANENT, "InvalidProxiesConfigError"),
    Row("azure.core.exceptions", NEVER_SENT, "ServiceRequestError"),
    Row("azure.core.exceptions", TIMEOUT, "ServiceResponseTimeoutError"),
    Row("azure.core.exceptions", TRANSIENT, "ServiceResponseError"),
    Row("google.api_core.exceptions", PERMANENT, "RetryError", inside=True),
    Row("google.auth.exceptions", TRANSIENT, "TransportError", inside=True),
    Row("github.GithubException", THROTTLED, "RateLimitExceededException"),
    Row("aiogram.exceptions", TRANSIENT, "TelegramNetworkError TelegramServerError RestartingTelegram"),
    Row("aiogram.exceptions", THROTTLED, "TelegramRetryAfter"),
    Row("elastic_transport opensearchpy.exceptions", TIMEOUT, "ConnectionTimeout"),
    Row("elastic_transport opensearchpy.exceptions", TRANSIENT, "ConnectionError", inside=True),
    Row("elastic_transport", PERMANENT, "TlsError"),
    Row("opensearchpy.exceptions", PERMANENT, "SSLError", inside=True),
    Row("paramiko.ssh_exception", NEVER_SENT, "NoValidConnectionsError"),
    Row("paramiko.ssh_exception", PERMANENT, "AuthenticationException BadHostKeyException"),
    # -- databases and caches
    Row("redis.exceptions valkey.exceptions", POOL_EXHAUSTED, "MaxConnectionsError"),
    Row("redis.exceptions valkey.exceptions", TIMEOUT, "TimeoutError"),
    Row("redis.exceptions valkey.exceptions", TRANSIENT,
        "ConnectionError BusyLoadingError ReadOnlyError ClusterDownError MasterDownError "
        "SlotNotCoveredError InvalidResponse"),
    Row("redis.exceptions valkey.exceptions", NOT_NOW, "TryAgainError WatchError"),
    Row("redis.exceptions valkey.exceptions", PERMANENT, "AuthenticationError AuthorizationError"),
    Row("sqlalchemy.exc", POOL_EXHAUSTED, "TimeoutError"),
    Row("sqlalchemy.exc", TRANSIENT, "OperationalError InterfaceError", inside=True),
    Row("sqlalchemy.exc", PERMANENT, "StatementError", inside=True),
    Row("django.db.utils", TRANSIENT, "OperationalError InterfaceError", inside=True),
    Row("django.db.utils", PERMANENT, "DatabaseError", inside=True),
    Row("sqlite3", PERMANENT, "Error"),
    Row("psycopg psycopg2", TRANSIENT, "OperationalError"),
    Row("psycopg.errors", NEVER_SENT, "ConnectionTimeout"),
    Row("psycopg_pool psycopg_pool.errors", POOL_EXHAUSTED, "PoolTimeout TooManyRequests"),
    Row("asyncpg.exceptions", TRANSIENT, "PostgresConnectionError"),
    Row("pymysql.err MySQLdb mysql.connector.errors", TRANSIENT, "OperationalError"),
    Row("psycopg psycopg2 asyncpg.exceptions pymysql.err MySQLdb mysql.connector.errors", PERMANENT,
        "InterfaceError"),
    Row("mysql.connector.errors", POOL_EXHAUSTED, "PoolError"),
    Row("pymongo.errors", NEVER_SENT, "ServerSelectionTimeoutError"),
    Row("pymongo.errors", POOL_EXHAUSTED, "WaitQueueTimeoutError"),
    Row("pymongo.errors", TIMEOUT, "NetworkTimeout"),
    Row("pymongo.errors", TRANSIENT, "ConnectionFailure AutoReconnect"),
    # -- brokers
    Row("kombu.exceptions", TRANSIENT, "OperationalError", inside=True),
    Row("amqp.exceptions", TRANSIENT, "RecoverableConnectionError RecoverableChannelError"),
    Row("pika.exceptions", TRANSIENT, "AMQPConnectionError"),
    Row("pika.exceptions", PERMANENT,
        "AuthenticationError ProbableAuthenticationError ProbableAccessDeniedError "
        "IncompatibleProtocolError ConnectionClosedByClient"),
    Row("nats.errors", NEVER_SENT, "NoServersError NoRespondersError"),
    Row("nats.errors", TRANSIENT, "StaleConnectionError ConnectionReconnectingError"),
    # -- control flow
    Row("celery.exceptions", CONTROL_FLOW, "TaskPredicate"),
    Row("billiard.exceptions celery.exceptions", CONTROL_FLOW,
        "SoftTimeLimitExceeded TimeLimitExceeded"),
    Row("rq.timeouts", CONTROL_FLOW, "BaseTimeoutException"),
    Row("arq.worker", CONTROL_FLOW, "Retry RetryJob"),
    Row("dramatiq.errors", CONTROL_FLOW, "Retry"),
    Row("huey.exceptions", CONTROL_FLOW, "RetryTask CancelExecution"),
    Row("procrastinate.exceptions", CONTROL_FLOW, "JobRetry JobAborted"),
    Row("click.exceptions", CONTROL_FLOW, "Exit Abort"),
    # -- our own
    Row("holdfast.errors", TIMEOUT, "AttemptTimeout", inside=True),
)  # fmt: skip


def by_name() -> dict[str, Row]:
    """Return the row of each class, by its full name; ``"*.Name"`` where the module doesn't matter."""
    return {
        f"{module}.{name}": row
        for row in TABLE
        for module in row.modules.split()
        for name in row.names.split()
    }


ROWS: Final = by_name()


def public(module: str, name: str) -> str:
    """Return ``httpx.ConnectError`` for ``httpx._exceptions`` and ``ConnectError``."""
    parts = [part for part in module.split(".") if not part.startswith("_")]
    return ".".join([*parts, name])


def row_of(kind: type) -> Row | None:
    """Return the row of the nearest class in the order of inheritance, None if there is none."""
    for one in kind.__mro__:
        module, name = str(one.__module__), one.__qualname__
        found = (
            ROWS.get(f"{module}.{name}") or ROWS.get(public(module, name)) or ROWS.get(f"*.{name}")
        )
        if found is not None:
            return found
    return None
