"""What users may rely on is written down, and changes on purpose only."""

import importlib.metadata
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import holdfast

HERE = Path(__file__).resolve().parent
SRC = HERE.parents[1] / "src"
SURFACE = runpy.run_path(str(HERE / "surface.py"))

BRIEF = """
The public surface is no longer what tests/surface/api.txt says. If that is meant, regenerate the file
with `{command}`, read the difference, and add a changelog fragment.
"""


def python(program, *flags):
    """Run a program in a fresh interpreter, and return what it prints as JSON."""
    done = subprocess.run(
        [sys.executable, *flags, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_the_public_surface_is_frozen():
    """Names, signatures, members and bases are those of ``api.txt``."""
    frozen = SURFACE["FROZEN"].read_text(encoding="utf-8").splitlines()
    assert SURFACE["surface"]().splitlines() == frozen, BRIEF.format(command=SURFACE["COMMAND"])


def test_the_frozen_surface_names_what_matters():
    """The file is not empty, and tells signatures, members and the errors' family."""
    text = SURFACE["FROZEN"].read_text(encoding="utf-8")
    assert "class holdfast.Bulkhead(size: int, *, queue: int | None = None" in text
    assert "holdfast.Pipeline.call(fn: Callable[P, R], /, *args: P.args" in text
    assert "class holdfast.CircuitOpenError(message: str | None = None" in text
    assert "< RejectedError\n" in text
    assert "holdfast.events.RetryScheduled.delay\n" in text


def test_all_is_sorted_and_complete():
    """``__all__`` holds each public name once, in order, and nothing else is in sight."""
    assert holdfast.__all__ == sorted(holdfast.__all__)
    assert len(set(holdfast.__all__)) == len(holdfast.__all__)
    for name in holdfast.__all__:
        assert hasattr(holdfast, name), name
    visible = {name for name in vars(holdfast) if name[0] not in "_@"}  # pytest adds some with @
    modules = {name for name in visible if f"holdfast.{name}" in sys.modules}
    assert visible - modules - set(holdfast.__all__) == set()


def test_every_public_name_is_documented():
    """Every class and function of the surface has a docstring."""
    silent = [
        name
        for name in holdfast.__all__
        if callable(getattr(holdfast, name)) and not getattr(holdfast, name).__doc__
    ]
    assert silent == []


def test_the_version_is_that_of_the_distribution():
    """``holdfast.__version__`` and the installed metadata agree."""
    assert holdfast.__version__ == importlib.metadata.version("holdfast")


def test_importing_needs_nothing_else():
    """Without any installed package, the import works, and brings nothing foreign along."""
    program = f"""
import sys
before = set(sys.modules)
sys.path.insert(0, {str(SRC)!r})
import holdfast
import json
names = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(json.dumps(sorted(names - set(sys.stdlib_module_names))))
"""
    assert python(program, "-I", "-S") == ["holdfast"]


@pytest.mark.parametrize(
    "module", ["asyncio", "logging", "concurrent.futures", "inspect", "random"]
)
def test_importing_loads_nothing_heavy(module):
    """What only some users need is imported when they need it."""
    program = f"""
import json, sys
before = set(sys.modules)
import holdfast
print(json.dumps({module!r} in set(sys.modules) - before))
"""
    assert python(program) is False


def test_blocking_calls_never_load_asyncio():
    """A program that is not async never pays for asyncio."""
    program = """
import json, sys
from holdfast import *
pipeline = Pipeline("p", Timeout(9.0), Bulkhead(2, queue=1), Retry(3), CircuitBreaker(), Timeout(1.0))
assert pipeline(lambda: 1)() == pipeline.call(int, 1) == 1
with Pipeline("q", Bulkhead(1)): pass
for attempt in Retry(3):
    with attempt: pass
standard("r")(lambda: 1)()
before = "asyncio" in sys.modules
@pipeline
async def work(): pass
print(json.dumps([before, "asyncio" in sys.modules]))
"""
    assert python(program) == [False, True]
