"""What Holdfast tells: one event object for each decision.

``subscribe(listener)`` calls ``listener(event)`` for each of them, in the thread or task in which it
happened, never under a lock of ours.  A listener that raises never breaks a call: its error is
logged to the logger ``holdfast``.  Without a listener no event is built.

One file because it is one vocabulary, to be read at one go.  All durations are in seconds, and `at` is
the instant on the clock in force.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from types import TracebackType
from typing import Any, Self

from holdfast import _ongoing, _validate
from holdfast._world import world


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something was decided in ``pipeline`` by ``strategy`` at the instant ``at``.

    Where it belongs to a call, ``call`` is that call's number, the same in all its events, ``function``
    the qualified name of what was called, and ``attempt`` the number of the attempt.
    """

    pipeline: str
    strategy: str
    at: float
    call: int | None = field(default_factory=_ongoing.call_id, compare=False, repr=False)
    function: str | None = field(default_factory=_ongoing.function_name, compare=False)
    attempt: int | None = field(default_factory=_ongoing.attempt_number, compare=False, repr=False)

    def __init_subclass__(cls) -> None:
        if "__repr__" not in cls.__dict__:
            type.__setattr__(cls, "__repr__", _spelt)  # in place of the one of `dataclass`


def _spelt(event: Event) -> str:
    """Return an event with its exceptions as messages show them: a listener may well print it."""
    from holdfast._shown import quoted

    held = ((one.name, getattr(event, one.name)) for one in fields(event) if one.repr)
    spelt = (
        f"{name}={quoted(value)}" if isinstance(value, BaseException) else f"{name}={value!r}"
        for name, value in held
        if name != "function" or value is not None
    )
    return f"{type(event).__name__}({', '.join(spelt)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCompleted(Event):
    """A call has ended; ``error`` is None where it returned."""

    duration: float
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRejected(Event):
    """A strategy refused a call before the function ran, or would have: it is in shadow mode."""

    error: Exception
    enforced: bool = True
    """False where shadow mode let the call pass all the same."""

    @property
    def detected(self) -> bool:
        """Always true; stands beside `enforced` in metrics."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryScheduled(Event):
    """Attempt number ``attempt`` ended badly; another one follows after ``delay``."""

    attempt: int
    delay: float
    error: Exception | None
    """None where a result, not an exception, is the reason."""
    result: Any = field(default=None, repr=False)
    """That result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetriesExhausted(Event):
    """The retry gave up after ``attempts``, for ``reason``; the last outcome stands."""

    attempts: int
    elapsed: float
    reason: str
    error: Exception | None
    result: Any = field(default=None, repr=False)
    """The bad result that stands, where a result is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySucceeded(Event):
    """An attempt after the first has succeeded: number ``attempts``, ``elapsed`` after the start."""

    attempts: int
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedRetry(Event):
    """A retry is about to repeat what the retry of ``inner`` has already given up on."""

    inner: str
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionsChanged(Event):
    """Somebody changed options of the strategy with ``configure()``, or by setting one."""

    before: dict[str, Any]
    """The options that were named, as they were, ..."""
    after: dict[str, Any]
    """... and as they are now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerOpened(Event):
    """The breaker opened for ``open_for``, for ``reason``."""

    reason: str
    open_for: float
    error: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerHalfOpened(Event):
    """The breaker lets its probes through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRamping(Event):
    """The probes have succeeded: a growing share of the calls passes, after ``ramp`` seconds all."""

    ramp: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerClosed(Event):
    """The breaker lets calls pass again, for ``reason``."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerOverridden(Event):
    """A person took control: ``state`` is ``"isolated"`` or ``"disabled"``."""

    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeExpired(Event):
    """A probe outlived its lease, so its place was given back; ``lease`` is how long it had."""

    lease: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedOut(Event):
    """An attempt was given up on after ``seconds``."""

    seconds: float
    abandoned: bool
    """Whether a worker thread is still busy with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrun(Event):
    """A blocking call goes on after its limit of ``seconds``, and can't be ended; told while it does."""

    seconds: float
    where: str
    """What it is in, and the nearest place in the user's code; nothing where that isn't known."""
    reason: str
    """Why it can't be ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonedFinished(Event):
    """A worker thread that had been given up on has ended after all, ``late`` seconds late."""

    late: float
    error: BaseException | None = None
    """What it raised, ..."""
    result: Any = field(default=None, repr=False)
    """... or what it returned, and nobody gets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackUsed(Event):
    """A fallback answered in place of ``error``."""

    error: Exception | None
    stale_for: float | None = None
    """The age of the value served, where it is a stale one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeStarted(Event):
    """Attempt number ``attempt`` was started beside those under way, after ``delay`` seconds."""

    attempt: int
    delay: float
    error: Exception | None = None
    """The failure that made it start at once; None where the delay had passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeWon(Event):
    """A hedge, not the first attempt, answered first: number ``attempt``, after ``duration``."""

    attempt: int
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutChanged(Event):
    """An adaptive timeout has moved, both in seconds."""

    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChanged(Event):
    """An adaptive concurrency limit has moved."""

    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RateChanged(Event):
    """An adaptive rate has moved, both in calls a second."""

    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultInjected(Event):
    """Chaos has made a call slow by ``delay`` seconds, fail, or return what it did not."""

    delay: float = 0.0
    error: BaseException | None = None
    replaced: bool = False
    """Whether a result was put in place of the function's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCoalesced(Event):
    """A call shares the attempt that another one has begun; ``sharing`` callers wait for it now."""

    sharing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDropped(Event):
    """A keyed strategy has let go of the strategy of ``key``, for ``reason``."""

    key: object
    reason: str


Listener = Callable[[Event], object]
_running: ContextVar[tuple[tuple[Callable[[Any], object], int | None], ...]] = ContextVar(
    "holdfast_listeners", default=()
)
"""The listeners that are being told in this thread or task, each with the call that it is told of."""


class Subscription:
    """A listener's registration; ``close()`` it, or use it as ``with subscribe(listener): ...``."""

    __slots__ = ("_deliver", "listener", "pipeline")

    def __init__(self, listener: Listener, pipeline: str | None) -> None:
        self.listener: Listener = listener
        self.pipeline: str | None = pipeline
        self._deliver = self._tell  # one object, so that close() finds it
        with world.changing:
            world.listeners = (*world.listeners, self._deliver)
            world.refresh()

    def _tell(self, event: Event) -> None:
        mine, theirs = self.pipeline, event.pipeline
        if mine is None or mine == theirs or mine in theirs.split(", "):
            self.listener(event)

    def __repr__(self) -> str:
        return f"<Subscription of {self.listener!r}>"

    def close(self) -> None:
        """End the subscription; a second time does nothing."""
        deliver = self._deliver
        with world.changing:
            world.listeners = tuple(one for one in world.listeners if one is not deliver)
            world.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def subscribe(listener: Listener, *, pipeline: str | None = None) -> Subscription:
    """Call ``listener(event)`` for every event, or for those of one ``pipeline``.

    Thread- and task-safe.  The listener runs where the event happened and should be quick.

    Raises:
        ConfigurationError: if ``listener`` is not callable.
    """
    _validate.plain_callable("listener", listener)
    return Subscription(listener, pipeline)


def emit(event: Event) -> None:
    """Tell every listener; for strategies and drivers, after they have left their locks."""
    for listener in world.listeners:
        deliver(listener, event)


def deliver(listener: Callable[[Any], object], event: Event) -> None:
    """Call one listener, whose failure never breaks a call.

    Not of calls that it makes itself, in the same thread or task: an exporter that sends through a
    protected client would tell itself of its own call, which it would send, ...
    """
    running = _running.get()
    if running and any(one is listener and event.call not in (None, call) for one, call in running):
        return
    token = _running.set((*running, (listener, event.call)))
    try:
        listener(event)
    except Exception:
        import logging

        name = type(event).__name__
        logging.getLogger("holdfast").exception("the listener %r failed on %s", listener, name)
    finally:
        _running.reset(token)
