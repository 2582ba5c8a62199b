"""Try again: when, how often, after which pause, and with how much of the fleet's patience.

`Retry` reacts to an outcome, a backoff says how long to wait, a `RetryBudget` keeps retries from
feeding an outage.  The pause that a server asks for is read by `holdfast.verdict`.
"""

from holdfast.strategies.retry import backoff
from holdfast.strategies.retry.backoff import Backoff
from holdfast.strategies.retry.budget import RetryBudget
from holdfast.strategies.retry.retry import Retry
from holdfast.strategies.retry.retry_after import RETRY_AFTER_CAP, RETRY_AFTER_JITTER

__all__ = [
    "RETRY_AFTER_CAP",
    "RETRY_AFTER_JITTER",
    "Backoff",
    "Retry",
    "RetryBudget",
    "backoff",
]
