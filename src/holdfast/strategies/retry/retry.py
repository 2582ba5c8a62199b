"""`Retry`: make another attempt, later, and not for ever.

One file because the decisions are to be read in the order in which they are made.  A frozen value: it
decides from the `History` of one call that the driver keeps for it, whether the outcome is one to
retry, whether attempts, time, deadline and budget allow it, and after what delay.

* A rejection by one of our own strategies is not retried unless ``on`` names its class.
* It never sleeps past the deadline, and never starts what cannot finish: if the delay would end
  after it, or would leave less than the shortest attempt so far took, the last outcome stands now.
  (Shrinking the last delay instead, as Failsafe does, starts an attempt whose answer comes too late.)
* A ``Retry-After`` lengthens a shorter delay, gets jitter added, never subtracted, and is capped; or
  a long one ends the retrying, if that is asked for.
* The budget is asked last, so that no token is spent on a retry that won't happen.
* When it gives up, the last exception of the user's function is raised as it is, with a note.
* Nested retries multiply (3 layers of 3 are 27 attempts).  An inner retry that gives up says so to the
  attempt that it is part of, which costs nothing while all is well; ``nested`` tells who is to retry.

One file because it is one decision: whether there is another attempt, and when.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from holdfast import _validate
from holdfast._rounding import INSTANT, reached
from holdfast._shown import quoted
from holdfast._value import Value
from holdfast._world import world
from holdfast.classify import Condition, On, condition
from holdfast.errors import AttemptTimeout, BadResultError, RejectedError
from holdfast.shapes import Again, Earlier, Flag, History, Instead, Verdict
from holdfast.strategies.retry import backoff as backoffs
from holdfast.strategies.retry.asides import Hook, check_functions, cost
from holdfast.strategies.retry.budget import RetryBudget
from holdfast.strategies.retry.giving_up import (
    tell_end,
    tell_success,
    tried_inside,
    warn_of_multiplying,
)
from holdfast.strategies.retry.retry_after import RETRY_AFTER_CAP, waited
from holdfast.verdict import refusal_in

if TYPE_CHECKING:
    from datetime import timedelta

    from holdfast.shapes import Attempt
    from holdfast.strategies.retry.backoff import Backoff, DelayFunction

EXPONENTIAL = backoffs.exponential()
Nested = Literal["allow", "inner", "outer"]
Exhausted = Literal["return", "raise"]


class Retry(Value, _validate.Layer):
    """Make up to ``attempts`` attempts, with a growing, jittered delay between them.

    A value: equal, hashable, safe to share between pipelines, threads and tasks.

    Args:
        attempts: how many in all, the first one included; None for as many as the deadline allows.
        on: which outcomes to retry: an exception type, a tuple, a predicate, `on_result`, `transient`.
        ignore: which of these not to retry all the same.
        backoff: how long to wait; see `holdfast.backoff`, or any function of the attempt's number, and
            of the call's `History` if it takes two arguments.
        max_elapsed: give up when the next attempt would start later than this after the call did.
        budget: a `RetryBudget`, possibly shared; None for no budget.
        respect_retry_after: let a ``Retry-After`` of the dependency lengthen the delay (RFC 9110).
        retry_after_cap: take a longer hint for this many seconds; None to wait as long as is asked.
        retry_after_limit: give up where a hint asks for more than this many seconds; None for no limit.
        before_sleep: called with the `RetryScheduled` event before each delay; may be async around
            async code. What it raises ends the retrying.
        nested: who retries inside of it: "allow" both (with a warning), the "inner" or this "outer" one.
        exhausted: what follows where the last result is still a bad one: "return" it, or "raise"
            `BadResultError`.
        stop: a `threading.Event`, an `asyncio.Event` or the like: set, it ends pauses and retrying.
        discard: called with each result that is handed to nobody, since another attempt followed.

    Raises:
        ConfigurationError: for a value outside its range.
    """

    __slots__ = (
        "_delay", "_on", "attempts", "attends", "backoff", "before_sleep", "budget", "claims", "credit",
        "discard", "exhausted", "ignore", "judges", "max_elapsed", "nested", "on",
        "respect_retry_after", "retry_after_cap", "retry_after_limit", "stop", "timed",
    )  # fmt: skip
    _options = (
        "attempts", "on", "ignore", "backoff", "max_elapsed", "budget", "respect_retry_after",
        "retry_after_cap", "retry_after_limit", "before_sleep", "nested", "exhausted", "stop", "discard",
    )  # fmt: skip
    attempts: int | None
    on: On
    ignore: On
    backoff: Backoff | DelayFunction
    max_elapsed: float | None
    budget: RetryBudget | None
    respect_retry_after: bool
    retry_after_cap: float | None
    retry_after_limit: float | None
    before_sleep: Callable[[Any], object] | None
    nested: Nested
    exhausted: Exhausted
    stop: Flag | None
    discard: Callable[[Any], object] | None
    judges: bool
    timed: bool
    claims: bool
    attends: bool
    credit: Callable[[], None] | None
    _on: Condition
    _delay: Backoff

    def __init__(
        self,
        attempts: int | None = 5,
        *,
        on: On = Exception,
        ignore: On = (),
        backoff: Backoff | DelayFunction = EXPONENTIAL,
        max_elapsed: float | timedelta | None = None,
        budget: RetryBudget | None = None,
        respect_retry_after: bool = True,
        retry_after_cap: float | timedelta | None = RETRY_AFTER_CAP,
        retry_after_limit: float | timedelta | None = None,
        before_sleep: Callable[[Any], object] | None = None,
        nested: Nested = "allow",
        exhausted: Exhausted = "return",
        stop: Flag | None = None,
        discard: Callable[[Any], object] | None = None,
    ) -> None:
        if attempts is not None:
            _validate.count("attempts", attempts)
        _validate.one_of("nested", nested, ("allow", "inner", "outer"))
        _validate.one_of("exhausted", exhausted, ("return", "raise"))
        if budget is not None and not isinstance(budget, RetryBudget):
            raise _validate.refuse("budget", budget, "it must be a RetryBudget or None")
        check_functions(before_sleep, stop, discard)
        limit = _validate.optional_seconds("max_elapsed", max_elapsed)
        self._set(
            attempts=attempts, on=on, ignore=ignore, backoff=backoff, max_elapsed=limit, budget=budget,
            respect_retry_after=respect_retry_after, before_sleep=before_sleep, nested=nested,
            retry_after_cap=_validate.optional_seconds("retry_after_cap", retry_after_cap),
            retry_after_limit=_validate.optional_seconds("retry_after_limit", retry_after_limit),
            exhausted=exhausted, stop=stop, discard=discard,
        )  # fmt: skip
        meant = condition("on", on).less(condition("ignore", ignore))
        credit = None if budget is None else budget.deposit
        self._set(_on=meant, _delay=backoffs.of(backoff), judges=bool(meant.on_results))
        self._set(credit=credit, timed=limit is not None, claims=nested == "outer")
        self._set(attends=nested == "inner")

    def fits(self, fn: Callable[..., Any]) -> None:
        """Refuse an async ``before_sleep`` around a function that is not."""
        if not _validate.is_async(fn):
            self.check_blocking()

    def check_blocking(self) -> None:
        """Refuse an async ``before_sleep`` in blocking code.

        Raises:
            ConfigurationError: if it is.
        """
        if _validate.is_async(self.before_sleep):
            raise _validate.refuse(
                "before_sleep", self.before_sleep,
                "it is async, and what it stands around is not: give it a plain function",
            )  # fmt: skip

    def meets(self, other: Retry) -> bool:
        """Return whether there may be an outcome that both retry."""
        return self._on.meets(other._on)

    def after_error(self, error: Exception, history: History, /) -> Verdict:
        """Decide what follows an exception."""
        refusal = refusal_in(error)
        if refusal is not None and not self._on.names_rejection(refusal):
            return self._rejected(refusal, history)
        self._keep(history, error, None)
        if not self._on.matches(error):
            tell_end(error, history, f"{type(error).__name__} is not retried")
            return None
        if isinstance(error, AttemptTimeout):
            history.attempt_took(error.seconds)
        name = type(error).__name__
        history.errors[name] = history.errors.get(name, 0) + 1
        verdict = None if self._leave_to_another(error, history) else self._decide(error, history)
        if verdict is None:
            tell_end(error, history, history.reason)
        return verdict

    def after_result(self, result: Any, history: History, /) -> Verdict:
        """Decide what follows a result; a good one earns the budget its credit."""
        if not self._on.on_results or not self._on.matches_result(result):
            self._keep(history, None, None)
            if self.budget is not None:
                self.budget.deposit()
            tell_success(history)
            return None
        history.errors["result"] = history.errors.get("result", 0) + 1
        self._keep(history, None, (result,))
        verdict = None if self._leave_to_another(result, history) else self._decide(result, history)
        if verdict is None and self.exhausted == "raise":
            return self._stands(history, history.reason)
        if verdict is None:
            tell_end(None, history, history.reason)
            history.result = None  # the caller gets it
        return verdict

    def recovered(self, history: History, /) -> None:
        """Take note that an attempt after the first has succeeded."""
        tell_success(history)

    def halted(self, history: History, /) -> bool:
        """Return whether the retrying is to end after all; the earlier outcome is the verdict then."""
        reason = self._halt()
        if reason is None:
            return False
        history.verdict = self._stands(history, reason)
        return True

    def _halt(self) -> str | None:
        if world.stopping is not None:
            return "holdfast.stop() was called"
        return None if self.stop is None or not self.stop.is_set() else "stop is set"

    def _keep(self, history: History, error: Exception | None, bad: tuple[Any] | None) -> None:
        """Remember an outcome; nobody gets the result of the attempt before it."""
        if history.result is not None:
            history.drop()
        history.discard = self.discard
        history.last, history.result = error, bad

    def _rejected(self, error: RejectedError, history: History) -> Verdict:
        """Let a rejection stand, unless the function did run: then its own outcome is the news."""
        if history.last is None and history.result is None:
            return None
        history.attempt -= 1  # the rejected one was never made
        return self._stands(history, f"the next attempt was rejected: {error}")

    def _stands(self, history: History, reason: str) -> Verdict:
        """Give up with the outcome that the history keeps: it is the caller's."""
        last, bad = history.last, history.result
        if bad is not None and self.exhausted == "raise":
            last = BadResultError(
                pipeline=history.pipeline, strategy="retry", attempts=history.attempt, result=bad[0]
            )
        tell_end(last, history, reason)
        history.last = history.result = None
        if last is not None:
            return Earlier(last)
        return Instead(lambda result: result[0], bad)

    def _leave_to_another(self, outcome: Any, history: History) -> bool:
        if history.enclosing_retry is not None:
            history.reason = f"the retry of pipeline {history.enclosing_retry!r} has claimed it"
            return True
        tried = tried_inside(outcome, history)
        if tried is None:
            return False
        inner, attempts = tried
        if self.nested == "inner":
            history.reason = f"the retry of pipeline {inner!r} has made {attempts} attempts already"
            return True
        warn_of_multiplying(outcome, history, inner, attempts)
        return False

    def _decide(self, outcome: Any, history: History) -> Verdict:
        """Return the next attempt, or None with the reason in the history."""
        found = self._pause(outcome, history)
        if isinstance(found, str):
            history.reason = found
            return None
        return self._again(found, history)

    def _pause(self, outcome: Any, history: History) -> float | str:
        """Return the delay before the next attempt, or why there is none."""
        if self.attempts is not None and history.attempt >= self.attempts:
            ends = (
                "its only attempt is" if self.attempts == 1 else f"all {self.attempts} attempts are"
            )
            return f"{ends} used up"
        halt = self._halt()
        if halt is not None:
            return halt
        try:
            delay = _validate.seconds("delay", backoffs.after(self._delay, history), positive=False)
        except Exception as fault:  # noqa: BLE001 - the user's backoff may raise anything
            return f"the backoff raised {quoted(fault)}"
        asks = outcome if self.respect_retry_after else None
        waiting = waited(delay, asks, history, self.retry_after_cap, self.retry_after_limit)
        if isinstance(waiting, str):
            return waiting
        return self._too_late(waiting, history) or self._unaffordable(history) or waiting

    def _too_late(self, delay: float, history: History) -> str | None:
        """Return how time forbids the next attempt, if it does."""
        limit = self.max_elapsed
        if limit is not None and not reached(limit, history.elapsed + delay, INSTANT):
            return f"max_elapsed={limit:g} s would pass"
        needed = delay + (history.shortest if history.shortest < math.inf else 0.0)
        if needed >= history.remaining:
            return f"the deadline, {history.remaining:.3g} s away, would pass"
        return None

    def _unaffordable(self, history: History) -> str | None:
        if self.budget is None or self.budget.withdraw(cost(history.last)):
            return None
        return "the retry budget is empty"

    def _again(self, delay: float, history: History) -> Again:
        """Announce the next attempt."""
        before = self.before_sleep
        if before is None and not world.listeners:
            return Again(delay, None, self.stop)
        from holdfast import events

        call, bad = history.call, history.result
        event = events.RetryScheduled(
            pipeline=history.pipeline, strategy="retry", at=history.now, attempt=history.attempt,
            delay=delay, error=history.last, result=None if bad is None else bad[0],
            call=call.id, function=call.function,
        )  # fmt: skip
        events.emit(event)
        hook = None if before is None else Instead(Hook(before, event), history.last)
        return Again(delay, hook, self.stop)

    def __iter__(self) -> Iterator[Attempt]:
        """Loop over attempts: ``for attempt in retry: with attempt: ...``."""
        return world.runtime("blocking").attempts(self)  # type: ignore[no-any-return]

    def __aiter__(self) -> AsyncIterator[Attempt]:
        """Loop over attempts: ``async for attempt in retry: with attempt: ...``."""
        return world.runtime("asyncio").attempts(self)  # type: ignore[no-any-return]
