"""The peers' open breakers. The harness has them fail until they are open.

purgatory is left out: while open it raises the same exception again and again, whose traceback
grows by an entry with each rejected call, so that the figure depends on how long one measures.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from benchmarks.overhead.candidates import Candidates
from benchmarks.overhead.functions import afailing, failing
from benchmarks.overhead.settings import AN_HOUR, FAILURES

peer = Candidates("peer")


@peer("sync rejection", "pybreaker")
def _pybreaker() -> Callable[..., Any]:
    import pybreaker

    return pybreaker.CircuitBreaker(fail_max=FAILURES, reset_timeout=AN_HOUR)(failing)


@peer("sync rejection", "circuitbreaker")
def _circuitbreaker() -> Callable[..., Any]:
    return _circuit(failing, "sync rejection")


@peer("sync rejection", "aiobreaker")
def _aiobreaker_sync() -> Callable[..., Any]:
    return _aiobreaker(failing)


@peer("sync rejection", "pyresilience")
def _pyresilience_sync() -> Callable[..., Any]:
    return _pyresilience(failing)


@peer("async rejection", "circuitbreaker")
def _acircuitbreaker() -> Callable[..., Any]:
    return _circuit(afailing, "async rejection")


@peer("async rejection", "aiobreaker")
def _aiobreaker_async() -> Callable[..., Any]:
    return _aiobreaker(afailing)


@peer("async rejection", "hyx")
def _hyx() -> Callable[..., Any]:
    from hyx.circuitbreaker import consecutive_breaker

    return consecutive_breaker(failure_threshold=FAILURES, recovery_time_secs=AN_HOUR)(afailing)


@peer("async rejection", "pyresilience")
def _pyresilience_async() -> Callable[..., Any]:
    return _pyresilience(afailing)


def _circuit(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    from circuitbreaker import circuit

    return circuit(failure_threshold=FAILURES, recovery_timeout=int(AN_HOUR), name=name)(function)


def _aiobreaker(function: Callable[..., Any]) -> Callable[..., Any]:
    import aiobreaker

    an_hour = timedelta(seconds=AN_HOUR)
    return aiobreaker.CircuitBreaker(fail_max=FAILURES, timeout_duration=an_hour)(function)


def _pyresilience(function: Callable[..., Any]) -> Callable[..., Any]:
    from pyresilience import CircuitBreakerConfig, resilient

    config = CircuitBreakerConfig(failure_threshold=FAILURES, recovery_timeout=AN_HOUR)
    return resilient(circuit_breaker=config)(function)
