"""Making a key's strategy: the factory is called, and what it makes is checked and named."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from holdfast import _validate, _world
from holdfast._value import Value
from holdfast.errors import ConfigurationError
from holdfast.strategies.identity import Identity

VARIADIC = 0x04
"""Flag of code objects with ``*args``, see `inspect.CO_VARARGS`."""


class Maker:
    """Calls the factory, checks what it makes, and names it after its key."""

    __slots__ = ("_bare", "_factory", "_known", "alone", "attaches", "pipelines")

    def __init__(self, factory: Callable[[Any], Any] | type[object], *, alone: bool) -> None:
        if isinstance(factory, Identity):
            raise _validate.refuse(
                "factory", factory,
                "that is one strategy, and each key gets its own: give the class, or a function of "
                f"the key such as lambda key: {factory.spelt()}",
            )  # fmt: skip
        _validate.plain_callable("factory", factory)
        self._factory = factory
        self._known: set[type] = set()
        self._bare = isinstance(factory, type)
        self.alone: bool = alone
        """Whether there is no parent."""
        self.attaches: bool | None = None
        """Whether the strategies have steps of their own; None until one has been seen."""
        self.pipelines: tuple[str, ...] = ()
        if isinstance(factory, type):
            self._look_at(factory)
        elif _takes_nothing(factory):
            raise _validate.refuse(
                "factory", factory, "it must be a strategy class, or a function of the key"
            )

    @property
    def kind(self) -> str:
        """What kind of strategy is made; empty as long as nobody knows."""
        return next((one.kind for one in self._known if hasattr(one, "kind")), "")

    def joined(self, pipelines: tuple[str, ...], children: list[Any]) -> None:
        """Note which pipelines use the keyed strategy; those made before are told, too."""
        before, self.pipelines = self.pipelines, pipelines
        for child in children:
            if isinstance(child, Identity) and child._pipelines == before:  # noqa: SLF001 - ours
                child._pipelines = pipelines  # noqa: SLF001

    def __call__(self, key: Hashable) -> Any:
        """Return a new strategy for ``key``."""
        make: Callable[..., Any] = self._factory
        child = make() if self._bare else make(key)
        if type(child) not in self._known:
            self._look_at(type(child))
        if isinstance(child, Identity):
            self._christen(child, key)
        return child

    def _look_at(self, kind: type) -> None:
        """Check a class of strategies, once."""
        attaches = hasattr(kind, "attach")
        if issubclass(kind, Value) or _is_keyed(kind) or not (attaches or _is_gate(kind)):
            raise _refused(self._factory, kind)
        if self.attaches not in (None, attaches):
            raise _validate.refuse(
                "factory", self._factory,
                f"it made a {kind.__name__}, which works in another way than what it made before: "
                "use one Keyed for each kind",
            )  # fmt: skip
        if attaches and not self.alone:
            raise ConfigurationError(
                f"a parent needs keys that can be open, and a {kind.__name__} cannot: leave it out"
            )
        self.attaches = attaches
        self._known.add(kind)

    def _christen(self, child: Identity, key: Hashable) -> None:
        _world.spare_after_fork(child)
        if child._name is None:  # noqa: SLF001 - ours
            child._called(key if isinstance(key, str) else repr(key), repr(key))  # noqa: SLF001
        if not child._pipelines:  # noqa: SLF001 - ours
            child._pipelines = self.pipelines  # noqa: SLF001


def is_strategy_class(value: Any) -> bool:
    """Return whether ``value`` is a class of strategies."""
    return isinstance(value, type) and (_is_gate(value) or hasattr(value, "attach"))


def _takes_nothing(factory: Any) -> bool:
    code = getattr(_validate.unwrapped(factory), "__code__", None)
    return code is not None and code.co_argcount == 0 and not code.co_flags & VARIADIC


def _is_gate(kind: type) -> bool:
    return all(hasattr(kind, name) for name in ("enter", "succeeded", "failed", "abandoned"))


def _is_keyed(kind: type) -> bool:
    return getattr(kind, "kind", "") == "keyed"


def _refused(factory: Any, kind: type) -> ConfigurationError:
    return ConfigurationError(
        f"factory={factory!r} makes a {kind.__name__}, which cannot be keyed: gates such as "
        "CircuitBreaker or Bulkhead can, and adaptive timeouts, Hedge and Coalesce; values such as "
        "Retry or Timeout have no state to keep apart, so put them into the pipeline themselves"
    )


def check_hashable(key: Any, answer: Any) -> None:
    """Refuse what cannot be a key, with the function that returned it and the remedy."""
    try:
        hash(answer)
    except TypeError as error:
        raise ConfigurationError(
            f"key={key!r} returned {answer!r}, which is not hashable: return a string, a number or a "
            "tuple of such"
        ) from error
