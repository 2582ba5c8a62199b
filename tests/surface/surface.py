"""The public surface as text, one name a line: to read, to compare, and to keep in ``api.txt``.

Regenerate the file after a change that is meant: ``.venv/bin/python tests/surface/surface.py``
"""

import builtins
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

FROZEN = Path(__file__).with_name("api.txt")
COMMAND = ".venv/bin/python tests/surface/surface.py"

MODULES = (
    "holdfast",
    "holdfast.backoff",
    "holdfast.doctor",
    "holdfast.events",
    "holdfast.extend",
    "holdfast.simulation",
    "holdfast.testing",
    "holdfast.testing.faults",
)
"""Modules whose names are public; `holdfast.backoff` is reached as an attribute."""


PLUMBING = frozenset({
    "abandoned", "after_error", "after_result", "attends", "behind", "check_blocking", "check_room",
    "claims", "credit", "enter", "expired", "failed", "fits", "halted", "hold", "joined", "judges",
    "kind", "meets", "recovered", "release", "resting", "succeeded", "timed",
})  # fmt: skip
"""What the drivers ask of a strategy; shown once, with the shapes of `holdfast.extend`."""

ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class Raw:
    """An annotation that is shown as it was written."""

    def __init__(self, text: Any) -> None:
        self.text = text if isinstance(text, str) else inspect.formatannotation(text)

    def __repr__(self) -> str:
        return self.text


def signature(function: Any) -> str:
    """Return the parameters and the result of a function as they were written."""
    plain = inspect.signature(function)
    empty = inspect.Parameter.empty
    parameters = [
        one if one.annotation is empty else one.replace(annotation=Raw(one.annotation))
        for one in plain.parameters.values()
        if one.name != "self"
    ]
    result = plain.return_annotation
    shown = empty if result is empty or result in (None, "None") else Raw(result)
    return ADDRESS.sub("", str(inspect.Signature(parameters, return_annotation=shown)))


def is_ours(thing: Any) -> bool:
    return getattr(thing, "__module__", "").partition(".")[0] == "holdfast"


def inherited(kind: type) -> list[type]:
    """Return a class and those of its bases that are ours and have no line of their own."""
    own = [base for base in kind.__mro__ if is_ours(base)]
    return [base for base in own if base is kind or not is_public(base)]


def members(kind: type) -> Iterator[str]:
    """Yield the public members of a class, with those of its private bases."""
    names = {
        name
        for base in inherited(kind)
        for name in (*vars(base), *inspect.get_annotations(base))
        if not name.startswith("_")
    }
    if kind.__module__.startswith("holdfast.strategies"):
        names -= PLUMBING
    for name in sorted(names):
        member = inspect.getattr_static(kind, name, None)
        if isinstance(member, staticmethod | classmethod):
            yield f".{name}{signature(member.__func__)}"
        elif isinstance(member, FunctionType):
            yield f".{name}{signature(member)}"
        else:
            yield f".{name}"


def described(name: str, thing: Any) -> Iterator[str]:
    """Yield the lines for one public name."""
    if isinstance(thing, type):
        bases = [base.__name__ for base in thing.__bases__ if is_public(base)]
        made = next((base for base in thing.__mro__ if "__init__" in vars(base)), object)
        protocol = getattr(thing, "_is_protocol", False)
        call = signature(thing) if is_ours(made) and not protocol else ""
        yield f"class {name}{call}" + (f"  < {', '.join(bases)}" if bases else "")
        yield from (f"{name}{line}" for line in members(thing))
    elif isinstance(thing, ModuleType):
        yield f"module {name}"
    elif inspect.isroutine(thing):
        yield f"{name}{signature(thing)}"
    elif is_ours(type(thing)) or isinstance(thing, str):
        yield f"{name}: {type(thing).__name__}"
    else:
        text = inspect.formatannotation(thing).replace("typing.", "")  # as from Python 3.14 on
        yield f"{name} = {ADDRESS.sub('', text)}"  # a name for a type


def public_names(module: ModuleType) -> list[str]:
    """Return the names that a module offers: ``__all__``, or what it defines itself."""
    declared = getattr(module, "__all__", None)
    if declared is not None:
        return sorted(declared)
    return sorted(
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and getattr(thing, "__module__", None) == module.__name__
    )


def load(name: str) -> ModuleType:
    """Return a module, also one that is an attribute under another name."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        package, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(package), attribute)


PUBLIC = [getattr(module, name) for module in map(load, MODULES) for name in public_names(module)]
PUBLIC += [thing for name, thing in vars(builtins).items() if name != "object"]


def is_public(kind: type) -> bool:
    """Return whether a class has a line of its own, or is everybody's."""
    return any(kind is thing for thing in PUBLIC)


def surface() -> str:
    """Return the whole public surface as text."""
    lines = []
    for title in MODULES:
        module = load(title)
        for name in public_names(module):
            lines.extend(described(f"{title}.{name}", getattr(module, name)))
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    FROZEN.write_text(surface(), encoding="utf-8")
