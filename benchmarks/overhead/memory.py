"""Bytes of one breaker among 100,000 (2,000 of each peer), and of one pipeline.

``tracemalloc`` counts what the objects asked for; imports are done before. A breaker is measured
in a dictionary under its own key, as keyed breakers are kept, and after a call, since state may be
made on first use; key and dictionary count. A pipeline is measured with the function it protects,
decorated and called once.
"""

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.overhead.functions import bare
from benchmarks.overhead.ours import OURS, WINDOWED, pipeline, window
from benchmarks.overhead.rows import Findings, Role, Row
from benchmarks.overhead.settings import FAILURES, Options

BREAKER = "memory of a breaker"
PIPELINE = "memory of a pipeline"
UNUSED = "holdfast, before its first call"
FOUR = "holdfast, four layers"


def measure(options: Options) -> Findings:
    """Bytes per object, for each kind."""
    found = Findings()
    for section, name, role, many, make in _KINDS:
        if not options.wants(section, name):
            continue
        many_now = max(100, many // 20) if options.quick else many
        try:
            size = bytes_each(make(), many_now)
        except Exception as error:  # noqa: BLE001 - a missing peer is a skip
            found.skip(section, name, error)
        else:
            found.rows.append(Row(section, name, role, size, "B", f"of {many_now:,}"))
    return found


def bytes_each(make: Callable[[], Any], many: int) -> float:
    """Bytes that stay allocated per object made, each under a key of its own."""
    make()
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        kept = {f"host-{number}.example": make() for number in range(many)}
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / len(kept)


def _fresh() -> Callable[[], Any]:
    from holdfast import CircuitBreaker

    return lambda: CircuitBreaker(failures=FAILURES)


def _used(make: Callable[[], Any], calls: int) -> Callable[[], Any]:
    from holdfast import Pipeline

    def breaker() -> Any:
        made = make()
        call = Pipeline("benchmark", made)(bare)
        for number in range(calls):
            call(number)
        return made

    return breaker


def _pipeline() -> Callable[[], Any]:
    def made() -> Any:
        four = pipeline("retry", "breaker", "bulkhead", "timeout")
        function = four(bare)
        function(1)
        return four, function

    return made


def _pybreaker() -> Callable[[], Any]:
    import pybreaker

    return lambda: pybreaker.CircuitBreaker(fail_max=FAILURES)


def _circuitbreaker() -> Callable[[], Any]:
    from circuitbreaker import CircuitBreaker

    return lambda: CircuitBreaker(failure_threshold=FAILURES, name="memory")


def _aiobreaker() -> Callable[[], Any]:
    import aiobreaker

    return lambda: aiobreaker.CircuitBreaker(fail_max=FAILURES)


def _purgatory() -> Callable[[], Any]:
    from purgatory import SyncCircuitBreakerFactory

    factory = SyncCircuitBreakerFactory(default_threshold=FAILURES)
    names: Iterator[str] = (f"host-{number}" for number in range(10**9))
    return lambda: factory.get_breaker(next(names))


def _hyx() -> Callable[[], Any]:
    from hyx.circuitbreaker import consecutive_breaker

    return lambda: consecutive_breaker(failure_threshold=FAILURES)


def _pyresilience(*layers: str) -> Callable[[], Any]:
    from benchmarks.overhead.peers_pyresilience import around

    def made() -> Any:
        function = around(bare, *layers)
        function(1)
        return function

    return made


_KINDS: tuple[tuple[str, str, Role, int, Callable[[], Callable[[], Any]]], ...] = (
    (BREAKER, "pybreaker", "peer", 2_000, _pybreaker),
    (BREAKER, "circuitbreaker", "peer", 2_000, _circuitbreaker),
    (BREAKER, "aiobreaker", "peer", 2_000, _aiobreaker),
    (BREAKER, "purgatory", "peer", 2_000, _purgatory),
    (BREAKER, "hyx", "peer", 2_000, _hyx),
    (BREAKER, "pyresilience", "peer", 2_000, lambda: _pyresilience("breaker")),
    (BREAKER, UNUSED, "holdfast", 100_000, _fresh),
    (BREAKER, OURS, "holdfast", 100_000, lambda: _used(_fresh(), 1)),
    (BREAKER, WINDOWED, "holdfast", 2_000, lambda: _used(window, 150)),
    (
        PIPELINE,
        "pyresilience, four layers, with its pool",
        "peer",
        200,
        lambda: _pyresilience("retry", "breaker", "bulkhead", "timeout"),
    ),
    (PIPELINE, FOUR, "holdfast", 2_000, _pipeline),
)
