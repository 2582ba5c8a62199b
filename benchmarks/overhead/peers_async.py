"""The peers' protection of coroutine functions, as their documentation shows it."""

import asyncio
from collections.abc import Callable
from typing import Any

from benchmarks.overhead.candidates import LISTENED, Candidates
from benchmarks.overhead.functions import abare
from benchmarks.overhead.peers_pyresilience import around
from benchmarks.overhead.settings import ATTEMPTS, FAILURES, LIMIT, SECONDS

peer = Candidates("peer")


@peer("async retry", "tenacity")
def _tenacity() -> Callable[..., Any]:
    return _retrying(abare)


@peer("async retry", "stamina")
def _stamina() -> Callable[..., Any]:
    return _stamina_around(abare)


@peer("async retry", "backoff")
def _backoff() -> Callable[..., Any]:
    import backoff

    return backoff.on_exception(backoff.expo, ConnectionError, max_tries=ATTEMPTS)(abare)


@peer("async retry", "google-api-core")
def _google() -> Callable[..., Any]:
    from google.api_core.retry import AsyncRetry, if_exception_type

    # It counts time, not attempts.
    return AsyncRetry(predicate=if_exception_type(ConnectionError))(abare)


@peer("async retry", "hyx")
def _hyx_retry() -> Callable[..., Any]:
    from hyx.retry import retry

    return retry(on=ConnectionError, attempts=ATTEMPTS)(abare)


@peer("async retry", "pyresilience")
def _pyresilience_retry() -> Callable[..., Any]:
    return around(abare, "retry")


@peer("async breaker", "circuitbreaker")
def _circuitbreaker() -> Callable[..., Any]:
    from circuitbreaker import circuit

    return circuit(failure_threshold=FAILURES, name="async breaker")(abare)


@peer("async breaker", "purgatory")
def _purgatory() -> Callable[..., Any]:
    return _purgatory_around(abare)


@peer("async breaker", "aiobreaker")
def _aiobreaker() -> Callable[..., Any]:
    import aiobreaker

    return aiobreaker.CircuitBreaker(fail_max=FAILURES)(abare)


@peer("async breaker", "hyx")
def _hyx_breaker() -> Callable[..., Any]:
    from hyx.circuitbreaker import consecutive_breaker

    return consecutive_breaker(failure_threshold=FAILURES)(abare)


@peer("async breaker", "pyresilience")
def _pyresilience_breaker() -> Callable[..., Any]:
    return around(abare, "breaker")


@peer("async breaker", "pyresilience, window of 100 + slow calls")
def _pyresilience_window() -> Callable[..., Any]:
    return around(abare, "window")


@peer("async bulkhead", "asyncio.Semaphore")
def _semaphore() -> Callable[..., Any]:
    permits = asyncio.Semaphore(LIMIT)

    async def call(x: Any) -> Any:
        async with permits:
            return await abare(x)

    return call


@peer("async bulkhead", "hyx")
def _hyx_bulkhead() -> Callable[..., Any]:
    from hyx.bulkhead import bulkhead

    return bulkhead(max_concurrency=LIMIT, max_capacity=LIMIT)(abare)


@peer("async bulkhead", "pyresilience")
def _pyresilience_bulkhead() -> Callable[..., Any]:
    return around(abare, "bulkhead")


@peer("async timeout", "asyncio.timeout")
def _timeout() -> Callable[..., Any]:
    async def call(x: Any) -> Any:
        async with asyncio.timeout(SECONDS):
            return await abare(x)

    return call


@peer("async timeout", "asyncio.wait_for")
def _wait_for() -> Callable[..., Any]:
    async def call(x: Any) -> Any:
        return await asyncio.wait_for(abare(x), SECONDS)

    return call


@peer("async timeout", "hyx")
def _hyx_timeout() -> Callable[..., Any]:
    from hyx.timeout import timeout

    return timeout(SECONDS)(abare)


@peer("async timeout", "hyx, async with")
def _hyx_timeout_block() -> Callable[..., Any]:
    from hyx.timeout import timeout

    async def call(x: Any) -> Any:
        async with timeout(SECONDS):
            return await abare(x)

    return call


@peer("async timeout", "pyresilience")
def _pyresilience_timeout() -> Callable[..., Any]:
    return around(abare, "timeout")


@peer("async three layers", "pyresilience")
def _pyresilience_three() -> Callable[..., Any]:
    return around(abare, "retry", "breaker", "bulkhead")


@peer("async three layers", "pyresilience, window of 100 + slow calls")
def _pyresilience_three_window() -> Callable[..., Any]:
    return around(abare, "retry", "window", "bulkhead")


@peer("async three layers", "hyx")
def _hyx_three() -> Callable[..., Any]:
    return _hyx_around(abare)


@peer("async four layers", "tenacity + aiobreaker + Semaphore + asyncio.timeout")
def _tenacity_four() -> Callable[..., Any]:
    import aiobreaker

    return _retrying(aiobreaker.CircuitBreaker(fail_max=FAILURES)(_limited_in_time()))


@peer("async four layers", "stamina + purgatory + Semaphore + asyncio.timeout")
def _stamina_four() -> Callable[..., Any]:
    return _stamina_around(_purgatory_around(_limited_in_time()))


@peer("async four layers", "hyx")
def _hyx_four() -> Callable[..., Any]:
    from hyx.timeout import timeout

    return _hyx_around(timeout(SECONDS)(abare))


@peer("async four layers", "pyresilience")
def _pyresilience_four() -> Callable[..., Any]:
    return around(abare, "retry", "breaker", "bulkhead", "timeout")


@peer("async standard", "pyresilience")
def _pyresilience_standard() -> Callable[..., Any]:
    return around(abare, "retry", "breaker", "bulkhead", "timeout")


@peer("async three layers" + LISTENED, "pyresilience")
def _pyresilience_listened() -> Callable[..., Any]:
    return around(abare, "retry", "breaker", "bulkhead", "listener")


@peer("async four layers", "pyresilience, window of 100 + slow calls")
def _pyresilience_four_window() -> Callable[..., Any]:
    return around(abare, "retry", "window", "bulkhead", "timeout")


def _retrying(function: Callable[..., Any]) -> Callable[..., Any]:
    from tenacity import retry, stop_after_attempt, wait_random_exponential

    return retry(
        stop=stop_after_attempt(ATTEMPTS), wait=wait_random_exponential(max=30), reraise=True
    )(function)


def _stamina_around(function: Callable[..., Any]) -> Callable[..., Any]:
    import stamina

    return stamina.retry(on=ConnectionError, attempts=ATTEMPTS)(function)


def _purgatory_around(function: Callable[..., Any]) -> Callable[..., Any]:
    from purgatory import AsyncCircuitBreakerFactory

    return AsyncCircuitBreakerFactory(default_threshold=FAILURES)("async breaker")(function)


def _hyx_around(function: Callable[..., Any]) -> Callable[..., Any]:
    from hyx.bulkhead import bulkhead
    from hyx.circuitbreaker import consecutive_breaker
    from hyx.retry import retry

    limited = bulkhead(max_concurrency=LIMIT, max_capacity=LIMIT)(function)
    guarded = consecutive_breaker(failure_threshold=FAILURES)(limited)
    return retry(on=ConnectionError, attempts=ATTEMPTS)(guarded)


def _limited_in_time() -> Callable[..., Any]:
    permits = asyncio.Semaphore(LIMIT)

    async def call(x: Any) -> Any:
        async with permits, asyncio.timeout(SECONDS):
            return await abare(x)

    return call
