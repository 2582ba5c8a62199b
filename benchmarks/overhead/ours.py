"""Holdfast's candidates: the same pipelines for both worlds."""

from collections.abc import Callable
from typing import Any

from benchmarks.overhead.candidates import CUT, LISTENED, Candidates
from benchmarks.overhead.functions import abare, afailing, bare, failing
from benchmarks.overhead.settings import (
    AN_HOUR,
    ATTEMPTS,
    FAILURE_RATE,
    FAILURES,
    LIMIT,
    RATE,
    SECONDS,
    SLOW,
    SLOW_RATE,
    WINDOW,
)

OURS = "holdfast"
WINDOWED = "holdfast, window of 100 + slow calls"
ISOLATED = "holdfast, isolated by hand"
THREE = "holdfast, three limits at once"
LEARNING = "holdfast, delay learnt"
COOPERATIVE = "holdfast, a deadline only"
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
        "timeout": lambda: hf.Timeout(SECONDS, sync="thread"),
        "cut": lambda: hf.Timeout(SECONDS),
        "cooperative timeout": lambda: hf.Timeout(SECONDS, sync="cooperative"),
        "keyed breaker": lambda: hf.Keyed(one_of_ten, lambda _key: hf.CircuitBreaker()),
        "adaptive timeout": lambda: hf.Timeout.adaptive(sync="cooperative"),
        "rate limit": lambda: hf.RateLimiter(RATE),
        "three rate limits": lambda: hf.RateLimiter(
            *(hf.Rate(RATE, per=per) for per in (1, 10, 60))
        ),
        "adaptive concurrency": lambda: hf.ConcurrencyLimiter(max=LIMIT),
        "throttle": lambda: hf.Throttle(window=SECONDS),
        "load shedder": lambda: hf.LoadShedder(LIMIT),
        "hedge": lambda: hf.Hedge(after=SECONDS),
        "learning hedge": lambda: hf.Hedge(after=hf.quantile(0.95)),
        "coalesce": lambda: hf.Coalesce(one_of_ten),
        "chaos": lambda: hf.Chaos(error=ConnectionError),
    }
    return hf.Pipeline("benchmark", *(options[layer]() for layer in layers))


def one_of_ten(number: int) -> int:
    """The key of a call."""
    return number % 10


def window() -> Any:
    """A breaker with a sliding window of calls that tracks slow ones, too."""
    from holdfast import CircuitBreaker

    return CircuitBreaker(
        failure_rate=FAILURE_RATE, window_calls=WINDOW, slow=SLOW, slow_rate=SLOW_RATE
    )


_ROWS = {
    ("retry", OURS): ("retry",),
    ("breaker", OURS): ("breaker",),
    ("breaker", WINDOWED): ("window",),
    ("bulkhead", OURS): ("bulkhead",),
    ("timeout", OURS): ("timeout",),
    ("breaker per key", OURS): ("keyed breaker",),
    ("adaptive timeout", OURS): ("adaptive timeout",),
    ("rate limit", OURS): ("rate limit",),
    ("rate limit", THREE): ("three rate limits",),
    ("adaptive concurrency", OURS): ("adaptive concurrency",),
    ("throttle", OURS): ("throttle",),
    ("load shedder", OURS): ("load shedder",),
    ("hedge", OURS): ("hedge",),
    ("hedge", LEARNING): ("learning hedge",),
    ("coalesce", OURS): ("coalesce",),
    ("chaos, off", OURS): ("chaos",),
    ("three layers", OURS): ("retry", "breaker", "bulkhead"),
    ("three layers", WINDOWED): ("retry", "window", "bulkhead"),
    ("four layers", OURS): ("retry", "breaker", "bulkhead", "timeout"),
    ("three layers" + LISTENED, OURS): ("retry", "breaker", "bulkhead"),
    ("four layers", WINDOWED): ("retry", "window", "bulkhead", "timeout"),
}


_CUT_ROWS = {
    ("sync timeout" + CUT, OURS): ("cut",),
    ("sync timeout" + CUT, COOPERATIVE): ("cooperative timeout",),
    ("sync four layers" + CUT, OURS): ("retry", "breaker", "bulkhead", "cut"),
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


def _standard(function: Callable[..., Any]) -> Callable[..., Any]:
    import holdfast as hf

    return hf.standard("benchmark")(function)


_add_succeeding("sync", bare)
for (_section, _name), _layers in _CUT_ROWS.items():
    ours(_section, _name)(_maker(bare, _layers))
_add_succeeding("async", abare)
ours("sync standard", OURS)(lambda: _standard(bare))
ours("async standard", OURS)(lambda: _standard(abare))
ours("sync rejection", OURS)(lambda: _rejecting(failing, by_hand=False))
ours("sync rejection", ISOLATED)(lambda: _rejecting(failing, by_hand=True))
ours("async rejection", OURS)(lambda: _rejecting(afailing, by_hand=False))
ours("async rejection", ISOLATED)(lambda: _rejecting(afailing, by_hand=True))
