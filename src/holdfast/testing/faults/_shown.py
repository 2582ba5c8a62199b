"""What the frozen values of this package share: a repr that can be read."""

from __future__ import annotations

from dataclasses import Field, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """A value whose repr is what one would write: without the options that have their defaults."""

    def __repr__(self) -> str:
        ordered = sorted(fields(self), key=lambda one: bool(one.kw_only))
        shown = [self._spelt(one) for one in ordered if getattr(self, one.name) != one.default]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _spelt(self, one: Field[Any]) -> str:
        given = repr(getattr(self, one.name))
        return f"{one.name}={given}" if one.kw_only else given

    def _set(self, **normal: Any) -> None:
        """Put checked values in place of those given, while the value is being made."""
        for name, value in normal.items():
            object.__setattr__(self, name, value)
