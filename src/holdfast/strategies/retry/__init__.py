"""Try again: when, how often, after which pause, and with how much of the fleet's patience.

`Retry` reacts to an outcome, a backoff says how long to wait, a `RetryBudget` keeps retries from
feeding an outage, and `retry_after` reads the pause that a server asks for.
"""

from holdfast.strategies.retry import backoff
from holdfast.strategies.retry.backoff import Backoff
from holdfast.strategies.retry.budget import RetryBudget
from holdfast.strategies.retry.retry import RETRY_AFTER_CAP, RETRY_AFTER_JITTER, Retry
from holdfast.strategies.retry.retry_after import Extractor, hint, register

__all__ = [
    "RETRY_AFTER_CAP",
    "RETRY_AFTER_JITTER",
    "Backoff",
    "Extractor",
    "Retry",
    "RetryBudget",
    "backoff",
    "hint",
    "register",
]
