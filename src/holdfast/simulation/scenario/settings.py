"""A scenario's settings as they are called in its file, to be shown and to be changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from typing import Any, TypeVar

from holdfast import _validate
from holdfast.simulation.scenario.scenario import Scenario

TOLD = ("name", "title", "story", "compare", "columns")
"""They stand in a report already."""

Value = TypeVar("Value")


def settings(scenario: Scenario) -> list[tuple[str, str]]:
    """Return the settings that are not what they are by default: dotted names, and values."""
    return [(name, text) for name, text in _settings("", scenario) if name not in TOLD]


def changed(value: Value, name: str, content: float) -> Value:
    """Return a scenario, or a part of one, with one number in it changed.

    Args:
        value: what it is in.
        name: its dotted name: ``"clients.count"``, ``"faults.0.lasts"``.
        content: the number; whole if the one that was there is.

    Raises:
        ConfigurationError: for a name that isn't there.
    """
    first, _, rest = name.partition(".")
    if isinstance(value, tuple):
        if not first.isdecimal() or int(first) >= len(value):
            raise _validate.refuse("sweep", name, f"there are {len(value)} of them, counted from 0")
        number = int(first)
        inner = changed(value[number], rest, content)
        return (*value[:number], inner, *value[number + 1 :])  # type: ignore[return-value] # as it was
    names = [field.name for field in fields(value)] if is_dataclass(value) else []
    if first not in names:
        raise _validate.refuse(
            "sweep", name, f"{_kind(value)} has {', '.join(names) or 'no settings'}"
        )
    before = getattr(value, first)
    if rest:
        after = changed(before, rest, content)
    elif before is not None and (isinstance(before, bool) or not isinstance(before, int | float)):
        raise _validate.refuse("sweep", name, "it must be a number that can be changed")
    else:
        whole = not isinstance(before, float) and float(content).is_integer()
        after = int(content) if whole else content
    return replace(value, **{first: after})  # type: ignore[type-var] # a dataclass


def _settings(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    for field in fields(value):
        content = getattr(value, field.name)
        if content == _default(field) and field.name != "kind":
            continue
        name = f"{prefix}{field.name}"
        if is_dataclass(content):
            yield from _settings(f"{name}.", content)
        elif isinstance(content, tuple) and content and is_dataclass(content[0]):
            for number, item in enumerate(content):
                yield from _settings(f"{name}.{number}.", item)
        else:
            yield name, _text(content)


def _default(field: Field[Any]) -> object:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default


def _text(content: object) -> str:
    match content:
        case bool():
            return "yes" if content else "no"
        case float():
            return f"{content:.6g}"
        case tuple() if len(content) > 8:  # noqa: PLR2004 - what fits on a line
            return f"{len(content):,} values"
        case tuple():
            return ", ".join(_text(item) for item in content)
    return str(getattr(content, "__qualname__", content))


def _kind(value: object) -> str:
    return type(value).__name__.lower()
