"""When to come back, as a dependency says it: ``Retry-After`` in its many spellings.

RFC 9110, section 10.2.3: a number of seconds, or an HTTP date.  Servers, proxies and libraries have
more spellings, and what can be understood is taken: several headers (the longest), ``5 s``, ISO dates,
milliseconds (`MILLISECONDS`, which are exact, so they go first), gRPC's push-back, Google's RetryInfo.
An exception or a result with an attribute ``retry_after`` (a number of seconds, a `timedelta`, or the
header's own text) needs none of that, and `register` takes extractors for what nobody else knows.

A hint that can't be had is none: what an extractor or a property raises is logged, once.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from holdfast.errors import RejectedError
from holdfast.verdict.chain import leaves
from holdfast.verdict.reading import called, entry, part, within

Extractor = Callable[[Any], float | None]
"""Takes an exception or a result, returns seconds, or None where it does not know."""

MILLISECONDS: Final = ("retry-after-ms", "x-ms-retry-after-ms")
"""OpenAI's and Azure's own headers."""

PUSHBACK: Final = "grpc-retry-pushback-ms"
NUMBER: Final = r"(?ai)\+?(\d{1,10}(?:\.\d+)?)\s*(?:s|secs?|seconds?)?"
AFTER_DATE: Final = r"(?i)(?<=GMT)\s*,\s*"
ISO: Final = r"\d{4}-\d\d-\d\d[T ]"

wall: Callable[[], float] = time.time
"""The time of the day, in seconds since 1970; for dates only, and to be replaced in tests."""

_extractors: list[Extractor] = []
_complained: set[str] = set()
MOST_COMPLAINTS: Final = 100


def register(extractor: Extractor) -> None:
    """Ask ``extractor`` too from here on; a second registration of the same one does nothing."""
    if extractor not in _extractors:
        _extractors.append(extractor)


def hint(outcome: Any) -> float | None:
    """Return the seconds that ``outcome`` asks to wait, or None; never negative.

    What an exception wraps is asked, too; of the exceptions in a group the one that asks for most time.
    But a rejection of ours that was only being handled when a failure came up is another dependency's.
    """
    if outcome is None:
        return None
    if not isinstance(outcome, BaseException):
        return _of(outcome)
    by_chance_too = not isinstance(outcome.__context__, RejectedError)
    for one in within(outcome, by_chance_too=by_chance_too):
        seconds = _of_group(one) if isinstance(one, BaseExceptionGroup) else _of(one)
        if seconds is not None:
            return seconds
    return None


def _of_group(group: BaseExceptionGroup[BaseException]) -> float | None:
    asked = [seconds for leaf in leaves(group) if (seconds := hint(leaf)) is not None]
    return max(asked, default=None)


def _of(outcome: Any) -> float | None:
    said = _attribute(outcome)
    if said is not None:
        return said
    for extractor in _extractors:
        try:
            said = _sane(extractor(outcome))
        except Exception as fault:  # noqa: BLE001 - a user's extractor may raise anything
            name = getattr(extractor, "__qualname__", type(extractor).__qualname__)
            _complain(f"the extractor {name} of Retry-After", fault)
            continue
        if said is not None:
            return said
    return from_headers(outcome) if carries(outcome) else None


def _attribute(outcome: Any) -> float | None:
    try:
        own = getattr(outcome, "retry_after", None)
    except Exception as fault:  # noqa: BLE001 - a property may look for a header that isn't there
        _complain(f"{type(outcome).__qualname__}.retry_after", fault)
        return None
    return None if own is None else _sane(own)


def _sane(value: Any) -> float | None:
    """Return a number of seconds, of whatever type, or a `timedelta` as seconds; None for anything else.

    Text is what somebody has taken out of a header, and is read like one.
    """
    if isinstance(value, str):
        return seconds_until(value, wall())
    if type(value).__module__ in ("datetime", "decimal", "fractions"):
        seconds = called(value, "total_seconds")
        value = float(value) if seconds is None and hasattr(value, "__float__") else seconds
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # noqa: PLR0124 - NaN
        return None
    return max(0.0, float(value))


def _complain(what: str, fault: Exception) -> None:
    """Say once that a hint could not be had; without the words of the error, which may hold anything."""
    if what not in _complained and len(_complained) < MOST_COMPLAINTS:
        _complained.add(what)
        import logging

        logging.getLogger("holdfast").warning(
            "%s raised %s, which counts as no hint; said once", what, type(fault).__name__
        )


# -- headers ------------------------------------------------------------------------------------


def carries(outcome: Any) -> bool:
    """Return whether an outcome may have headers, so that looking for them makes sense."""
    return not isinstance(outcome, str | bytes | int | float | list | tuple)


def headers_of(outcome: Any) -> Any:
    """Return the headers of a response, or of an exception that carries one; None without any."""
    response = part(outcome, "response")
    if isinstance(response, Mapping):  # botocore
        return entry(response, "ResponseMetadata", "HTTPHeaders")
    for holder in (response, outcome, part(outcome, "meta"), part(outcome, "resp")):
        headers = part(holder, "headers")
        if headers is not None:
            return headers
        if isinstance(holder, Mapping) and holder is not outcome:  # httplib2, of Google's client
            return holder
    return None


def header(headers: Any, name: str) -> str | None:
    """Return the value of a header, whatever the case of its name, from anything like a mapping.

    Or from a list of pairs; a header that comes several times is joined by commas.
    """
    try:
        found = _looked_up(headers, name)
        return ", ".join(map(_text, found)) if isinstance(found, list | tuple) else _text(found)
    except Exception:  # noqa: BLE001 - whatever pretends to be a mapping
        return None


def _looked_up(headers: Any, name: str) -> Any:
    get = part(headers, "get")
    if callable(get):
        for one in (name, name.lower()):
            found = get(one)
            if found is not None:
                return found
        headers = called(headers, "items")
    elif not isinstance(headers, list | tuple):
        return None
    found = [value for key, value in headers or () if _text(key).lower() == name.lower()]
    return found[0] if len(found) == 1 else found or None


def _text(value: Any) -> str:
    """Return a header's name or value as text.

    Raises:
        TypeError: for what is neither text nor bytes.
    """
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str):
        raise TypeError
    return value


def from_headers(outcome: Any, clock: Callable[[], float] | None = None) -> float | None:
    """Return the seconds that a response, or an exception with one, asks to wait."""
    headers = headers_of(outcome)
    if headers is not None:
        for name in MILLISECONDS:
            exact = _longest(header(headers, name) or "")
            if exact is not None:
                return exact / 1000.0
        value = header(headers, "Retry-After")
        if value is not None:
            return seconds_until(value, _here(headers, clock or wall))
    return _pushed(outcome) if headers is None else None


def _here(headers: Any, clock: Callable[[], float]) -> float:
    """Return the time that a date is compared with: the server's own, if it says it."""
    sent = header(headers, "Date")
    at = None if sent is None else _date(sent)
    if at is None:
        return clock()
    age = header(headers, "Age") or ""  # a cache has kept the answer for so long
    return at + (int(age) if age.isascii() and age.isdigit() else 0)


def seconds_until(value: str, wall: float) -> float | None:
    """Return the seconds that a ``Retry-After`` asks to wait; None where it makes no sense.

    Args:
        value: the header: a number of seconds or a date, several of them joined by commas.
        wall: the time of the day, in seconds since 1970, that a date is compared with.
    """
    value = value.strip().strip('"')
    seconds = _longest(value)
    if seconds is not None:
        return seconds
    dates = [at for one in re.split(AFTER_DATE, value) if (at := _date(one)) is not None]
    return max(0.0, max(dates) - wall) if dates else None


def _longest(value: str) -> float | None:
    """Return the greatest of the numbers of seconds, joined by commas; None for anything else."""
    found = [re.fullmatch(NUMBER, one.strip()) for one in value.split(",")]
    numbers = [float(one[1]) for one in found if one is not None]
    return max(numbers) if len(numbers) == len(found) else None


def _date(value: str) -> float | None:
    """Return a date as seconds since 1970; one without a time zone is in UTC."""
    try:
        from datetime import UTC, datetime  # most never meet a date
        from email.utils import parsedate_to_datetime

        read = datetime.fromisoformat if re.match(ISO, value) else parsedate_to_datetime
        parsed = read(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


# -- gRPC and Google ----------------------------------------------------------------------------


def metadata(error: Any, key: str) -> str | None:
    """Return an entry of the trailing metadata of a gRPC error."""
    try:
        for name, value in called(error, "trailing_metadata") or ():
            if str(name).lower() == key:
                return value.decode("latin-1") if isinstance(value, bytes) else str(value)
    except Exception:  # noqa: BLE001 - whatever pretends to be metadata
        return None
    return None


def _pushed(outcome: Any) -> float | None:
    """Return what gRPC's push-back or Google's RetryInfo asks for."""
    pushed = metadata(outcome, PUSHBACK)
    if pushed is not None:
        return int(pushed) / 1000.0 if pushed.isascii() and pushed.isdigit() else None
    details = part(outcome, "details")
    if isinstance(details, Mapping):
        details = entry(details, "error", "details")
    if not isinstance(details, list | tuple):
        return None
    return next((said for one in details if (said := _retry_info(one)) is not None), None)


def _retry_info(detail: Any) -> float | None:
    if isinstance(detail, Mapping):
        kind, delay = str(detail.get("@type")), detail.get("retryDelay")
        return _longest(delay) if "RetryInfo" in kind and isinstance(delay, str) else None
    if type(detail).__name__ != "RetryInfo":
        return None
    delay = part(detail, "retry_delay")
    seconds, nanos = part(delay, "seconds"), part(delay, "nanos") or 0
    return _sane(delay) if seconds is None else seconds + nanos / 1e9
