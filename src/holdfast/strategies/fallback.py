"""`Fallback`: a plain answer instead of an error.

``Fallback(value)`` answers with a value, ``Fallback(function)`` with what ``function(error)`` returns
(it may be a coroutine function where an async function is protected), ``Fallback.stale(ttl)`` with the
last good result.  Put it outermost: rejections reach it at once, so that an open breaker and a fallback
together answer in microseconds.  An error that the fallback function itself raises passes through,
with the original as its context.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

from holdfast import _validate
from holdfast._value import Value
from holdfast._world import now as current_instant
from holdfast._world import world
from holdfast.classify import Condition, On, condition
from holdfast.shapes import History, Instead, Verdict
from holdfast.strategies.identity import Identity


class Fallback(Value, _validate.Layer):
    """Answer with ``instead`` where the call ends in an outcome that ``on`` matches.

    A value: equal, hashable (if ``instead`` is), safe to share between pipelines, threads and tasks.

    Args:
        instead: the answer, or a function that takes the exception (or the bad result) and returns
            it.  For an answer that is callable itself, wrap it: ``lambda error: answer``.
        on: which outcomes to replace.

    Raises:
        ConfigurationError: if ``on`` is no condition.
    """

    __slots__ = ("_on", "instead", "judges", "on")
    _options = ("instead", "on")
    timed = False
    claims = False
    credit = None
    instead: Any
    on: On
    judges: bool
    _on: Condition

    def __init__(self, instead: Any, *, on: On = Exception) -> None:
        meant = condition("on", on)
        self._set(instead=instead, on=on, _on=meant, judges=bool(meant.on_results))

    def after_error(self, error: Exception, history: History, /) -> Verdict:
        """Replace an exception that is meant."""
        return self._answer(error, history) if self._on.matches(error) else None

    def after_result(self, result: Any, history: History, /) -> Verdict:
        """Replace a result that is meant."""
        return self._answer(result, history) if self._on.matches_result(result) else None

    def _answer(self, subject: Any, history: History) -> Instead:
        told = subject if isinstance(subject, Exception) else None
        tell_fallback(history, told)
        if callable(self.instead):
            return Instead(self.instead, subject)
        return Instead(lambda _subject: self.instead, subject)

    @staticmethod
    def stale(
        ttl: float,
        *,
        key: Callable[..., Hashable] | None = None,
        on: On = Exception,
        max_keys: int = 1_000,
        mark: Callable[[Any, float], Any] | None = None,
        name: str | None = None,
    ) -> StaleFallback:
        """Return a fallback that answers with the last good result, see `StaleFallback`."""
        return StaleFallback(ttl, key=key, on=on, max_keys=max_keys, mark=mark, name=name)


class StaleFallback(Identity):
    """Answer with the last good result for the same key, if it is at most ``ttl`` old.

    An identity: its memory is shared where the instance is.  Thread- and task-safe; bounded, the
    least recently stored key goes first.  The event `FallbackUsed` tells the age of what was served.

    Args:
        ttl: the greatest age of a result that is served, in seconds.
        key: takes the call's arguments and returns what tells calls apart; by default the
            arguments themselves, which must then be hashable.
        on: which outcomes to replace.
        max_keys: how many results to keep.
        mark: takes the result and its age in seconds and returns what to serve, so that the caller
            can see that it is stale; None serves the result as it is.
        name: for messages.

    Raises:
        ConfigurationError: for a value outside its range.
    """

    __slots__ = ("_kept", "_key", "_lock", "_mark", "_max_keys", "_on", "ttl")
    kind = "stale fallback"
    judges = True
    timed = False
    claims = False
    credit = None

    def __init__(
        self,
        ttl: float,
        *,
        key: Callable[..., Hashable] | None = None,
        on: On = Exception,
        max_keys: int = 1_000,
        mark: Callable[[Any, float], Any] | None = None,
        name: str | None = None,
    ) -> None:
        self.ttl: float = _validate.seconds("ttl", ttl)
        for option, function in (("key", key), ("mark", mark)):
            if function is not None:
                _validate.plain_callable(option, function)
        self._key = key or _same_arguments
        self._mark = mark
        self._on = condition("on", on)
        self._max_keys = _validate.count("max_keys", max_keys)
        self._kept: dict[Hashable, tuple[float, Any]] = {}
        self._after_fork()
        super().__init__(name)

    def _after_fork(self) -> None:
        self._lock = threading.RLock()

    def after_error(self, error: Exception, history: History, /) -> Verdict:
        """Serve what is kept, if it is fresh enough."""
        return self._serve(error, history) if self._on.matches(error) else None

    def after_result(self, result: Any, history: History, /) -> Verdict:
        """Keep a good result; serve what is kept in place of one that is meant."""
        if self._on.on_results and self._on.matches_result(result):
            return self._serve(None, history)
        key = self._key(*history.args, **history.kwargs)
        with self._lock:
            self._kept.pop(key, None)  # to the end of the order
            self._kept[key] = (history.now, result)
            if len(self._kept) > self._max_keys:
                del self._kept[next(iter(self._kept))]
        return None

    def _serve(self, error: Exception | None, history: History) -> Verdict:
        key = self._key(*history.args, **history.kwargs)
        with self._lock:
            kept = self._kept.get(key)
        if kept is None or history.now - kept[0] > self.ttl:
            return None
        age, result = history.now - kept[0], kept[1]
        tell_fallback(history, error, age)
        if self._mark is None:
            return Instead(lambda _subject: result, error)
        mark = self._mark
        return Instead(lambda _subject: mark(result, age), error)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain data."""
        return {
            "strategy": self.kind, "name": self.name, "kept": len(self._kept), "ttl": self.ttl,
            "oldest": self._age_of_oldest(),
        }  # fmt: skip

    def _age_of_oldest(self) -> float | None:
        with self._lock:
            instants = [instant for instant, _ in self._kept.values()]
        return current_instant() - min(instants) if instants else None

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<StaleFallback{name} {len(self._kept)} kept, ttl {self.ttl:g} s>"


def _same_arguments(*args: Any, **kwargs: Any) -> Hashable:
    return args, tuple(sorted(kwargs.items()))


def tell_fallback(history: History, error: Exception | None, age: float | None = None) -> None:
    """Emit `FallbackUsed`."""
    if world.listeners:
        from holdfast import events

        events.emit(events.FallbackUsed(
            pipeline=history.pipeline, strategy="fallback", at=history.now, error=error, stale_for=age,
        ))  # fmt: skip
