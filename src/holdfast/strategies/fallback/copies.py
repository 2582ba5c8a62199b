"""Answers that several callers get: what one of them may change is copied for each."""

from __future__ import annotations

from collections.abc import MutableMapping, MutableSequence, MutableSet
from typing import Any

CONTAINERS = (list, dict, set, bytearray, MutableMapping, MutableSequence, MutableSet)


def is_mutable(value: Any) -> bool:
    """Return whether a caller could change ``value`` for others: a container, or a dataclass."""
    if isinstance(value, tuple | frozenset):
        return any(map(is_mutable, value))
    if isinstance(value, CONTAINERS):
        return True
    options = getattr(type(value), "__dataclass_params__", None)
    return options is not None and not isinstance(value, type) and not options.frozen


def copied(value: Any) -> Any:
    """Return a deep copy of what can be changed, and anything else as it is."""
    if not is_mutable(value):
        return value
    from copy import deepcopy  # only where somebody has such a value

    return deepcopy(value)
