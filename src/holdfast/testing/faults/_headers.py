"""Headers and bodies as users give them, checked and in the form in which they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

from holdfast import _validate

Headers = Mapping[str, str] | list[tuple[str, str]] | tuple[tuple[str, str], ...]


def pairs(headers: Headers) -> list[tuple[str, str]]:
    """Return headers as pairs."""
    return list(headers if isinstance(headers, list | tuple) else headers.items())


def octets(body: bytes | str) -> bytes:
    """Return a body as it is sent."""
    return body.encode() if isinstance(body, str) else body


def retry_after(given: float | datetime | str) -> str:
    """Return the value of a ``Retry-After`` header: delay-seconds or HTTP-date (RFC 9110, 10.2.3)."""
    if isinstance(given, str):
        return given
    if isinstance(given, datetime):
        return format_datetime(given.astimezone(UTC), usegmt=True)
    return f"{given:g}"


def check_retry_after(given: object) -> None:
    """Refuse what is neither seconds, an aware datetime, text nor None."""
    if isinstance(given, datetime):
        if given.tzinfo is None:
            raise _validate.refuse("retry_after", given, "it must have a time zone")
    elif given is not None and not isinstance(given, str):
        _validate.seconds("retry_after", given, positive=False)


def checked(headers: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the headers if they can be sent: in Latin-1, and without line breaks."""
    texts = tuple((str(name), str(value)) for name, value in headers)
    for name, value in texts:
        if any(bad in name + value for bad in "\r\n"):
            raise _validate.refuse("headers", {name: value}, "they must be free of line breaks")
        if max(name + value, default="") > "\xff":
            raise _validate.refuse("headers", {name: value}, "they must be in Latin-1")
    return texts
