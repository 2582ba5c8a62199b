"""What our classes share with the classes of others that they derive from: nothing by accident.

A private attribute of ours on a subclass of, say, `threading.Thread` is an attribute of the thread,
too.  Should its base use that name for itself, in this Python or the next, both write to one place:
`Thread._context`, which came with Python 3.14, broke a class that had one of its own.
"""

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator
from functools import cache

import holdfast

# Attributes of a base that are changed on purpose, and why.
MEANT = {
    "VirtualLoop": {
        "_closed": "asyncio looks at it when the loop is collected, even if it could not be made",
        "_clock_resolution": "a virtual instant may be too large for asyncio's own nanosecond",
        "_write_to_self": "it is how other threads wake the loop, which virtual time waits for",
    },
    "SimulatedLoop": {
        "_process_events": "asyncio's loop leaves it to its children",
        "_write_to_self": "likewise",
        "_run_once": "the simulation needs no selector, and is much faster without",
    },
}


FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> Iterator[object]:
    for found in pkgutil.walk_packages(holdfast.__path__, "holdfast."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def derived() -> list[type]:
    """Return our classes with a base that is neither ours nor one without private attributes."""
    found = {
        one
        for module in modules()
        for one in vars(module).values()
        if isinstance(one, type) and is_ours(one) and others(one)
    }
    return sorted(found, key=lambda one: (one.__module__, one.__qualname__))


def is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "holdfast"


def others(kind: type) -> list[type]:
    plain = ("builtins", "typing", "abc", "collections.abc")
    return [base for base in kind.__mro__ if not is_ours(base) and base.__module__ not in plain]


@cache
def nodes(kind: type) -> tuple[ast.AST, ...]:
    """Return the source of a class; nothing where it is written in C."""
    try:
        source = textwrap.dedent(inspect.getsource(kind))
    except (OSError, TypeError):
        return ()
    return tuple(ast.walk(ast.parse(source)))


def set_on_instances(kind: type) -> set[str]:
    """Return what the methods of a class assign to `self`."""
    return {
        node.attr
        for node in nodes(kind)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


def written_in(kind: type) -> set[str]:
    """Return the names that the body of a class gives to something, without those Python adds."""
    body = nodes(kind)[1:]
    assigned = {node.id for node in body if isinstance(node, ast.Name)}
    methods = {node.name for node in body if isinstance(node, FunctionNode)}
    return (assigned | methods) & vars(kind).keys()


def in_common(kind: type) -> set[str]:
    """Return the names that such a class and its foreign bases both use, as far as that may harm.

    To override a public method is what a base is for.
    """
    foreign = others(kind)
    ours = {
        name
        for base in kind.__mro__
        if is_ours(base)
        for name in written_in(base) | set_on_instances(base)
    }
    methods = {name for base in foreign for name in vars(base)}
    fields = {name for base in foreign for name in set_on_instances(base)}
    private = {name for name in methods if name.startswith("_")}
    both = ours & (private | fields)
    return {name for name in both if not (name.startswith("__") and name.endswith("__"))}


def test_no_attribute_of_ours_is_one_of_a_foreign_base():
    """A class of ours overrides nothing private of another's, unless it is listed with a reason."""
    found = {kind.__qualname__: in_common(kind) for kind in derived()}

    assert {name: both for name, both in found.items() if both} == {
        name: set(reasons) for name, reasons in MEANT.items()
    }
