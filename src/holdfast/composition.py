"""Orders of layers that defeat themselves, each with the reason and the fix."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from holdfast.strategies.circuit_breaker import CircuitBreaker
from holdfast.strategies.fallback import Fallback, StaleFallback
from holdfast.strategies.retry import Retry
from holdfast.strategies.timeout import Timeout


def findings(strategies: tuple[Any, ...]) -> list[str]:
    """Return what is wrong with the order of ``strategies``, outermost first."""
    return [
        *_two_retries(strategies),
        *_breaker_outside_retry(strategies),
        *_fallback_inside(strategies),
        *_inner_timeout_longer(strategies),
    ]


def _places(strategies: tuple[Any, ...], kinds: type | tuple[type, ...]) -> list[int]:
    return [place for place, one in enumerate(strategies) if isinstance(one, kinds)]


def _two_retries(strategies: tuple[Any, ...]) -> list[str]:
    places = _places(strategies, Retry)
    if len(places) < 2:  # noqa: PLR2004 - two
        return []
    attempts = [strategies[place].attempts for place in places]
    product = 1
    for number in attempts:
        product *= number or 1
    many = "without bound" if None in attempts else f"to {product}"
    return [f"it has {len(places)} retries, whose attempts multiply {many}: keep one"]


def _breaker_outside_retry(strategies: tuple[Any, ...]) -> list[str]:
    retries, breakers = _places(strategies, Retry), _places(strategies, CircuitBreaker)
    if not retries or not any(breaker < retries[-1] for breaker in breakers):
        return []
    reason = (
        "a circuit breaker stands outside the retry, so it sees one outcome for each series of "
        "attempts and opens late, while the retry goes on against what is down: put the breaker "
        "inside the retry"
    )
    return [reason]


def _fallback_inside(strategies: tuple[Any, ...]) -> list[str]:
    fallbacks = _places(strategies, (Fallback, StaleFallback))
    found = []
    for kind, what in ((Retry, "retry"), (CircuitBreaker, "circuit breaker")):
        places = _places(strategies, kind)
        if places and any(place > places[0] for place in fallbacks):
            found.append(
                f"a fallback stands inside the {what}, which then sees its answers instead of the "
                "failures: put the fallback outermost"
            )
    return found


def _inner_timeout_longer(strategies: tuple[Any, ...]) -> list[str]:
    limits = [(place, strategies[place].seconds) for place in _places(strategies, Timeout)]
    for (_, outer), (_, inner) in pairwise(limits):
        if inner >= outer:
            reason = (
                f"the inner timeout of {inner:g} s never fires before the outer one of {outer:g} s: "
                "make the inner one, which is per attempt, shorter"
            )
            return [reason]
    return []
