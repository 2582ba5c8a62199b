"""Throughput of one breaker that 1 to 16 threads share, around a call that waits for 50 ms.

A breaker that holds its lock while the call runs lets one thread through at a time. Each point is
one run of about a second: the calls that ended, over the time until the last thread was done.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from benchmarks.overhead.ours import OURS, protected
from benchmarks.overhead.rows import Findings, Role, Row
from benchmarks.overhead.settings import FAILURES, Options

THREADS = (1, 2, 4, 8, 16)
WAIT = 0.05
BARE = "bare function"


def section(threads: int) -> str:
    """The section's name for this number of threads."""
    return f"throughput, {threads} thread{'s' if threads > 1 else ''}"


def measure(options: Options) -> Findings:
    """Calls per second for each number of threads and each breaker, the bare call first."""
    found = Findings()
    for threads in THREADS:
        for name, role, make in _BREAKERS:
            if not options.wants(section(threads), name):
                continue
            try:
                rate = throughput(make(), threads, 0.3 if options.quick else 1.0)
            except Exception as error:  # noqa: BLE001 - a missing peer is a skip
                found.skip(section(threads), name, error)
            else:
                found.rows.append(Row(section(threads), name, role, rate, "calls/s"))
    return found


def throughput(call: Callable[[], Any], threads: int, seconds: float) -> float:
    """Calls per second of so many threads, each calling again and again for so many seconds."""
    calls: list[int] = []
    start = time.perf_counter()

    def work() -> None:
        done = 0
        while time.perf_counter() - start < seconds:
            call()
            done += 1
        calls.append(done)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(calls) / (time.perf_counter() - start)


def _wait() -> None:
    time.sleep(WAIT)


def _pybreaker() -> Callable[[], Any]:
    import pybreaker

    return pybreaker.CircuitBreaker(fail_max=FAILURES)(_wait)


def _circuitbreaker() -> Callable[[], Any]:
    from circuitbreaker import circuit

    return circuit(failure_threshold=FAILURES, name="threads")(_wait)


_BREAKERS: tuple[tuple[str, Role, Callable[[], Callable[[], Any]]], ...] = (
    (BARE, "bare", lambda: _wait),
    ("pybreaker", "peer", _pybreaker),
    ("circuitbreaker", "peer", _circuitbreaker),
    (OURS, "holdfast", lambda: protected(_wait, "breaker")),
)
