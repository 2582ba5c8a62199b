"""Driver and runtime as a stream's layers see them: what would be given back or ended is kept."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from holdfast._streams.opened import Opened
from holdfast.errors import ConfigurationError
from holdfast.shapes import Gate, History, Reaction, Site
from holdfast.strategies.timeout import Timeout

if TYPE_CHECKING:
    from holdfast.strategies.timeout import AdaptiveTimeout


class Driver:
    """A driver whose gates are held, and whose reactions judge first items."""

    def __init__(self, driver: ModuleType) -> None:
        self._driver = driver

    def gated(self, gate: Gate, inner: Any, runtime: Any, site: Site) -> Any:
        """Return the step of a gate."""
        return self._driver.gated(Holding(gate), inner, runtime, site)

    def reacting(self, reaction: Reaction, inner: Any, runtime: Any, site: Site) -> Any:
        """Return the step of a reaction."""
        if getattr(reaction, "kind", "") == "stale fallback":
            raise ConfigurationError(
                f"{reaction!r} cannot stand around a stream, which is read once"
            )
        return self._driver.reacting(Judging(reaction), inner, runtime, site)

    def watched(self, head: Any, runtime: Any, site: Site) -> Any:
        """Return the step that tells the listeners."""
        return self._driver.watched(head, runtime, site)


class Holding:
    """A gate whose permit is kept by the stream that was opened; to a driver it is the gate."""

    resting: Any = None
    timed = True

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.failed = gate.failed
        self.abandoned = gate.abandoned
        self.expired = gate.expired
        self.enter = gate.enter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gate, name)

    def succeeded(self, permit: Any, _now: float, result: Opened, /) -> None:
        """Have the stream keep the permit."""
        result.hold(self._gate, permit)

    def behind(self, permit: Any) -> Any:
        """Return the gate that gave a permit."""
        find = getattr(self._gate, "behind", None)
        return self._gate if find is None else find(permit)


class Judging:
    """A reaction that is shown the first item of a stream for its result."""

    def __init__(self, reaction: Reaction) -> None:
        self._reaction = reaction

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reaction, name)

    def after_result(self, result: Opened, history: History, /) -> Any:
        """Ask about the first item; a stream that is given up for it is closed."""
        verdict = self._reaction.after_result(result.first, history)
        if verdict is not None:
            try:
                result.drop()
            finally:
                result.ended(result.at)  # the gates judge it for themselves
        return verdict


class Racing:
    """A hedge that closes the streams of its losers."""

    def __init__(self, hedge: Any) -> None:
        self._hedge = hedge

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hedge, name)

    def fails_with(self, result: Opened) -> bool:
        """Return whether the first item is a failure."""
        return self._hedge.fails_with(result.first)  # type: ignore[no-any-return]

    def discard(self, result: Opened) -> None:
        """Close what nobody gets."""
        try:
            result.drop()
        finally:
            result.ended(result.at, GeneratorExit())  # no outcome


class Runtime:
    """A runtime that limits the way to the first item, and leaves the rest to the stream.

    What answers in place of a stream is made one: a fallback's, or that of a gate.
    """

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def within(self, timeout: Timeout, inner: Any, site: Site) -> Any:
        """Return a step that gives up on the first item in time."""
        self.check(timeout, site)
        first = timeout.seconds if timeout.first is None else timeout.first
        opening = timeout.replace(seconds=first, first=None, between=None)
        return self._limited(timeout, self._runtime.within(opening, inner, site), site)

    def adaptive(self, timeout: AdaptiveTimeout, inner: Any, site: Site) -> Any:
        """Return a step that gives up on the first item in a time that is learnt."""
        self.check(timeout, site)
        return self._runtime.adaptive(timeout, inner, site)

    def check(self, timeout: Timeout | AdaptiveTimeout, site: Site) -> None:
        """Refuse a limit that cannot be kept around a stream."""

    def _limited(self, timeout: Timeout, opening: Any, site: Site) -> Any:
        raise NotImplementedError

    def race(self, hedge: Any, inner: Any, site: Site) -> Any:
        """Return a step that opens more than one where the first item is slow."""
        return self._runtime.race(Racing(hedge), inner, site)

    def share(self, coalesce: Any, _inner: Any, site: Site) -> Any:
        """Refuse what would hand one stream to several callers."""
        raise ConfigurationError(
            f"pipeline {site.pipeline!r}: {coalesce!r} cannot stand around a stream, which is read once"
        )
