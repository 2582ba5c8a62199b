"""How a stream goes on after an error in its middle: with another call, of other arguments.

The retry decides whether, and when; ``resume=`` says with which arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from holdfast import _validate
from holdfast._ambient import Scope
from holdfast._streams.opened import Limit, Opened
from holdfast.deadline import current, inside
from holdfast.errors import ConfigurationError
from holdfast.shapes import Again, Arguments, History, Keywords
from holdfast.strategies.retry import Retry

Resume = Callable[..., Mapping[str, Any] | None]
"""``resume(last, *args, **kwargs)`` returns which arguments are others for the rest, by name; None if
there is no way to go on."""


class Resuming:
    """What all streams of one protected function share that can go on."""

    def __init__(
        self, name: str, strategies: tuple[Any, ...], fn: Callable[..., Any], resume: Resume
    ) -> None:
        _validate.plain_callable("resume", resume)
        retries = [one for one in strategies if isinstance(one, Retry)]
        if not retries:
            raise ConfigurationError(
                f"resume={resume!r} needs a Retry in pipeline {name!r}: it says after which errors a "
                "stream goes on, and after which delay"
            )
        import inspect

        self._name = name
        self._retry = retries[0]
        self.fn = fn
        self._resume = resume
        self._signature = inspect.signature(fn)
        several = (
            one.name for one in self._signature.parameters.values() if one.kind is one.VAR_KEYWORD
        )
        self._more: str | None = next(several, None)
        """The name of what takes any keyword, if something does."""

    def verdict(
        self, error: Exception, now: float, args: Arguments, kwargs: Keywords, opened: Opened
    ) -> Again | None:
        """Return when to go on after an error, if at all."""
        history = History(self._name, now, opened.at, args, kwargs, self.fn)
        history.deadline = min([history.deadline, *(one.until for one in self.outer(opened))])
        try:
            verdict = self._retry.after_error(error, history)
            return verdict if isinstance(verdict, Again) else None
        finally:
            history.forget()

    def arguments(
        self, last: Any, args: Arguments, kwargs: Keywords
    ) -> tuple[Arguments, Keywords] | None:
        """Return the arguments for the rest; None if there is no way to go on."""
        changes = self._resume(last, *args, **kwargs)
        if changes is None:
            return None
        bound = self._signature.bind(*args, **kwargs)
        for name, value in changes.items():
            if name not in self._signature.parameters and self._more is not None:
                bound.arguments[self._more] = {**bound.arguments.get(self._more, {}), name: value}
                continue
            if name not in self._signature.parameters:
                raise ConfigurationError(
                    f"resume={self._resume!r} returned {name!r}, which is no argument of {self.fn!r}"
                )
            bound.arguments[name] = value
        return bound.args, bound.kwargs

    def outer(self, opened: Opened) -> list[Limit]:
        """Return the limits outside of the retry: they go on."""
        return [one for one in opened.limits if self._retry in one.site.inside]

    def scope(self, opened: Opened) -> Scope:
        """Have what is left of those hold for the way to the next item; to be taken back."""
        scope = Scope()
        limits = self.outer(opened)
        if limits:
            last = min(limits, key=lambda limit: limit.until)
            scope.set(inside(current(), last.until, last.timeout.seconds))
        return scope

    def carried(self, before: Opened, after: Opened) -> Opened:
        """Return the rest of a stream under the limits that go on."""
        ends = {one.site: one.until for one in self.outer(before)}
        after.limits = [
            one._replace(until=min(one.until, ends.get(one.site, one.until)))
            for one in after.limits
        ]
        return after
