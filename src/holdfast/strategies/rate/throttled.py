"""What asks for a lower rate, as the one verdict of the library has it."""

from __future__ import annotations

from typing import Any, Final

from holdfast.classify import Condition
from holdfast.verdict import THROTTLED, judge, kind_of


def is_throttled(error: Exception) -> bool:
    """Return whether the dependency asks for fewer requests."""
    return kind_of(error) is THROTTLED


def says_throttled(result: Any) -> bool:
    """Return whether a result is an answer that asks for fewer requests."""
    return type(result).__module__ != "builtins" and judge(result).kind is THROTTLED


throttled: Final = Condition((), (is_throttled,), (says_throttled,), name="throttled")
