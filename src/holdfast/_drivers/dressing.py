"""What stands in for a function looks like it: name, documentation, annotations."""

from __future__ import annotations

from collections.abc import Callable
from functools import WRAPPER_ASSIGNMENTS
from typing import Any

Function = Callable[..., Any]

CACHE = ("cache_info", "cache_clear", "cache_parameters")
"""What a function with `functools.lru_cache` has besides: methods, so that its ``__dict__`` has not."""


def dressed(fn: Function) -> Callable[[Function], Function]:
    """Do as `functools.wraps`, also for what has something odd for a name: a mock, or a proxy."""

    def dress(protected: Any) -> Function:
        for name in WRAPPER_ASSIGNMENTS:
            try:
                setattr(protected, name, getattr(fn, name))
            except (AttributeError, TypeError):
                continue
        for method in CACHE:
            if hasattr(type(fn), method):
                setattr(protected, method, getattr(fn, method))
        protected.__dict__.update(getattr(fn, "__dict__", {}))
        protected.__wrapped__ = fn
        return protected  # type: ignore[no-any-return]

    return dress
