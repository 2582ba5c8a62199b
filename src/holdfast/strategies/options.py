"""Options that can be read, and changed while a strategy is at work: in one way for all of them.

A class says which, as attributes: `Option` for what can be changed, `Shown` for what can be read only.
``bulkhead.configure(size=20, queue=50)`` changes some, all of them or none; ``bulkhead.size = 20`` is
the same for one.  Nothing is checked twice: the constructor makes a twin with the new options, which
refuses what it always refuses, and what has changed is taken over from the twin.

A signal handler may change options in the middle of a section that its own thread has locked, where
what they are used for is half done.  What it asks is checked at once, and done by a thread of its own
as soon as the section is over; what is asked meanwhile comes after it.

Strategies read their own slots; these descriptors are for people, and cost calls nothing.
"""

from __future__ import annotations

import threading
from _thread import start_new_thread
from collections.abc import Callable
from contextlib import nullcontext
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from holdfast._sent import Sent
from holdfast._value import defaults, spell
from holdfast._world import renew_after_fork
from holdfast.errors import ConfigurationError
from holdfast.strategies.inside import is_inside

T = TypeVar("T")
Given = tuple[tuple[str, Any], ...]

PLAIN = (int, float, str, bool, type(None))
_spellings: dict[Any, Any] = {}


class Shown(Generic[T]):
    """An attribute that can be read, and not set.

    Args:
        where: the slot that holds it, or a path to it from there; by default its name with a ``_``;
            None: it is as it was given to the constructor.
    """

    __slots__ = ("_find", "_where", "name", "slot")
    name: str
    slot: str
    _find: Callable[[Any], Any]

    def __init__(self, where: str | None = "") -> None:
        self._where = where

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        where = self._where
        self.slot = where or f"_{name}"
        if where is None:
            self._find = lambda one: one._as_given(name)  # noqa: SLF001 - ours
        else:
            self._find = attrgetter(self.slot)

    @overload
    def __get__(self, one: None, owner: type) -> Self: ...
    @overload
    def __get__(self, one: object, owner: type) -> T: ...
    def __get__(self, one: Any, owner: type) -> Any:
        """Return what it is now."""
        return self if one is None else self._find(one)

    def __set__(self, one: Any, value: T) -> None:
        raise AttributeError(
            f"{type(one).__name__}.{self.name} can only be read; {one._can_change()}"  # noqa: SLF001 - ours
        )


class Option(Shown[T]):
    """An option: setting it is ``configure(...)`` with this one alone."""

    __slots__ = ()

    def __set__(self, one: Any, value: T) -> None:
        one.configure(**{self.name: value})


class Configurable(Sent):
    """Something that remembers its options as they were given, and lets some of them be changed."""

    __slots__ = ("_given",)
    kind: str
    _given: Given
    _lock: Any = nullcontext()
    """Guards what the options are used for, where there is more to it than one slot."""

    if not TYPE_CHECKING:  # a type checker shall go by the constructors of the children

        def __new__(cls, *args: Any, **options: Any) -> Self:
            """Keep the options as they were given, for `Pipeline.describe`."""
            made = super().__new__(cls)
            made._given = _shared((*(("", one) for one in args), *options.items()))
            return made

    def __reduce__(self) -> Any:
        return self._sent(_made, type(self), *_split(self._given))

    def spelt(self) -> str:
        """Return the call that made it, such as ``"Bulkhead(10, queue=5)"``."""
        options = (
            f"{name}={spell(given)}" if name else spell(given) for name, given in self._given
        )
        return f"{type(self).__name__}({', '.join(options)})"

    def configure(self, **changes: Any) -> None:
        """Change options while it is at work: all of these or, where one is refused, none.

        They hold for the next call that comes, and for what is looked at next; what has been counted
        or learnt is kept as far as it still means something.  The event `OptionsChanged` tells it.

        In a signal handler that came by while its own thread was inside of this strategy they hold as
        soon as that thread has left it.

        Raises:
            ConfigurationError: for what the constructor would refuse, and for what is fixed.
        """
        self._check_names(changes)
        if is_inside(self._lock)() or _later.awaited(self):
            self._twin(self._given, changes)
            _later.add(self, changes)
        else:
            self._change(changes)

    def _change(self, changes: dict[str, Any]) -> None:
        while True:
            given = self._given
            twin = self._twin(given, changes)
            self._prepare(twin, frozenset(changes))
            with self._lock:
                if self._given is given:  # nobody else was faster
                    before = {name: getattr(self, name) for name in changes}
                    self._given = twin._given  # noqa: SLF001 - a twin
                    adopted = self._adopt(twin, frozenset(changes))
                    break
        self._configured(before, {name: getattr(self, name) for name in changes}, adopted)

    def _twin(self, given: Given, changes: dict[str, Any]) -> Any:
        """Return what the constructor makes of other options."""
        args, options = _split(self._regiven(given, changes))
        return type(self)(*args, **options)

    def _regiven(self, given: Given, changes: dict[str, Any]) -> Given:
        """Return what is given after the changes; what stood first stays there."""
        left = dict(changes)
        names = _positional(type(self))
        kept = [
            (label, left.pop(label or names[place], value))
            for place, (label, value) in enumerate(given)
        ]
        return (*kept, *left.items())

    def _prepare(self, twin: Any, changed: frozenset[str]) -> None:
        """Let the twin have what it takes time, or the user's code, to make; without the lock."""

    def _adopt(self, twin: Any, changed: frozenset[str]) -> Any:
        """Go by the ``changed`` options of the twin from now on; under the lock."""
        for name in changed:
            slot = getattr(type(self), name).slot
            setattr(self, slot, getattr(twin, slot))

    def _configured(self, before: dict[str, Any], after: dict[str, Any], adopted: Any) -> None:
        """Tell it, outside of the lock, and do what follows from what `_adopt` returned."""

    def _as_given(self, name: str) -> Any:
        names = _positional(type(self))
        for place, (label, value) in enumerate(self._given):
            if name == (label or names[place]):
                seconds = getattr(value, "total_seconds", None)
                return value if seconds is None else seconds()
        return defaults(type(self)).get(name)

    def _check_names(self, changes: dict[str, Any]) -> None:
        own = type(self)
        for name in changes:
            if not isinstance(getattr(own, name, None), Option):
                raise ConfigurationError(
                    f"{name!r} is nothing that {own.__name__} can change: {self._can_change()}"
                )
        if not own.__init__.__module__.startswith("holdfast."):
            raise ConfigurationError(
                f"{own.__name__} has a constructor of its own, so that its options are not known: "
                "make another one in place of configure()"
            )

    def _can_change(self) -> str:
        kind: type = type(self)
        names = sorted(_names(kind))
        return f"configure() changes {', '.join(names)}" if names else "all of it is fixed"

    def _options(self) -> dict[str, Any]:
        """Return the options that can be changed as plain data, for `snapshot`."""
        kind: type = type(self)
        found = {name: getattr(self, name) for name in _names(kind)}
        return {
            name: value if isinstance(value, PLAIN) else spell(value)
            for name, value in found.items()
        }


class _Later:
    """Changes that wait for the end of a section of their strategy's lock; done one after the other."""

    def __init__(self) -> None:
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._changes: list[tuple[Configurable, dict[str, Any]]] = []
        self._turn = threading.Lock()

    def awaited(self, strategy: Configurable) -> bool:
        """Return whether a change of this strategy has not been done yet."""
        return bool(self._changes) and any(one is strategy for one, _ in self._changes.copy())

    def add(self, strategy: Configurable, changes: dict[str, Any]) -> None:
        """Have a thread do it; nobody can wait for it, who comes by in the middle of a section."""
        change = strategy, changes
        self._changes.append(change)
        try:
            start_new_thread(self._do_next, ())
        except RuntimeError:  # there are no more threads
            self._changes.remove(change)
            raise

    def _do_next(self) -> None:
        with self._turn:  # of these threads only, so nobody waits for it inside of a section
            strategy, changes = self._changes[0]
            try:
                strategy._change(changes)  # noqa: SLF001 - ours
            finally:
                del self._changes[0]


_later = _Later()


def _made(kind: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    return kind(*args, **options)


@lru_cache(maxsize=64)
def _names(kind: type) -> tuple[str, ...]:
    """Return the options of a class that can be changed; a snapshot asks each time."""
    return tuple(
        name
        for one in reversed(kind.__mro__)
        for name, value in vars(one).items()
        if isinstance(value, Option)
    )


def _positional(kind: Any) -> tuple[str, ...]:
    code = kind.__init__.__code__
    return tuple(code.co_varnames[1 : code.co_argcount])


def _split(given: Given) -> tuple[tuple[Any, ...], dict[str, Any]]:
    args = tuple(value for name, value in given if not name)
    return args, {name: value for name, value in given if name}


def _shared(given: Given) -> Given:
    """Return the options as one object for all that are made alike: keys have thousands of them."""
    if not given or not all(isinstance(value, PLAIN) for _, value in given):
        return given
    if len(_spellings) > 1_000:  # noqa: PLR2004 - enough for any program that is written by hand
        _spellings.clear()
    kinds = (
        *(type(value) for _, value in given),
    )  # 1, 1.0 and True are equal, and spelt differently
    shared: Given = _spellings.setdefault((given, kinds), given)
    return shared
