"""Every error that Holdfast raises.

::

    HoldfastError
      RejectedError              the call was never made      .pipeline .strategy .retry_after
        CircuitOpenError         the breaker is open          .state .opened_at
          IsolatedError          held open by hand
        BulkheadFullError        no permit, and no room in the queue
        RateLimitedError         not yet this call's turn
        ConcurrencyLimitedError  above the learnt limit
        ThrottledError           shed, because the dependency refuses much
        DeadlineTooShortError    what is left of the deadline cannot hold an attempt
        StoppedError             the process is about to end: `holdfast.stop`
      AttemptTimeout(TimeoutError)   the call was made and given up on      .seconds
        DeadlineExceeded             the caller's time ran out, not ours
      BadResultError             the last result was a bad one   .result .attempts
    ConfigurationError(ValueError)   raised while building; outside HoldfastError on purpose

There is no ``RetryError``: when retries run out, the last exception of the user's own function
passes through, with a note that tells the history.  Messages are built when they are read, since a
rejection must stay cheap.  All errors pickle.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ConfigurationError(ValueError):
    """An option has a value that cannot work; the message names option, value and allowed range."""


class CompositionWarning(UserWarning):
    """A pipeline's layers are in an order that defeats one of them."""


class NestedRetryWarning(UserWarning):
    """A retry runs inside another retry, so their attempts multiply."""


class OverrunWarning(UserWarning):
    """A blocking call goes on after its limit, and waits for nothing that can be cut."""


class HoldfastError(Exception):
    """Base of every error that Holdfast raises while calls are running.

    Attributes:
        pipeline: the name of the pipeline that raised it, where there was one.
        strategy: the kind of strategy, and its own name where it has one.
    """

    pipeline: str | None = None
    strategy: str = ""
    default_message: ClassVar[str] = "the call failed"

    def __init__(self, message: str | None = None, **details: Any) -> None:
        super().__init__(*(() if message is None else (message,)))
        self.__dict__.update(details)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, self._state()

    def _state(self) -> dict[str, Any]:
        return self.__dict__

    def describe(self) -> str:
        """Return the message without the pipeline's name."""
        return str(self.args[0]) if self.args else self.default_message

    def __str__(self) -> str:
        where = f"pipeline {self.pipeline!r}: " if self.pipeline else ""
        return where + self.describe()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class RejectedError(HoldfastError):
    """The call was never made: a strategy refused it.

    Attributes:
        pipeline: the name of the pipeline, None where the gate was asked by hand.
        strategy: the kind of strategy, and its own name where it has one.
        retry_after: seconds after which another try makes sense, or None when nobody knows.

    A subclass can be an `OSError`, too, as the errors of some clients are: no slots forbid it.
    """

    retry_after: float | None = None
    default_message = "the call was rejected"

    def __init__(
        self,
        message: str | None = None,
        *,
        pipeline: str | None = None,
        strategy: str = "",
        retry_after: float | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message, **details)
        self.pipeline = pipeline
        self.strategy = strategy
        self.retry_after = retry_after

    def describe(self) -> str:
        """Return the message, and when to try again."""
        text = super().describe()
        if self.retry_after is not None:
            text += f"; try again in {self.retry_after:.3g} s"
        return text


NEXT = {"ramping": "all calls pass", "half-open": "its probes are under way; try again"}
"""What comes after so many seconds, by the breaker's state."""


class CircuitOpenError(RejectedError):
    """The circuit breaker is open, or half-open with all its probes in flight.

    Attributes:
        state: the breaker's state when it refused: ``"open"``, ``"half-open"`` or ``"ramping"``.
        opened_at: the instant at which it opened, on the clock in force, in seconds.
        after: the words about the failure that opened it, where the error has been pickled.

    ``__cause__`` is a copy of the failure that opened it, without its traceback.
    """

    state: str = "open"
    opened_at: float = 0.0
    after: str | None = None

    def __init__(
        self,
        message: str | None = None,
        *,
        state: str = "open",
        opened_at: float = 0.0,
        after: str | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message, **details)
        self.state = state
        self.opened_at = opened_at
        self.after = after

    def describe(self) -> str:
        """Return the state, the failure behind it, and when the next probe is due."""
        if self.args:
            return super().describe()
        text = f"{self.strategy or 'circuit breaker'} is {self.state}{self._after()}"
        if self.retry_after is not None:
            text += f"; {NEXT.get(self.state, 'next probe')} in {max(0.0, self.retry_after):.3g} s"
        return text

    def _after(self) -> str:
        cause = self.__cause__
        if self.after is None and cause is not None:
            from holdfast._shown import shown  # it knows of this module

            return f" after {shown(cause)}"
        return self.after or ""

    def _state(self) -> dict[str, Any]:
        # pickling loses the cause, and process pools put another one in its place: keep the words
        return {**super()._state(), "after": self._after()}


class IsolatedError(CircuitOpenError):
    """The circuit breaker is held open by hand, with ``isolate()``."""

    def __init__(
        self, message: str | None = None, *, state: str = "isolated", **details: Any
    ) -> None:
        super().__init__(message, state=state, **details)

    def describe(self) -> str:
        """Return who holds it open, and how to end that."""
        if self.args:
            return super().describe()
        return f"{self.strategy or 'circuit breaker'} is held open by hand; reset() lets calls pass"


class BulkheadFullError(RejectedError):
    """Every permit of the bulkhead is taken, and its queue is full or the wait was too long."""

    default_message = "the bulkhead is full"


class RateLimitedError(RejectedError):
    """The rate limit has no room for this call within its allowed wait."""

    default_message = "the rate limit is reached"


class ConcurrencyLimitedError(RejectedError):
    """The adaptive concurrency limit is reached."""

    default_message = "the concurrency limit is reached"


class ThrottledError(RejectedError):
    """The call was shed, because the dependency refuses much of what it gets."""

    default_message = "the call was throttled"


class DeadlineTooShortError(RejectedError):
    """What is left of the deadline cannot hold another attempt, so none was started."""

    default_message = "what is left of the deadline cannot hold another attempt"


class AttemptTimeout(HoldfastError, TimeoutError):
    """The call was made, and given up on after `seconds`.

    Attributes:
        seconds: the limit that ran out.
        rushed: whether the attempt had less time than an attempt usually gets, so that it says
            nothing about the dependency: its caller's deadline was near, or it was still in a queue.
    """

    seconds: float = 0.0
    rushed: bool = False

    def describe(self) -> str:
        """Return which limit ran out."""
        return str(self.args[0]) if self.args else f"no answer within {self.seconds:.3g} s"


class DeadlineExceeded(AttemptTimeout):
    """The caller's deadline ran out while the call was under way.

    Attributes:
        at: the instant of that deadline, on the clock in force, in seconds.
    """

    at: float = 0.0

    def describe(self) -> str:
        """Return which deadline ran out."""
        if self.args:
            return str(self.args[0])
        return f"the caller's deadline of {self.seconds:.3g} s ran out"


class BadResultError(HoldfastError):
    """The last result was still one to be retried, and ``Retry(exhausted="raise")`` was asked for.

    Attributes:
        result: that result; no message shows it.
        attempts: how many were made.
    """

    result: Any = None
    attempts: int = 1

    def describe(self) -> str:
        """Return that no result was good."""
        if self.args:
            return str(self.args[0])
        tries = (
            "its only attempt" if self.attempts == 1 else f"the last of {self.attempts} attempts"
        )
        return f"the result of {tries} is still one that Retry(on=...) is to repeat"


class StoppedError(RejectedError):
    """The process is about to end: `holdfast.stop` was called, and nothing new begins."""

    default_message = "holdfast.stop() was called, so nothing new begins"


class Misuse(BaseException):
    """Internal: a function of the wrong colour, say, found out while it ran.  Users see a `TypeError`.

    It passes every layer as an interruption, so that nothing retries or counts it.
    """

    shown: type[Exception] = TypeError
