"""pyresilience takes all its layers in one decorator, for both worlds alike."""

from collections.abc import Callable
from typing import Any

from benchmarks.overhead.settings import (
    ATTEMPTS,
    FAILURE_RATE,
    FAILURES,
    LIMIT,
    SECONDS,
    SLOW,
    SLOW_RATE,
    WINDOW,
)


def around(function: Callable[..., Any], *layers: str) -> Callable[..., Any]:
    """The function with the named layers: retry, breaker or window, bulkhead, timeout."""
    import pyresilience as pr

    options = {
        "retry": ("retry", lambda: pr.RetryConfig(max_attempts=ATTEMPTS)),
        "breaker": ("circuit_breaker", _consecutive),
        "window": ("circuit_breaker", _window),
        "bulkhead": ("bulkhead", lambda: pr.BulkheadConfig(max_concurrent=LIMIT)),
        "timeout": ("timeout", lambda: pr.TimeoutConfig(seconds=SECONDS, pool_size=LIMIT)),
        "listener": ("listeners", lambda: [lambda _event: None]),
    }
    chosen = (options[layer] for layer in layers)
    return pr.resilient(**{name: config() for name, config in chosen})(function)


def _consecutive() -> Any:
    from pyresilience import CircuitBreakerConfig

    return CircuitBreakerConfig(failure_threshold=FAILURES)


def _window() -> Any:
    from pyresilience import CircuitBreakerConfig

    return CircuitBreakerConfig(
        sliding_window_size=WINDOW,
        failure_rate_threshold=FAILURE_RATE,
        minimum_calls=20,
        slow_call_duration=SLOW,
        slow_call_rate_threshold=SLOW_RATE,
    )
