"""The peers of the limiters, as their documentation shows them, with limits that are never reached."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from benchmarks.overhead.candidates import Candidates
from benchmarks.overhead.functions import abare, bare
from benchmarks.overhead.settings import LIMIT, RATE

peer = Candidates("peer")
KEY = "benchmark"


class Limited(Exception):
    """Raised where a limiter says no."""


@peer("sync rate limit", "limits, fixed window")
def _limits_fixed() -> Callable[..., Any]:
    from limits.strategies import FixedWindowRateLimiter

    return _limits(FixedWindowRateLimiter)


@peer("sync rate limit", "limits, moving window")
def _limits_moving() -> Callable[..., Any]:
    from limits.strategies import MovingWindowRateLimiter

    return _limits(MovingWindowRateLimiter)


@peer("sync rate limit", "pyrate-limiter, GCRA")
def _pyrate() -> Callable[..., Any]:
    limiter = _pyrate_limiter()

    @wraps(bare)
    def call(x: Any) -> Any:
        if not limiter.try_acquire(KEY, blocking=False):
            raise Limited
        return bare(x)

    return call


@peer("sync rate limit", "throttled-py, GCRA")
def _throttled() -> Callable[..., Any]:
    from throttled import RateLimiterType, Throttled, rate_limiter

    quota = rate_limiter.per_sec(RATE)
    throttle = Throttled(key=KEY, using=RateLimiterType.GCRA.value, quota=quota)
    return throttle(bare)  # type: ignore[no-any-return]


@peer("async rate limit", "aiolimiter")
def _aiolimiter() -> Callable[..., Any]:
    from aiolimiter import AsyncLimiter

    limiter = AsyncLimiter(RATE, 1.0)

    async def call(x: Any) -> Any:
        async with limiter:
            return await abare(x)

    return call


@peer("async rate limit", "limits, fixed window")
def _alimits() -> Callable[..., Any]:
    from limits import RateLimitItemPerSecond
    from limits.aio.storage import MemoryStorage
    from limits.aio.strategies import FixedWindowRateLimiter

    limiter, rate = FixedWindowRateLimiter(MemoryStorage()), RateLimitItemPerSecond(RATE)

    async def call(x: Any) -> Any:
        if not await limiter.hit(rate, KEY):
            raise Limited
        return await abare(x)

    return call


@peer("async rate limit", "pyrate-limiter, GCRA")
def _apyrate() -> Callable[..., Any]:
    limiter = _pyrate_limiter()

    async def call(x: Any) -> Any:
        if not await limiter.try_acquire_async(KEY):
            raise Limited
        return await abare(x)

    return call


@peer("async rate limit", "throttled-py, GCRA")
def _athrottled() -> Callable[..., Any]:
    from throttled.asyncio import RateLimiterType, Throttled, rate_limiter

    quota = rate_limiter.per_sec(RATE)
    throttle = Throttled(key=KEY, using=RateLimiterType.GCRA.value, quota=quota)
    return throttle(abare)  # type: ignore[no-any-return]


@peer("async rate limit", "hyx, token bucket")
def _hyx() -> Callable[..., Any]:
    from hyx.ratelimit import tokenbucket

    return tokenbucket(max_executions=RATE, per_time_secs=1.0)(abare)  # type: ignore[no-any-return]


@peer("async bulkhead", "anyio.CapacityLimiter")
def _anyio() -> Callable[..., Any]:
    from anyio import CapacityLimiter

    limiter = CapacityLimiter(LIMIT)

    async def call(x: Any) -> Any:
        async with limiter:
            return await abare(x)

    return call


def _limits(strategy: Callable[..., Any]) -> Callable[..., Any]:
    from limits import RateLimitItemPerSecond
    from limits.storage import MemoryStorage

    limiter, rate = strategy(MemoryStorage()), RateLimitItemPerSecond(RATE)

    @wraps(bare)
    def call(x: Any) -> Any:
        if not limiter.hit(rate, KEY):
            raise Limited
        return bare(x)

    return call


def _pyrate_limiter() -> Any:
    from pyrate_limiter import GCRA, Limiter, Rate, StateBucket

    return Limiter(StateBucket([Rate(RATE, 1000)], GCRA()))
