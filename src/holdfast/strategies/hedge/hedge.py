"""`Hedge`: a call that is slow is made once more, and the first answer wins.

**Only for idempotent calls**: a hedged call is made twice on purpose, and both may be carried out.

From "The Tail at Scale" (Dean and Barroso, CACM 2013): where one call in twenty is a straggler, a second
attempt after a short delay cuts the tail to little more than that delay, at the price of a few per cent
more load.  As in gRPC (proposal A6) a failed attempt starts the next one at once, and as in Finagle's
``BackupRequestFilter`` a budget bounds the extra load.

* The delay comes just past the body of the distribution (`knee`), at a `quantile`, or is given.
* The budget: a hedge takes a token, and a call that is answered before the delay puts ``ratio`` of one
  in.  (Credited on every success, a dependency that is slow as a whole would still earn hedges in full.)
  While the median is more than twice the usual, only one prompt call in four is credited.
* A rejection by one of our own strategies starts nothing: more of the same would be rejected too.
* What doesn't match ``on`` is an answer: it wins, and is raised.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast._world import now as current_instant
from holdfast.classify import Condition, On, condition
from holdfast.shapes import Site
from holdfast.strategies.hedge.delay import Fixed, Learning, knee, quantile
from holdfast.strategies.identity import Identity
from holdfast.strategies.options import Option, Shown
from holdfast.strategies.retry import Retry, RetryBudget

if TYPE_CHECKING:
    from datetime import timedelta

OURS: Any = ...
"""Stands for: a ``RetryBudget()`` of its own."""

KNEE = knee()
EVERY_FOURTH = 4


class Hedge(Identity):
    """Make a slow call once more, **if it is idempotent**, and take the first success.

    An identity: it learns how long calls take, and has a budget.  Thread- and task-safe.

    asyncio: the first attempt runs in the caller's task, the others in tasks of their own; losers are
    cancelled, and have ended when the call returns.  Blocking: every attempt runs in a worker thread of
    the bounded pool; losers are abandoned, and keep a permit of every enclosing bulkhead until they end.

    Args:
        after: when to start another attempt: seconds, ``knee()`` or ``quantile(q)``.  Those two start
            none for slowness before they know enough calls.
        max_hedges: how many further attempts, each after that delay again.
        on: which outcomes are failures: they don't win, and start the next attempt at once.
        budget: a `RetryBudget`, which may be shared with retries; by default one of its own,
            ``RetryBudget()``; None for no bound but ``max_hedges``.  Where a `Retry` of the same
            pipeline has the same budget, successes are credited there, once.
        discard: called with each result that is handed to nobody: of an attempt that another one
            outran, or of one whose caller has left.
        name: for messages; by default the first pipeline's.

    Raises:
        ConfigurationError: for a value outside its range.
    """

    __slots__ = (
        "_after", "_budget", "_condition", "_discard", "_judges", "_learning", "_lock",
        "_max_hedges", "_on", "_prompt", "_started", "_won",
    )  # fmt: skip
    kind = "hedge"
    after: Option[float | quantile | knee] = Option()
    """When; another one begins to learn anew."""
    max_hedges: Option[int] = Option()
    budget: Shown[RetryBudget | None] = Shown()
    on: Shown[On] = Shown()
    discard: Shown[Callable[[Any], object] | None] = Shown()
    judges: Shown[bool] = Shown()
    """Whether a result can be a failure."""
    learning: Shown[Fixed | Learning] = Shown()
    """What is known about the durations of first attempts."""
    started: Shown[int] = Shown()
    """How many hedges have been started."""
    won: Shown[int] = Shown()
    """How many of them answered first."""
    sync = "thread"
    """Blocking code: it stops waiting in time by itself, so a `Timeout` around it needs no thread."""

    def __init__(
        self,
        after: float | timedelta | quantile | knee = KNEE,
        max_hedges: int = 1,
        *,
        on: On = Exception,
        budget: RetryBudget | None = OURS,
        discard: Callable[[Any], object] | None = None,
        name: str | None = None,
    ) -> None:
        self._after: float | quantile | knee
        self._learning: Fixed | Learning
        if isinstance(after, quantile | knee):
            self._after = after
            self._learning = Learning(after)
        else:
            self._after = _validate.seconds("after", after)
            self._learning = Fixed(self._after)
        self._max_hedges: int = _validate.count("max_hedges", max_hedges)
        if budget is OURS:
            budget = RetryBudget()
        if budget is not None and not isinstance(budget, RetryBudget):
            raise _validate.refuse("budget", budget, "it must be a RetryBudget or None")
        self._budget: RetryBudget | None = budget
        if discard is not None:
            _validate.plain_callable("discard", discard)
        self._discard: Callable[[Any], object] | None = discard
        self._on: On = on
        self._condition: Condition = condition("on", on)
        self._judges: bool = bool(self._condition.on_results)
        self._started: int = 0
        self._won: int = 0
        self._prompt = count(1)
        self._after_fork()
        super().__init__(name)

    def _after_fork(self) -> None:
        """Renew the locks; what has been learnt holds in the child process, too."""
        self._lock = threading.RLock()
        self._learning.after_fork()

    def attach(self, _driver: Any, inner: Any, runtime: Any, site: Site) -> Any:
        """Return the step that races the attempts."""
        return runtime.race(self, inner, site)

    def earns(self, site: Site) -> bool:
        """Return whether successes are to be credited here, and not by a retry with the same budget."""
        around = (*site.enclosing, *site.inside)
        shared = [one for one in around if isinstance(one, Retry) and one.budget is self._budget]
        return self._budget is not None and not shared

    def answered(self, seconds: float, now: float, *, earns: bool) -> None:
        """Take note of a first attempt that answered before the delay."""
        self._learning.ended(seconds, now)
        if not earns or self._budget is None or self._budget.full:
            return
        if self._learning.slow and next(self._prompt) % EVERY_FOURTH:
            return
        self._budget.deposit()

    def fails(self, error: Exception) -> bool:
        """Return whether an exception is a failure, and no answer."""
        return self._condition.matches(error)

    def names_rejection(self, error: Exception) -> bool:
        """Return whether ``on`` names a class of rejections, and ``error`` is one of them."""
        return self._condition.names_rejection(error)

    def fails_with(self, result: Any) -> bool:
        """Return whether a result is a failure."""
        return self._judges and self._condition.matches_result(result)

    def allows(self, now: float, deadline: float, error: Exception | None) -> bool:
        """Return whether time and budget allow another attempt; takes its token if so."""
        left = deadline - now
        if left <= 0.0 or left < self._learning.quick < inf:
            return False
        cost = 2.0 if isinstance(error, TimeoutError) else 1.0
        if self._budget is not None and not self._budget.withdraw(cost):
            return False
        with self._lock:
            self._started += 1
        return True

    def note_won(self) -> None:
        """Count a hedge that answered first."""
        with self._lock:
            self._won += 1

    def _adopt(self, twin: Hedge, changed: frozenset[str]) -> None:
        super()._adopt(twin, changed)
        if "after" in changed:
            self._learning = twin._learning

    @property
    def delay(self) -> float | None:
        """The delay in force, in seconds; None while it is still being learnt."""
        return self._learning.delay

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "strategy": self.kind, "name": self.name, "delay": self.delay, "started": self.started,
            "won": self.won, "budget": None if self.budget is None else self.budget.tokens,
            **self._learning.snapshot(current_instant()), "options": self._options(),
        }  # fmt: skip

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        delay = "learning" if self.delay is None else f"after {self.delay:.3g} s"
        return f"<Hedge{name} {delay}, {self.started} started, {self.won} won>"
