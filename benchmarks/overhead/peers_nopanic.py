"""nopanic composes policies that serve both worlds; its breaker has a window of time."""

from collections.abc import Callable
from typing import Any

from benchmarks.overhead.candidates import LISTENED, Candidates
from benchmarks.overhead.functions import abare, afailing, bare, failing
from benchmarks.overhead.settings import AN_HOUR, ATTEMPTS, FAILURES, LIMIT, RATE, SECONDS

NAME = "nopanic"
peer = Candidates("peer")

_ROWS = {
    "retry": ("retry",),
    "breaker": ("breaker",),
    "bulkhead": ("bulkhead",),
    "timeout": ("timeout",),
    "rate limit": ("rate limit",),
    "three layers": ("retry", "breaker", "bulkhead"),
    "four layers": ("retry", "breaker", "bulkhead", "timeout"),
    "three layers" + LISTENED: ("retry", "breaker", "bulkhead"),
}


def layered(function: Callable[..., Any], *layers: str) -> Callable[..., Any]:
    """The function in these policies, the first outermost."""
    import nopanic as np

    options: dict[str, Callable[[], Any]] = {
        "retry": lambda: np.retry(attempts=ATTEMPTS, on=ConnectionError),
        "breaker": lambda: np.circuit_breaker(min_calls=FAILURES, reset_timeout=AN_HOUR),
        "bulkhead": lambda: np.bulkhead(LIMIT, max_wait=0),
        "timeout": lambda: np.timeout(SECONDS),
        "rate limit": lambda: np.rate_limit(RATE),
    }
    return np.compose(*(options[layer]() for layer in layers))(function)  # type: ignore[no-any-return]


def standard(function: Callable[..., Any]) -> Callable[..., Any]:
    """What `holdfast.standard()` has, as far as there is something for it."""
    import nopanic as np

    return np.compose(  # type: ignore[no-any-return]
        np.deadline(10.0),
        np.bulkhead(100, max_wait=1.0),
        np.retry(attempts=4, on=ConnectionError, budget=np.RetryBudget(ratio=0.2)),
        np.circuit_breaker(min_calls=FAILURES),
        np.timeout(2.0),
    )(function)


def _add(world: str, function: Callable[..., Any]) -> None:
    for section, layers in _ROWS.items():
        peer(f"{world} {section}", NAME)(lambda layers=layers: layered(function, *layers))
    peer(f"{world} standard", NAME)(lambda: standard(function))


_add("sync", bare)
_add("async", abare)
peer("sync rejection", NAME)(lambda: layered(failing, "breaker"))
peer("async rejection", NAME)(lambda: layered(afailing, "breaker"))
