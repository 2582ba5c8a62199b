"""Holdfast: resilience for Python, sync and asyncio alike, from one statement of the logic.

>>> from holdfast import Bulkhead, CircuitBreaker, Pipeline, Retry, Timeout
>>> payments = Pipeline("payments", Retry(3), CircuitBreaker(), Bulkhead(10), Timeout(2.0))
>>> @payments
... def pay(order): ...
"""

import typing as _typing

from holdfast._later import later as _later
from holdfast.deadline import allowance, deadline, detached, remaining
from holdfast.errors import (
    AttemptTimeout,
    BadResultError,
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
    OverrunWarning,
    RateLimitedError,
    RejectedError,
    StoppedError,
    ThrottledError,
)
from holdfast.pipeline import Pipeline, pipelines
from holdfast.strategies.timeout import Timeout

if _typing.TYPE_CHECKING:
    from holdfast._conditions import transient as transient
    from holdfast._conditions import unhealthy as unhealthy
    from holdfast._ongoing import attempt as attempt
    from holdfast._stopping import stop as stop
    from holdfast.classify import on_error as on_error
    from holdfast.classify import on_result as on_result
    from holdfast.criticality import priority as priority
    from holdfast.integrations.llm import llm as llm
    from holdfast.outcome import Outcome as Outcome
    from holdfast.presets import standard as standard
    from holdfast.strategies import concurrency as concurrency
    from holdfast.strategies.breaker import CircuitBreaker as CircuitBreaker
    from holdfast.strategies.breaker import learnt as learnt
    from holdfast.strategies.bulkhead import Bulkhead as Bulkhead
    from holdfast.strategies.chaos import Chaos as Chaos
    from holdfast.strategies.coalesce import Coalesce as Coalesce
    from holdfast.strategies.concurrency import ConcurrencyLimiter as ConcurrencyLimiter
    from holdfast.strategies.fallback import Fallback as Fallback
    from holdfast.strategies.hedge import Hedge as Hedge
    from holdfast.strategies.hedge import knee as knee
    from holdfast.strategies.hedge import quantile as quantile
    from holdfast.strategies.keyed import Keyed as Keyed
    from holdfast.strategies.rate import AdaptiveRateLimiter as AdaptiveRateLimiter
    from holdfast.strategies.rate import Rate as Rate
    from holdfast.strategies.rate import RateLimiter as RateLimiter
    from holdfast.strategies.retry import Retry as Retry
    from holdfast.strategies.retry import RetryBudget as RetryBudget
    from holdfast.strategies.retry import backoff as backoff
    from holdfast.strategies.shedding import LoadShedder as LoadShedder
    from holdfast.strategies.throttle import Throttle as Throttle
    from holdfast.strategies.timeout import AdaptiveTimeout as AdaptiveTimeout

__version__ = "0.1.0"

__all__ = [
    "AdaptiveRateLimiter",
    "AdaptiveTimeout",
    "AttemptTimeout",
    "BadResultError",
    "Bulkhead",
    "BulkheadFullError",
    "Chaos",
    "CircuitBreaker",
    "CircuitOpenError",
    "Coalesce",
    "CompositionWarning",
    "ConcurrencyLimitedError",
    "ConcurrencyLimiter",
    "ConfigurationError",
    "DeadlineExceeded",
    "DeadlineTooShortError",
    "Fallback",
    "Hedge",
    "HoldfastError",
    "IsolatedError",
    "Keyed",
    "LoadShedder",
    "NestedRetryWarning",
    "Outcome",
    "OverrunWarning",
    "Pipeline",
    "Rate",
    "RateLimitedError",
    "RateLimiter",
    "RejectedError",
    "Retry",
    "RetryBudget",
    "StoppedError",
    "Throttle",
    "ThrottledError",
    "Timeout",
    "__version__",
    "allowance",
    "attempt",
    "backoff",
    "concurrency",
    "deadline",
    "detached",
    "knee",
    "learnt",
    "llm",
    "on_error",
    "on_result",
    "pipelines",
    "priority",
    "quantile",
    "remaining",
    "standard",
    "stop",
    "transient",
    "unhealthy",
]

_LATER = {
    "AdaptiveRateLimiter": "strategies.rate",
    "AdaptiveTimeout": "strategies.timeout",
    "Bulkhead": "strategies.bulkhead",
    "Chaos": "strategies.chaos",
    "CircuitBreaker": "strategies.breaker",
    "Coalesce": "strategies.coalesce",
    "ConcurrencyLimiter": "strategies.concurrency",
    "Fallback": "strategies.fallback",
    "Hedge": "strategies.hedge",
    "Keyed": "strategies.keyed",
    "LoadShedder": "strategies.shedding",
    "Outcome": "outcome",
    "Rate": "strategies.rate",
    "RateLimiter": "strategies.rate",
    "Retry": "strategies.retry",
    "RetryBudget": "strategies.retry",
    "Throttle": "strategies.throttle",
    "attempt": "_ongoing",
    "backoff": "strategies.retry",
    "concurrency": "strategies.concurrency",
    "knee": "strategies.hedge",
    "learnt": "strategies.breaker",
    "llm": "integrations.llm",
    "on_error": "classify",
    "on_result": "classify",
    "priority": "criticality",
    "quantile": "strategies.hedge",
    "standard": "presets",
    "stop": "_stopping",
    "transient": "_conditions",
    "unhealthy": "_conditions",
}
"""Where the names are that not every program needs: imported when they are first used."""

if not _typing.TYPE_CHECKING:  # a type checker shall see the names above, and no others
    __getattr__ = _later(__name__, _LATER)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
