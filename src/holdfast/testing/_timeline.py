"""How recorded events are matched with what a test expects, and how they are printed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from holdfast._shown import quoted
from holdfast.events import Event

MOST = 60
"""How many lines of a timeline a failing assertion prints."""
WIDEST = 70
"""After how many characters a value is cut short."""
COLUMNS = ("at", "pipeline", "strategy", "function")


def check_fields(kind: type[Event], wanted: dict[str, Any]) -> None:
    """Refuse names that no such event has: what can't match would never fail `assert_never`."""
    if not isinstance(kind, type):
        raise TypeError(f"ask for {kind!r} by its class, such as holdfast.events.RetryScheduled")
    known = [field.name for field in fields(kind)]
    for name in wanted:
        if name not in known:
            raise TypeError(f"{kind.__name__} has no field {name!r}; it has {', '.join(known)}")


def differences(event: Event, wanted: dict[str, Any]) -> list[str]:
    """Return a phrase for each field of ``event`` that is not as wanted."""
    return [
        f"{name}={getattr(event, name)!r}, not {_described(value)}"
        for name, value in wanted.items()
        if not _fits(name, getattr(event, name), value)
    ]


def described(kind: type[Event], wanted: dict[str, Any]) -> str:
    """Return what a test asks for, as it would be written."""
    asked = ", ".join(f"{name}={_described(value)}" for name, value in wanted.items())
    return f"{kind.__name__}({asked})" if asked else kind.__name__


def since_start(event: Event, events: Sequence[Event]) -> str:
    """Return the instant of ``event``, in seconds since the first one."""
    return f"{event.at - events[0].at:+.3f}"


def timeline(
    events: Sequence[Event],
    *,
    marked: Callable[[Event], bool] | None = None,
    most: int | None = None,
) -> str:
    """Return a line for each event, with a ``>`` before those that are marked."""
    rows = [
        (since_start(event, events), event.pipeline, type(event).__name__, event.strategy)
        for event in events
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines: list[str] = []
    for event, row in zip(events, rows, strict=True):
        cells = [row[0].rjust(widths[0]), *map(str.ljust, row[1:], widths[1:])]
        mark = ">" if marked is not None and marked(event) else " "
        lines.append("  ".join((f"{mark} {cells[0]}", *cells[1:], _details(event))).rstrip())
    if most is not None and len(lines) > most:
        head = most // 3
        hidden = len(lines) - most
        lines[head : head + hidden] = [f"  ... {hidden} more ..."]
    return "\n".join(lines)


def _details(event: Event) -> str:
    told = {
        field.name: getattr(event, field.name)
        for field in fields(event)
        if field.name not in COLUMNS and field.repr
    }
    return "  ".join(f"{name}={_short(value)}" for name, value in told.items() if value is not None)


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    words = repr(value)
    if isinstance(value, BaseException):
        words = quoted(value)
    return words if len(words) <= WIDEST else f"{words[: WIDEST - 3]}..."


def _fits(name: str, value: Any, wanted: Any) -> bool:
    """Return whether a field is as wanted; the docstring of `Recording` tells the rules."""
    match wanted:
        case str() if name == "pipeline":
            fits = wanted == value or wanted in value.split(", ")
        case re.Pattern():
            found: re.Match[str] | None = wanted.search(str(value))
            fits = found is not None
        case BaseException():
            same = type(value) is type(wanted) and value.args == wanted.args
            fits = same or value is wanted
        case type():
            fits = isinstance(value, wanted)
        case float() if isinstance(value, float):
            fits = wanted == value or math.isclose(wanted, value, rel_tol=1e-9, abs_tol=1e-9)
        case _:
            fits = bool(wanted(value) if callable(wanted) else wanted == value)
    return fits


def _described(wanted: Any) -> str:
    if isinstance(wanted, re.Pattern):
        return f"matching {wanted.pattern!r}"
    if isinstance(wanted, type) or callable(wanted):
        return str(getattr(wanted, "__name__", wanted))
    return repr(wanted)
