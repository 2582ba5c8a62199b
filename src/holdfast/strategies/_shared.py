"""What the strategies with an identity share: a name, and the pipelines that use them."""

from __future__ import annotations

import threading
from typing import Any

from holdfast import _validate
from holdfast._world import now, renew_after_fork, world

_joining = threading.RLock()


class Identity:
    """A strategy with state of its own, which pipelines may share on purpose.

    Its name is the given one, or that of the first pipeline that uses it.
    """

    __slots__ = ("__weakref__", "_pipelines", "name", "title")
    kind = "strategy"
    name: str | None
    title: str

    def __init__(self, name: str | None) -> None:
        self.name = None if name is None else _validate.text("name", name)
        self.title = f"{self.kind} {self.name!r}" if self.name else self.kind
        """What messages call it, such as ``"circuit breaker 'payments'"``."""
        self._pipelines: tuple[str, ...] = ()
        renew_after_fork(self)

    def joined(self, pipeline: str) -> None:
        """Note that a pipeline uses this strategy."""
        with _joining:
            if pipeline not in self._pipelines:
                self._pipelines = (*self._pipelines, pipeline)
            if self.name is None:
                self.name = pipeline
                self.title = f"{self.kind} {pipeline!r}"

    def _after_fork(self) -> None:
        raise NotImplementedError

    def _tell(self, event: str, **details: Any) -> None:
        """Emit an event by the name of its class; never called under a lock."""
        if not world.listeners:
            return
        from holdfast import events

        where = ", ".join(self._pipelines) or self.name or ""
        details.setdefault("at", now())
        events.emit(getattr(events, event)(pipeline=where, strategy=self.title, **details))
