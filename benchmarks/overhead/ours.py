"""Holdfast's candidates: the same pipelines for both worlds."""

from collections.abc import Callable
from typing import Any

from benchmarks.overhead.candidates import Candidates
from benchmarks.overhead.functions import abare, afailing, bare, failing
from benchmarks.overhead.settings import (
    AN_HOUR,
    ATTEMPTS,
    FAILURE_RATE,
    FAILURES,
    LIMIT,
    SECONDS,
    SLOW,
    SLOW_RATE,
    WINDOW,
)

OURS = "holdfast"
WINDOWED = "holdfast, window of 100 + slow calls"
ISOLATED = "holdfast, isolated by hand"
ours = Candidates("holdfast")


def protected(function: Callable[..., Any], *layers: str) -> Callable[..., Any]:
    """The function in a pipeline of the named layers, the first outermost."""
    return pipeline(*layers)(function)


def pipeline(*layers: str) -> Any:
    """A pipeline of the named layers, the first outermost."""
    import holdfast as hf

    options: dict[str, Callable[[], Any]] = {
        "retry": lambda: hf.Retry(attempts=ATTEMPTS),
        "breaker": lambda: hf.CircuitBreaker(failures=FAILURES),
        "window": window,
        "bulkhead": lambda: hf.Bulkhead(LIMIT),
        "timeout": lambda: hf.Timeout(SECONDS),
    }
    return hf.Pipeline("benchmark", *(options[layer]() for layer in layers))


def window() -> Any:
    """A breaker with a sliding window of calls that tracks slow ones, too."""
    from holdfast import CircuitBreaker

    return CircuitBreaker(failure_rate=FAILURE_RATE, window=WINDOW, slow=SLOW, slow_rate=SLOW_RATE)


_ROWS = {
    ("retry", OURS): ("retry",),
    ("breaker", OURS): ("breaker",),
    ("breaker", WINDOWED): ("window",),
    ("bulkhead", OURS): ("bulkhead",),
    ("timeout", OURS): ("timeout",),
    ("three layers", OURS): ("retry", "breaker", "bulkhead"),
    ("three layers", WINDOWED): ("retry", "window", "bulkhead"),
    ("four layers", OURS): ("retry", "breaker", "bulkhead", "timeout"),
    ("four layers", WINDOWED): ("retry", "window", "bulkhead", "timeout"),
}


def _add_succeeding(world: str, function: Callable[..., Any]) -> None:
    for (section, name), layers in _ROWS.items():
        make = _maker(function, layers)
        ours(f"{world} {section}", name)(make)


def _maker(function: Callable[..., Any], layers: tuple[str, ...]) -> Callable[[], Any]:
    return lambda: protected(function, *layers)


def _rejecting(function: Callable[..., Any], *, by_hand: bool) -> Callable[..., Any]:
    from holdfast import CircuitBreaker, Pipeline

    breaker = CircuitBreaker(failures=FAILURES, open_for=AN_HOUR, open_cap=AN_HOUR)
    if by_hand:
        breaker.isolate()
    else:
        breaker.trip()
    return Pipeline("benchmark", breaker)(function)


_add_succeeding("sync", bare)
_add_succeeding("async", abare)
ours("sync rejection", OURS)(lambda: _rejecting(failing, by_hand=False))
ours("sync rejection", ISOLATED)(lambda: _rejecting(failing, by_hand=True))
ours("async rejection", OURS)(lambda: _rejecting(afailing, by_hand=False))
ours("async rejection", ISOLATED)(lambda: _rejecting(afailing, by_hand=True))
