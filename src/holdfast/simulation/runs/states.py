"""Looks at the states of policies, for plots: those of Holdfast's pipelines; others don't tell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from holdfast.pipeline import Pipeline
from holdfast.strategies.breaker import CircuitBreaker
from holdfast.strategies.concurrency import ConcurrencyLimiter
from holdfast.strategies.keyed import Keyed
from holdfast.strategies.retry import Retry


def not_closed(policies: Iterable[object]) -> int:
    """Return how many policies have a breaker that isn't closed, be it for one key only."""
    return sum(any(map(_is_open, _layers(policy))) for policy in policies)


def mean_limit(policies: Iterable[object]) -> float | None:
    """Return the mean of all adaptive limits that are no key's own; None where there are none."""
    return _mean(
        layer.limit
        for policy in policies
        for layer in _layers(policy)
        if isinstance(layer, ConcurrencyLimiter)
    )


def mean_tokens(policies: Iterable[object]) -> float | None:
    """Return the mean of what is left of all retry budgets; None where there are none."""
    return _mean(
        layer.budget.tokens
        for policy in policies
        for layer in _layers(policy)
        if isinstance(layer, Retry) and layer.budget is not None
    )


def _layers(policy: object) -> Iterator[Any]:
    if isinstance(policy, Pipeline):
        yield from policy.strategies


def _is_open(layer: Any) -> bool:
    if isinstance(layer, CircuitBreaker):
        return layer.state != "closed"
    return isinstance(layer, Keyed) and bool(layer.snapshot()["open"])


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return math.fsum(found) / len(found) if found else None
