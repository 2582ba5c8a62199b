"""The pipelines of this process, for people who look for one; it keeps none of them alive."""

from __future__ import annotations

from itertools import count
from typing import Any
from weakref import WeakValueDictionary

_made: WeakValueDictionary[int, Any] = WeakValueDictionary()
_number = count().__next__


def enter(pipeline: Any) -> None:
    """Note a pipeline that has been made."""
    _made[_number()] = pipeline


def everyone() -> list[Any]:
    """Return those that are still there, in the order in which they were made."""
    found = [ref() for ref in _made.valuerefs()]  # one step, whatever other threads do meanwhile
    return [one for one in found if one is not None]


def living(names: tuple[str, ...], most: int) -> tuple[str, ...]:
    """Return ``names``; where they are ``most``, the last half of those that pipelines still have."""
    if len(names) < most:
        return names
    known = {one.name for one in everyone()}
    return tuple(name for name in names if name in known)[-most // 2 :]


def like(name: str, strategies: tuple[Any, ...]) -> Any:
    """Return the pipeline of that name whose layers have the same options, the last of several."""
    here = [one for one in everyone() if one.name == name and _alike(one.strategies, strategies)]
    return here[-1] if here else None


def _alike(one: Any, other: Any) -> bool:
    """Return whether two things are made alike, whatever has become of them since."""
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(_alike, one, other))
    given, others = getattr(one, "_given", None), getattr(other, "_given", None)
    if given is None:
        return bool(one == other) or hasattr(one, "getrandbits")  # any source of randomness will do
    if callable(given):  # a value
        given, others = given(), others()  # type: ignore[misc] # of the same type
    return _alike(given, others)
