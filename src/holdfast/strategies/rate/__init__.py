"""How many calls in how much time: any number of rates at once, waits in order, costs that differ."""

from holdfast.strategies.rate.limiter import RateLimiter
from holdfast.strategies.rate.rate import Rate

__all__ = ["Rate", "RateLimiter"]
