"""tranq builds a policy whose layers stand in an order of its own."""

from collections.abc import Callable
from typing import Any

from benchmarks.overhead.candidates import LISTENED, Candidates
from benchmarks.overhead.functions import abare, afailing, bare, failing
from benchmarks.overhead.settings import AN_HOUR, ATTEMPTS, FAILURES, LIMIT, RATE, SECONDS

NAME = "tranq"
peer = Candidates("peer")

_ROWS = {
    "retry": ("retry",),
    "breaker": ("breaker",),
    "bulkhead": ("bulkhead",),
    "timeout": ("timeout",),
    "three layers": ("retry", "breaker", "bulkhead"),
    "four layers": ("retry", "breaker", "bulkhead", "timeout"),
    "standard": ("retry", "breaker", "bulkhead", "timeout"),
    "three layers" + LISTENED: ("retry", "breaker", "bulkhead", "bus"),
}


def layered(world: str, function: Callable[..., Any], *layers: str) -> Callable[..., Any]:
    """The function in a policy of these layers."""
    import tranq

    sync = world == "sync"
    breaker = tranq.CircuitBreaker if sync else tranq.AsyncCircuitBreaker
    bulkhead = tranq.Bulkhead if sync else tranq.AsyncBulkhead
    builder = tranq.PolicyBuilder()
    if "retry" in layers:
        builder.retry(max_attempts=ATTEMPTS, wait=tranq.wait.exponential(0.5, max=30))
    if "breaker" in layers:
        builder.circuit_breaker(breaker(failure_threshold=FAILURES, timeout=AN_HOUR))
    if "bulkhead" in layers:
        builder.bulkhead(LIMIT, instance=bulkhead(LIMIT))
    if "timeout" in layers:
        builder.timeout(SECONDS)
    if "bus" in layers:
        builder.observe(event_bus=_bus())
    return builder(function)  # type: ignore[no-any-return]


def _bus() -> Any:
    import tranq
    from tranq.events import OperationSucceeded

    bus = tranq.EventBus()
    bus.subscribe(OperationSucceeded, lambda _event: None)
    return bus


def _add(world: str, function: Callable[..., Any]) -> None:
    for section, layers in _ROWS.items():
        peer(f"{world} {section}", NAME)(lambda layers=layers: layered(world, function, *layers))


def _rate(function: Callable[..., Any]) -> Callable[..., Any]:
    import tranq

    return tranq.rate_limit(rate=RATE, per=1.0, burst=RATE)(function)  # type: ignore[no-any-return]


_add("sync", bare)
_add("async", abare)
peer("sync rate limit", NAME)(lambda: _rate(bare))
peer("sync rejection", NAME)(lambda: layered("sync", failing, "breaker"))
peer("async rejection", NAME)(lambda: layered("async", afailing, "breaker"))
