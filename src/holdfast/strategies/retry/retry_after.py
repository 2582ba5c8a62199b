"""What a dependency says about when to come back: ``Retry-After`` in its many spellings.

RFC 9110, section 10.2.3: a number of seconds, or an HTTP date.  Integrations register what they know
of their clients' responses with `register`; an exception or result with a ``retry_after`` attribute
in seconds (such as our own rejections) needs none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Extractor = Callable[[Any], float | None]
"""Takes an exception or a result, returns seconds, or None where it does not know."""

_extractors: list[Extractor] = []


def register(extractor: Extractor) -> None:
    """Ask ``extractor`` too from here on; a second registration of the same one does nothing."""
    if extractor not in _extractors:
        _extractors.append(extractor)


def hint(outcome: Any) -> float | None:
    """Return the seconds that ``outcome`` asks to wait, or None; never negative."""
    if outcome is None:
        return None
    own = getattr(outcome, "retry_after", None)
    if isinstance(own, int | float) and not isinstance(own, bool):
        return _sane(own)
    for extractor in _extractors:
        seconds = extractor(outcome)
        if seconds is not None:
            return _sane(seconds)
    return None


def _sane(seconds: float) -> float | None:
    return max(0.0, float(seconds)) if seconds == seconds else None  # noqa: PLR0124 - NaN
