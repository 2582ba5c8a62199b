"""What names in a frame stand for, told without running anybody's code.

Properties, ``__getattr__`` and descriptors are code: what needs them stands for nothing here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from operator import attrgetter, contains, eq, is_, methodcaller
from operator import call as ask
from threading import local
from time import sleep
from types import (
    BuiltinMethodType,
    FrameType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from holdfast._runtimes.cutting.calls import UNKNOWN
from holdfast._runtimes.cutting.chain import Link

PAUSE = 0.0005
"""How long other threads may go on before a cut, in seconds."""
CO_GENERATOR = 0x20
SUPER = "super" + UNKNOWN
ODD = frozenset({super.__getattribute__, type.__getattribute__, local.__getattribute__})
"""Ways of C to look for an attribute that are not the usual one; the last one depends on the thread."""


def _variables() -> Any:
    return sys._getframe().f_locals  # noqa: SLF001 - as in `frames`


SPACES = frozenset({dict, type(_variables())})
"""What the variables of a frame are kept in, but for those of odd class bodies."""


class Nowhere(LookupError):
    """What a name stands for can't be told."""


class Names:
    """The names of one frame, the innermost of a thread that waits.

    ``links`` hold as long as the thread is at this place in this frame, and all names that were asked
    for stand for the same.
    """

    def __init__(self, frame: FrameType) -> None:
        self._frame = frame
        current = sys._current_frames  # noqa: SLF001 - in a chain: see `_one_go`
        self.links: list[Link] = [
            *_pause(frame),
            once(contains, map(dict.values, map(ask, (current,))), frame),
            once(eq, map(attrgetter("f_lasti"), (frame,)), frame.f_lasti),
        ]

    def value(self, dotted: str) -> Any:
        """Return what a name stands for, or an attribute.

        Raises:
            Nowhere: if it can't be told.
        """
        root, *rest = dotted.split(".")
        found = self._first() if root == SUPER else self._variable(root)
        for name in rest:
            found = self._attribute(found, name)
        return found

    def function(self, callee: str) -> tuple[Any, str]:
        """Return what a function of C belongs to, and its own name.

        Raises:
            Nowhere: if that can't be told, or it is none.
        """
        thing, _, name = callee.rpartition(".")
        if thing == SUPER:  # a function that isn't C's would have a frame
            return self._first(), name
        whose = self.value(thing) if thing else None
        found = self._attribute(whose, name) if thing else self._variable(name)
        if type(found) is partial:
            found = found.func
        if type(found) is MethodDescriptorType:
            return whose, name
        if type(found) is BuiltinMethodType:
            return found.__self__, found.__name__
        raise Nowhere(callee)

    def _first(self) -> Any:
        """Return the first argument, which is what ``super()`` is about."""
        return self._variable("".join(self._frame.f_code.co_varnames[:1]))

    def _variable(self, name: str) -> Any:
        for space in ("f_locals", "f_globals", "f_builtins"):
            held = getattr(self._frame, space)
            if type(held) in SPACES and name in held:
                get = methodcaller("get", name)
                asked = map(get, map(attrgetter(space), (self._frame,)))
                return self._noted(asked, held[name])
        raise Nowhere(name)

    def _attribute(self, thing: Any, name: str) -> Any:
        kind = type(thing)
        way: Any = kind.__getattribute__
        if type(way) is not WrapperDescriptorType or way in ODD:
            raise Nowhere(name)
        usual = _of_kind(kind, name)
        if type(usual) is MemberDescriptorType:  # a slot
            return self._noted(map(getattr, (thing,), (name,), (None,)), usual.__get__(thing, kind))
        if _of_kind(type(usual), "__set__") is not None:
            raise Nowhere(name)
        held = _attributes(thing)
        if name in held:
            return self._noted(map(dict.get, (held,), (name,)), held[name])
        usable = type(usual) is MethodDescriptorType or _of_kind(type(usual), "__get__") is None
        if usual is None or not usable:
            raise Nowhere(name)
        return usual

    def _noted(self, asked: Iterator[Any], value: Any) -> Any:
        self.links.append(once(is_, asked, value))
        return value


def once(compare: Callable[[Any, Any], Any], asked: Iterator[Any], value: Any) -> Link:
    """Return the link that asks once, and compares: all in C, as a chain demands it."""
    return partial(next, map(compare, asked, (value,)))


def _pause(frame: FrameType) -> list[Link]:
    """Return links that first let threads go on that have what they waited for, and lack the GIL only.

    A frame doesn't tell these from the ones that wait.  Afterwards a frame can't be one of another call:
    it would be a new one, but for a generator's.
    """
    if frame.f_code.co_flags & CO_GENERATOR:
        return []
    return [once(is_, map(sleep, (PAUSE,)), None)]


def _of_kind(kind: type, name: str) -> Any:
    """Return what a class has by that name, of its own or of its bases'; None if it has nothing."""
    return next((one.__dict__[name] for one in kind.__mro__ if name in one.__dict__), None)


def _attributes(thing: Any) -> dict[str, Any]:
    """Return what an object holds itself."""
    if issubclass(type(thing), ModuleType):
        return vars(thing)  # type: ignore[no-any-return]
    found = _of_kind(type(thing), "__dict__")
    held = found.__get__(thing) if type(found) is GetSetDescriptorType else None
    return held if type(held) is dict else {}
