"""`standard`: the four patterns in the order that works, with defaults that need no tuning."""

from __future__ import annotations

from typing import Any, Final, Literal

from holdfast import _validate
from holdfast.classify import On
from holdfast.pipeline import Pipeline
from holdfast.strategies import backoff
from holdfast.strategies.budget import RetryBudget
from holdfast.strategies.bulkhead import Bulkhead
from holdfast.strategies.circuit_breaker import CircuitBreaker
from holdfast.strategies.fallback import Fallback, StaleFallback
from holdfast.strategies.retry import Retry
from holdfast.strategies.timeout import Timeout
from holdfast.transient import transient


class _Default:
    """What stands for "ours", where None means "none"."""

    def __repr__(self) -> str:
        return "..."


OURS: Final = _Default()


def standard(
    name: str,
    *,
    timeout: float | Timeout | None = 10.0,
    attempt_timeout: float | Timeout | None = 2.0,
    attempts: int | Retry | None = 3,
    concurrency: int | Bulkhead | None = 100,
    on: On = transient,
    fallback: Any = OURS,
    budget: RetryBudget | _Default | None = OURS,
    breaker: CircuitBreaker | _Default | None = OURS,
    sync: Literal["thread", "cooperative"] = "thread",
) -> Pipeline:
    """Return the recommended pipeline: fallback, total timeout, bulkhead, retry, breaker, timeout.

    Each part can be replaced by a strategy of your own, or left out with None.

    Args:
        name: for errors, events and metrics.
        timeout: the total, in seconds.
        attempt_timeout: the limit of each attempt, in seconds.
        attempts: how many in all; delays grow from 0.1 s to 5 s with full jitter.
        concurrency: how many calls may be in flight.
        on: which outcomes are failures, for the retry and for the breaker.
        fallback: the answer in place of an error, a function that makes it, or a `Fallback`; there
            is none by default.
        budget: the retry budget; by default one of its own, 10 % of the successes.
        breaker: by default one of its own, which opens after 5 failures in a row for 1 s, growing
            to 60 s.
        sync: how the timeouts treat blocking functions, see `Timeout`.

    Raises:
        ConfigurationError: for a value outside its range.
    """
    retry_budget = RetryBudget() if isinstance(budget, _Default) else budget
    if isinstance(breaker, _Default):
        breaker = CircuitBreaker(on=on, open_for=1.0)
    layers = (
        None if fallback is OURS or fallback is None else _fallback(fallback),
        _timeout(timeout, sync),
        concurrency
        if concurrency is None or isinstance(concurrency, Bulkhead)
        else Bulkhead(concurrency),
        _retry(attempts, on, retry_budget),
        breaker,
        _timeout(attempt_timeout, sync),
    )
    return Pipeline(name, *(layer for layer in layers if layer is not None))


def _fallback(value: Any) -> Fallback | StaleFallback:
    return value if isinstance(value, Fallback | StaleFallback) else Fallback(value)


def _timeout(
    value: float | Timeout | None, sync: Literal["thread", "cooperative"]
) -> Timeout | None:
    return value if value is None or isinstance(value, Timeout) else Timeout(value, sync=sync)


def _retry(attempts: int | Retry | None, on: On, budget: RetryBudget | None) -> Retry | None:
    if attempts is None or isinstance(attempts, Retry):
        return attempts
    _validate.count("attempts", attempts)
    return Retry(attempts, on=on, budget=budget, backoff=backoff.exponential(base=0.1, cap=5.0))
