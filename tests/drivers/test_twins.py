"""The proof that the two drivers are one: the same syntax tree, but for ``async`` and ``await``."""

import ast
import copy
from collections.abc import Iterator
from pathlib import Path

import pytest

DRIVERS = Path(__file__).resolve().parents[2] / "src" / "holdfast" / "_drivers"
AIO = ast.parse((DRIVERS / "aio.py").read_text(encoding="utf-8"))
BLOCKING = ast.parse((DRIVERS / "blocking.py").read_text(encoding="utf-8"))

WAITING_CALLS = {"inner", "head", "detour", "first", "again", "follow", "paused"}
"""The steps; calling one without awaiting it would make a coroutine and run nothing."""
WAITING_VERBS = {"sleep", "wait", "answer"}
"""The methods of a runtime that wait."""


class Blocking(ast.NodeTransformer):
    """Turn the tree of async code into that of the same code for threads."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        return ast.FunctionDef(**dict(ast.iter_fields(node)))

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.With:
        self.generic_visit(node)
        return ast.With(**dict(ast.iter_fields(node)))

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.For:
        self.generic_visit(node)
        return ast.For(**dict(ast.iter_fields(node)))

    def visit_Await(self, node: ast.Await) -> ast.expr:
        return self.visit(node.value)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        for alias in node.names:
            if alias.asname is not None:  # AsyncStep as Step, BlockingStep as Step
                alias.name = alias.name.removeprefix("Async").removeprefix("Blocking")
        return node


def normal(tree: ast.Module) -> ast.Module:
    """Return what has to be the same in both: all but the docstring that names the twin."""
    tree = Blocking().visit(copy.deepcopy(tree))
    assert isinstance(tree.body[0], ast.Expr)
    return ast.Module(tree.body[1:], [])


def essence(tree: ast.Module) -> str:
    return ast.dump(normal(tree), indent=1)


def calls_without_await(tree: ast.Module) -> list[str]:
    """Return the calls of what waits that are not awaited."""
    awaited = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Await)}
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and waits(node.func) and id(node) not in awaited
    ]


def waits(function: ast.expr) -> bool:
    match function:
        case ast.Name(id=name):
            return name in WAITING_CALLS
        case ast.Attribute(value=ast.Name(id="runtime"), attr=name):
            return name in WAITING_VERBS
    return False


Change = tuple[object, str | int, object]
"""A place in the tree (an object with a field, or a list with an index), and what to put there."""


def changes(tree: ast.AST) -> Iterator[Change]:
    """Yield a change for each statement, name, attribute and constant of a tree."""
    for node in ast.walk(tree):
        match node:
            case ast.Name():
                yield node, "id", "something_else"
            case ast.Attribute():
                yield node, "attr", "something_else"
            case ast.Constant():
                yield node, "value", "something else"
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                yield from ((block, place, ast.Global(["mutant"])) for place in range(len(block)))


def swapped(change: Change) -> Change:
    """Make a change, and return the one that undoes it."""
    holder, place, new = change
    if isinstance(holder, list):
        old, holder[place] = holder[place], new
    else:
        old = getattr(holder, place)
        setattr(holder, place, new)
    return holder, place, old


def test_the_drivers_are_twins():
    """Without async and await, the asyncio driver is the blocking driver, word for word."""
    assert essence(AIO).splitlines() == essence(BLOCKING).splitlines()


def test_the_proof_notices_every_change():
    """Whichever statement, name, attribute or constant differs in one twin, the proof fails."""
    other, blocking = ast.dump(normal(AIO)), normal(BLOCKING)
    everything = list(changes(blocking))
    assert len(everything) > 300
    for change in everything:
        undo = swapped(change)
        assert ast.dump(blocking) != other, change
        swapped(undo)
    assert ast.dump(blocking) == other


def test_whatever_waits_is_awaited():
    """In the asyncio driver each step, sleep and wait is awaited, which the comparison can't see."""
    assert calls_without_await(AIO) == []
    assert len(calls_without_await(BLOCKING)) >= len(WAITING_CALLS | WAITING_VERBS)


@pytest.mark.parametrize("kind", [ast.Await, ast.AsyncFunctionDef, ast.AsyncWith, ast.AsyncFor])
def test_the_blocking_driver_awaits_nothing(kind):
    """The blocking driver contains no async syntax at all."""
    assert not any(isinstance(node, kind) for node in ast.walk(BLOCKING))
