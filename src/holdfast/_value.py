"""What the frozen values among the strategies share: a `repr` that is valid Python."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from holdfast.classify import spell


def spelt(value: Any, *positional: str) -> str:
    """Return the constructor call that makes an equal value, without the options at their default."""
    parts = []
    for option in fields(value):
        if not option.init or not option.repr:
            continue
        given = getattr(value, option.name)
        if option.name in positional:
            parts.append(spell(given))
        elif option.default is MISSING or given != option.default:
            parts.append(f"{option.name}={spell(given)}")
    return f"{type(value).__name__}({', '.join(parts)})"


def compiled(value: Any, **derived: Any) -> None:
    """Set derived fields of a frozen value, while it is being built."""
    for name, content in derived.items():
        object.__setattr__(value, name, content)
