"""Ways to find how many calls may be in flight: values for ``ConcurrencyLimiter(algorithm=...)``.

``spread()`` (the default), ``demand()``, ``vegas()``, ``gradient()`` and ``aimd()``; `protocol` says
what an algorithm of your own must have.
"""

from holdfast.strategies.concurrency.aimd import aimd
from holdfast.strategies.concurrency.demand import demand
from holdfast.strategies.concurrency.gradient import gradient
from holdfast.strategies.concurrency.protocol import Algorithm, Search
from holdfast.strategies.concurrency.spread import spread
from holdfast.strategies.concurrency.vegas import vegas

__all__ = ["Algorithm", "Search", "aimd", "demand", "gradient", "spread", "vegas"]
