"""What the transports need of httpx or of httpx2, and the errors that belong to both worlds.

A rejection or timeout of ours leaves a transport as an instance of its own class *and* of an exception
of the client: code that says ``except httpx.HTTPError`` or ``except httpx.TimeoutException`` goes on to
work when its client gets our transport, and ``except CircuitOpenError`` works, too.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

from holdfast.errors import AttemptTimeout, HoldfastError
from holdfast.integrations._httpx_bodies import AsyncBody, BlockingBody


class Kit:
    """One of the two modules, and what is derived from its classes."""

    def __init__(self, module: ModuleType) -> None:
        self.module: Any = module
        self.Timeout: type[Exception] = module.TimeoutException
        self.body: type[Any] = type("Body", (BlockingBody, module.SyncByteStream), {})
        self.async_body: type[Any] = type("AsyncBody", (AsyncBody, module.AsyncByteStream), {})
        self._classes: dict[tuple[type, type], type] = {}

    def both(self, error: HoldfastError) -> HoldfastError:
        """Make ``error`` one of the client's, too, and return it: the same object."""
        if not isinstance(error, self.module.RequestError):
            error.__dict__.setdefault("_request", None)
            try:
                error.__class__ = self.of_both(type(error), self._counterpart(error))
            except TypeError:  # a class of the user's that cannot be combined; it stays what it is
                pass
        return error

    def of_both(self, kind: type, counterpart: type) -> type:
        """Return the class that is a ``kind`` and a ``counterpart``."""
        made = self._classes.get((kind, counterpart))
        if made is None:
            origin = (self.module.__name__, kind, counterpart.__name__)
            members = {"__module__": kind.__module__, "__doc__": kind.__doc__, "_origin": origin,
                       "__reduce__": _reduced}  # fmt: skip
            made = type(kind.__name__, (kind, counterpart), members)
            made = self._classes.setdefault((kind, counterpart), made)
        return made

    def _counterpart(self, error: BaseException) -> type:
        """Return the client's class for ``error``: that of the timeout which is behind it, if any."""
        if not isinstance(error, AttemptTimeout):
            return self.module.TransportError  # type: ignore[no-any-return]
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, self.Timeout):
                return type(cause)
            cause = cause.__cause__
        # "the request may have been processed" is the careful guess
        return self.module.ReadTimeout  # type: ignore[no-any-return]


def _reduced(error: Any) -> tuple[Any, ...]:
    module, kind, counterpart = error._origin  # noqa: SLF001 - our own class
    _, args, *state = kind.__reduce__(error)
    return revived, (module, kind, counterpart, args), *state


def revived(module: str, kind: type, counterpart: str, args: tuple[Any, ...]) -> Any:
    """Make an error of both worlds anew, in the process that unpickles it."""
    kit: Kit = import_module(f"holdfast.integrations.{module}").KIT
    made = kit.of_both(kind, getattr(kit.module, counterpart))
    return made.__new__(made, *args)  # their `__init__`s want different things
