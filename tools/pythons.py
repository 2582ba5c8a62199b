"""Finds the Pythons of this machine for `dev.py matrix`."""

import os
import shutil
import subprocess
from pathlib import Path

VERSIONS = ("3.11", "3.12", "3.13", "3.14")


def installed_pythons() -> dict[str, str]:
    """Return version -> executable, for each supported version that really starts."""
    found = {}
    for version in VERSIONS:
        for candidate in candidates(version):
            if starts(candidate, version):
                found[version] = candidate
                break
    return found


def candidates(version: str) -> list[str]:
    """Return what may be that Python: on the PATH, or one of pyenv's."""
    on_path = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    if shim := shutil.which("pyenv"):
        root = subprocess.run([shim, "root"], capture_output=True, text=True, check=False)
        pyenv = Path(root.stdout.strip() or pyenv)
    kept = sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
    return [*([on_path] if on_path else []), *map(str, kept)]


def starts(python: str, version: str) -> bool:
    """Tell whether that really is this version: a shim may be an empty promise."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.stdout.strip() == version
