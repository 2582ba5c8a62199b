"""Whether the body of a request can be sent again, and how: bytes, files and forms can."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

Rewind = Callable[[], object]
"""Makes the body ready to be sent once more."""


def at_hand() -> None:
    """Do nothing: the body is there, as often as it is wanted, and for several attempts at once."""


def _by_itself() -> None:
    """Do nothing: the body goes back by itself, but serves one attempt at a time."""


BY_ITSELF: Final[Rewind] = _by_itself


def rewinding(stream: Any, bytes_class: type) -> Rewind | None:
    """Return what makes the body of a request ready again; None where it can be read only once."""
    if isinstance(stream, bytes_class):
        return at_hand
    fields = getattr(stream, "fields", None)
    if fields is not None:
        return BY_ITSELF if all(_again(one) for one in fields) else None
    source: Any = getattr(stream, "_stream", None)
    if isinstance(source, list | tuple):
        return at_hand
    return partial(source.seek, source.tell()) if _seekable(source) else None


def _again(field: Any) -> bool:
    """Return whether a field of a form can be sent again: httpx goes back to a file's beginning."""
    file = getattr(field, "file", b"")
    return isinstance(file, bytes | str) or _seekable(file)


def _seekable(source: Any) -> bool:
    try:
        return bool(source.seekable()) and callable(source.tell)
    except Exception:  # noqa: BLE001 - whatever pretends to be a file
        return False
