"""Names of a package that are imported when they are first used (PEP 562).

A program pays for what it uses: `import holdfast` stays light, and a wing may hand out what few need.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping


def later(package: str, places: Mapping[str, str]) -> Callable[[str], object]:
    """Return the ``__getattr__`` of a package: ``places`` tells the module of each of its late names.

    A name whose module is called like it is that module itself.  Found once, a name is an ordinary
    attribute.
    """

    def find(name: str) -> object:
        place = places.get(name)
        if place is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module

        module = import_module(f"{package}.{place}")
        found = getattr(module, name, module)
        setattr(sys.modules[package], name, found)
        return found

    return find
