"""What stands in for a function looks like it: name, documentation, annotations."""

from __future__ import annotations

from collections.abc import Callable
from functools import WRAPPER_ASSIGNMENTS
from typing import Any

Function = Callable[..., Any]


def dressed(fn: Function) -> Callable[[Function], Function]:
    """Do as `functools.wraps`, also for what has something odd for a name: a mock, or a proxy."""

    def dress(protected: Any) -> Function:
        for name in WRAPPER_ASSIGNMENTS:
            try:
                setattr(protected, name, getattr(fn, name))
            except (AttributeError, TypeError):
                continue
        protected.__dict__.update(getattr(fn, "__dict__", {}))
        protected.__wrapped__ = fn
        return protected  # type: ignore[no-any-return]

    return dress
