#!/usr/bin/env python3
"""The front door for developers: `python3 dev.py COMMAND`, or `make COMMAND`.

Standard library only. Each command first makes or refreshes the virtual environment it needs
(tools/environment.py), which takes a moment when nothing has changed. Arguments after the command
go on to the tool behind it: `python3 dev.py pytest -k breaker`, `make demo ARGS=--help`.
"""

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python gets a sentence, not a traceback
    sys.exit(f"Holdfast needs Python 3.11 or newer; this is {sys.version.split()[0]}.")

from tools.boots import booted
from tools.environment import ROOT, Environment, pinned_again
from tools.matrix import table
from tools.pythons import installed_pythons
from tools.suite import played, run_tests

TYPED = [
    path for path in ("src", "dev.py", "tools", "tests/typing/api.py") if (ROOT / path).exists()
]
CHECKS = {
    "format": ["ruff", "format", "--check", "--output-format", "concise", "."],
    "lint": ["ruff", "check", "--output-format", "concise", "."],
    "types (mypy)": ["mypy", "--strict", *TYPED],
    "public types (pyright)": ["pyright", "--verifytypes", "holdfast", "--ignoreexternal"],
    "imports": ["lint-imports"],
}
AT_RANDOM = ["tests/strategies/machines/test_million.py", "tests/races/test_balance.py"]
RUBBISH = (
    *(".venv*", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".import_linter_cache"),
    *(".hypothesis", ".coverage*", "htmlcov", "site", "dist", ".home", "**/__pycache__"),
)


def check(args: list[str]) -> int:
    """Style, types and import walls; all of them run, whatever fails."""
    env = Environment(".venv", "dev").ready()

    def one(command: list[str]) -> tuple[int, str, float]:
        began = time.monotonic()
        code, output = env.output(command)
        return code, output, time.monotonic() - began

    print("check: " + ", ".join(CHECKS), flush=True)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = dict(zip(CHECKS, pool.map(one, CHECKS.values()), strict=True))
    for name, (code, output, _) in results.items():
        if code:
            print(f"\n--- {name}: {' '.join(CHECKS[name])}\n{output.rstrip()}")
    print()
    for name, (code, _, seconds) in results.items():
        print(f"  {'FAILED' if code else 'ok':7}{name:24}{seconds:5.1f} s")
    print(flush=True)
    return int(any(code for code, _, _ in results.values()))


def test(args: list[str]) -> int:
    """What CI runs: check, then all tests."""
    checked = check([])
    if checked:
        print("The checks have failed; the tests run all the same.\n", flush=True)
    return pytest(args) or checked  # the closing line of the tests is the last one


def pytest(args: list[str]) -> int:
    """Only the tests, on all cores; with ARGS, which go to pytest, in one process."""
    return run_tests(Environment(".venv", "dev").ready(), args)


def matrix(args: list[str]) -> int:
    """All tests on each Python from 3.11 that this machine has, with and without the GIL."""
    results = {}
    for version, python in installed_pythons().items():
        print(f"\n=== Python {version}", flush=True)
        name = f".venv-{version}"
        env = Environment(name, "dev", python=python.executable, prefix=python.prefix).ready()
        results[version] = played(env, args)
    print(f"\n{table(results)}")
    return int(any(code for code, _ in results.values()))


def boots(args: list[str]) -> int:
    """All tests as on a machine that booted 30 s ago, and 400 days ago (Linux)."""
    return booted(Environment(".venv", "dev").ready(), args)


def cover(args: list[str]) -> int:
    """All tests with branch coverage."""
    env = Environment(".venv", "dev").ready()
    env.run(["coverage", "erase"])
    code = run_tests(env, args, "coverage run")
    env.run(["coverage", "combine", "--quiet"])
    return env.run(["coverage", "report"]) or code


def fmt(args: list[str]) -> int:
    """Format the code."""
    return Environment(".venv", "dev").ready().run(["ruff", "format", "."])


def fix(args: list[str]) -> int:
    """Let the linter mend what it can, then format."""
    fixed = Environment(".venv", "dev").ready().run(["ruff", "check", "--fix", "."])
    return fmt([]) or fixed


def docs(args: list[str]) -> int:
    """Build the documentation into site/."""
    return Environment(".venv", "dev").ready().run(["mkdocs", "build", "--strict", *args])


def bench(args: list[str]) -> int:
    """Benchmarks against the peers, in an environment of their own (ARGS=overhead)."""
    env = Environment(".venv-bench", "bench").ready()
    return env.run(["python", "-m", "benchmarks", *(args or ["overhead"])])


def clients(args: list[str]) -> int:
    """Real clients: what `transient` says of their errors, and how their calls end at a limit."""
    return (
        Environment(".venv-clients", "clients")
        .ready()
        .run(["python", "-m", "pytest", *(args or ["tests/clients"])])
    )


def scenarios(args: list[str]) -> int:
    """What the protection achieves, on virtual time, beside the peers (ARGS='01 14': those only)."""
    return bench(["scenarios", *args])


def torture(args: list[str]) -> int:
    """Calls that end at the worst moment, at every depth and point; a million at random (10 min)."""
    env = Environment(".venv", "dev").ready()
    ended = env.run(["python", "-m", "tests.races.torment", *args])
    return env.run(["python", "-m", "pytest", "-q", "--long", *AT_RANDOM]) or ended


def plots(args: list[str]) -> int:
    """Play again, and draw, what the documentation shows of the simulator (about 3 minutes)."""
    return Environment(".venv", "dev").ready().run(["python", "-m", "tools.plots", *args])


def demo(args: list[str]) -> int:
    """See it work: `holdfast demo` (ARGS go to it)."""
    return Environment(".venv", "demo").ready().run(["holdfast", "demo", *args])


def lock(args: list[str]) -> int:
    """Pin the requirements anew (ARGS=--upgrade for newer versions)."""
    return pinned_again(Environment(".venv", "dev").ready(), args)


def clean(args: list[str]) -> int:
    """Remove the environments, caches and everything built."""
    for pattern in RUBBISH:
        for path in ROOT.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return 0


COMMANDS = (
    demo, test, check, pytest, cover, matrix, boots, torture, clients, bench, scenarios, plots, docs,
    fmt, fix, lock, clean,
)  # fmt: skip


def usage() -> int:
    """Say what there is."""
    print("make COMMAND [ARGS='...']    or    python3 dev.py COMMAND [ARGUMENT ...]\n")
    for command in COMMANDS:
        print(f"  {command.__name__:11} {command.__doc__}")
    return 0


def main() -> int:
    """Run the command that the command line names."""
    name, *args = sys.argv[1:] or ["help"]
    commands = {command.__name__: command for command in COMMANDS}
    if name in ("help", "-h", "--help"):
        return usage()
    if name not in commands:
        usage()
        print(f"\nThere is no command {name!r}.", file=sys.stderr)
        return 2
    os.chdir(ROOT)
    try:
        return commands[name](args)
    except KeyboardInterrupt:
        return 130
    except subprocess.CalledProcessError as error:
        print(f"\nThis failed: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return error.returncode or 1


if __name__ == "__main__":
    sys.exit(main())
