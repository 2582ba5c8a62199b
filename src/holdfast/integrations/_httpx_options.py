"""What the options of a transport, and the layers of its pipelines, mean in numbers and functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from holdfast import _validate
from holdfast.strategies.hedge import Hedge
from holdfast.strategies.retry import Retry


def most_at_once(layers: tuple[Any, ...]) -> int:
    """Return how many attempts of one call may be under way at once."""
    return math.prod(1 + one.max_hedges for one in layers if isinstance(one, Hedge))


def most_in_all(layers: tuple[Any, ...]) -> float:
    """Return how many attempts one call makes at most, where a single retry decides that."""
    retries = [one for one in layers if isinstance(one, Retry)]
    if any(isinstance(one, Hedge) for one in layers) or len(retries) > 1:
        return math.inf
    most = retries[0].attempts if retries else 1
    return math.inf if most is None else most


def maker_of_keys(option: bool | Callable[[Any], str]) -> Callable[[Any], str] | None:  # noqa: FBT001
    """Return what makes an ``Idempotency-Key`` for a request; None where there shall be none."""
    if option is False or option is None:
        return None
    if option is not True:
        _validate.plain_callable("idempotency_key", option)
        return option
    from uuid import uuid4  # the system's randomness: two processes must never make the same key

    return lambda _request: str(uuid4())
