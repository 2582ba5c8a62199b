"""`RetryBudget`: what keeps retries from making an outage worse.

A token bucket.  Each *success* puts ``ratio`` of a token in, each retry takes one out (a retry after
a timeout two, since it cost the dependency a whole timeout's work); an empty bucket allows no retry.
In the long run at most ``ratio`` of the successful traffic is retries, and when nothing succeeds
retries stop after ``capacity``.

Credited on requests instead, a budget never lets a retry storm end: at 280 of 300 requests a second
with a 20 % budget the dependency is offered 336 a second for ever.  That is measured (HotOS'21's
storm), and it is why gRPC's throttle (proposal A6) and AWS's quota credit successes too.

Invariants: 0 <= tokens <= capacity; both change under the lock only.
"""

from __future__ import annotations

import threading

from holdfast import _validate
from holdfast._world import renew_after_fork
from holdfast.strategies.options import Configurable, Option

ROUNDING = 1e-9
"""Ten deposits of 0.1 are a little less than one token."""


class RetryBudget(Configurable):
    """A shared allowance of retries; safe to share between pipelines, threads, tasks and loops.

    Args:
        ratio: tokens that a success earns, in (0, 1]; the share of retries in healthy traffic.
        capacity: the most tokens that it holds, and what it starts with; at least 1.

    Raises:
        ConfigurationError: for a ratio or capacity outside its range.
    """

    __slots__ = ("_capacity", "_lock", "_ratio", "_tokens")
    ratio: Option[float] = Option()
    capacity: Option[float] = Option()
    """The most tokens that it holds; what is beyond a smaller one is lost, a larger one fills up."""

    def __init__(self, ratio: float = 0.1, capacity: float = 10.0) -> None:
        self._ratio: float = _validate.share("ratio", ratio)
        self._capacity: float = _validate.number("capacity", capacity, low=1)
        self._tokens = self._capacity
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        """Renew the lock; what is left of the budget is the child's, too."""
        self._lock = threading.RLock()

    def _adopt(self, twin: RetryBudget, changed: frozenset[str]) -> None:
        super()._adopt(twin, changed)
        self._tokens = min(self._tokens, self._capacity)

    @property
    def tokens(self) -> float:
        """The tokens that are left."""
        return self._tokens

    @property
    def full(self) -> bool:
        """Whether a success would earn nothing."""
        return self._tokens >= self._capacity

    def deposit(self) -> None:
        """Credit one success."""
        if self._tokens >= self._capacity:  # read outside the lock: a stale one loses one credit
            return
        with self._lock:
            self._tokens = min(self._capacity, self._tokens + self._ratio)

    def withdraw(self, cost: float = 1.0) -> bool:
        """Debit one retry; return False, and take nothing, where less than one token is left.

        A timeout's double ``cost`` may take the last token alone, so that a bucket of one works.
        """
        with self._lock:
            if self._tokens < 1.0 - ROUNDING:
                return False
            self._tokens = max(0.0, self._tokens - cost)
            return True

    def __repr__(self) -> str:
        return f"<RetryBudget {self._tokens:.3g} of {self.capacity:g} tokens, ratio {self.ratio:g}>"
