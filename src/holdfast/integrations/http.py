"""What HTTP says about trying again: once, for every client.

* **What may be sent twice.**  RFC 9110, 9.2.2: GET, HEAD, OPTIONS, TRACE, PUT and DELETE are
  idempotent, and so are QUERY, PROPFIND, REPORT and SEARCH; others are if an ``Idempotency-Key`` says
  so.  And the body must be there once more: bytes can be sent again, a generator that has been read
  cannot.  What was never sent, for no connection came about, may be sent whatever it is.
* **What counts as failed.**  `STATUSES` are worth another try.  Of these, a breaker counts what the
  server could not help (500, 502, 503, 504, 520 to 524, 529): whoever answers 429 in time is alive, only
  busy.  `holdfast.verdict` says so, for all clients.
* **When to come back.**  ``Retry-After``, RFC 9110, 10.2.3: a number of seconds, or a date.

An integration raises an exception with a ``response`` for an answer whose status is in `STATUSES`, and
hands the response out again at its outer edge.  So `transient`, ``on=Exception`` and `unhealthy` mean
here what they mean everywhere, and every strategy and event shares one verdict.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from holdfast import _validate, presets
from holdfast._conditions import STATUSES, is_unhealthy, unhealthy
from holdfast.classify import Condition, condition
from holdfast.pipeline import Pipeline
from holdfast.strategies.hedge import Hedge
from holdfast.strategies.retry import Retry
from holdfast.strategies.timeout import Timeout
from holdfast.verdict import kind_of, status_of
from holdfast.verdict.hints import carries, from_headers, seconds_until

__all__ = [
    "IDEMPOTENCY_KEY",
    "IDEMPOTENT",
    "REPEATING",
    "STATUSES",
    "Repeat",
    "RetryAfter",
    "is_unhealthy",
    "may_repeat",
    "never_sent_only",
    "origin",
    "repeats",
    "retry_after",
    "seconds_until",
    "standard",
    "status_of",
    "unhealthy",
]

IDEMPOTENT: Final = frozenset({
    "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY", "PROPFIND", "REPORT", "SEARCH",
})  # fmt: skip
"""RFC 9110, 9.2.2, and the safe methods of the IANA's registry of HTTP methods."""

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
"""draft-ietf-httpapi-idempotency-key-header; Stripe, PayPal and Adyen use this name."""

REPEATING: Final[tuple[type, ...]] = (Retry, Hedge)
"""The strategies that send a request more than once: where `may_repeat` says no, a hedge is left out,
and a retry repeats only what was never sent (`never_sent_only`)."""

Repeat = Collection[str] | Callable[[Any], bool] | None
"""Which requests may be sent twice: methods, a predicate over the request, or None for `may_repeat`."""

ATTEMPT: Final = 5.0
"""Seconds: what httpx gives a server by default."""

PORTS: Final = {"http": 80, "https": 443}


def may_repeat(method: str, headers: Mapping[str, str], *, replayable: bool) -> bool:
    """Return whether a request may be sent more than once.

    Args:
        method: the request's method, in upper case.
        headers: its headers; the mapping must ignore case, as those of HTTP clients do.
        replayable: whether its body is there once more: none or bytes, not an iterator or a file.
    """
    return replayable and (method in IDEMPOTENT or bool(headers.get(IDEMPOTENCY_KEY)))


def repeats(repeat: Repeat) -> Callable[[Any], bool]:
    """Return the function that says of a request whether it may be sent twice, body aside.

    Raises:
        ConfigurationError: for anything but methods, a predicate or None.
    """
    if repeat is None:
        repeat = IDEMPOTENT
    if callable(repeat):
        _validate.plain_callable("repeat", repeat)
        return repeat
    if isinstance(repeat, str) or not all(isinstance(one, str) for one in repeat):
        raise _validate.refuse(
            "repeat", repeat, "it must be a set of methods, or a function of the request"
        )
    methods = frozenset(one.upper() for one in repeat)
    return lambda request: request.method in methods or bool(request.headers.get(IDEMPOTENCY_KEY))


def never_sent_only(retry: Retry) -> Retry:
    """Return a retry that repeats only what was never sent: for requests that must not be sent twice."""
    meant = condition("on", retry.on)

    def matches(error: Exception) -> bool:
        return kind_of(error).any_method and meant.matches(error)

    only = Condition(on_errors=(matches,), name=f"{meant!r}, where nothing was sent")
    return retry.replace(on=only)


def origin(scheme: str, host: str, port: int | None) -> str:
    """Return ``"https://api.example.com"``: the key of a host, and the name of its pipeline."""
    where = f"[{host}]" if ":" in host else host
    return f"{scheme}://{where}" + ("" if port in (None, PORTS.get(scheme)) else f":{port}")


class RetryAfter:
    """Reads what a response asks for; `Retry` does so by itself, whatever the client.

    A date is compared with the response's own ``Date`` where it has one (and its ``Age``, where a cache
    kept it), so that a clock of ours that is wrong does no harm, and with ``wall()`` otherwise.

    Args:
        wall: the time of the day, in seconds since 1970.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self.wall = wall

    def __call__(self, outcome: Any) -> float | None:
        """Return the seconds that a response, or an exception with one, asks to wait."""
        return from_headers(outcome, self.wall) if carries(outcome) else None


retry_after: Final = RetryAfter()


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
