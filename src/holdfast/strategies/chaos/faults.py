"""The faults of a `Chaos`: what was configured, and what becomes of one call."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from holdfast import _validate
from holdfast.errors import ConfigurationError
from holdfast.shapes import Arguments, Keywords

if TYPE_CHECKING:
    from random import Random


class Nothing:
    """Stands for "no result given", since None is one; shown as ``...`` in signatures."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "..."


NOTHING = Nothing()


class Injected:
    """What happens to one call."""

    __slots__ = ("delay", "error", "make", "replaced")

    def __init__(
        self, delay: float, error: Exception | None, make: Callable[[Any], Any] | None
    ) -> None:
        self.delay: float = delay
        self.error: Exception | None = error
        self.replaced: bool = make is not None
        self.make: Callable[[Any], Any] | None = make
        """What answers in place of the function: it returns a result, or raises the error."""
        if error is not None:
            self.make = self._fail

    def _fail(self, _subject: Any) -> Any:
        error, self.error = self.error, None  # no cycle through its traceback
        raise error if error is not None else AssertionError("an injected error is raised once")


class Faults:
    """What can happen: after `latency`, an `error`, a `result` or the function itself."""

    __slots__ = ("error", "latency", "result")

    def __init__(
        self,
        latency: Callable[[Random], float],
        error: Callable[..., Exception | None] | None,
        result: Any,
    ) -> None:
        self.latency: Callable[[Random], float] = latency
        self.error: Callable[..., Exception | None] | None = error
        self.result: Any = result

    def draw(self, rng: Random, args: Arguments, kwargs: Keywords) -> Injected | None:
        """Return what happens to a call; None if nothing does after all."""
        delay = _validate.seconds("latency", self.latency(rng), positive=False)
        error = None if self.error is None else self.error(*args, **kwargs)
        if error is not None and not isinstance(error, Exception):
            raise _validate.refuse("error", error, "the function must return an exception or None")
        make = None if self.result is NOTHING else self._answer(args, kwargs)
        if delay == 0 and error is None and make is None:
            return None
        return Injected(delay, error, make)

    def _answer(self, args: Arguments, kwargs: Keywords) -> Callable[[Any], Any]:
        result = self.result
        if callable(result):
            return lambda _subject: result(*args, **kwargs)
        return lambda _subject: result


def faults(latency: Any, error: Any, result: Any) -> Faults:
    """Check what was configured."""
    if latency is None and error is None and result is NOTHING:
        raise ConfigurationError("Chaos needs something to inject: give latency, error or result")
    if error is not None and result is not NOTHING:
        raise ConfigurationError(
            f"error={error!r} and result={result!r} exclude each other: a call can only end in one of "
            "them; use two Chaos strategies"
        )
    return Faults(_latency(latency), None if error is None else _error(error), result)


def _latency(latency: Any) -> Callable[[Random], float]:
    if callable(latency):
        _validate.plain_callable("latency", latency)
        return latency  # type: ignore[no-any-return]
    seconds = 0.0 if latency is None else _validate.seconds("latency", latency)
    return lambda _rng: seconds


def _error(error: Any) -> Callable[..., Exception | None]:
    """Return what makes the errors, each of them new: one raised twice would collect tracebacks."""
    if isinstance(error, Exception):
        return _copies(error)
    if isinstance(error, type) and issubclass(error, Exception):
        try:
            error()
        except Exception as fault:
            raise _validate.refuse(
                "error", error, "it cannot be made without arguments: give an instance"
            ) from fault
        return lambda *_args, **_kwargs: error()
    if isinstance(error, BaseException | type) or not callable(error):
        raise _validate.refuse(
            "error",
            error,
            "it must be an Exception, a class of them, or a function that returns one",
        )
    _validate.plain_callable("error", error)
    return error  # type: ignore[no-any-return]


def _copies(error: Exception) -> Callable[..., Exception]:
    remedy = "it cannot be copied, which each injection needs: give a function that makes it"
    try:
        attempt = copy.copy(error)
    except Exception as fault:
        raise _validate.refuse("error", error, remedy) from fault
    if type(attempt) is not type(error) or str(attempt) != str(error):
        raise _validate.refuse("error", error, remedy)
    return lambda *_args, **_kwargs: copy.copy(error)


def window(between: Any) -> Callable[[float], bool] | None:
    """Return what tells whether the seconds since the start are in the window; None for always."""
    if between is None:
        return None
    if callable(between):
        _validate.plain_callable("between", between)
        return between  # type: ignore[no-any-return]
    allowed = (
        "it must be (start, end) in seconds with 0 <= start < end, or a function of the seconds"
    )
    if not isinstance(between, tuple) or len(between) != 2:  # noqa: PLR2004 - two
        raise _validate.refuse("between", between, allowed)
    try:
        start, end = (_validate.span("between", one) for one in between)
    except ConfigurationError:
        raise _validate.refuse("between", between, allowed) from None
    if not 0 <= start < end:
        raise _validate.refuse("between", between, allowed)
    return lambda seconds: start <= seconds < end
