"""`Retry`: make another attempt, later, and not for ever.

A frozen value.  It decides from the `History` of one call that the driver keeps for it: whether the
outcome is one to retry, whether attempts, time, deadline and budget allow it, and after what delay.

* A rejection by one of our own strategies is not retried unless ``on`` names its class.
* It never sleeps past the deadline, and never starts what cannot finish: if the delay would end
  after it, or would leave less than the shortest attempt so far took, the last outcome stands now.
  (Shrinking the last delay instead, as Failsafe does, starts an attempt whose answer comes too late.)
* A ``Retry-After`` lengthens a shorter delay, gets jitter added, never subtracted, and is capped; or
  a long one ends the retrying, if that is asked for.
* The budget is asked last, so that no token is spent on a retry that won't happen.
* When it gives up, the last exception of the user's function is raised as it is, with a note.
* Nested retries multiply (3 layers of 3 are 27 attempts).  An exception that an inner retry gave up
  on says so, which costs nothing while all is well; ``nested`` tells who is to retry.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from holdfast import _validate
from holdfast._shown import quoted
from holdfast._value import Value
from holdfast._world import world
from holdfast.classify import Condition, On, add_note, condition
from holdfast.errors import AttemptTimeout, NestedRetryWarning, RejectedError
from holdfast.shapes import Again, Attempt, Earlier, History, Instead, Verdict
from holdfast.strategies.retry import backoff as backoffs
from holdfast.strategies.retry.budget import RetryBudget
from holdfast.strategies.retry.retry_after import RETRY_AFTER_CAP, waited
from holdfast.verdict import TIMEOUT, kind_of

if TYPE_CHECKING:
    from holdfast.strategies.retry.backoff import Backoff

MARK = "_holdfast_gave_up"
EXPONENTIAL = backoffs.exponential()
Nested = Literal["allow", "inner", "outer"]


class Retry(Value, _validate.Layer):
    """Make up to ``attempts`` attempts, with a growing, jittered delay between them.

    A value: equal, hashable, safe to share between pipelines, threads and tasks.

    Args:
        attempts: how many in all, the first one included; None for as many as the deadline allows.
        on: which outcomes to retry: an exception type, a tuple, a predicate, `on_result`, `transient`.
        backoff: how long to wait; see `holdfast.backoff`, or any function of the attempt's number.
        max_elapsed: give up when the next attempt would start later than this many seconds after
            the call did; None for no limit.
        budget: a `RetryBudget`, possibly shared; None for no budget.
        respect_retry_after: let a ``Retry-After`` of the dependency lengthen the delay (RFC 9110).
        retry_after_cap: take a longer hint for this many seconds; None to wait as long as is asked.
        retry_after_limit: give up where a hint asks for more than this many seconds; None for no limit.
        before_sleep: called with the `RetryScheduled` event before each delay.
        nested: who retries when this retry encloses another one: "allow" both (with a warning),
            only the "inner" one, or only this "outer" one.

    Raises:
        ConfigurationError: for a value outside its range.
    """

    __slots__ = (
        "_backoff", "_on", "attempts", "backoff", "before_sleep", "budget", "claims", "credit",
        "judges", "max_elapsed", "nested", "on", "respect_retry_after", "retry_after_cap",
        "retry_after_limit", "timed",
    )  # fmt: skip
    _options = (
        "attempts", "on", "backoff", "max_elapsed", "budget", "respect_retry_after", "retry_after_cap",
        "retry_after_limit", "before_sleep", "nested",
    )  # fmt: skip
    attempts: int | None
    on: On
    backoff: Backoff | Callable[[int], float]
    max_elapsed: float | None
    budget: RetryBudget | None
    respect_retry_after: bool
    retry_after_cap: float | None
    retry_after_limit: float | None
    before_sleep: Callable[[Any], object] | None
    nested: Nested
    judges: bool
    timed: bool
    claims: bool
    credit: Callable[[], None] | None
    _on: Condition
    _backoff: Backoff

    def __init__(
        self,
        attempts: int | None = 5,
        *,
        on: On = Exception,
        backoff: Backoff | Callable[[int], float] = EXPONENTIAL,
        max_elapsed: float | None = None,
        budget: RetryBudget | None = None,
        respect_retry_after: bool = True,
        retry_after_cap: float | None = RETRY_AFTER_CAP,
        retry_after_limit: float | None = None,
        before_sleep: Callable[[Any], object] | None = None,
        nested: Nested = "allow",
    ) -> None:
        if attempts is not None:
            _validate.count("attempts", attempts)
        _validate.one_of("nested", nested, ("allow", "inner", "outer"))
        if budget is not None and not isinstance(budget, RetryBudget):
            raise _validate.refuse("budget", budget, "it must be a RetryBudget or None")
        if before_sleep is not None:
            _validate.plain_callable("before_sleep", before_sleep)
        limit = _validate.optional_seconds("max_elapsed", max_elapsed)
        self._set(
            attempts=attempts, on=on, backoff=backoff, max_elapsed=limit, budget=budget,
            respect_retry_after=respect_retry_after, before_sleep=before_sleep, nested=nested,
            retry_after_cap=_validate.optional_seconds("retry_after_cap", retry_after_cap),
            retry_after_limit=_validate.optional_seconds("retry_after_limit", retry_after_limit),
        )  # fmt: skip
        meant = condition("on", on)
        credit = None if budget is None else budget.deposit
        self._set(_on=meant, _backoff=backoffs.of(backoff), judges=bool(meant.on_results))
        self._set(credit=credit, timed=limit is not None, claims=nested == "outer")

    def after_error(self, error: Exception, history: History, /) -> Verdict:
        """Decide what follows an exception."""
        if isinstance(error, RejectedError) and not self._on.names_rejection(error):
            return self._rejected(error, history)
        if not self._on.matches(error):
            if history.attempt > 1:
                self._give_up(error, history, f"{type(error).__name__} is not retried")
            return None
        if isinstance(error, AttemptTimeout):
            history.attempt_took(error.seconds)
        name = type(error).__name__
        history.errors[name] = history.errors.get(name, 0) + 1
        history.last, history.result = error, None
        verdict = None if self._leave_to_another(error, history) else self._decide(error, history)
        if verdict is None:
            self._give_up(error, history, history.reason)
        return verdict

    def after_result(self, result: Any, history: History, /) -> Verdict:
        """Decide what follows a result; a good one earns the budget its credit."""
        if not self._on.on_results or not self._on.matches_result(result):
            if self.budget is not None:
                self.budget.deposit()
            return None
        history.errors["result"] = history.errors.get("result", 0) + 1
        history.last, history.result = None, (result,)
        verdict = self._decide(None, history, result)
        if verdict is None:
            self._give_up(None, history, history.reason)
        return verdict

    def _rejected(self, error: RejectedError, history: History) -> Verdict:
        """Let a rejection stand, unless the function did run: then its own outcome is the news."""
        last, bad = history.last, history.result
        history.last = history.result = None
        if last is None and bad is None:
            return None
        history.attempt -= 1  # the rejected one was never made
        self._give_up(last, history, f"the next attempt was rejected: {error}")
        if last is not None:
            return Earlier(last)
        return Instead(lambda result: result[0], bad)

    def _leave_to_another(self, error: Exception, history: History) -> bool:
        if history.enclosing_retry is not None:
            history.reason = f"the retry of pipeline {history.enclosing_retry!r} has claimed it"
            return True
        mark = getattr(error, MARK, None)
        if mark is None or mark[0] == history.pipeline:  # or: its own, on an object raised again
            return False
        inner, attempts = mark
        if self.nested == "inner":
            history.reason = f"the retry of pipeline {inner!r} has made {attempts} attempts already"
            return True
        _warn_of_multiplying(error, history, inner, attempts)
        return False

    def _decide(self, error: Exception | None, history: History, result: Any = None) -> Verdict:
        """Return the next attempt, or None with the reason in the history."""
        if self.attempts is not None and history.attempt >= self.attempts:
            all_of_them = (
                "its only attempt is" if self.attempts == 1 else f"all {self.attempts} attempts are"
            )
            history.reason = f"{all_of_them} used up"
            return None
        delay = self._delay(error if error is not None else result, history)
        if delay is None:
            return None
        if self.max_elapsed is not None and history.elapsed + delay > self.max_elapsed:
            history.reason = f"max_elapsed={self.max_elapsed:g} s would pass"
            return None
        needed = delay + (history.shortest if history.shortest < math.inf else 0.0)
        if needed >= history.remaining:
            history.reason = f"the deadline, {history.remaining:.3g} s away, would pass"
            return None
        if self.budget is not None and not self.budget.withdraw(_cost(error)):
            history.reason = "the retry budget is empty"
            return None
        self._announce(delay, error, history)
        return Again(delay)

    def _delay(self, outcome: Any, history: History) -> float | None:
        """Return the delay before the next attempt, or None with the reason in the history."""
        try:
            delay = self._backoff.delay(history.attempt, history.previous, history.rng)
            _validate.seconds("delay", delay, positive=False)
        except Exception as fault:  # noqa: BLE001 - the user's backoff may raise anything
            history.reason = f"the backoff raised {quoted(fault)}"
            return None
        asks = outcome if self.respect_retry_after else None
        return waited(delay, asks, history, self.retry_after_cap, self.retry_after_limit)

    def _announce(self, delay: float, error: Exception | None, history: History) -> None:
        if self.before_sleep is None and not world.listeners:
            return
        from holdfast import events

        event = events.RetryScheduled(
            pipeline=history.pipeline, strategy="retry", at=history.now,
            attempt=history.attempt, delay=delay, error=error,
        )  # fmt: skip
        events.emit(event)
        if self.before_sleep is not None:
            events.deliver(self.before_sleep, event)

    def _give_up(self, error: Exception | None, history: History, reason: str) -> None:
        history.reason = reason
        if error is not None:
            add_note(error, _note(history))
            if history.attempt > 1:
                _mark(error, history)
        if world.listeners:
            from holdfast import events

            events.emit(events.RetriesExhausted(
                pipeline=history.pipeline, strategy="retry", at=history.now, error=error,
                attempts=history.attempt, elapsed=history.elapsed, reason=reason,
            ))  # fmt: skip

    def __iter__(self) -> Iterator[Attempt]:
        """Loop over attempts: ``for attempt in retry: with attempt: ...``."""
        return world.runtime("blocking").attempts(self)  # type: ignore[no-any-return]

    def __aiter__(self) -> AsyncIterator[Attempt]:
        """Loop over attempts: ``async for attempt in retry: with attempt: ...``."""
        return world.runtime("asyncio").attempts(self)  # type: ignore[no-any-return]


def _cost(error: Exception | None) -> float:
    """Return what a retry takes from the budget: a timeout has kept the dependency busy for long."""
    timeout = error is not None and (isinstance(error, TimeoutError) or kind_of(error) is TIMEOUT)
    return 2.0 if timeout else 1.0


def _note(history: History) -> str:
    tally = ", ".join(f"{name} ×{count}" for name, count in history.errors.items())
    tries = f"{history.attempt} attempt{'s' if history.attempt > 1 else ''}"
    since = "" if history.started is not None else " after the first failure"
    span = f" in {history.elapsed:.3g} s{since}" if history.attempt > 1 else ""
    what = f"pipeline {history.pipeline!r} gave up after {tries}{span} ({tally})"
    return f"holdfast: {what}: {history.reason}"


def _mark(error: Exception, history: History) -> None:
    try:
        setattr(error, MARK, (history.pipeline, history.attempt))
    except Exception:  # noqa: BLE001, S110 - a frozen exception; its nesting stays unknown
        pass


_warned: set[tuple[str, str]] = set()


def _warn_of_multiplying(error: Exception, history: History, inner: str, attempts: int) -> None:
    """Tell, once for each pair of pipelines, that two retries multiply."""
    if world.listeners:
        from holdfast import events

        events.emit(events.NestedRetry(
            pipeline=history.pipeline, strategy="retry", at=history.now, inner=inner, attempts=attempts,
        ))  # fmt: skip
    if (history.pipeline, inner) in _warned:
        return
    _warned.add((history.pipeline, inner))
    text = (
        f"the retry of pipeline {history.pipeline!r} repeats what the retry of {inner!r} has tried "
        f"{attempts} times: their attempts multiply. Retry in one place, or set nested='inner' or "
        f"nested='outer' on the retry of {history.pipeline!r}"
    )
    import warnings

    try:
        warnings.warn(text, NestedRetryWarning, stacklevel=2)
    except NestedRetryWarning:  # warnings are errors here; they must not replace the user's
        add_note(error, f"holdfast: {text}")
