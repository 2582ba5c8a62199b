"""How many calls in how much time: any number of rates at once, waits in order, costs that differ.

Or as many as the other side turns out to accept (`RateLimiter.adaptive`).
"""

from typing import TYPE_CHECKING

from holdfast._later import later
from holdfast.strategies.rate.limiter import RateLimiter
from holdfast.strategies.rate.rate import Rate

if TYPE_CHECKING:
    from holdfast.strategies.rate.adaptive import AdaptiveRateLimiter as AdaptiveRateLimiter

__all__ = ["AdaptiveRateLimiter", "Rate", "RateLimiter"]

if not TYPE_CHECKING:  # a type checker shall see the names above, and no others
    __getattr__ = later(__name__, {"AdaptiveRateLimiter": "adaptive"})
