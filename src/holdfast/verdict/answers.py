"""What the server answered, as the libraries tell it: statuses, codes and states.

Each function takes an exception and returns a kind and the words for it, or None where it doesn't know.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from holdfast.verdict import codes
from holdfast.verdict.hints import PUSHBACK, hint, metadata
from holdfast.verdict.kinds import (
    FAILED,
    NEVER_SENT,
    NOT_NOW,
    PERMANENT,
    POOL_EXHAUSTED,
    TIMEOUT,
    TRANSIENT,
    Kind,
)
from holdfast.verdict.reading import (
    READ,
    ByClass,
    called,
    entry,
    library,
    number,
    of_class,
    of_library,
    part,
    status_of,
    tells,
)

Found = tuple[Kind, str]
"""A kind, and what it was decided by."""

MARK: Final = "_holdfast_failed"
"""What our transports set on an error for an answer whose status the user counts as a failure."""

GIVEN_UP: Final = r"too many (\d{3}) error responses"
STALE: Final = ("clos", "lost", "connect", "terminat")
SQL_DRIVERS: Final = ("psycopg", "psycopg2", "asyncpg", "pymysql", "MySQLdb", "mysql", "aiomysql")
IN_WORDS: Final = ("ResponseError", "ProxyError", "SSLError")
TALKING: Final = (
    *SQL_DRIVERS, "sqlite3", "pymongo", "aiokafka", "kafka", "confluent_kafka", "cimpl", "grpc",
    "grpclib",
)  # fmt: skip
"""Libraries whose exceptions tell their answers in other ways than by attributes."""

ANSWERED: Final = 300
"""An error with a lower status failed later: in the middle of the body."""


def aws(error: Exception) -> Found | None:
    """Read botocore's ``ClientError``: throttling by its code, all else by the status first."""
    response = part(error, "response")
    if not isinstance(response, dict):
        return None
    code = str(entry(response, "Error", "Code") or "")
    kind, status = codes.AWS.get(code), status_of(error)
    if kind is None or kind.counts:
        kind = codes.HTTP.get(status or 0) or kind
    known = code or status
    return (kind or PERMANENT, f"AWS code {code or status}") if known else None


def http(error: Exception) -> Found | None:
    """Read an HTTP status."""
    status = status_of(error)
    if status is None or status < ANSWERED:
        return None
    if not_an_answer(error, status):
        return TRANSIENT, "an answer that is no HTTP"
    kind = codes.HTTP.get(status)
    if part(error, "code") == "insufficient_quota":
        kind = PERMANENT
    elif kind is None:
        kind = beyond_the_list(error, status)
    return kind, f"status {status}"


def beyond_the_list(error: Exception, status: int) -> Kind:
    """Return the kind of a status that is in no list."""
    if part(error, MARK) is True:
        return TRANSIENT
    if status in codes.HTTP_LATER and hint(error) is not None:
        return codes.HTTP[429]
    google = part(part(error, "grpc_status_code"), "name")
    return codes.GRPC.get(google, PERMANENT) if isinstance(google, str) else PERMANENT


def not_an_answer(error: Exception, status: int) -> bool:
    """Return whether aiohttp says 400 of an answer that it could not parse."""
    if status != 400 or type(error).__name__ != "ClientResponseError":  # noqa: PLR2004 - aiohttp's
        return False
    cause = type(error.__cause__).__module__
    return cause == "aiohttp.http_exceptions" or getattr(error, "headers", "") is None


def grpc(error: Exception) -> Found | None:
    """Read a gRPC code; a negative push-back says never."""
    if not of_library(error, "grpc", "grpclib"):
        return None
    code = part(called(error, "code") or part(error, "status"), "name")
    if not isinstance(code, str) or not code:
        return None
    kind = codes.GRPC.get(code, PERMANENT)
    pushed = metadata(error, PUSHBACK)
    if kind.repeat and pushed is not None and not pushed.isdigit():
        kind = FAILED if kind.counts else PERMANENT
    return kind, f"gRPC code {code}"


def sql(error: Exception) -> Found | None:
    """Read an SQLSTATE (asyncpg, psycopg, psycopg2, mysql.connector) or a driver's own number."""
    if part(error, "connection_invalidated") is True:
        return TRANSIENT, "the connection is invalid"
    local = library(error)
    if local in ("pymysql", "MySQLdb", "aiomysql", "mysql"):
        found = mysql(error)
        if found is not None:
            return found
    if local == "sqlite3":
        return sqlite(error)
    state = part(error, "sqlstate") or part(error, "pgcode")
    if isinstance(state, str) and len(state) == len("40001"):
        if state[:2] in codes.SQLSTATE_UNKNOWN:
            return None
        kind = codes.SQLSTATE.get(state) or codes.SQLSTATE.get(state[:2])
        return kind or PERMANENT, f"SQLSTATE {state}"
    return unstated(error) if local in SQL_DRIVERS else None


def mysql(error: Exception) -> Found | None:
    """Read the number of a MySQL error."""
    given = part(error, "errno")
    value = given if isinstance(given, int) else next(iter(error.args), None)
    if not isinstance(value, int) or value <= 0:
        return None
    return codes.MYSQL.get(value, PERMANENT), f"MySQL error {value}"


def sqlite(error: Exception) -> Found | None:
    """Read SQLite's code, or its words."""
    code, words = part(error, "sqlite_errorcode"), str(error)
    locked = "database is locked" in words or "table is locked" in words
    kind = codes.SQLITE.get(code & 0xFF) if isinstance(code, int) else None
    return (kind or NOT_NOW, "SQLite is locked") if kind or locked else None


def unstated(error: Exception) -> Found | None:
    """Read the words of a driver that had no connection yet, and so no SQLSTATE."""
    words = str(error).lower()
    if any(one in words for one in codes.NO_ACCESS):
        return PERMANENT, "the database's words"
    if "connection to server at" in words and " failed: " in words:
        return NEVER_SENT, "the database's words"
    if type(error).__name__ == "InterfaceError" and any(one in words for one in STALE):
        return TRANSIENT, "the connection is closed"
    return None


def mongo(error: Exception) -> Found | None:
    """Read MongoDB's labels and codes."""
    if library(error) != "pymongo":
        return None
    labels = part(error, "has_error_label")
    if callable(labels):
        for label, kind in (
            ("RetryableWriteError", TRANSIENT),
            ("TransientTransactionError", NOT_NOW),
        ):
            if labels(label) and type(error).__name__ == "OperationFailure":
                return kind, label
    code = part(error, "code")
    if isinstance(code, int) and not isinstance(code, bool):
        return codes.MONGO.get(code, PERMANENT), f"MongoDB code {code}"
    return None


def kafka(error: Exception) -> Found | None:
    """Read what Kafka's clients say: ``retriable``, and librdkafka's names."""
    if type(error) is BufferError:
        local = "Queue full" in str(error)
        return (POOL_EXHAUSTED, "Local: Queue full") if local else None
    if of_library(error, "aiokafka", "kafka"):
        late = "Timeout" in type(error).__name__ or "TimedOut" in type(error).__name__
        kind = TIMEOUT if late else TRANSIENT
        return (kind, "retriable") if part(error, "retriable") is True else None
    if not of_library(error, "confluent_kafka", "cimpl"):
        return None
    told = next(iter(error.args), None)
    name = str(called(told, "name") or "")
    kind = codes.KAFKA.get(name) or (TRANSIENT if called(told, "retriable") is True else PERMANENT)
    return (kind, f"Kafka's {name}") if name else None


def stream(error: Exception) -> Found | None:
    """Read an error that a language model's API has sent within a good answer."""
    if not any(one.__name__ in ("APIError", "APIStatusError") for one in type(error).__mro__):
        return None
    body = part(error, "body")
    for told in (
        part(error, "code"), part(error, "type"), entry(body, "error", "type"), entry(body, "type"),
    ):  # fmt: skip
        if isinstance(told, str) and told in codes.LLM:
            return codes.LLM[told], told
    return None


def mail(error: Exception) -> Found | None:
    """Read the answer of a mail server."""
    code = part(error, "smtp_code")
    if not isinstance(code, int) or code <= 0:
        return None
    return codes.SMTP.get(code) or (NOT_NOW if code // 100 == 4 else PERMANENT), f"SMTP {code}"  # noqa: PLR2004


def words(error: Exception) -> Found | None:
    """Read a status that is told in words only: by a proxy, and by urllib3's own retries."""
    name = type(error).__name__
    if name == "ResponseError" and library(error) in ("urllib3", "urllib3_future"):
        told = re.search(GIVEN_UP, str(error))
        status = int(told[1]) if told else 0
        return (codes.HTTP.get(status, PERMANENT), f"status {status}") if told else None
    if name == "SSLError" and "EOF occurred in violation of protocol" in str(error):
        return TRANSIENT, "the connection was closed"
    if name == "ProxyError" and library(error) in ("httpx", "httpx2", "httpcore", "httpcore2"):
        first = str(error)[:3]
        said = number(int(first)) if first.isdigit() else None
        if said is not None:
            return (PERMANENT if said < 500 else NEVER_SENT), f"a proxy's {said}"  # noqa: PLR2004
    return None


def flags(error: Exception) -> Found | None:
    """Read what some libraries say of an error themselves."""
    if of_library(error, "google") and part(error, "retryable") is True:
        return TRANSIENT, "retryable"
    reason = part(error, "reason")
    if isinstance(reason, str) and reason in codes.TLS_MISTAKES:
        return PERMANENT, reason
    return None


READERS: Final[tuple[Callable[[Any], Found | None], ...]] = (
    aws, http, grpc, sql, mongo, kafka, stream, mail, words, flags,
)  # fmt: skip


def readable(kind: type) -> bool:
    """Return whether exceptions of a class may tell an answer, whatever attributes they are given."""
    if kind is BufferError or kind.__name__ in IN_WORDS or of_class(kind, READ - {"errno"}):
        return True
    return any(str(one.__module__).partition(".")[0] in TALKING for one in kind.__mro__)


_readable: Final = ByClass(readable)


def answered(error: Exception) -> Found | None:
    """Return what the server answered; None where there was no answer, or none is known."""
    if not tells(error, _readable[type(error)], READ):
        return None
    for reader in READERS:
        found = reader(error)
        if found is not None:
            return found
    return None


def of_system(error: BaseException) -> Found | None:
    """Read the number of an `OSError`, and of those that asyncio joins into one message."""
    if not isinstance(error, OSError) or library(error) == "ssl":
        return None
    if error.errno is not None:
        kind = codes.ERRNO.get(error.errno)
        return None if kind is None else (kind, f"errno {error.errno}")
    text = str(error)
    if not text.startswith("Multiple exceptions: "):
        return None
    kinds = {codes.ERRNO.get(int(one)) for one in re.findall(r"\[Errno (\d+)\]", text)}
    if kinds and None not in kinds:
        return NEVER_SENT if kinds <= {
            NEVER_SENT,
            TIMEOUT,
            TRANSIENT,
        } else TRANSIENT, "no connection"
    return None
