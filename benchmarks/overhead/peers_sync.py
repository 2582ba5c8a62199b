"""The peers' protection of plain functions, as their documentation shows it."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.overhead.candidates import LISTENED, Candidates
from benchmarks.overhead.functions import bare
from benchmarks.overhead.peers_pyresilience import around
from benchmarks.overhead.settings import ATTEMPTS, FAILURES, LIMIT, SECONDS

peer = Candidates("peer")


@peer("sync retry", "tenacity")
def _tenacity() -> Callable[..., Any]:
    return _retrying(bare)


@peer("sync retry", "stamina")
def _stamina() -> Callable[..., Any]:
    import stamina

    return stamina.retry(on=ConnectionError, attempts=ATTEMPTS)(bare)


@peer("sync retry", "backoff")
def _backoff() -> Callable[..., Any]:
    import backoff

    return backoff.on_exception(backoff.expo, ConnectionError, max_tries=ATTEMPTS)(bare)


@peer("sync retry", "google-api-core")
def _google() -> Callable[..., Any]:
    from google.api_core.retry import Retry, if_exception_type

    # It counts time, not attempts.
    return Retry(predicate=if_exception_type(ConnectionError))(bare)


@peer("sync retry", "pyresilience")
def _pyresilience_retry() -> Callable[..., Any]:
    return around(bare, "retry")


@peer("sync breaker", "pybreaker")
def _pybreaker() -> Callable[..., Any]:
    import pybreaker

    return pybreaker.CircuitBreaker(fail_max=FAILURES)(bare)


@peer("sync breaker", "circuitbreaker")
def _circuitbreaker() -> Callable[..., Any]:
    from circuitbreaker import circuit

    return circuit(failure_threshold=FAILURES, name="sync breaker")(bare)


@peer("sync breaker", "purgatory")
def _purgatory() -> Callable[..., Any]:
    from purgatory import SyncCircuitBreakerFactory

    return SyncCircuitBreakerFactory(default_threshold=FAILURES)("sync breaker")(bare)


@peer("sync breaker", "aiobreaker")
def _aiobreaker() -> Callable[..., Any]:
    import aiobreaker

    return aiobreaker.CircuitBreaker(fail_max=FAILURES)(bare)


@peer("sync breaker", "pyresilience")
def _pyresilience_breaker() -> Callable[..., Any]:
    return around(bare, "breaker")


@peer("sync breaker", "pyresilience, window of 100 + slow calls")
def _pyresilience_window() -> Callable[..., Any]:
    return around(bare, "window")


@peer("sync bulkhead", "threading.BoundedSemaphore")
def _semaphore() -> Callable[..., Any]:
    return _limited(bare)


@peer("sync bulkhead", "pyresilience")
def _pyresilience_bulkhead() -> Callable[..., Any]:
    return around(bare, "bulkhead")


@peer("sync timeout", "pyresilience")
def _pyresilience_timeout() -> Callable[..., Any]:
    return around(bare, "timeout")


@peer("sync three layers", "tenacity + pybreaker + BoundedSemaphore")
def _common_three() -> Callable[..., Any]:
    return _common_stack(_limited(bare))


@peer("sync three layers", "pyresilience")
def _pyresilience_three() -> Callable[..., Any]:
    return around(bare, "retry", "breaker", "bulkhead")


@peer("sync three layers", "pyresilience, window of 100 + slow calls")
def _pyresilience_three_window() -> Callable[..., Any]:
    return around(bare, "retry", "window", "bulkhead")


@peer("sync four layers", "tenacity + pybreaker + BoundedSemaphore + ThreadPoolExecutor")
def _common_four() -> Callable[..., Any]:
    pool = ThreadPoolExecutor(LIMIT)
    return _common_stack(_limited(lambda x: pool.submit(bare, x).result(timeout=SECONDS)))


@peer("sync four layers", "pyresilience")
def _pyresilience_four() -> Callable[..., Any]:
    return around(bare, "retry", "breaker", "bulkhead", "timeout")


@peer("sync four layers", "pyresilience, window of 100 + slow calls")
def _pyresilience_four_window() -> Callable[..., Any]:
    return around(bare, "retry", "window", "bulkhead", "timeout")


@peer("sync standard", "pyresilience")
def _pyresilience_standard() -> Callable[..., Any]:
    return around(bare, "retry", "breaker", "bulkhead", "timeout")


@peer("sync standard", "tenacity + pybreaker + BoundedSemaphore + ThreadPoolExecutor")
def _common_standard() -> Callable[..., Any]:
    return _common_four()


@peer("sync three layers" + LISTENED, "pyresilience")
def _pyresilience_listened() -> Callable[..., Any]:
    return around(bare, "retry", "breaker", "bulkhead", "listener")


def _common_stack(function: Callable[..., Any]) -> Callable[..., Any]:
    import pybreaker

    return _retrying(pybreaker.CircuitBreaker(fail_max=FAILURES)(function))


def _retrying(function: Callable[..., Any]) -> Callable[..., Any]:
    from tenacity import retry, stop_after_attempt, wait_random_exponential

    return retry(
        stop=stop_after_attempt(ATTEMPTS), wait=wait_random_exponential(max=30), reraise=True
    )(function)


def _limited(function: Callable[..., Any]) -> Callable[..., Any]:
    permits = threading.BoundedSemaphore(LIMIT)

    def call(x: Any) -> Any:
        with permits:
            return function(x)

    return call
