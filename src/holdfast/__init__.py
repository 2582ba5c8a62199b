"""Holdfast: resilience for Python, sync and asyncio alike, from one statement of the logic.

>>> from holdfast import Bulkhead, CircuitBreaker, Pipeline, Retry, Timeout
>>> payments = Pipeline("payments", Retry(3), CircuitBreaker(), Bulkhead(10), Timeout(2.0))
>>> @payments
... def pay(order): ...
"""

from holdfast.classify import on_result
from holdfast.deadline import deadline, remaining
from holdfast.errors import (
    AttemptTimeout,
    BulkheadFullError,
    CircuitOpenError,
    CompositionWarning,
    ConcurrencyLimitedError,
    ConfigurationError,
    DeadlineExceeded,
    DeadlineTooShortError,
    HoldfastError,
    IsolatedError,
    NestedRetryWarning,
    RateLimitedError,
    RejectedError,
    ThrottledError,
)
from holdfast.pipeline import Pipeline
from holdfast.presets import standard
from holdfast.strategies import backoff
from holdfast.strategies.budget import RetryBudget
from holdfast.strategies.bulkhead import Bulkhead
from holdfast.strategies.circuit_breaker import CircuitBreaker
from holdfast.strategies.fallback import Fallback
from holdfast.strategies.retry import Retry
from holdfast.strategies.timeout import Timeout
from holdfast.transient import transient

__version__ = "0.1.0"

__all__ = [
    "AttemptTimeout",
    "Bulkhead",
    "BulkheadFullError",
    "CircuitBreaker",
    "CircuitOpenError",
    "CompositionWarning",
    "ConcurrencyLimitedError",
    "ConfigurationError",
    "DeadlineExceeded",
    "DeadlineTooShortError",
    "Fallback",
    "HoldfastError",
    "IsolatedError",
    "NestedRetryWarning",
    "Pipeline",
    "RateLimitedError",
    "RejectedError",
    "Retry",
    "RetryBudget",
    "ThrottledError",
    "Timeout",
    "__version__",
    "backoff",
    "deadline",
    "on_result",
    "remaining",
    "standard",
    "transient",
]
