"""What servers say of a quota in the header fields of their answers: how much is left, until when.

Four dialects, of requests only (what is said of tokens or bytes is another unit):

* ``RateLimit: "default";r=50;t=30`` with ``RateLimit-Policy: "default";q=100;w=60`` (the IETF's draft
  "RateLimit header fields for HTTP"; structured fields, any number of policies), and the three fields
  of its earlier versions, ``RateLimit-Limit``, ``-Remaining`` and ``-Reset``, in seconds;
* ``x-ratelimit-limit-requests``, ``-remaining-requests``, ``-reset-requests`` (OpenAI): durations, such
  as ``6m0s`` or ``20ms``, until the quota is whole again;
* ``anthropic-ratelimit-requests-limit``, ``-remaining``, ``-reset``: an RFC 3339 instant, of the same;
* ``x-ratelimit-limit``, ``-remaining``, ``-reset`` (GitHub): seconds since 1970, when a window ends.  Of
  others that write the same names, a small number is seconds from now.

What makes no sense is as if it weren't there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from holdfast.verdict import hints
from holdfast.verdict.hints import header, headers_of
from holdfast.verdict.reading import within

UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
DURATION: Final = r"(?a)(?:(?:\d{1,9}(?:\.\d{1,9})?)(?:ms|[smhd]))+"
PART: Final = r"(?a)(\d+(?:\.\d+)?)(ms|[smhd])"
NUMBER: Final = r"(?a)\d{1,15}(?:\.\d{1,9})?"
ITEM: Final = r'(?a)\s*(?:"((?:[^"\\]|\\.)*)"|([\w*.:/%-]+))((?:\s*;\s*[\w*.-]+(?:=[^;,]*)?)*)\s*'
PARAMETER: Final = r"(?a);\s*(\w+)=\s*(\d{1,15})\s*(?=;|$)"
EPOCH: Final = 1e8
"""A larger number of seconds is an instant: of a day since 1973."""


class Quota(NamedTuple):
    """What an answer says of one quota.

    Attributes:
        remaining: how many requests are left.
        reset: seconds until they are as many as there can be, at least 0.
        limit: how many there can be; None where it isn't said.
        window: the seconds for which ``limit`` is; None where it isn't said.
        refills: whether they come back bit by bit until then (a token bucket), not all at once.
    """

    remaining: float
    reset: float
    limit: float | None = None
    window: float | None = None
    refills: bool = False


def quotas(outcome: Any) -> tuple[Quota, ...]:
    """Return what a result, or an exception with a response, says of quotas; most say nothing."""
    if type(outcome).__module__ == "builtins" and not isinstance(outcome, BaseException):
        return ()  # most results: data that has been read already
    told = within(outcome) if isinstance(outcome, BaseException) else (outcome,)
    for one in told:
        if hints.carries(one):
            headers = headers_of(one)
            if headers is not None:
                return of_headers(headers)
    return ()


def of_headers(headers: Any, clock: Callable[[], float] | None = None) -> tuple[Quota, ...]:
    """Return what header fields say; of several dialects the first in the module's order."""
    if not _mentioned(headers):
        return ()
    now = clock or hints.wall
    said = header(headers, "RateLimit")
    if said is not None:
        return tuple(_structured(said, header(headers, "RateLimit-Policy") or ""))
    for names, refills in DIALECTS:
        remaining = _number(header(headers, names[1]))
        reset = header(headers, names[2])
        if remaining is None or reset is None:
            continue
        seconds = _seconds(reset.strip(), now)
        if seconds is not None:
            return (Quota(remaining, seconds, _number(header(headers, names[0])), None, refills),)
    return ()


def _mentioned(headers: Any) -> bool:
    """Return whether any field has such a name: one look at all in place of many for each."""
    try:
        pairs = headers.items() if hasattr(headers, "items") else headers
        return any("ratelimit" in str(name).lower() for name, _ in pairs)
    except Exception:  # noqa: BLE001 - whatever pretends to be a mapping
        return False


DIALECTS: Final = (
    (("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"), False),
    (("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests",
      "x-ratelimit-reset-requests"), True),
    (("anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining",
      "anthropic-ratelimit-requests-reset"), True),
    (("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"), False),
)  # fmt: skip


def _structured(said: str, policies: str) -> Iterator[Quota]:
    """Read a list of items with parameters (RFC 9651) and what the policies of the same names say."""
    known = dict(_items(policies))
    for name, parameters in _items(said):
        policy = known.get(name, {})
        limit, window = policy.get("q"), policy.get("w") or None
        remaining, reset = parameters.get("r"), parameters.get("t", window)
        if remaining is not None and reset is not None:
            yield Quota(remaining, reset, limit, window)


def _items(value: str) -> Iterator[tuple[str, dict[str, float]]]:
    at = 0
    while at < len(value) and (found := re.compile(ITEM).match(value, at)):
        numbers = {key: float(number) for key, number in re.findall(PARAMETER, found[3])}
        yield found[1] if found[1] is not None else found[2], numbers
        if not value.startswith(",", found.end()):
            return
        at = found.end() + 1


def _number(value: str | None) -> float | None:
    """Return a number; of ``100, 100;w=60`` the first, as earlier drafts have it."""
    found = re.match(NUMBER, (value or "").strip())
    return None if found is None else float(found[0])


def _seconds(value: str, clock: Callable[[], float]) -> float | None:
    """Return the seconds until a reset, written as a number, an instant or a duration."""
    if re.fullmatch(NUMBER, value):
        number = float(value)
        return number if number < EPOCH else max(0.0, number - clock())
    if re.fullmatch(DURATION, value):
        return sum(float(number) * UNITS[unit] for number, unit in re.findall(PART, value))
    return hints.seconds_until(value, clock())
