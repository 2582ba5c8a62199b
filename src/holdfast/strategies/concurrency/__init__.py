"""How many calls may be in flight, found from latencies and losses.

`ConcurrencyLimiter` is the gate.  Ways to find the limit are values for its ``algorithm``:
``spread()`` (the default), ``demand()``, ``vegas()``, ``gradient()`` and ``aimd()``; `protocol` says
what an algorithm of your own must have.
"""

from holdfast.strategies.concurrency.aimd import aimd
from holdfast.strategies.concurrency.demand import demand
from holdfast.strategies.concurrency.gradient import gradient
from holdfast.strategies.concurrency.lasting import Lasting, lasting_for
from holdfast.strategies.concurrency.limiter import ConcurrencyLimiter
from holdfast.strategies.concurrency.protocol import Algorithm, Search
from holdfast.strategies.concurrency.spread import spread
from holdfast.strategies.concurrency.vegas import vegas

__all__ = [
    "Algorithm",
    "ConcurrencyLimiter",
    "Lasting",
    "Search",
    "aimd",
    "demand",
    "gradient",
    "lasting_for",
    "spread",
    "vegas",
]
