"""`Fallback`: a plain answer instead of an error.

``Fallback(value)`` answers with a value, ``Fallback(function)`` with what ``function(error, *args,
**kwargs)`` returns: it gets as many of the call's arguments as it takes (and it may be a coroutine
function where an async function is protected).  ``Fallback.stale(ttl)`` answers with the last good
result.  Put it outermost: rejections reach it at once, so that an open breaker and a fallback together
answer in microseconds.  An error that the fallback function itself raises passes through, with the
original as its context.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast._value import Value
from holdfast.classify import Condition, On, some
from holdfast.shapes import History, Instead, Verdict
from holdfast.strategies.fallback.copies import copied, is_mutable
from holdfast.strategies.fallback.reach import Reach, check_fits, reach_of
from holdfast.strategies.fallback.told import tell_fallback

if TYPE_CHECKING:
    from datetime import timedelta

    from holdfast.strategies.fallback.stale import StaleFallback


class Fallback(Value, _validate.Layer):
    """Answer with ``instead`` where the call ends in an outcome that ``on`` matches.

    A value: equal, hashable (if ``instead`` is), safe to share between pipelines, threads and tasks.

    Args:
        instead: the answer, or a function that makes it from the exception (or the bad result) and
            the call's arguments, as far as it takes them.  For an answer that is callable itself,
            wrap it: ``lambda: answer``.
        on: which outcomes to replace.
        copy: whether each caller gets a copy of its own, where the answer is a list, a dict, a set or
            another container, or a dataclass that is not frozen; False to share the one object.

    Raises:
        ConfigurationError: if ``on`` is no condition, if a function demands arguments that it can't
            be given, or for an answer that has to be copied and can't be.
    """

    __slots__ = ("_copies", "_on", "_reach", "copy", "instead", "judges", "on")
    _options = ("instead", "on", "copy")
    timed = False
    claims = False
    credit = None
    instead: Any
    on: On
    copy: bool
    judges: bool
    _on: Condition
    _copies: bool
    _reach: Reach | None

    def __init__(self, instead: Any, *, on: On = Exception, copy: bool = True) -> None:
        meant = some("on", on)
        _check_no_error(instead)
        self._set(
            instead=instead,
            on=on,
            copy=_validate.flag("copy", copy),
            _on=meant,
            _copies=copy and not callable(instead) and is_mutable(instead),
            _reach=reach_of(instead) if callable(instead) else None,
            judges=bool(meant.on_results),
        )
        if self._copies:
            _check_copy(instead)

    def fits(self, fn: Callable[..., Any]) -> None:
        """Refuse a function that needs more arguments than ``fn``, which it stands in for, has."""
        if self._reach is not None:
            check_fits(self.instead, fn)

    def after_error(self, error: Exception, history: History, /) -> Verdict:
        """Replace an exception that is meant."""
        return self._answer(error, history) if self._on.matches(error) else None

    def after_result(self, result: Any, history: History, /) -> Verdict:
        """Replace a result that is meant."""
        return self._answer(result, history) if self._on.matches_result(result) else None

    def _answer(self, subject: Any, history: History) -> Instead:
        tell_fallback(history, subject if isinstance(subject, Exception) else None)
        instead, reach = self.instead, self._reach
        if reach is None:
            return Instead(lambda _: copied(instead) if self._copies else instead, subject)
        return Instead(_Asking(instead, reach, history), subject)

    @staticmethod
    def stale(
        ttl: float | timedelta,
        *,
        key: Callable[..., Hashable] | None = None,
        on: On = Exception,
        max_keys: int = 1_000,
        mark: Callable[[Any, float], Any] | None = None,
        copy: bool = True,
        name: str | None = None,
    ) -> StaleFallback:
        """Return a fallback that answers with the last good result, see `StaleFallback`."""
        from holdfast.strategies.fallback.stale import StaleFallback

        return StaleFallback(
            ttl, key=key, on=on, max_keys=max_keys, mark=mark, copy=copy, name=name
        )


class _Asking:
    """A call of the function that stands in; by its name, without the call's arguments."""

    __slots__ = ("args", "function", "kwargs", "reach")

    def __init__(self, function: Callable[..., Any], reach: Reach, history: History) -> None:
        self.function: Callable[..., Any] = function
        self.reach: Reach = reach
        self.args, self.kwargs = history.args, history.kwargs

    def __call__(self, about: Any) -> Any:
        return self.reach.call(self.function, about, self.args, self.kwargs)

    def __repr__(self) -> str:
        return f"instead={self.function!r}"


def _check_no_error(instead: Any) -> None:
    """Refuse what was meant to be raised: it would be returned, as a result."""
    if isinstance(instead, type) and issubclass(instead, BaseException):
        raise _validate.refuse(
            "instead", instead,
            "what it makes would be returned, not raised: raise it in a function, def instead(error): "
            f"raise {instead.__name__}(...) from error",
        )  # fmt: skip


def _check_copy(instead: Any) -> None:
    try:
        copied(instead)
    except Exception as error:
        raise _validate.refuse(
            "instead", instead,
            f"each caller gets a copy, and it can't be copied ({error}): give a function that makes "
            "it, or copy=False to share it",
        ) from error  # fmt: skip
