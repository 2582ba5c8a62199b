"""No file of the project names one that names it, directly or by way of others.

Every import counts: those inside functions, and those for a type checker only, too.  A circle of them
runs, yet none of its files can be understood without the others.  A package whose ``__init__`` hands on
a name is looked through: who imports `Pipeline` from `holdfast` names the file that has it, and who
imports a submodule names no package.
"""

import ast
from collections.abc import Iterator, Mapping
from importlib.util import resolve_name
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("src/holdfast", "benchmarks", "tools", "dev.py")

ALLOWED = {
    ("holdfast.testing._threads", "holdfast.testing.clock", "holdfast.testing.loop"): (
        "a clock runs what is async in blocking code on a loop, and that loop lives on the clock"
    ),
}

Graph = Mapping[str, set[str]]


class Files:
    """The modules below some folders, and what each of them imports from the others."""

    def __init__(self, *places: Path) -> None:
        self.paths = {
            _module(path.relative_to(place.parent)): path
            for place in places
            for path in ([place] if place.is_file() else place.rglob("*.py"))
        }
        self.trees = {name: ast.parse(path.read_bytes()) for name, path in self.paths.items()}

    def graph(self) -> Graph:
        return {name: set(self.imported(name)) - {name} for name in self.trees}

    def imported(self, module: str) -> Iterator[str]:
        """Yield what ``module`` imports; what is none of the project's is left out."""
        for node in ast.walk(self.trees[module]):
            match node:
                case ast.Import(names=names):
                    yield from (alias.name for alias in names if alias.name in self.trees)
                case ast.ImportFrom(names=names):
                    source = self.source(node, module)
                    yield from filter(None, (self.home(source, alias.name) for alias in names))

    def home(self, source: str, name: str) -> str | None:
        """Return the file that ``from source import name`` is about."""
        if f"{source}.{name}" in self.trees:
            return f"{source}.{name}"
        if source not in self.trees:
            return None
        handed = self.handed_on(source).get(name) if self.is_package(source) else None
        return source if handed in (None, (source, name)) else self.home(*handed)

    def handed_on(self, package: str) -> dict[str, tuple[str, str]]:
        """Return which names a package has imported, and from where."""
        return {
            alias.asname or alias.name: (self.source(node, package), alias.name)
            for node in ast.walk(self.trees[package])
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }

    def source(self, node: ast.ImportFrom, module: str) -> str:
        package = module if self.is_package(module) else module.rpartition(".")[0]
        return resolve_name("." * node.level + (node.module or ""), package)

    def is_package(self, module: str) -> bool:
        return self.paths[module].name == "__init__.py"


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def reached(graph: Graph, start: str) -> set[str]:
    """Return all that ``start`` imports, directly or by way of others."""
    found: set[str] = set()
    ahead = [start]
    while ahead:
        new = graph[ahead.pop()] - found
        found |= new
        ahead.extend(new)
    return found


def circles(graph: Graph) -> list[list[str]]:
    """Return the groups of files each of which imports all others of its group in the end."""
    far = {name: reached(graph, name) for name in graph}
    groups = {frozenset(one for one in far[name] if name in far[one]) for name in graph}
    return sorted(sorted(group) for group in groups if group)


def ties(circle: list[str], graph: Graph) -> list[str]:
    """Return which of them imports which: one of these has to go."""
    return [f"{one} -> {other}" for one in circle for other in sorted(graph[one] & {*circle})]


def test_no_file_names_one_that_names_it():
    """There is no circle of imports in the library, the benchmarks and the tools, but for a reason."""
    graph = Files(*(ROOT / place for place in PLACES)).graph()
    found = circles(graph)

    assert [ties(circle, graph) for circle in found if tuple(circle) not in ALLOWED] == []
    assert {*ALLOWED} <= {tuple(circle) for circle in found}


def files(folder: Path, **texts: str) -> Files:
    """Write a package ``p`` of these modules, and return it as it is read."""
    package = folder / "p"
    package.mkdir()
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    return Files(package)


def test_imports_in_functions_and_for_type_checkers_count(tmp_path):
    """A circle is a circle wherever its imports stand."""
    read = files(
        tmp_path,
        a="def f():\n    from p.b import g\n",
        b="if TYPE_CHECKING:\n    from p import c\n",
        c="import p.a",
        d="from p.a import f",
    )

    assert circles(read.graph()) == [["p.a", "p.b", "p.c"]]


def test_a_package_that_hands_on_names_is_looked_through(tmp_path):
    """Who takes a name from a package names the file behind it, and not its neighbours."""
    read = files(
        tmp_path,
        __init__="from p.a import f as first\nfrom p.b import g\nLIMIT = 1\n",
        a="",
        b="from p import first",
        c="from . import first, g",
        d="from p import LIMIT, unknown",
    )

    assert read.graph() == {
        "p": {"p.a", "p.b"},
        "p.a": set(),
        "p.b": {"p.a"},
        "p.c": {"p.a", "p.b"},
        "p.d": {"p"},
    }


def test_each_circle_is_told_once_with_what_ties_it():
    """Two circles are two, a longer one is one, and a file that only leads there is in none."""
    graph = {
        "a": {"b"}, "b": {"a", "c"},
        "c": {"d"}, "d": {"e"}, "e": {"c"},
        "f": {"a", "c"}, "g": set(),
    }  # fmt: skip

    assert circles(graph) == [["a", "b"], ["c", "d", "e"]]
    assert ties(["a", "b"], graph) == ["a -> b", "b -> a"]
