"""What the strategies with an identity share: a name, and the pipelines that use them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

from holdfast import _validate
from holdfast._world import now, renew_after_fork, world
from holdfast.classify import spell
from holdfast.errors import RejectedError
from holdfast.shapes import Site

_joining = threading.RLock()


PLAIN = (int, float, str, bool, type(None))
_spellings: dict[Any, Any] = {}


def _shared_spelling(given: Any) -> Any:
    """Return the options as one object for all that are made alike: keys have thousands of them."""
    if not given or not all(isinstance(value, PLAIN) for _, value in given):
        return given
    if len(_spellings) > 1_000:  # noqa: PLR2004 - enough for any program that is written by hand
        _spellings.clear()
    kinds = (
        *(type(value) for _, value in given),
    )  # 1, 1.0 and True are equal, and spelt differently
    return _spellings.setdefault((given, kinds), given)


class Identity:
    """A strategy with state of its own, which pipelines may share on purpose.

    Its name is the given one, or that of the first pipeline that uses it.
    """

    __slots__ = ("__weakref__", "_given", "_pipelines", "name", "title")
    kind = "strategy"
    name: str | None
    title: str
    _given: tuple[tuple[str, Any], ...]

    if not TYPE_CHECKING:  # a type checker shall go by the constructors of the children

        def __new__(cls, *args: Any, **options: Any) -> Self:
            """Keep the options as they were given, for `Pipeline.describe`."""
            made = super().__new__(cls)
            made._given = _shared_spelling((*(("", one) for one in args), *options.items()))
            return made

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

    def spelt(self) -> str:
        """Return the call that made it, such as ``"Bulkhead(10, queue=5)"``."""
        options = (
            f"{name}={spell(given)}" if name else spell(given) for name, given in self._given
        )
        return f"{type(self).__name__}({', '.join(options)})"

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


SHADOW = object()
"""The permit of a call that shadow mode let pass; whatever becomes of it changes nothing."""


class Guard(Identity):
    """An identity that is a gate: it can refuse, or, in shadow mode, only say that it would have.

    ``shadow`` can be switched while it runs.  ``detected`` counts the refusals, ``enforced`` those
    that did bite; both are statistics, kept without a lock.
    """

    __slots__ = ("detected", "enforced", "resting", "shadow")
    shadow: bool
    detected: int
    enforced: int
    resting: Any

    def __init__(self, name: str | None, *, shadow: bool) -> None:
        self.shadow = _validate.flag("shadow", shadow)
        self.detected = self.enforced = 0
        super().__init__(name)

    def _noted(self, *, enforced: bool) -> None:
        """Count a refusal that is not made by `_refused`."""
        self.detected += 1
        self.enforced += enforced

    def _refused(self, error: RejectedError, now: float, site: Site, permit: Any = SHADOW) -> Any:
        """Raise ``error``; in shadow mode tell it, and return ``permit``.  Never under a lock.

        The caller keeps no name for ``error``: it would make a cycle through the traceback.
        """
        self.detected += 1
        try:
            if self.shadow:
                site.refuse(error, now, enforced=False)
                return permit
            self.enforced += 1
            raise site.refuse(error, now)
        finally:
            del error
