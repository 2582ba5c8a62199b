"""Finds the Pythons of this machine for `dev.py matrix`.

Besides those on the PATH and pyenv's, there may be some below a *root*: a folder that holds another
system, such as debootstrap makes.  A Python from there needs its own libraries, but everything else
shall be this machine's: the checkout, the settings of pip and uv, the certificates, the caches.  So
its commands run in a mount namespace of their own in which the root's ``/usr`` lies over this
machine's.  Nobody else sees that, and nothing is left of it afterwards.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VERSIONS = ("3.11", "3.12", "3.13", "3.14", "3.14t", "3.15", "3.15t")
"""The supported ones; "t" for a build without the GIL."""

ROOTS = "/opt/sid"
"""Where roots are, unless HOLDFAST_ROOTS says otherwise: folders, with colons between them."""

OVER_USR = 'mount --bind "$0/usr" /usr && exec "$@"'


@dataclass(frozen=True)
class Python:
    """An executable, and what its commands must begin with to run."""

    executable: str
    prefix: tuple[str, ...] = ()

    def is_really(self, version: str) -> bool:
        """Tell whether it starts, and is that version: a shim may be an empty promise."""
        code = "import sys; print('%d.%d' % sys.version_info[:2] + sys.abiflags)"
        command = [*self.prefix, self.executable, "-c", code]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:
            return False
        return done.stdout.strip() == version


def installed_pythons() -> dict[str, Python]:
    """Return the first Python that really starts for each supported version."""
    found = {}
    for version in VERSIONS:
        for candidate in candidates(version):
            if candidate.is_really(version):
                found[version] = candidate
                break
    return found


def candidates(version: str) -> Iterator[Python]:
    """Yield what may be that Python: on the PATH, one of pyenv's, or one below a root."""
    if on_path := shutil.which(f"python{version}"):
        yield Python(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    if shim := shutil.which("pyenv"):
        root = subprocess.run([shim, "root"], capture_output=True, text=True, check=False)
        pyenv = Path(root.stdout.strip() or pyenv)
    number, threaded = version.rstrip("t"), "t" * version.endswith("t")
    for kept in sorted(pyenv.glob(f"versions/{number}.*{threaded}/bin/python")):
        yield Python(str(kept))
    for root_folder in os.environ.get("HOLDFAST_ROOTS", ROOTS).split(":"):
        if Path(root_folder, "usr/bin", f"python{version}").exists() and shutil.which("unshare"):
            yield Python(f"/usr/bin/python{version}", below(root_folder))


def below(root: str) -> tuple[str, ...]:
    """Return what runs a command with the ``/usr`` of ``root``; its arguments follow."""
    as_root = () if os.geteuid() == 0 else ("--map-root-user",)
    return ("unshare", "--mount", *as_root, "sh", "-c", OVER_USR, root)
