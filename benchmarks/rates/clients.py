"""The clients that are compared; each makes the protection of one process.

botocore's is its real ``ClientRateLimiter`` (the adaptive retry mode) with its own cubic calculator,
rate clocker and token bucket, on the simulation's clock: only the wait is asynchronous.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

from benchmarks.rates.servers import TooMany
from holdfast import Pipeline, RateLimiter

Call = Callable[[], Awaitable[Any]]
Protect = Callable[[Call], Call]

CEILING = 1000.0


def ours() -> Protect:
    """`RateLimiter.adaptive()`, with its defaults."""
    return Pipeline("quota", RateLimiter.adaptive())


def fixed() -> Protect:
    """`RateLimiter(100)`: what somebody once wrote down."""
    return Pipeline("quota", RateLimiter(100, max_wait=None))


def nopanic() -> Protect:
    """`adaptive_rate_limit(100)`: AIMD up to a rate that it must be told."""
    import nopanic as package

    made: Protect = package.adaptive_rate_limit(100.0, clock=time.monotonic)
    return made


def nopanic_untold() -> Protect:
    """`adaptive_rate_limit(10, min_rate=0.1, max_rate=1000)`: with the bounds of ours."""
    import nopanic as package

    made: Protect = package.adaptive_rate_limit(
        10.0, min_rate=0.1, max_rate=CEILING, clock=time.monotonic
    )
    return made


def botocore() -> Protect:
    """Botocore's adaptive mode: CUBIC below a measured rate, unlimited until the first 429."""
    from botocore.exceptions import CapacityNotAvailableError
    from botocore.retries import adaptive, bucket, throttling

    clock = SimpleNamespace(current_time=time.time, sleep=None)
    tokens = bucket.TokenBucket(max_rate=1, clock=clock)
    limiter = adaptive.ClientRateLimiter(
        rate_adjustor=throttling.CubicCalculator(starting_max_rate=0, start_time=time.time()),
        rate_clocker=adaptive.RateClocker(clock),
        token_bucket=tokens,
        throttling_detector=SimpleNamespace(is_throttling_error=lambda **told: told["refused"]),
        clock=clock,
    )

    async def acquire() -> None:
        while True:
            try:
                tokens.acquire(block=False)
            except CapacityNotAvailableError:
                await asyncio.sleep(max(1e-6, tokens._sleep_amount(1)))
            else:
                return

    def protect(call: Call) -> Call:
        async def protected() -> Any:
            if limiter._enabled:
                await acquire()
            try:
                answer = await call()
            except TooMany:
                limiter.on_receiving_response(refused=True)
                raise
            limiter.on_receiving_response(refused=False)
            return answer

        return protected

    return protect


def there() -> dict[str, Callable[[], Protect]]:
    """Return the clients whose packages are installed."""
    found: dict[str, Callable[[], Protect]] = {"holdfast": ours, "holdfast, fixed": fixed}
    if find_spec("botocore") is not None:
        found["botocore"] = botocore
    if find_spec("nopanic") is not None:
        found |= {"nopanic": nopanic, "nopanic, untold": nopanic_untold}
    return found
