"""What an import costs: new interpreters in turn, the fastest of each, minus the bare interpreter.

Everything is compiled to bytecode before, into a folder made for the run, whatever the environment
says about writing bytecode. For Holdfast, an interpreter also tells which modules the import brought
in: asyncio alone would cost some 30 ms, a third-party module would be a dependency.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from time import perf_counter

from benchmarks.overhead.ours import OURS
from benchmarks.overhead.rows import Findings, Role, Row
from benchmarks.overhead.sampling import rotations
from benchmarks.overhead.settings import Options

TIME = "import time"
MODULES = "modules that the import brings in"
THIRD_PARTY = "third-party modules"
ASYNCIO = "asyncio"
BARE = "bare interpreter"
FIRST_PAGE = "holdfast, with the names of the first page"

_IMPORTS: Mapping[str, str] = {
    OURS: "import holdfast",
    FIRST_PAGE: "from holdfast import Bulkhead, CircuitBreaker, Pipeline, Retry, Timeout",
    "asyncio": "import asyncio",
    "tenacity": "import tenacity",
    "stamina": "import stamina",
    "backoff": "import backoff",
    "google-api-core": "import google.api_core.retry",
    "pybreaker": "import pybreaker",
    "circuitbreaker": "import circuitbreaker",
    "purgatory": "import purgatory",
    "aiobreaker": "import aiobreaker",
    "hyx": "import hyx.circuitbreaker, hyx.retry",
    "pyresilience": "import pyresilience",
}
_NEW_MODULES = """
import json, sys
before = set(sys.modules)
import holdfast
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps(sorted(new)))
"""


def measure(options: Options) -> Findings:
    """Milliseconds of each import, and what ours brings in."""
    found = Findings()
    wanted = {name: code for name, code in _IMPORTS.items() if options.wants(TIME, name)}
    if not wanted:
        return found
    with tempfile.TemporaryDirectory() as cache:
        python = Python(cache)
        codes = _importable(python, {BARE: "pass", **wanted}, found)
        best = _fastest(python, codes, 5 if options.quick else 15)
        bare = best.pop(BARE)
        found.rows.append(Row(TIME, BARE, "bare", bare * 1e3, "ms"))
        for name, seconds in best.items():
            found.rows.append(Row(TIME, name, _role(name), (seconds - bare) * 1e3, "ms"))
        if OURS in best:
            found.rows += _brought_in(python)
    return found


class Python:
    """New interpreters that keep their bytecode in a folder of their own."""

    def __init__(self, cache: str) -> None:
        self.environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def run(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run a line or two to the end."""
        command = [sys.executable, "-c", code]
        return subprocess.run(  # noqa: S603 - this interpreter, with code from above
            command, capture_output=True, text=True, check=False, env=self.environment
        )


def strangers(modules: list[str]) -> list[str]:
    """The modules that are neither ours nor the standard library's."""
    known = sys.stdlib_module_names | {"holdfast"}
    return [name for name in modules if name not in known]


def _role(name: str) -> Role:
    if name in (OURS, FIRST_PAGE):
        return "holdfast"
    return "floor" if name == "asyncio" else "peer"


def _importable(python: Python, wanted: Mapping[str, str], found: Findings) -> dict[str, str]:
    """What can be imported; doing so once also writes the bytecode."""
    codes = {}
    for name, code in wanted.items():
        done = python.run(code)
        if done.returncode:
            found.skip(TIME, name, done.stderr.strip().rpartition("\n")[2])
        else:
            codes[name] = code
    return codes


def _fastest(python: Python, codes: Mapping[str, str], rounds: int) -> dict[str, float]:
    best = dict.fromkeys(codes, float("inf"))
    for order in rotations(list(codes), rounds):
        for name in order:
            start = perf_counter()
            python.run(codes[name])
            best[name] = min(best[name], perf_counter() - start)
    return best


def _brought_in(python: Python) -> list[Row]:
    modules = json.loads(python.run(_NEW_MODULES).stdout)
    foreign = strangers(modules)
    return [
        Row(MODULES, THIRD_PARTY, "holdfast", len(foreign), "", ", ".join(foreign)),
        Row(MODULES, ASYNCIO, "holdfast", int("asyncio" in modules), ""),
    ]
