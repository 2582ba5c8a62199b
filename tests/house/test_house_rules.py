"""The rules of the house, read off the source: see CONTRIBUTING.md for their reasons."""

import ast
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "holdfast"
STRATEGIES = SRC / "strategies"

# Files outside _drivers/ and _runtimes/ that may catch everything, and why.
MAY_CATCH_EVERYTHING = {
    "_block.py": "a block gives back what it holds when entering it is interrupted",
    "_held.py": "all gates get their permits back, and then what one of them raised is raised",
    "_streams/aio.py": "a stream ends however it does, and hands on what its consumer throws",
    "_streams/blocking.py": "as above",
    "_streams/opened.py": "as in _held.py",
}

# Where a lock may be made, beside `_after_fork`, and why a forked child can do without renewing it.
MAY_MAKE_LOCKS = {
    "_counter.py:": "renewed by `_renew`, ...",
    "_counter.py:_renew": "... for all counters at once",
    "_runtimes/job.py:__init__": "of one call: the thread that waits for it is in one process",
    "_runtimes/pool.py:__init__": "of one worker, as above; the child has a pool of its own",
    "_runtimes/threads.py:pause": "of one pause, as above",
    "_runtimes/threads.py:wait": "of one wait, as above",
    "simulation/engine/stage.py:": "it is asked, and never waited for",
    "simulation/engine/watchdog.py:__init__": "of one simulation, which ends where it began",
    "strategies/aside.py:_nobody_inside": "called by _after_fork of the gates with a queue",
    "strategies/hedge/delay.py:after_fork": "called by Hedge._after_fork",
    "strategies/keyed/keys.py:start": "called by Keyed._after_fork, by way of renew",
    "testing/_members.py:__init__": "of one thread of a test, as above",
    "testing/clock.py:_follow": "of one wait, as above",
    "testing/clock.py:wait": "of one wait, as above",
}
LOCKS = ("Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Barrier", "Event")

# Options of a requirements file, addresses and paths: none of them is allowed.
PINNED = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+( ; [^/:@]+?)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@pytest.fixture(scope="module", autouse=True)
def _forget_the_trees() -> Iterator[None]:
    """Take them from the tests that follow: nearly a million objects for the garbage collector."""
    yield
    tree.cache_clear()


def functions(path: Path) -> Iterator[FunctionNode]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, FunctionNode))


def place(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def lines_of_file(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def lines_of_function(node: FunctionNode) -> int:
    """Count from `def` to the end, without the docstring: nobody shall save on words."""
    first = node.body[0]
    documented = ast.get_docstring(node, clean=False) is not None
    docstring = first.end_lineno - first.lineno + 1 if documented else 0
    return node.end_lineno - node.lineno + 1 - docstring


def percentile(values: list[int], share: float) -> int:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


@pytest.fixture(scope="module")
def sizes_of_files() -> dict[str, int]:
    sizes = {str(path.relative_to(SRC)): lines_of_file(path) for path in python_files(SRC)}
    return sizes or pytest.skip("there is no code yet")


@pytest.fixture(scope="module")
def sizes_of_functions() -> dict[str, int]:
    sizes = {
        f"{place(path, node)} {node.name}": lines_of_function(node)
        for path in python_files(SRC)
        for node in functions(path)
    }
    return sizes or pytest.skip("there are no functions yet")


def over(sizes: dict[str, int], limit: int) -> dict[str, int]:
    return {name: size for name, size in sizes.items() if size > limit}


def says_why_it_is_one(path: Path) -> bool:
    return "\nOne file because " in (ast.get_docstring(tree(path)) or "")


def test_files_are_small(sizes_of_files):
    """The median file has at most 130 lines; one with more than 300 says why, none has over 450."""
    large = over(sizes_of_files, 300)
    assert {name for name in large if not says_why_it_is_one(SRC / name)} == set()
    assert over(large, 450) == {}
    assert statistics.median(sizes_of_files.values()) <= 130


def test_functions_are_small(sizes_of_functions):
    """The median function has at most 9 lines, nine of ten at most 30, none more than 60."""
    assert over(sizes_of_functions, 60) == {}
    assert percentile(list(sizes_of_functions.values()), 0.9) <= 30
    assert statistics.median(sizes_of_functions.values()) <= 9


def waits(node: ast.AST) -> bool:
    return isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith | ast.AsyncFunctionDef)


def asks_the_world(node: ast.AST) -> bool:
    """Tell whether this is `time.f()`, `random.f()`, anything called sleep, or such an import."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="time" | "random"))):
            return True
        case ast.Call(func=ast.Attribute(attr="sleep") | ast.Name(id="sleep")):
            return True
        case ast.ImportFrom(module="time" | "random", names=names):
            return any(alias.name != "Random" for alias in names)
    return False


@pytest.mark.parametrize("rule", [waits, asks_the_world])
def test_strategies_decide_and_do_nothing_else(rule):
    """Strategies neither wait nor sleep, and get time and randomness from outside."""
    found = [
        place(path, node)
        for path in python_files(STRATEGIES)
        for node in ast.walk(tree(path))
        if rule(node)
    ]
    assert found == []


def makes_a_lock(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="threading"), attr=name)):
            return name in LOCKS
        case ast.ImportFrom(module="threading", names=names):
            return any(alias.name in LOCKS for alias in names)
    return False


def makers(path: Path) -> Iterator[str]:
    """Yield the names of the functions that make locks; the empty one for the module itself."""
    made = {node for node in ast.walk(tree(path)) if makes_a_lock(node)}
    for function in functions(path):
        inside = made.intersection(ast.walk(function))
        made -= inside
        yield from (function.name for _ in inside)
    yield from ("" for _ in made)


def test_every_lock_is_renewed_in_a_forked_child():
    """A lock is made by `_after_fork`, which the child calls; no others outlive one call."""
    found = {
        f"{path.relative_to(SRC)}:{name}"
        for path in python_files(SRC)
        for name in makers(path)
        if name != "_after_fork"
    }
    assert found == set(MAY_MAKE_LOCKS)


def test_whoever_makes_locks_has_the_child_renew_them():
    """A class with `_after_fork` asks for it, itself or as an `Identity` does."""
    for path in python_files(SRC):
        text = path.read_text(encoding="utf-8")
        if "def _after_fork" not in text or "strategies" in path.parts:
            continue
        asks = "renew_after_fork(self)" in text or "def _renew_all" in text
        assert asks, path


def test_nothing_is_kept_in_a_set_that_others_change_meanwhile():
    """`_weakly.Weakly` can be gone through while things come and go; a `WeakSet` can't before 3.14."""
    found = [
        place(path, node)
        for path in python_files(SRC)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and node.module == "weakref"
        for alias in node.names
        if alias.name in ("WeakSet", "WeakKeyDictionary")
    ]
    assert found == []


def catches_everything(node: ast.AST) -> bool:
    if not isinstance(node, ast.ExceptHandler):
        return False
    named = [] if node.type is None else ast.walk(node.type)
    return node.type is None or any(
        isinstance(part, ast.Name) and part.id == "BaseException" for part in named
    )


def test_only_drivers_and_runtimes_catch_everything():
    """Only `_drivers/` and `_runtimes/` see cancellation and interrupts pass by."""
    found = {
        str(path.relative_to(SRC))
        for path in python_files(SRC)
        if path.relative_to(SRC).parts[0] not in ("_drivers", "_runtimes")
        and any(catches_everything(node) for node in ast.walk(tree(path)))
    }
    assert found == set(MAY_CATCH_EVERYTHING)


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements/*.txt")), ids=lambda p: p.name)
def test_requirements_hold_versions_and_hashes_only(path):
    """A requirements file names no index, no address, no path and no option but hashes."""
    strange = [
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if not PINNED.fullmatch(line) and not HASH.fullmatch(line)
    ]
    assert strange == []


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout))


def test_importing_holdfast_is_light():
    """`import holdfast` loads neither asyncio nor anything from outside the standard library."""
    if not (SRC / "__init__.py").exists():
        pytest.skip("there is no package yet")
    loaded = {
        name.partition(".")[0] for name in modules_after("import holdfast") - modules_after("")
    }
    assert "asyncio" not in loaded
    assert loaded - sys.stdlib_module_names == {"holdfast"}


def test_every_test_says_what_it_shows():
    """Each test has a docstring of one sentence: a first line that ends in a full stop."""
    silent = [
        place(path, node)
        for path in python_files(ROOT / "tests")
        if path.name.startswith("test_")
        for node in functions(path)
        if node.name.startswith("test_")
        and not (ast.get_docstring(node) or "").partition("\n\n")[0].endswith((".", "?", "!"))
    ]
    assert silent == []
