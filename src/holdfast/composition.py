"""Orders of layers that defeat themselves, each with the reason and the fix.

Strategies are told by their `kind`, or by what they can do: not every program imports all of them.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

from holdfast.strategies.timeout import Timeout


def findings(strategies: tuple[Any, ...]) -> list[str]:
    """Return what is wrong with the order of ``strategies``, outermost first."""
    return [
        *_two_retries(strategies),
        *_breaker_outside_retry(strategies),
        *_fallback_inside(strategies),
        *_inner_timeout_longer(strategies),
        *_wrong_sides(strategies),
        *_timeout_outside_only(strategies),
        *_chaos_outside(strategies),
    ]


ORDER = (
    "fallback", "stale fallback", "coalesce", "rate limiter", "bulkhead", "load shedder", "retry",
    "throttle", "circuit breaker", "concurrency limiter", "hedge", "adaptive timeout", "chaos",
)  # fmt: skip
"""The usual order, outermost first, of all whose place follows from what they are."""


def place(strategy: Any, strategies: tuple[Any, ...]) -> int:
    """Return where a layer that is new among ``strategies`` belongs; innermost where nobody knows."""
    kind, kinds = _kind(strategy), [_kind(one) for one in strategies]
    if kind in ("fallback", "stale fallback"):
        return 0
    if kind in ORDER:
        inside = ORDER[ORDER.index(kind) + 1 :]
        return next(
            (place for place, one in enumerate(kinds) if one in inside), _before_limit(kinds, kind)
        )
    return len(kinds) - (kinds[-1:] == ["chaos"])


def _before_limit(kinds: list[str], kind: str) -> int:
    """Return the innermost place, but outside the timeout of an attempt, if that is there."""
    inmost = kinds[-1:] == ["timeout"] and len(kinds) > 1 and kind != "chaos"
    return len(kinds) - inmost


WRONG_SIDES = (
    ("concurrency limiter", "retry", "it takes the delays between attempts for latency"),
    ("adaptive timeout", "retry", "it learns how long series of attempts take, delays included"),
    ("throttle", "retry", "it sees one outcome for each series of attempts"),
    ("hedge", "retry", "each of its attempts is a series of retries, so that they multiply"),
    (
        "hedge",
        "bulkhead",
        "each of its attempts needs a permit of its own, so that hedging fills the compartment",
    ),
    (
        "hedge",
        "rate limiter",
        "its further attempts use up the rate that was meant for calls",
    ),
    ("retry", "load shedder", "what is shed to save work is asked for again at once"),
    (
        "bulkhead",
        "coalesce",
        "callers that share one attempt take a permit each",
    ),
    (
        "rate limiter",
        "coalesce",
        "callers that share one attempt are counted one by one",
    ),
)
"""What must not stand outside of what, and why."""


def _places(strategies: tuple[Any, ...], kind: str) -> list[int]:
    return [place for place, one in enumerate(strategies) if _kind(one) == kind]


def _retries(strategies: tuple[Any, ...]) -> list[int]:
    return [place for place, one in enumerate(strategies) if hasattr(one, "meets")]


def _two_retries(strategies: tuple[Any, ...]) -> list[str]:
    places = _retries(strategies)
    if len(places) < 2:  # noqa: PLR2004 - two
        return []
    retries = [strategies[place] for place in places]
    if not any(one.meets(two) for one, two in combinations(retries, 2)):
        return []
    attempts = [one.attempts for one in retries]
    product = 1
    for number in attempts:
        product *= number or 1
    many = "without bound" if None in attempts else f"to {product}"
    finding = (
        f"it has {len(places)} retries, whose attempts multiply {many}: keep one, or give them "
        "conditions of which no outcome meets two"
    )
    return [finding]


def _breaker_outside_retry(strategies: tuple[Any, ...]) -> list[str]:
    retries, breakers = _retries(strategies), _places(strategies, "circuit breaker")
    if not retries or not any(breaker < retries[-1] for breaker in breakers):
        return []
    reason = (
        "a circuit breaker stands outside the retry, so it sees one outcome for each series of "
        "attempts and opens late, while the retry goes on against what is down: put the breaker "
        "inside the retry"
    )
    return [reason]


def _fallback_inside(strategies: tuple[Any, ...]) -> list[str]:
    fallbacks = [place for place, one in enumerate(strategies) if _kind(one).endswith("fallback")]
    found = []
    for places, what in (
        (_retries(strategies), "retry"),
        (_places(strategies, "circuit breaker"), "circuit breaker"),
    ):
        if places and any(place > places[0] for place in fallbacks):
            found.append(
                f"a fallback stands inside the {what}, which then sees its answers instead of the "
                "failures: put the fallback outermost"
            )
    return found


def _wrong_sides(strategies: tuple[Any, ...]) -> list[str]:
    kinds = [_kind(one) for one in strategies]
    return [
        f"{_a(outer)} stands outside the {inner}: {reason}; put the {outer} inside the {inner}"
        for outer, inner, reason in WRONG_SIDES
        if outer in kinds and inner in kinds[kinds.index(outer) + 1 :]
    ]


LEARNERS = ("circuit breaker", "concurrency limiter", "throttle")
"""What goes by how calls end."""

LIMITS = ("timeout", "adaptive timeout")


def _timeout_outside_only(strategies: tuple[Any, ...]) -> list[str]:
    """Find what no limit stands in; one outside a retry is that of the whole call, and not meant."""
    kinds = [_kind(one) for one in strategies]
    if "retry" in kinds:
        kinds = kinds[kinds.index("retry") :]
    limits = [place for place, kind in enumerate(kinds) if kind in LIMITS]
    blind = [kind for kind in kinds[limits[-1] :] if kind in LEARNERS] if limits else []
    if not blind:
        return []
    reason = (
        f"the only timeout stands outside the {blind[-1]}, which hears of a call that hangs when all of "
        "that time is over, and in blocking code that nothing interrupts not before it ends: put a "
        f"timeout inside the {blind[-1]}"
    )
    return [reason]


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _chaos_outside(strategies: tuple[Any, ...]) -> list[str]:
    kinds = [_kind(one) for one in strategies]
    if "chaos" not in kinds[:-1]:
        return []
    missed = next((kind for kind in kinds[kinds.index("chaos") + 1 :] if kind != "chaos"), None)
    if missed is None:
        return []
    return [f"chaos stands outside the {missed}, which never sees its faults: put it innermost"]


def _kind(strategy: Any) -> str:
    """Return what a layer is: that of a keyed one is the kind that it makes for each key."""
    kind: str = getattr(strategy, "kind", "") or type(strategy).__name__.lower()
    return strategy.makes or kind if kind == "keyed" else kind


def _inner_timeout_longer(strategies: tuple[Any, ...]) -> list[str]:
    limits = [one for one in strategies if isinstance(one, Timeout)]
    for outer, inner in pairwise(limits):
        silences = inner.first or inner.between  # of a stream: they do fire
        if inner.seconds >= outer.seconds and not silences:
            reason = (
                f"the inner timeout of {inner.seconds:g} s never fires before the outer one of "
                f"{outer.seconds:g} s: make the inner one, which is per attempt, shorter"
            )
            return [reason]
    return []
