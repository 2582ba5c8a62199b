"""Virtual environments that are made, refreshed and remade by themselves.

An environment holds what one file in requirements/ pins, hash by hash, and the project itself,
editable. A stamp inside it remembers what it was made from; while the stamp is right, `ready()`
costs a few milliseconds. uv does the work and comes from requirements/bootstrap.txt through pip.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
PINS = {
    "dev": ["--all-extras", "--group", "dev"],
    "demo": ["--extra", "cli", "--group", "build"],
    "bench": ["--extra", "httpx", "--extra", "httpx2", "--extra", "simulation", "--group", "bench"],
    "clients": ["--extra", "httpx", "--extra", "httpx2", "--group", "clients"],
}


# The interpreter behind a virtual environment, should one be active: it may be ours, to be remade.
PYTHON: str = getattr(sys, "_base_executable", sys.executable)


class Environment:
    """One virtual environment in the checkout, for one of the requirement files.

    ``prefix`` is what each command must begin with to run there (see tools/pythons.py).
    """

    def __init__(
        self, name: str, pins: str, *, python: str = PYTHON, prefix: Sequence[str] = ()
    ) -> None:
        self.path = ROOT / name
        self.pins = pins
        self.python = [*prefix, python]
        self.prefix = prefix
        self.bin = self.path / "bin"
        self.stamp_file = self.path / "holdfast-stamp.json"

    def ready(self) -> "Environment":
        """Make the environment if it is missing, broken or outdated; return it."""
        with (ROOT / f"{self.path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two commands at once must not make it twice
            stamp = self._stamp()
            if stamp.get("pins") == "dev" and self.pins == "demo":
                self.pins = "dev"  # it has all that the demo needs: don't take the tools away
            if stamp.get("python") != self._identity or not self._works():
                self._make()
                stamp = {}
            if stamp != self._wanted:
                self.stamp_file.unlink(missing_ok=True)
                self._fill()
                self.stamp_file.write_text(json.dumps(self._wanted))
        return self

    def run(self, command: list[str]) -> int:
        """Run one of the environment's programs here, as if typed; return its exit code."""
        return subprocess.run(self._resolved(command), env=self.variables, check=False).returncode

    def output(self, command: list[str]) -> tuple[int, str]:
        """Run one of the environment's programs; return its exit code and what it printed."""
        done = subprocess.run(
            self._resolved(command),
            env=self.variables,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.returncode, done.stdout

    @cached_property
    def variables(self) -> dict[str, str]:
        """The process environment in which the environment's programs run."""
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
        if variables.pop("PYTHONDONTWRITEBYTECODE", ""):
            # Compiling all anew costs each process of a test run ten seconds; the tree stays clean.
            variables["PYTHONPYCACHEPREFIX"] = str(self.path / "bytecode")
        variables["VIRTUAL_ENV"] = str(self.path)
        variables["PATH"] = os.pathsep.join([str(self.bin), variables.get("PATH", os.defpath)])
        variables["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
        variables.setdefault("UV_SYSTEM_CERTS", "1")  # trust what this machine trusts, as pip can
        variables.setdefault("UV_NO_PROGRESS", "1")
        variables["NO_MKDOCS_2_WARNING"] = "1"  # an announcement at each build
        if not os.access(variables.get("HOME") or "/nowhere", os.W_OK):
            (ROOT / ".home").mkdir(exist_ok=True)
            variables["HOME"] = str(ROOT / ".home")  # caches need a place
        return variables

    def _resolved(self, command: list[str]) -> list[str]:
        return [*self.prefix, str(self.bin / command[0]), *command[1:]]

    @cached_property
    def _identity(self) -> str:
        """Which Python the environment is made by, and where it lies: it can't be moved."""
        code = "import sys; print(sys.version, sys.base_prefix)"
        version = subprocess.run([*self.python, "-c", code], capture_output=True, check=True)
        return f"{version.stdout.decode().strip()} in {self.path}"

    @cached_property
    def _wanted(self) -> dict[str, str]:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        parts = {key: project[key] for key in ("build-system", "project", "dependency-groups")}
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
        for file in ("bootstrap", self.pins):
            digest.update((REQUIREMENTS / f"{file}.txt").read_bytes())
        return {"python": self._identity, "pins": self.pins, "digest": digest.hexdigest()}

    def _stamp(self) -> dict[str, str]:
        try:
            return dict(json.loads(self.stamp_file.read_text()))
        except (OSError, ValueError):
            return {}

    def _works(self) -> bool:
        try:
            return self.run(["python", "-c", ""]) == 0 and (self.bin / "uv").exists()
        except OSError:
            return False

    def _make(self) -> None:
        print(f"Making {self.path.name} ...", file=sys.stderr, flush=True)
        shutil.rmtree(self.path, ignore_errors=True)
        command = [*self.python, "-m", "venv", str(self.path)]
        made = subprocess.run(command, check=False, capture_output=True, text=True)
        if made.returncode:
            install_venv_module(self.python, made.stdout + made.stderr)
            shutil.rmtree(self.path, ignore_errors=True)
            subprocess.run(command, check=True)
        self._do("python -m pip install --quiet --require-hashes --requirement bootstrap.txt")

    def _fill(self) -> None:
        print(f"Installing requirements/{self.pins}.txt ...", file=sys.stderr, flush=True)
        files = f"--require-hashes --requirement bootstrap.txt --requirement {self.pins}.txt"
        try:
            self._do(f"uv pip sync --quiet {files.replace('--requirement ', '')}")
        except subprocess.CalledProcessError:
            print("uv could not; trying pip, which has settings of its own.", file=sys.stderr)
            self._do("python -m ensurepip")
            self._do(f"python -m pip install --quiet {files}")
        project = f"--no-build-isolation --no-deps --editable {ROOT}"
        self._do(f"uv pip install --quiet --offline {project}")

    def _do(self, command: str) -> None:
        resolved = self._resolved(command.split())
        subprocess.run(resolved, env=self.variables, cwd=REQUIREMENTS, check=True)


def install_venv_module(python: list[str], complaint: str) -> None:
    """Install the venv module where a Debian-like system ships Python without it, or say how."""
    code = "import sys; print('python%d.%d-venv' % sys.version_info[:2])"
    package = subprocess.run([*python, "-c", code], capture_output=True, text=True, check=True)
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    apt = [*as_root, "apt-get", "-qq"]
    ours = len(python) == 1  # not one below a root, whose packages are not this machine's
    if ours and shutil.which("apt-get") and (not as_root or shutil.which("sudo")):
        print(f"Installing {package.stdout.strip()} ...", file=sys.stderr, flush=True)
        subprocess.run([*apt, "update"], check=False)
        done = subprocess.run([*apt, "install", "-y", package.stdout.strip()], check=False)
        if done.returncode == 0:
            return
    sys.exit(
        f"{complaint}\n{python[-1]} cannot make virtual environments. Install its venv module "
        f"(on Debian and Ubuntu: apt-get install {package.stdout.strip()}) and try again."
    )


def pinned_again(env: Environment, args: list[str]) -> int:
    """Write the requirement files anew: versions and hashes, without any address."""
    common = "uv pip compile --quiet --universal --python-version 3.11 --generate-hashes"
    plain = "--no-header --no-annotate --no-emit-index-url --no-emit-find-links"
    command = [*f"{common} {plain}".split(), *args]
    for name, options in PINS.items():
        # The others keep to the versions of dev.txt, which comes first; so many clients can't.
        same = [] if name in ("dev", "clients") else ["--constraint", "requirements/dev.txt"]
        target = ["--output-file", f"requirements/{name}.txt"]
        if code := env.run([*command, "pyproject.toml", *options, *same, *target]):
            return code
    bootstrap = ["requirements/bootstrap.in", "--output-file", "requirements/bootstrap.txt"]
    return env.run([*command, *bootstrap])
