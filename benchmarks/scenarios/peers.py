"""The peers: real packages from PyPI, configured as their documentation advises, run as they are.

In all of them an attempt is limited by `asyncio.wait_for`, as the experiment has it.  Nothing is patched
but the clock: `holdfast.simulation` replaces the functions of the module `time` and seeds `random`,
and the two breakers that read ``datetime`` get one that goes by `time.time`.

pybreaker's own asynchronous calls are Tornado's.  Its documented context manager ``calling()`` holds no
lock while the block runs, and so does for asyncio; no port of it is needed.
"""

import asyncio
import time
from datetime import UTC, datetime, tzinfo
from types import ModuleType
from typing import Any, Self

from benchmarks.scenarios.candidates import Calls, Decorator, Target, candidate

DOWN = (ConnectionError, TimeoutError)
"""What is worth a retry."""


class VirtualDatetime(datetime):
    """A `datetime` whose present is that of `time.time`, which simulations replace."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        """Return the simulation's present."""
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> Self:
        """Return the simulation's present, as UTC without saying so."""
        return cls.fromtimestamp(time.time(), UTC).replace(tzinfo=None)


def on_virtual_time(module: ModuleType) -> None:
    """Let a module that reads ``datetime`` go by the simulation's clock."""
    module.datetime = VirtualDatetime  # type: ignore[attr-defined]


def limited(target: Target, seconds: float) -> Target:
    """Limit one attempt."""

    async def attempt(*args: Any) -> Any:
        return await asyncio.wait_for(target(*args), seconds)

    return attempt


@candidate("none")
def none(calls: Calls) -> Decorator:
    """Return one attempt with the timeout."""
    return lambda target: limited(target, calls.attempt_timeout)


# -- tenacity, pybreaker -------------------------------------------------------------------------


def tenacious(target: Target, **options: Any) -> Target:
    """Retry with tenacity: three attempts, full jitter from 0.1 s to 5 s."""
    import tenacity

    wait = tenacity.wait_random_exponential(multiplier=0.1, max=5)
    stop = tenacity.stop_after_attempt(3)
    retried: Target = tenacity.retry(wait=wait, stop=stop, reraise=True, **options)(target)
    return retried


@candidate("tenacity", "tenacity")
def tenacity_alone(calls: Calls) -> Decorator:
    """Return tenacity: 3 attempts, `wait_random_exponential(multiplier=0.1, max=5)`."""
    return lambda target: tenacious(limited(target, calls.attempt_timeout))


def broken(target: Target, **options: Any) -> Target:
    """Guard each attempt with pybreaker."""
    import pybreaker

    on_virtual_time(pybreaker)
    breaker = pybreaker.CircuitBreaker(**options)

    async def attempt(*args: Any) -> Any:
        with breaker.calling():
            return await target(*args)

    return attempt


def with_pybreaker(calls: Calls, *, naive: bool = False, **options: Any) -> Decorator:
    """Return tenacity around pybreaker; what an open breaker refuses is retried by the naive only."""
    from pybreaker import CircuitBreakerError
    from tenacity import retry_if_not_exception_type

    which: dict[str, Any] = (
        {} if naive else {"retry": retry_if_not_exception_type(CircuitBreakerError)}
    )
    return lambda target: tenacious(
        broken(limited(target, calls.attempt_timeout), **options), **which
    )


@candidate("tenacity + pybreaker", "tenacity", "pybreaker")
def tenacity_pybreaker(calls: Calls) -> Decorator:
    """Return the same around a pybreaker with its defaults (5 failures, 60 s); if open, a call ends."""
    return with_pybreaker(calls)


@candidate("tenacity + pybreaker, naive", "tenacity", "pybreaker")
def tenacity_pybreaker_naive(calls: Calls) -> Decorator:
    """Return the same, with tenacity's default of retrying every error, the open breaker's too."""
    return with_pybreaker(calls, naive=True)


@candidate("tenacity + pybreaker, 5 s", "tenacity", "pybreaker")
def tenacity_pybreaker_tuned(calls: Calls) -> Decorator:
    """Return tenacity + pybreaker, tuned: `reset_timeout=5`."""
    return with_pybreaker(calls, reset_timeout=5)


@candidate("pybreaker", "pybreaker")
def pybreaker_alone(calls: Calls) -> Decorator:
    """Return pybreaker alone, with its defaults."""
    return lambda target: broken(limited(target, calls.attempt_timeout))


# -- hyx -----------------------------------------------------------------------------------------


def hyx_stack(calls: Calls, on: Any = Exception, **options: Any) -> Decorator:
    """Return hyx's retry around its breaker around its bulkhead."""
    from hyx.bulkhead import bulkhead
    from hyx.circuitbreaker import consecutive_breaker, states
    from hyx.retry import retry
    from hyx.retry.backoffs import expo
    from hyx.retry.jitters import full

    on_virtual_time(states)

    def decorate(target: Target) -> Target:
        inner = bulkhead(max_concurrency=100, max_capacity=100)(
            limited(target, calls.attempt_timeout)
        )
        guarded = consecutive_breaker(exceptions=Exception, **options)(inner)
        backoff = expo(min_delay_secs=0.1, max_delay_secs=5, jitter=full)
        retried: Target = retry(on=on, attempts=2, backoff=backoff)(guarded)
        return retried

    return decorate


@candidate("hyx", "hyx")
def hyx(calls: Calls) -> Decorator:
    """Return hyx: retry (3 attempts, expo 0.1 to 5 s, full jitter), breaker (5, 30 s, 3), bulkhead."""
    return hyx_stack(calls)


@candidate("hyx, 5 s", "hyx")
def hyx_tuned(calls: Calls) -> Decorator:
    """Return hyx, tuned: `recovery_time_secs=5`, and an open breaker is not retried."""
    return hyx_stack(calls, on=DOWN, recovery_time_secs=5)


# -- stamina -------------------------------------------------------------------------------------


@candidate("stamina", "stamina")
def stamina(calls: Calls) -> Decorator:
    """Return stamina with its defaults (10 attempts, 45 s, 0.1 to 5 s, jitter 1 s)."""
    import stamina as package
    from stamina.instrumentation import set_on_retry_hooks

    set_on_retry_hooks([])  # as documented, for no logs
    return lambda target: package.retry(on=DOWN)(limited(target, calls.attempt_timeout))


# -- nopanic -------------------------------------------------------------------------------------


@candidate("nopanic", "nopanic")
def nopanic(calls: Calls) -> Decorator:
    """Return nopanic's stack: retry (3 attempts, full jitter, budget 10 %), breaker (50 %, 30 s)."""
    return nopanic_stack(calls)


@candidate("nopanic, 5 s", "nopanic")
def nopanic_tuned(calls: Calls) -> Decorator:
    """Return nopanic, tuned: `reset_timeout=5`."""
    return nopanic_stack(calls, reset_timeout=5.0)


def nopanic_stack(calls: Calls, **options: Any) -> Decorator:
    """Return retry with a budget around a breaker around a timeout, as its front page composes them."""
    import nopanic as package

    def clock() -> float:
        return time.monotonic()  # asked for at each call: the simulation replaces it

    policy = package.compose(
        package.retry(
            attempts=3,
            on=DOWN,
            backoff=package.backoff.full_jitter(base=0.1, cap=5.0),
            budget=package.RetryBudget(ratio=0.1, clock=clock),
        ),
        package.circuit_breaker(clock=clock, **options),
    )
    return lambda target: policy(limited(target, calls.attempt_timeout))


STANDARD_PEERS = (
    "none", "tenacity", "tenacity + pybreaker", "hyx", "stamina",
    "nopanic", "tenacity + pybreaker, 5 s", "hyx, 5 s", "nopanic, 5 s",
)  # fmt: skip
"""P0 to P5, and nopanic."""
