"""`History`: what is known of one call to whoever decides what follows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast._ambient import bound
from holdfast._ongoing import Call, Ongoing, under_way
from holdfast._world import world

if TYPE_CHECKING:
    import random

Arguments = tuple[Any, ...]
Keywords = dict[str, Any]


class History:
    """What a reaction, or a backoff, may know about one call; made when the first attempt has ended.

    Attributes:
        pipeline: the name of the pipeline.
        function: the protected function, as far as it is known.
        args: the call's arguments; never shown.
        kwargs: and those by name.
        attempt: the number of the attempt that has just ended, from 1.
        now: the instant of its end.
        last: its outcome, if it was an exception, ...
        result: ... or a tuple of the one result that was no good.
        previous: the delay before it, in seconds.
        errors: how often each kind of exception has come.
        rng: the source of randomness.
    """

    __slots__ = (
        "_call", "args", "attempt", "attempt_began", "began", "deadline", "discard", "enclosing_retry",
        "errors", "function", "kwargs", "last", "now", "ongoing", "pipeline",
        "previous", "reason", "result", "rng", "shortest", "started", "verdict",
    )  # fmt: skip

    now: float
    attempt: int
    attempt_began: float | None
    shortest: float
    deadline: float
    enclosing_retry: str | None

    def __init__(
        self,
        pipeline: str,
        now: float,
        started: float | None = None,
        args: Arguments = (),
        kwargs: Keywords | None = None,
        function: Any = None,
    ) -> None:
        self.pipeline: str = pipeline
        self.function: Any = function
        """The protected function, as far as it is known."""
        self.now = now
        self.started: float | None = started
        """The instant of the call's start, or None where nothing needed it."""
        self.began: float = now
        """The instant of the first outcome; stands in for `started`."""
        self.args: Arguments = args
        self.kwargs: Keywords = {} if kwargs is None else kwargs
        self.attempt_began = started
        self.attempt = 1
        """The number of the attempt that has just ended, from 1."""
        self.previous: float | None = None
        """The delay before that attempt, in seconds."""
        self.errors: dict[str, int] = {}
        self.last: Exception | None = None
        """The outcome of the attempt before, if it was an exception, ..."""
        self.result: tuple[Any] | None = None
        """... or a result that a condition met."""
        self.shortest = math.inf
        """The shortest attempt whose duration is known, in seconds."""
        self.reason: str = ""
        self.verdict: Any = None
        self.ongoing: Ongoing | None = None
        """What is known of the attempt that has just ended."""
        self._call: Call | None = None
        self.discard: Callable[[Any], object] | None = None
        """Called with a result that is handed to nobody."""
        self.deadline, self.enclosing_retry = bound()
        self.rng: random.Random = world.rng

    @property
    def enclosing(self) -> Ongoing | None:
        """The attempt, of a retry further out, that this call is part of, as far as it is known."""
        return under_way()

    @property
    def call(self) -> Call:
        """The call, with an `id` of its own: the one that its events tell."""
        if self._call is None:
            around = self.enclosing
            known = None if around is None else around.call
            if known is None or (known.pipeline != self.pipeline and self.function is not None):
                known = Call(self.pipeline, self.function)
            self._call = known
        return self._call

    @property
    def error(self) -> Exception | None:
        """The exception that the attempt has ended with, if it was one."""
        return self.last

    def __repr__(self) -> str:
        return f"<History of pipeline {self.pipeline!r}, attempt {self.attempt}>"

    @property
    def elapsed(self) -> float:
        """Seconds since the call's start, as far as it is known."""
        return max(0.0, self.now - (self.began if self.started is None else self.started))

    @property
    def remaining(self) -> float:
        """Seconds until the ambient deadline; may be negative."""
        return self.deadline - self.now

    def begins(self) -> Ongoing:
        """Return what is to be known of the attempt that begins now."""
        if self.ongoing is not None:
            self.ongoing.forget()
        around = self.enclosing
        call = self._call or (None if around is None else around.call)
        self.ongoing = Ongoing(self.attempt, call)
        return self.ongoing

    def resumed(self, now: float, delay: float) -> None:
        """Remember that the next attempt begins, after a delay."""
        self.attempt += 1
        self.previous = delay
        self.now = self.attempt_began = now

    def ended(self, now: float) -> None:
        """Remember that an attempt has ended."""
        self.now = now
        self.deadline, self.enclosing_retry = bound()
        if self.attempt_began is not None:
            self.attempt_took(now - self.attempt_began)

    def stands(self, verdict: Any) -> bool:
        """Keep a reaction's verdict; return whether it lets the outcome stand."""
        self.verdict = verdict
        if verdict is None:
            self.forget()
        return verdict is None

    def forget(self) -> None:
        """Let go of the exceptions: their tracebacks keep the frames that keep this history."""
        if self.result is not None:
            self.drop()
        self.verdict = self.last = None
        if self.ongoing is not None:
            self.ongoing.forget()

    def drop(self) -> None:
        """Let go of the earlier result, and hand it to `discard`: nobody gets it."""
        bad, self.result = self.result, None
        if bad is not None and self.discard is not None:
            told(self.discard, bad[0])

    def attempt_took(self, seconds: float) -> None:
        """Remember the duration of one attempt."""
        self.shortest = min(self.shortest, max(0.0, seconds))


def told(function: Callable[[Any], object], subject: Any) -> None:
    """Call a user's ``discard``, which never breaks a call."""
    try:
        function(subject)
    except Exception:
        import logging

        logging.getLogger("holdfast").exception("discard=%r failed", function)
