"""What numbers and codes mean: of HTTP, gRPC, AWS, SQL, Kafka, and the like.

Each table says where it comes from.  A code that is not in its table is `PERMANENT`, unless it is said
otherwise there.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Final

from holdfast.verdict.kinds import (
    FAILED,
    NEVER_SENT,
    NOT_NOW,
    PERMANENT,
    POOL_EXHAUSTED,
    THROTTLED,
    TIMEOUT,
    TRANSIENT,
    Kind,
)


def each(kind: Kind, names: str) -> dict[str, Kind]:
    """Return a table that says ``kind`` of all of ``names``."""
    return dict.fromkeys(names.split(), kind)


HTTP: Final[Mapping[int, Kind]] = {
    408: NOT_NOW, 425: NOT_NOW, 429: THROTTLED,
    500: TRANSIENT, 502: TRANSIENT, 503: TRANSIENT, 504: TRANSIENT,
    520: TRANSIENT, 521: TRANSIENT, 522: TRANSIENT, 523: TRANSIENT, 524: TRANSIENT,
    529: TRANSIENT, 599: TRANSIENT,
}  # fmt: skip
"""RFC 9110 and 6585 and what the clients of AWS, Google and Microsoft share.

520 to 524 are Cloudflare's words for an origin that is down or late, 529 is "overloaded" of LLM APIs,
and 599 is tornado's for no answer.
"""

HTTP_LATER: Final = frozenset({403, 413})
"""Throttling where the answer says when to come back: GitHub's secondary limits; RFC 9110, 15.5.14."""

GRPC: Final[Mapping[str, Kind]] = {
    "UNAVAILABLE": TRANSIENT, "RESOURCE_EXHAUSTED": THROTTLED, "DEADLINE_EXCEEDED": TIMEOUT,
    "ABORTED": NOT_NOW, "INTERNAL": FAILED, "UNKNOWN": FAILED,
}  # fmt: skip
"""grpc.io/docs/guides/status-codes."""

AWS: Final[Mapping[str, Kind]] = {
    **each(THROTTLED, """
        Throttling ThrottlingException ThrottledException RequestThrottled RequestThrottledException
        TooManyRequestsException ProvisionedThroughputExceededException SlowDown RequestLimitExceeded
        BandwidthLimitExceeded LimitExceededException EC2ThrottledException 429
    """),
    **each(TRANSIENT, """
        ServiceUnavailable ServiceUnavailableException InternalError InternalFailure
        InternalServerError InternalServerException 500 502 503 504
    """),
    **each(NOT_NOW, """
        RequestTimeout RequestTimeoutException PriorRequestNotComplete
        TransactionInProgressException TransactionConflictException
    """),
}  # fmt: skip
"""botocore.retries.standard, and what services answer with a 500 or 503; before the HTTP status."""

SQLSTATE: Final[Mapping[str, Kind]] = {
    "08001": NEVER_SENT, "08": TRANSIENT,
    "25P03": TRANSIENT,
    "40000": NOT_NOW, "40001": NOT_NOW, "40P01": NOT_NOW, "55P03": NOT_NOW,
    "53300": NEVER_SENT, "53": FAILED,
    "57P01": TRANSIENT, "57P02": TRANSIENT, "57P03": NEVER_SENT, "57P05": TRANSIENT,
    "58": FAILED, "XX": FAILED,
}  # fmt: skip
"""PostgreSQL's appendix A, and the SQL standard; two characters stand for a whole class."""

SQLSTATE_UNKNOWN: Final = frozenset({"HY", "00"})
"""Classes that say nothing."""

MYSQL: Final[Mapping[int, Kind]] = {
    1205: NOT_NOW, 1213: NOT_NOW, 3572: NOT_NOW,
    2002: NEVER_SENT, 2003: NEVER_SENT, 2005: NEVER_SENT, 1040: NEVER_SENT, 1203: NEVER_SENT,
    1053: TRANSIENT, 2006: TRANSIENT, 2013: TRANSIENT, 2055: TRANSIENT, 1158: TRANSIENT, 1159: TIMEOUT,
    1160: TRANSIENT, 1161: TIMEOUT, 4031: TRANSIENT,
    1021: FAILED, 1037: FAILED, 1041: FAILED,
}  # fmt: skip
"""MySQL's error reference: locks, deadlocks, refused, too many connections, gone away, lost, ..."""

SQLITE: Final[Mapping[int, Kind]] = {5: NOT_NOW, 6: NOT_NOW}
"""SQLITE_BUSY and SQLITE_LOCKED."""

MONGO: Final[Mapping[int, Kind]] = {
    6: TRANSIENT, 7: TRANSIENT, 89: TRANSIENT, 91: TRANSIENT, 189: TRANSIENT, 262: TRANSIENT,
    9001: TRANSIENT, 10107: TRANSIENT, 11600: TRANSIENT, 11602: TRANSIENT, 13435: TRANSIENT,
    13436: TRANSIENT, 112: NOT_NOW, 50: FAILED,
}  # fmt: skip
"""The retryable codes of MongoDB's specification of drivers, and write conflicts."""

KAFKA: Final[Mapping[str, Kind]] = {
    **each(TRANSIENT, """
        _TRANSPORT _RESOLVE _ALL_BROKERS_DOWN _WAIT_COORD LEADER_NOT_AVAILABLE
        NOT_LEADER_FOR_PARTITION NETWORK_EXCEPTION COORDINATOR_LOAD_IN_PROGRESS
        COORDINATOR_NOT_AVAILABLE NOT_COORDINATOR NOT_ENOUGH_REPLICAS
        NOT_ENOUGH_REPLICAS_AFTER_APPEND BROKER_NOT_AVAILABLE REPLICA_NOT_AVAILABLE NOT_CONTROLLER
        KAFKA_STORAGE_ERROR
    """),
    **each(TIMEOUT, "_TIMED_OUT _MSG_TIMED_OUT _TIMED_OUT_QUEUE REQUEST_TIMED_OUT"),
    **each(THROTTLED, "THROTTLING_QUOTA_EXCEEDED"),
    **each(POOL_EXHAUSTED, "_QUEUE_FULL"),
}  # fmt: skip
"""librdkafka's names; besides, whatever says of itself that it is ``retriable()``."""

LLM: Final[Mapping[str, Kind]] = {
    "overloaded_error": TRANSIENT, "api_error": TRANSIENT, "server_error": TRANSIENT,
    "timeout_error": TIMEOUT, "rate_limit_error": THROTTLED, "rate_limit_exceeded": THROTTLED,
    "insufficient_quota": PERMANENT,
}  # fmt: skip
"""Types of errors that arrive within a stream whose status was 200 (Anthropic, OpenAI)."""

SMTP: Final[Mapping[int, Kind]] = {421: TRANSIENT, 450: NOT_NOW, 451: NOT_NOW, 452: THROTTLED}
"""RFC 5321, 4.2.2: a first digit of 4 says that the same request may be repeated."""

ERRNO: Final[Mapping[int, Kind]] = {
    errno.ECONNREFUSED: NEVER_SENT, errno.EHOSTDOWN: TRANSIENT, errno.EHOSTUNREACH: TRANSIENT,
    errno.ENETDOWN: TRANSIENT, errno.ENETUNREACH: TRANSIENT, errno.ENETRESET: TRANSIENT,
    errno.ECONNRESET: TRANSIENT, errno.ECONNABORTED: TRANSIENT, errno.EPIPE: TRANSIENT,
    errno.ETIMEDOUT: TIMEOUT, errno.EAGAIN: TRANSIENT,
}  # fmt: skip
"""Of an `OSError`."""

TLS_MISTAKES: Final = frozenset({
    "CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNSUPPORTED_PROTOCOL",
    "NO_PROTOCOLS_AVAILABLE", "TLSV1_ALERT_PROTOCOL_VERSION", "SSLV3_ALERT_HANDSHAKE_FAILURE",
    "TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_BAD_CERTIFICATE", "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    "SSLV3_ALERT_CERTIFICATE_REVOKED", "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "TLSV1_ALERT_ACCESS_DENIED", "TLSV1_UNRECOGNIZED_NAME", "TLSV1_ALERT_UNRECOGNIZED_NAME",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE", "NO_SHARED_CIPHER", "UNKNOWN_PROTOCOL",
})  # fmt: skip
"""Reasons of an `ssl.SSLError` that are the same with the next connection."""

NO_ACCESS: Final = (
    "authentication failed", "no password supplied", "pg_hba.conf", "does not exist",
    "permission denied", "not permitted to log in", "access denied", "invalid connection option",
    "unsupported startup parameter",
)  # fmt: skip
"""Words in the message of a database's driver where it has no SQLSTATE, for it has no connection yet."""
