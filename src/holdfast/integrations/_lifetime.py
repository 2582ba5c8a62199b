"""How long a request may take, and how long it takes up room; once, for all that stream bodies.

A client's transport has done its part when the headers of a response are there, but the body is still to
come, on the same connection.  So three ends of one request are told apart:

* the **attempt** ends with the headers; `Retry`, the breaker and the per-attempt `Timeout` judge by it;
* the **time** ends with the total: the deadline outside of the `Retry` goes on for the body (`Horizon`);
* the **room** ends with the body: a bulkhead's permit is given back when it is closed (`UntilClosed`),
  so that permits and connections are the same in number, and nobody waits for a connection.

`fitted` puts this into a pipeline's layers; all of it is made of `holdfast.extend`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol

from holdfast._world import now
from holdfast.deadline import Ambient, current
from holdfast.errors import ConfigurationError
from holdfast.extend import Arguments, Gate, Keywords, Site
from holdfast.pipeline import Pipeline
from holdfast.strategies.bulkhead import Bulkhead
from holdfast.strategies.hedge import Hedge
from holdfast.strategies.retry import Retry
from holdfast.strategies.timeout import Timeout

SHORTEST = 0.001
"""Seconds; a socket timeout of 0 would mean "do not block", and clocks differ by less."""


def least(asked: float | None, left: float) -> float | None:
    """Return the shorter of a timeout (None for none) and what is left of the time, in seconds."""
    left = max(left, SHORTEST)
    if asked is None:
        return None if left == math.inf else left
    return min(asked, left)


class Limits(dict[str, float | None]):
    """A client's own timeouts (connect, read, write, pool), none longer than what is left.

    What it holds is cut to what was left when it was made; ``get`` and ``[]`` cut once more, for a
    client asks for one timeout after the other, while time goes by.

    Args:
        asked: what the client asked for, in seconds; None for no timeout.
        at: the instant at which everything must end.
    """

    __slots__ = ("asked", "at")

    def __init__(self, asked: Mapping[str, float | None], at: float) -> None:
        left = at - now()
        super().__init__({phase: least(seconds, left) for phase, seconds in asked.items()})
        self.asked = asked
        self.at = at
        """May be moved, when the body has more time than the headers had."""

    def get(self, phase: str, default: float | None = None) -> float | None:  # type: ignore[override]
        """Return the timeout of a phase, in seconds from now; None for none."""
        asked = self.asked.get(phase, default)
        return least(asked, self.at - now()) if phase in self else asked

    def __getitem__(self, phase: str) -> float | None:
        return least(self.asked[phase], self.at - now())


class Exchange(Protocol):
    """The one argument of an integration's protected function: one request, with all its attempts."""

    horizon: Ambient
    """Until when its body may be read."""


class Horizon(Gate):
    """Notes until when a call may take in all, where it stands: outside of the `Retry`."""

    timed = False

    def enter(self, _now: float, args: Arguments, _kwargs: Keywords, _site: Site, /) -> Any:
        """Let everybody pass."""
        exchange: Exchange = args[0]
        exchange.horizon = current()
        return self

    def __repr__(self) -> str:
        return "Horizon()"


class UntilClosed(Gate):
    """A bulkhead whose permits come back when the body of the response is closed."""

    timed = False

    def __init__(self, bulkhead: Bulkhead) -> None:
        self.bulkhead = bulkhead
        self.enter = bulkhead.enter  # type: ignore[method-assign] # it answers for itself
        self.abandoned = bulkhead.abandoned  # type: ignore[method-assign]
        self.expired = bulkhead.expired  # type: ignore[method-assign]

    def succeeded(self, permit: Any, now: float, result: Any, /) -> None:
        """Take the permit back, now or when the body of the response ``result`` is closed."""
        release = partial(self.bulkhead.succeeded, permit, now, None)
        body = getattr(result, "stream", None)
        if not (isinstance(body, Lasting) and body.when_closed(release)):
            release()

    def failed(self, permit: Any, now: float, error: Exception, /) -> None:
        """Do the same for an error that carries a response."""
        self.succeeded(permit, now, getattr(error, "response", None))

    def holder(self, _args: Any, _kwargs: Any) -> Bulkhead:
        """Return what an abandoned attempt, a loser of a `Hedge`, keeps a permit of."""
        return self.bulkhead

    def __repr__(self) -> str:
        return repr(self.bulkhead)


class Lasting:
    """Something with an end, such as a body, and what is to happen then."""

    def __init__(self) -> None:
        self.open: bool = True
        self._afterwards: list[Callable[[], object]] = []

    def when_closed(self, action: Callable[[], object]) -> bool:
        """Have ``action()`` called at the end; return False if it has come already.

        The end may come in this instant, in another thread (the body is that of a hedge that lost):
        whoever takes the action off the list does it, and nobody does it twice.
        """
        self._afterwards.append(action)
        return self.open or not self._taken_back(action)

    def _taken_back(self, action: Callable[[], object]) -> bool:
        try:
            self._afterwards.remove(action)
        except ValueError:
            return False
        return True

    def _ended(self) -> None:
        """Do what is to happen, once, whoever comes first."""
        self.open = False
        while self._afterwards:
            try:
                action = self._afterwards.pop()
            except IndexError:  # taken by `when_closed` in this instant
                return
            action()


class Cooperative:
    """An adaptive timeout whose limit the client's own timeouts enforce; it learns as ever."""

    sync = "cooperative"

    def __init__(self, timeout: Any) -> None:
        self._timeout = timeout

    def __getattr__(self, name: str) -> Any:
        return getattr(self._timeout, name)

    def attach(self, _driver: Any, inner: Any, runtime: Any, site: Any) -> Any:
        """Return the runtime's step around ``inner``."""
        return runtime.adaptive(self, inner, site)


def fitted(pipeline: Pipeline) -> tuple[Any, ...]:
    """Return the layers of ``pipeline`` as an integration uses them; they share its state.

    Its timeouts become cooperative, as the client's own enforce them without a thread.

    Raises:
        ConfigurationError: for a `Coalesce` and a `Fallback.stale`.
    """
    layers = [_fitted(one) for one in pipeline.strategies]
    layers.insert(_edge(layers), Horizon())
    return tuple(layers)


READ_ONCE: Final[Mapping[str, str]] = {
    "coalesce": "a response's body can be read by one caller only",
    "stale fallback": "the body of an earlier response has been read",
}


def _fitted(strategy: Any) -> Any:
    unfit = READ_ONCE.get(getattr(strategy, "kind", ""))
    if unfit is not None:
        raise ConfigurationError(
            f"{strategy!r} cannot stand in an HTTP transport: {unfit}. Put it around the function that "
            "sends the request and reads the answer"
        )
    if isinstance(strategy, Timeout) and strategy.sync != "cooperative":
        return strategy.replace(sync="cooperative")
    if getattr(strategy, "kind", "") == "adaptive timeout":
        return Cooperative(strategy)
    return UntilClosed(strategy) if isinstance(strategy, Bulkhead) else strategy


def _edge(layers: list[Any]) -> int:
    """Return where the call as a whole meets its attempts."""
    for kind, offset in ((Retry, 0), (Hedge, 0), (Timeout, 1)):
        places = [place for place, one in enumerate(layers) if isinstance(one, kind)]
        if places:
            return places[0] + offset
    return 0
