"""What a type checker lets into a pipeline: less than its shapes are, so that it takes all of them."""

from __future__ import annotations

from typing import Any, Protocol

from holdfast.shapes import Arguments, History, Keywords, Site, Verdict
from holdfast.strategies.timeout import Timeout


class Deciding(Protocol):
    """What a type checker asks of a gate: its methods."""

    def enter(self, now: float, args: Arguments, kwargs: Keywords, site: Site, /) -> Any:
        """Return a permit or a `Wait`, or raise."""

    def abandoned(self, permit: Any, now: float, /) -> None:
        """Take back a permit."""


class Answering(Protocol):
    """What a type checker asks of a reaction."""

    def after_error(self, error: Exception, history: History, /) -> Verdict:
        """Return what to do about an exception."""


class Attaching(Protocol):
    """What a type checker asks of a strategy with a step of its own."""

    def attach(self, driver: Any, inner: Any, runtime: Any, site: Any, /) -> Any:
        """Return the step around ``inner``."""


Strategy = Deciding | Answering | Attaching | Timeout
"""What a pipeline takes, for type checkers; at run time it is looked at more closely."""
