"""`transient`: failures that are likely to pass by themselves, in the libraries people use.

Classes of third-party libraries are recognised by their names, so nothing is imported for it.  Where
an error carries an HTTP status or a gRPC code, the code decides: 408, 425, 429, 500, 502, 503, 504
(RFC 9110 and 6585; the list that AWS, Google and Microsoft clients share) and 529 ("overloaded", as
LLM APIs say it) are transient, a 404 isn't.
"""

from __future__ import annotations

import errno
from typing import Any, Final

from holdfast.classify import Condition
from holdfast.errors import RejectedError

STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
"""HTTP statuses after which another try may succeed."""

GRPC_CODES: Final = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "ABORTED"})

AWS_CODES: Final = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled",
    "TooManyRequestsException", "ProvisionedThroughputExceededException", "SlowDown",
    "RequestLimitExceeded", "BandwidthLimitExceeded", "RequestTimeout", "RequestTimeoutException",
    "ServiceUnavailable", "InternalError", "PriorRequestNotComplete", "TransactionInProgressException",
})  # fmt: skip
"""The codes that botocore's standard retry mode takes for transient or throttling."""

NUMBERS: Final = frozenset({
    errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ETIMEDOUT,
    errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ENETRESET,
    errno.EAGAIN,
})  # fmt: skip

NAMES: Final = frozenset({
    "socket.gaierror", "http.client.IncompleteRead", "http.client.RemoteDisconnected",
    "ssl.SSLEOFError", "ssl.SSLZeroReturnError", "ssl.SSLWantReadError",
    "httpx.TransportError", "httpx2.TransportError", "httpcore.NetworkError",
    "httpcore.TimeoutException", "httpcore.RemoteProtocolError",
    "requests.exceptions.ConnectionError", "requests.exceptions.Timeout",
    "requests.exceptions.ChunkedEncodingError",
    "urllib3.exceptions.ProtocolError", "urllib3.exceptions.TimeoutError",
    "urllib3.exceptions.NewConnectionError",
    "aiohttp.client_exceptions.ClientConnectionError", "aiohttp.client_exceptions.ClientPayloadError",
    "redis.exceptions.ConnectionError", "redis.exceptions.TimeoutError",
    "redis.exceptions.BusyLoadingError", "redis.exceptions.TryAgainError",
    "sqlalchemy.exc.OperationalError", "sqlalchemy.exc.InterfaceError", "sqlalchemy.exc.TimeoutError",
    "psycopg.OperationalError", "psycopg2.OperationalError",
    "asyncpg.exceptions.ConnectionDoesNotExistError",
    "asyncpg.exceptions.PostgresConnectionError", "pymongo.errors.AutoReconnect",
    "botocore.exceptions.HTTPClientError", "botocore.exceptions.ConnectionError",
})  # fmt: skip
"""Whole families, by the name of their base class; the public name or the defining module's."""

NEVER: Final = frozenset({
    "httpx.UnsupportedProtocol", "httpx2.UnsupportedProtocol", "httpx.LocalProtocolError",
    "httpx2.LocalProtocolError", "ssl.SSLCertVerificationError",
    "requests.exceptions.SSLError", "aiohttp.client_exceptions.ClientConnectorCertificateError",
})  # fmt: skip
"""Exceptions to the families: trying again can't help."""


def is_transient(error: Exception) -> bool:
    """Return whether ``error`` is likely to pass by itself."""
    if isinstance(error, RejectedError):
        return False
    names = _names(error)
    if names & NEVER or _hopeless_cause(error):
        return False
    code = _code(error)
    if code is not None:
        return code in STATUSES or code in GRPC_CODES or code in AWS_CODES
    if isinstance(error, ConnectionError | TimeoutError) or names & NAMES:
        return True
    if isinstance(error, OSError) and error.errno in NUMBERS:
        return True
    reason = getattr(error, "reason", None)  # urllib.error.URLError wraps the error that it met
    return isinstance(reason, Exception) and reason is not error and is_transient(reason)


def _names(error: BaseException) -> set[str]:
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    return names | {_public(name) for name in names}


def _hopeless_cause(error: BaseException) -> bool:
    """Return whether a client wraps what can't pass, such as a certificate that is not trusted."""
    cause = error.__cause__
    for _ in range(4):  # clients wrap at most a few times, and chains may have cycles
        if cause is None:
            return False
        if _names(cause) & NEVER:
            return True
        cause = cause.__cause__
    return False


def _public(name: str) -> str:
    """Return ``httpx.ConnectError`` for ``httpx._exceptions.ConnectError``."""
    parts = name.split(".")
    return ".".join(part for part in parts[:-1] if not part.startswith("_")) + "." + parts[-1]


def _code(error: Any) -> int | str | None:
    """Return the status that an error of a client library carries, however that library spells it."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        return str(response.get("Error", {}).get("Code", "")) or None
    for holder, attribute in ((response, "status_code"), (error, "status"), (error, "status_code")):
        value = getattr(holder, attribute, None)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    code = getattr(error, "code", None)
    if isinstance(code, int) and not isinstance(code, bool):  # urllib.error.HTTPError
        return code if 100 <= code <= 599 else None  # noqa: PLR2004 - the range of HTTP statuses
    if type(error).__module__.partition(".")[0] == "grpc" and callable(code):
        return str(getattr(code(), "name", "")) or None
    return None


transient: Condition = Condition(on_errors=(is_transient,), name="transient")
"""Met by connection errors, timeouts and the like; see the module's docstring."""
