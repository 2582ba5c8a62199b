"""The Node peers, cockatiel and opossum: measured by `benchmarks/node/overhead.cjs`.

npm installs the pinned versions into a folder that git ignores. Without node, npm or the packages
the section is skipped, with the reason. Node runs in a process of its own in the same run; what is
compared is each side's cost over its own bare async call.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.overhead.rows import Findings, Row
from benchmarks.overhead.settings import Options

SECTION = "on Node, async"
FOLDER = Path(__file__).parent.parent / "node"


def measure(options: Options) -> Findings:
    """Nanoseconds of each Node candidate."""
    found = Findings()
    if not options.wants(SECTION, "cockatiel") and not options.wants(SECTION, "opossum"):
        return found
    try:
        _install()
        report = _run(options)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        found.skip(SECTION, "cockatiel, opossum", _reason(error))
        return found
    found.versions |= report["versions"]
    found.rows += rows(report["nanoseconds"])
    return found


def rows(nanoseconds: dict[str, float]) -> list[Row]:
    """What the script printed, over its bare call."""
    spent = dict(nanoseconds)
    bare = spent.pop("bare")
    first = Row(SECTION, "bare async function", "bare", bare, "ns")
    return [first, *(Row(SECTION, name, "peer", ns - bare, "ns") for name, ns in spent.items())]


def _install() -> None:
    """Let npm install the pinned versions, unless they are there."""
    pinned = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    if all(_installed(name) == version for name, version in pinned.items()):
        return
    _tool("npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund")


def _installed(name: str) -> str | None:
    manifest = FOLDER / "node_modules" / name / "package.json"
    return json.loads(manifest.read_text())["version"] if manifest.exists() else None


def _run(options: Options) -> Any:
    milliseconds = options.sample_seconds * 1e3
    return json.loads(_tool("node", "overhead.cjs", str(options.rounds), str(milliseconds)))


def _tool(name: str, *arguments: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise FileNotFoundError(f"{name} is not installed")
    done = subprocess.run(  # noqa: S603 - node or npm, with our own arguments
        [path, *arguments], cwd=FOLDER, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        tool = Path(error.cmd[0]).name
        lines = [line for line in error.stderr.splitlines() if "warn" not in line]
        return f"{tool} failed: {lines[0] if lines else error.returncode}"
    return str(error)
