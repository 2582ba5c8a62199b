"""`standard`: the patterns in the order that works, with defaults that need no tuning."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Final, Literal

from holdfast import _validate
from holdfast._conditions import transient, unhealthy
from holdfast.classify import On
from holdfast.pipeline import Pipeline
from holdfast.strategies.breaker import CircuitBreaker
from holdfast.strategies.bulkhead import Bulkhead
from holdfast.strategies.fallback import Fallback, StaleFallback
from holdfast.strategies.identity import Identity
from holdfast.strategies.retry import Retry, RetryBudget, backoff
from holdfast.strategies.timeout import Timeout

if TYPE_CHECKING:
    from datetime import timedelta

    from holdfast.strategies.concurrency import ConcurrencyLimiter
    from holdfast.strategies.keyed import Keyed
    from holdfast.strategies.rate import AdaptiveRateLimiter, Rate, RateLimiter
    from holdfast.strategies.timeout import AdaptiveTimeout

MOST: Final = 200
"""How many attempts may be in flight where there is no bulkhead."""

MAX_WAIT: Final = 1.0
"""Seconds that a call waits for its turn: by the rate, or by the adaptive limit."""

DELAYS: Final = backoff.exponential(base=0.1, factor=3.0, cap=6.5, jitter="steady")
"""The delays between the attempts of a call."""


class Default:
    """What stands for "ours", where None means "none"."""

    def __repr__(self) -> str:
        return "..."


OURS: Final = Default()


def standard(
    name: str,
    *,
    timeout: float | timedelta | Timeout | None = 10.0,
    attempt_timeout: float | timedelta | Timeout | AdaptiveTimeout | None = 2.0,
    attempts: int | Retry | None = 4,
    concurrency: int | Bulkhead | None = 100,
    rate: float | Rate | RateLimiter | AdaptiveRateLimiter | None = None,
    on: On = transient,
    fallback: Any = OURS,
    budget: RetryBudget | Default | None = OURS,
    breaker: CircuitBreaker | Keyed | Default | None = OURS,
    adaptive: ConcurrencyLimiter | Keyed | Default | None = OURS,
    key: Callable[..., Hashable] | None = None,
    sync: Literal["cut", "thread", "cooperative"] = "cut",
) -> Pipeline:
    """Return the recommended pipeline.

    Outermost first: fallback, total timeout, rate limiter, bulkhead, retry, breaker, adaptive
    concurrency, attempt timeout.  Each part can be replaced by a strategy of your own, or left out
    with None.

    Args:
        name: for errors, events and metrics.
        timeout: the total, in seconds.
        attempt_timeout: the limit of each attempt, in seconds, or a `Timeout.adaptive`.
        attempts: how many in all; delays grow from 0.1 s to 6.5 s with steady jitter.
        concurrency: how many calls may be in flight.
        rate: how many calls a second may begin, each waiting for its turn for at most 1 s; or a
            `Rate`, or a `RateLimiter`, an adaptive one too; there is none by default.
        on: which outcomes are failures, for the retry and for the breaker; `transient` ones by default,
            of which the breaker counts those that speak against the dependency: no throttling (429),
            no connection pool of our own that was exhausted.
        fallback: the answer in place of an error, a function that makes it, or a `Fallback`; there
            is none by default.
        budget: the retry budget; by default one of its own, 20 % of the successes.
        breaker: by default one of its own, which opens after 5 failures in a row, or more where some
            failures are usual (``confidence=0.99``), and tries again with one call after 0.7 s, then
            after 10 % more each time, up to 60 s.
        adaptive: a `ConcurrencyLimiter`, which learns how many attempts the dependency can take; by
            default one of its own, by ``concurrency.demand()``, which never lets more in than
            ``concurrency``; a call waits for its turn for at most 1 s.
        key: takes the call's arguments and returns which host, shard or tenant it goes to: each
            gets a breaker and an adaptive limit of its own, so that one that is down does no harm
            to the others.
        sync: how the timeouts treat blocking functions.  By default the socket that one waits for is
            cut at the limit.  ``"thread"`` runs the function in another thread, which has none of the
            caller's thread-locals, transactions and locks; see `Timeout`.

    Raises:
        ConfigurationError: for a value outside its range.
    """
    retry_budget = RetryBudget(0.2) if isinstance(budget, Default) else budget
    if isinstance(breaker, Default):
        breaker = (
            default_breaker(on) if key is None else _keyed(key, lambda _key: default_breaker(on))
        )
    elif key is not None and isinstance(breaker, CircuitBreaker):
        raise _validate.refuse(
            "breaker",
            breaker,
            "one breaker cannot be each key's own: give Keyed(key, ...), or key=",
        )
    bulkhead = _bulkhead(concurrency)
    if isinstance(adaptive, Default):
        most = MOST if bulkhead is None else bulkhead.size
        adaptive = _adaptive(on, most)
        if key is not None:
            adaptive = _keyed(key, lambda _key: _adaptive(on, most))
    layers = (
        None if fallback is OURS else _fallback(fallback),
        _timeout(timeout, sync),
        _rate(rate),
        bulkhead,
        _retry(attempts, on, retry_budget),
        breaker,
        adaptive,
        _timeout(attempt_timeout, sync),
    )
    return Pipeline(name, *(layer for layer in layers if layer is not None))


def default_breaker(on: On) -> CircuitBreaker:
    """Return the breaker of `standard`."""
    on = unhealthy if on is transient else on  # a 429 or a full pool of ours is no outage
    # an outage of ten seconds or of an hour is prolonged by a tenth of it at most
    return CircuitBreaker(
        on=on, open_for=0.7, open_growth=1.1, open_calls=4, probes=1, confidence=0.99
    )


def _bulkhead(concurrency: int | Bulkhead | None) -> Bulkhead | None:
    if concurrency is None or isinstance(concurrency, Bulkhead):
        return concurrency
    return Bulkhead(concurrency)


def _adaptive(on: On, most: int) -> ConcurrencyLimiter:
    from holdfast.strategies.concurrency import ConcurrencyLimiter, demand

    # it begins with all that the bulkhead lets through: a cold start is no overload
    return ConcurrencyLimiter(
        demand(), min=0.05, max=most, initial=most, on=on, queue=100, max_wait=MAX_WAIT
    )


def _keyed(key: Callable[..., Hashable], factory: Callable[[Any], Any]) -> Keyed:
    from holdfast.strategies.keyed import Keyed

    return Keyed(key, factory)


def _rate(
    rate: float | Rate | RateLimiter | AdaptiveRateLimiter | None,
) -> RateLimiter | AdaptiveRateLimiter | None:
    if rate is None:
        return None
    from holdfast.strategies.rate import AdaptiveRateLimiter, RateLimiter

    if isinstance(rate, RateLimiter | AdaptiveRateLimiter):
        return rate
    return RateLimiter(rate, max_wait=MAX_WAIT)


def _fallback(value: Any) -> Fallback | StaleFallback:
    if value is None:
        raise _validate.refuse(
            "fallback", None, "leave it out for no fallback, or give Fallback(None) to answer None"
        )
    return value if isinstance(value, Fallback | StaleFallback) else Fallback(value)


def _timeout(
    value: float | timedelta | Timeout | AdaptiveTimeout | None,
    sync: Literal["cut", "thread", "cooperative"],
) -> Timeout | AdaptiveTimeout | None:
    if value is None or isinstance(value, Timeout | Identity):
        return value
    return Timeout(value, sync=sync)


def _retry(attempts: int | Retry | None, on: On, budget: RetryBudget | None) -> Retry | None:
    if attempts is None or isinstance(attempts, Retry):
        return attempts
    _validate.count("attempts", attempts)
    return Retry(attempts, on=on, budget=budget, backoff=DELAYS)
