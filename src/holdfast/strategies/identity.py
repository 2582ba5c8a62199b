"""What the strategies with an identity share: a name, and the pipelines that use them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

from holdfast import _validate
from holdfast._counter import Counter
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
    kinds = tuple(type(value) for _, value in given)  # 1, 1.0 and True are equal, and not the same
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

    ``shadow`` can be switched while it runs.
    """

    __slots__ = ("_enforced", "_spared", "resting", "shadow")
    shadow: bool
    resting: Any

    def __init__(self, name: str | None, *, shadow: bool) -> None:
        self.shadow = _validate.flag("shadow", shadow)
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
            if self.shadow:
                self._noted(enforced=False)
                site.refuse(error, now, enforced=False)
                return permit
            self._noted(enforced=True)
            raise site.refuse(error, now)
        finally:
            del error
