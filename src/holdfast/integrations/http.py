"""What HTTP says about trying again: once, for every client.

* **What may be sent twice.**  RFC 9110, 9.2.2: GET, HEAD, OPTIONS, TRACE, PUT and DELETE are
  idempotent; others are if an ``Idempotency-Key`` says so.  And the body must be there once more: bytes
  can be sent again, a generator that has been read cannot.
* **What counts as failed.**  `STATUSES` are worth another try.  Of these, a breaker counts what the
  server could not help (500, 502, 503, 504, 529): whoever answers 429 in time is alive, only busy.
* **When to come back.**  ``Retry-After``, RFC 9110, 10.2.3: a number of seconds, or a date.

An integration raises an exception with a ``response`` for an answer whose status is in `STATUSES`, and
hands the response out again at its outer edge.  So `transient`, ``on=Exception`` and `unhealthy` mean
here what they mean everywhere, and every strategy and event shares one verdict.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

from holdfast import _validate, presets
from holdfast.classify import Condition
from holdfast.pipeline import Pipeline
from holdfast.strategies.hedge import Hedge
from holdfast.strategies.retry import Retry, register
from holdfast.strategies.timeout import Timeout
from holdfast.transient import STATUSES, is_transient

__all__ = [
    "IDEMPOTENCY_KEY",
    "IDEMPOTENT",
    "REPEATING",
    "STATUSES",
    "RetryAfter",
    "is_unhealthy",
    "may_repeat",
    "origin",
    "retry_after",
    "seconds_until",
    "standard",
    "status_of",
    "unhealthy",
]

IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
"""draft-ietf-httpapi-idempotency-key-header; Stripe, PayPal and Adyen use this name."""

REPEATING: Final[tuple[type, ...]] = (Retry, Hedge)
"""The strategies that send a request more than once: they are left out where `may_repeat` says no."""

ATTEMPT: Final = 5.0
"""Seconds: what httpx gives a server by default."""

SERVER_ERRORS: Final = 500
PORTS: Final = {"http": 80, "https": 443}
NUMBER: Final = re.compile(r"\d{1,9}(\.\d+)?", re.ASCII)
LOCAL: Final = frozenset({"PoolTimeout", "EmptyPoolError"})
"""Errors that tell of our own connection pool, and nothing of the server."""


def may_repeat(method: str, headers: Mapping[str, str], *, replayable: bool) -> bool:
    """Return whether a request may be sent more than once.

    Args:
        method: the request's method, in upper case.
        headers: its headers; the mapping must ignore case, as those of HTTP clients do.
        replayable: whether its body is there once more: none or bytes, not an iterator or a file.
    """
    return replayable and (method in IDEMPOTENT or bool(headers.get(IDEMPOTENCY_KEY)))


def status_of(outcome: Any) -> int | None:
    """Return the HTTP status of a response, or of an exception that carries one; None otherwise."""
    response = getattr(outcome, "response", None)
    for holder in (response, outcome):
        for attribute in ("status_code", "status"):
            value = getattr(holder, attribute, None)
            if isinstance(value, int) and not isinstance(value, bool):
                return value
    return None


def is_unhealthy(error: Exception) -> bool:
    """Return whether ``error`` speaks against the server: the default ``on`` of a breaker.

    Connection errors, timeouts, 500, 502, 503, 504 and 529; not 4xx (429 included), nor a connection
    pool of our own that was exhausted.
    """
    if type(error).__name__ in LOCAL or not is_transient(error):
        return False
    status = status_of(error)
    return status is None or status >= SERVER_ERRORS


unhealthy: Final = Condition(on_errors=(is_unhealthy,), name="unhealthy")
"""Met by what speaks against the server; see `is_unhealthy`."""


def origin(scheme: str, host: str, port: int | None) -> str:
    """Return ``"https://api.example.com"``: the key of a host, and the name of its pipeline."""
    where = f"[{host}]" if ":" in host else host
    return f"{scheme}://{where}" + ("" if port in (None, PORTS.get(scheme)) else f":{port}")


# -- Retry-After --------------------------------------------------------------------------------


def seconds_until(value: str, wall: float) -> float | None:
    """Return the seconds that a ``Retry-After`` asks to wait; None where it makes no sense.

    Args:
        value: the header: a number of seconds, or a date in any of the three forms of RFC 9110, 5.6.7.
        wall: the time of the day, in seconds since 1970, that a date is compared with.
    """
    value = value.strip()
    if NUMBER.fullmatch(value):
        return float(value)
    at = _date(value)
    return None if at is None else max(0.0, at - wall)


def _date(value: str) -> float | None:
    """Return an HTTP date as seconds since 1970; one without a time zone is in UTC."""
    try:
        parsed = parsedate_to_datetime(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


class RetryAfter:
    """The extractor that tells `Retry` what a response asks for; works with any client's responses.

    A date is compared with the response's own ``Date`` where it has one, so that a clock of ours that is
    wrong does no harm, and with ``wall()`` otherwise.

    Args:
        wall: the time of the day, in seconds since 1970.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self.wall = wall

    def __call__(self, outcome: Any) -> float | None:
        """Return the seconds that a response, or an exception with one, asks to wait."""
        headers = getattr(getattr(outcome, "response", outcome), "headers", None)
        if not isinstance(headers, Mapping):
            return None
        value = headers.get("Retry-After")
        if not isinstance(value, str):
            return None
        sent = headers.get("Date")
        here = _date(sent) if isinstance(sent, str) else None
        return seconds_until(value, self.wall() if here is None else here)


retry_after: Final = RetryAfter()
register(retry_after)


# -- defaults -----------------------------------------------------------------------------------


def standard(
    name: str,
    *,
    timeout: float | Timeout | None = 10.0,
    attempt_timeout: Any = presets.OURS,
    **options: Any,
) -> Pipeline:
    """Return the recommended pipeline for one host; `holdfast.standard` with HTTP's own defaults.

    It bears that name because it is that function, for the special case: what the transports use where
    no pipeline is given, and what ``pipeline=lambda origin: http.standard(origin, timeout=3.0)`` adapts.

    The timeouts are cooperative (the client's socket timeouts enforce them, and no thread is spent), and
    the breaker goes by `unhealthy`.

    Args:
        name: for errors, events and metrics; an integration gives the host's `origin`.
        timeout: the total, the reading of the body included, in seconds.
        attempt_timeout: the limit of each attempt, up to the response's headers, in seconds; by
            default half of the total, at most 5 s, as in httpx.
        options: see `holdfast.standard`.

    Raises:
        ConfigurationError: for a value outside its range.
    """
    if attempt_timeout is presets.OURS:
        attempt_timeout = _attempt_of(timeout)
    options.setdefault("sync", "cooperative")
    if "breaker" not in options:
        options["breaker"] = presets.default_breaker(unhealthy)
    return presets.standard(name, timeout=timeout, attempt_timeout=attempt_timeout, **options)


def _attempt_of(total: Any) -> float:
    seconds = total.seconds if isinstance(total, Timeout) else total
    return ATTEMPT if seconds is None else min(ATTEMPT, _validate.seconds("timeout", seconds) / 2)
