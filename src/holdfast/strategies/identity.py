"""What the strategies with an identity share: a name, and the pipelines that use them."""

from __future__ import annotations

from typing import Any

from holdfast import _validate
from holdfast._counter import Counter
from holdfast._register import living
from holdfast._world import now, renew_after_fork, world
from holdfast.errors import RejectedError
from holdfast.shapes import Site
from holdfast.strategies.options import Configurable, Option, Shown

MANY = 64
"""Of so many pipelines the names of those are forgotten that are no more, or else of the oldest."""


class Identity(Configurable, _validate.Layer):
    """A strategy with state of its own, which pipelines may share on purpose.

    Its name is the given one, or that of the first pipeline that uses it.
    """

    __slots__ = ("_name", "_pipelines", "_title")
    kind = "strategy"
    name: Shown[str | None] = Shown()
    title: Shown[str] = Shown()
    """What messages call it, such as ``"circuit breaker 'payments'"``."""

    def __init__(self, name: str | None) -> None:
        self._name: str | None = None if name is None else _validate.text("name", name)
        self._title = f"{self.kind} {name!r}" if name else self.kind
        self._pipelines: tuple[str, ...] = ()
        renew_after_fork(self)

    def joined(self, pipeline: str) -> None:
        """Note that a pipeline uses this strategy; of very many, only the latest that are left."""
        with world.changing:
            if pipeline not in self._pipelines:
                self._pipelines = (*living(self._pipelines, MANY), pipeline)
            if self._name is None:
                self._called(pipeline)

    def _called(self, name: str, spelt: str = "") -> None:
        self._name = name
        self._title = f"{self.kind} {spelt or repr(name)}"

    def _after_fork(self) -> None:
        raise NotImplementedError

    def _configured(self, before: dict[str, Any], after: dict[str, Any], _adopted: Any) -> None:
        """Tell it, and what the class makes of it; an order that changes nothing tells nothing."""
        if after != before:
            self._tell("OptionsChanged", before=before, after=after)

    def _tell(self, event: str, **details: Any) -> None:
        """Emit an event by the name of its class; never called under a lock."""
        if not world.listeners:
            return
        from holdfast import events

        where = ", ".join(self._pipelines) or self._name or ""
        details.setdefault("at", now())
        events.emit(getattr(events, event)(pipeline=where, strategy=self._title, **details))


SHADOW = object()
"""The permit of a call that shadow mode let pass; whatever becomes of it changes nothing."""


class Guard(Identity):
    """An identity that is a gate: it can refuse, or, in shadow mode, only say that it would have.

    ``shadow`` can be switched while it runs.
    """

    __slots__ = ("_enforced", "_shadow", "_spared", "resting")
    shadow: Option[bool] = Option()
    resting: Any

    def __init__(self, name: str | None, *, shadow: bool) -> None:
        self._shadow: bool = _validate.flag("shadow", shadow)
        self._enforced: Counter | None = None  # until a call is refused: most keys of a `Keyed` ...
        self._spared: Counter | None = None  # ... never refuse one, and there may be thousands
        super().__init__(name)

    @property
    def detected(self) -> int:
        """How many calls it has refused, or would have but for shadow mode."""
        return self.enforced + (0 if self._spared is None else self._spared.total)

    @property
    def enforced(self) -> int:
        """How many calls it has refused."""
        return 0 if self._enforced is None else self._enforced.total

    def _noted(self, *, enforced: bool) -> None:
        """Count a refusal that is not made by `_refused`."""
        if enforced:
            next(self._enforced or self._first("_enforced"))
        else:
            next(self._spared or self._first("_spared"))

    def _first(self, which: str) -> Counter:
        """Return a counter that is needed for the first time."""
        with Counter.lock:
            counter: Counter = getattr(self, which) or Counter()
            setattr(self, which, counter)
        return counter

    def _refused(self, error: RejectedError, now: float, site: Site, permit: Any = SHADOW) -> Any:
        """Raise ``error``; in shadow mode tell it, and return ``permit``.  Never under a lock.

        The caller keeps no name for ``error``: it would make a cycle through the traceback.
        """
        try:
            if self._shadow:
                self._noted(enforced=False)
                site.refuse(error, now, enforced=False)
                return permit
            self._noted(enforced=True)
            raise site.refuse(error, now)
        finally:
            del error
